package main

import (
	"bytes"
	"encoding/hex"
)

const (
	derInteger, derOctets, derOID, derTime = 0x02, 0x04, 0x06, 0x18
	derSequence, derSet, derExplicit       = 0x30, 0x31, 0xa0
	oidSignedData                          = "2a864886f70d010702"
	oidTSTInfo                             = "2a864886f70d0109100104"
	oidSHA256                              = "608648016503040201"
)

type derValue struct {
	tag     byte
	content []byte
}

// imprintOf is the SHA-256 that an RFC 3161 response stamps (section 2.4.2). Its signature is not looked at.
func imprintOf(response []byte) []byte {
	top := start(only(response, derSequence), derSequence, derSequence)
	status := derItems(top[0])
	granted := len(status) > 0 && status[0].tag == derInteger && len(status[0].content) == 1 && status[0].content[0] <= 1
	require(granted, "the authority did not grant this stamp")
	token := start(top[1], derOID, derExplicit)
	wrapped := start(start(only(token[1], derSequence), derInteger, derSet, derSequence)[2], derOID, derExplicit)
	kinds := hex.EncodeToString(token[0]) == oidSignedData && hex.EncodeToString(wrapped[0]) == oidTSTInfo
	require(kinds, "the response holds no time stamp")
	info := only(only(wrapped[1], derOctets), derSequence)
	imprint := start(start(info, derInteger, derOID, derSequence, derInteger, derTime)[2], derSequence, derOctets)
	algorithm, _ := hex.DecodeString(oidSHA256)
	isSHA256 := bytes.Equal(start(imprint[0], derOID)[0], algorithm) && len(imprint[1]) == 32
	require(isSHA256, "the stamp is not over a SHA-256")
	return imprint[1]
}

// derItems are the DER values (X.690 section 10) one after another, with definite, shortest lengths.
func derItems(data []byte) (found []derValue) {
	for len(data) > 0 {
		require(len(data) >= 2 && data[0]&0x1f != 0x1f, "the stamp is cut short or not DER")
		tag, length := data[0], int(data[1])
		data = data[2:]
		if length >= 0x80 {
			size := length - 0x80
			require(size >= 1 && size <= 4 && size <= len(data), "the stamp is not DER")
			length = 0
			for _, b := range data[:size] {
				length = length<<8 | int(b)
			}
			require(length >= 0x80 && data[0] != 0, "the stamp is not DER")
			data = data[size:]
		}
		require(length <= len(data), "the stamp is cut short")
		found = append(found, derValue{tag, data[:length]})
		data = data[length:]
	}
	return found
}

// start is the contents of the first values, which must have these tags; more may follow.
func start(data []byte, tags ...byte) (contents [][]byte) {
	found := derItems(data)
	require(len(found) >= len(tags), "the stamp has not the structure of RFC 3161")
	for i, tag := range tags {
		require(found[i].tag == tag, "the stamp has not the structure of RFC 3161")
		contents = append(contents, found[i].content)
	}
	return contents
}

// only is the content of the single value of this tag.
func only(data []byte, tag byte) []byte {
	require(len(derItems(data)) == 1, "the stamp has not the structure of RFC 3161")
	return start(data, tag)[0]
}
