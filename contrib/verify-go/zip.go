package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
)

const (
	maxMembers = 65000
	maxName    = 255
	maxLine    = 1 << 24
	maxWhole   = 1 << 24
)

var memberName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$`)

type member struct {
	name         string
	offset, size int64 // of its content
	crc          uint32
	digest       [sha256.Size]byte
}

// archive is a zip file in the one form that a bundle may have, its members in order.
type archive struct {
	file    io.ReaderAt
	members map[string]*member
	order   []string
}

// damage is what readZip panics with: which check of the file does not hold, and why.
type damage struct{ check, message string }

func broken(holds bool, check, format string, args ...any) {
	if !holds {
		panic(damage{check, fmt.Sprintf(format, args...)})
	}
}

// openZip reads every byte of the file once. Without damage its check is empty.
func openZip(file io.ReaderAt, size int64) (a *archive, found damage) {
	a = &archive{file: file, members: map[string]*member{}}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case damage:
			found = r
		default:
			found = damage{"zip file", fmt.Sprint(r)}
		}
	}()
	a.read(size)
	return
}

// read accepts only what follows from the names and contents (PKWARE APPNOTE 6.3.3): every header is made again, and
// there is nothing before, between or after.
func (a *archive) read(size int64) {
	at := int64(0)
	for string(a.bytes(at, 4)) == "PK\x03\x04" {
		m := a.member(at, size)
		broken(a.members[m.name] == nil && len(a.order) < maxMembers, "member names", "member %q is there twice", m.name)
		a.members[m.name], a.order = m, append(a.order, m.name)
		at = m.offset + m.size
	}
	broken(len(a.order) > 0 || size > 3, "file length", "this is not a zip file of an Assay bundle")
	broken(len(a.order) > 0, "zip file", "this is not a zip file of an Assay bundle")
	expected := a.directory(at)
	rest := a.bytes(at, int64(len(expected))+1)
	cut := len(rest) < len(expected) && bytes.HasPrefix(expected, rest)
	broken(!cut, "file length", "the file ends inside its directory: it was cut short")
	broken(bytes.Equal(rest, expected), "zip file", "the zip file's directory is not that of its members")
}

func (a *archive) member(at, size int64) *member {
	header := a.bytes(at, 30)
	broken(len(header) == 30, "file length", "the file ends inside a header: it was cut short")
	packed, unpacked := binary.LittleEndian.Uint32(header[18:]), binary.LittleEndian.Uint32(header[22:])
	length := int64(binary.LittleEndian.Uint16(header[26:]))
	name := string(a.bytes(at+30, length))
	plain := length <= maxName && memberName.MatchString(name)
	broken(plain, "member names", "the name %.100q is not a plain one: unpacked, it could be written anywhere", name)
	flags, method := binary.LittleEndian.Uint16(header[6:]), binary.LittleEndian.Uint16(header[8:])
	stored := flags == 0 && method == 0 && packed == unpacked
	broken(stored, "packing", "member %q is packed: %d bytes that say they unpack to %d", name, packed, unpacked)
	m := &member{name: name, offset: at + 30 + length, size: int64(packed)}
	broken(m.offset+m.size <= size, "file length", "the file ends inside member %q: it was cut short", name)
	a.sum(m)
	same := bytes.Equal(append(header, name...), m.local())
	broken(same, "zip file", "member %q was changed: its CRC-32 or its header is not that of its content", name)
	return m
}

func (a *archive) sum(m *member) {
	digest, crc := sha256.New(), crc32.NewIEEE()
	n, err := io.Copy(io.MultiWriter(digest, crc), io.NewSectionReader(a.file, m.offset, m.size))
	broken(err == nil && n == m.size, "zip file", "member %q cannot be read", m.name)
	digest.Sum(m.digest[:0])
	m.crc = crc.Sum32()
}

// bytes are those at this place, fewer if the file ends before.
func (a *archive) bytes(at, count int64) []byte {
	data := make([]byte, count)
	n, err := a.file.ReadAt(data, at)
	broken(err == nil || err == io.EOF, "zip file", "the file cannot be read: %v", err)
	return data[:n]
}

func (m *member) local() []byte {
	return append(append([]byte("PK\x03\x04\x14\x00"), m.common()...), m.name...)
}

// common are the fields from the flags to the length of the extra field, the same in both headers:
// stored, 1980-01-01 00:00, CRC-32, both sizes, length of the name, no extra field.
func (m *member) common() []byte {
	var b bytes.Buffer
	b.WriteString("\x00\x00\x00\x00\x00\x00\x21\x00")
	binary.Write(&b, binary.LittleEndian, []uint32{m.crc, uint32(m.size), uint32(m.size)})
	binary.Write(&b, binary.LittleEndian, []uint16{uint16(len(m.name)), 0})
	return b.Bytes()
}

// directory is what follows the last member, which ends at this place.
func (a *archive) directory(at int64) []byte {
	var b bytes.Buffer
	for _, name := range a.order {
		m := a.members[name]
		// Made by Unix, version 20; no comment, disk 0, a regular file of mode 0644.
		b.WriteString("PK\x01\x02\x14\x03\x14\x00")
		b.Write(m.common())
		b.WriteString("\x00\x00\x00\x00\x00\x00\x00\x00\xa4\x81")
		binary.Write(&b, binary.LittleEndian, uint32(m.offset-30-int64(len(name))))
		b.WriteString(name)
	}
	length, count := b.Len(), uint16(len(a.order))
	b.WriteString("PK\x05\x06\x00\x00\x00\x00")
	binary.Write(&b, binary.LittleEndian, []uint16{count, count})
	binary.Write(&b, binary.LittleEndian, []uint32{uint32(length), uint32(at)})
	b.WriteString("\x00\x00")
	return b.Bytes()
}

func (a *archive) open(name string) *io.SectionReader {
	m := a.members[name]
	require(m != nil, "%s is missing", name)
	return io.NewSectionReader(a.file, m.offset, m.size)
}

// whole is the content of a small member.
func (a *archive) whole(name string) []byte {
	part := a.open(name)
	require(part.Size() <= maxWhole, "%s is larger than %d bytes, which nothing of its kind may be", name, maxWhole)
	data, err := io.ReadAll(part)
	require(err == nil, "%s cannot be read: %v", name, err)
	return data
}
