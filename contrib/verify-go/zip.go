package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"regexp"
)

const maxMembers = 65000

var memberName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

type member struct {
	name string
	data []byte
}

// readZip reads the one form of a zip file that a bundle may have (PKWARE APPNOTE 6.3.3): every header must be the one
// that follows from the names and contents, in this order, with nothing before, between or after.
func readZip(data []byte) []member {
	var members []member
	var directory bytes.Buffer
	seen := map[string]bool{}
	at := 0
	for at+30 <= len(data) && string(data[at:at+4]) == "PK\x03\x04" {
		size := int(binary.LittleEndian.Uint32(data[at+18:]))
		start := at + 30 + int(binary.LittleEndian.Uint16(data[at+26:]))
		require(start+size <= len(data), "the zip file ends inside a member")
		name, content := string(data[at+30:start]), data[start:start+size]
		require(memberName.MatchString(name) && !seen[name], "not a member name, or one twice: %q", name)
		fields := commonFields(name, content)
		header := append(append([]byte("PK\x03\x04\x14\x00"), fields...), name...)
		require(bytes.Equal(header, data[at:start]), "member %s was changed: its header is not that of its content", name)
		// Made by Unix, version 20; no comment, disk 0, a regular file of mode 0644.
		directory.WriteString("PK\x01\x02\x14\x03\x14\x00")
		directory.Write(fields)
		directory.WriteString("\x00\x00\x00\x00\x00\x00\x00\x00\xa4\x81")
		binary.Write(&directory, binary.LittleEndian, uint32(at))
		directory.WriteString(name)
		members = append(members, member{name, content})
		seen[name] = true
		at = start + size
	}
	require(len(members) > 0 && len(members) <= maxMembers, "this is not a zip file of an Assay bundle")
	length := directory.Len()
	directory.WriteString("PK\x05\x06\x00\x00\x00\x00")
	binary.Write(&directory, binary.LittleEndian, []uint16{uint16(len(members)), uint16(len(members))})
	binary.Write(&directory, binary.LittleEndian, []uint32{uint32(length), uint32(at)})
	directory.WriteString("\x00\x00")
	require(bytes.Equal(directory.Bytes(), data[at:]), "the zip file's directory is not that of its members")
	return members
}

// commonFields are the fields from the flags to the length of the extra field, the same in both headers:
// stored, 1980-01-01 00:00, CRC-32, both sizes, length of the name, no extra field.
func commonFields(name string, content []byte) []byte {
	var b bytes.Buffer
	b.WriteString("\x00\x00\x00\x00\x00\x00\x21\x00")
	sizes := []uint32{crc32.ChecksumIEEE(content), uint32(len(content)), uint32(len(content))}
	binary.Write(&b, binary.LittleEndian, sizes)
	binary.Write(&b, binary.LittleEndian, []uint16{uint16(len(name)), 0})
	return b.Bytes()
}
