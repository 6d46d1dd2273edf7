package main

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// value is one JSON value that was read in its canonical form (RFC 8785, no floats); raw are its bytes.
// kind is one of the characters { [ " 0 t f n.
type value struct {
	kind    byte
	raw     []byte
	text    string
	number  int64
	items   []*value
	members map[string]*value
}

const (
	maxDepth   = 64
	maxInteger = 1<<53 - 1
)

type reader struct {
	data []byte
	at   int
}

// parseJSON reads canonical JSON and fails at the first byte of any other form.
func parseJSON(data []byte) *value {
	r := &reader{data: data}
	v := r.value(maxDepth)
	require(r.at == len(data), "not canonical JSON: something follows the value")
	return v
}

func (r *reader) next() byte {
	require(r.at < len(r.data), "not canonical JSON: it ends too early")
	r.at++
	return r.data[r.at-1]
}

func (r *reader) peek() byte {
	require(r.at < len(r.data), "not canonical JSON: it ends too early")
	return r.data[r.at]
}

func (r *reader) expect(text string) {
	for i := range text {
		require(r.next() == text[i], "not canonical JSON at byte %d", r.at-1)
	}
}

func (r *reader) value(room int) *value {
	start := r.at
	v := &value{kind: r.peek()}
	switch v.kind {
	case '{':
		r.object(v, room)
	case '[':
		r.array(v, room)
	case '"':
		v.text = r.string()
	case 't':
		r.expect("true")
	case 'f':
		r.expect("false")
	case 'n':
		r.expect("null")
	default:
		v.kind, v.number = '0', r.integer()
	}
	v.raw = r.data[start:r.at]
	return v
}

func (r *reader) object(v *value, room int) {
	require(room > 0, "JSON is nested more than %d deep", maxDepth)
	v.members = map[string]*value{}
	r.expect("{")
	last := ""
	for r.peek() != '}' {
		if len(v.members) > 0 {
			r.expect(",")
		}
		name := r.string()
		require(len(v.members) == 0 || lessUTF16(last, name), "the members of an object are not in order, or one is twice")
		r.expect(":")
		v.members[name], last = r.value(room-1), name
	}
	r.expect("}")
}

func (r *reader) array(v *value, room int) {
	require(room > 0, "JSON is nested more than %d deep", maxDepth)
	r.expect("[")
	for r.peek() != ']' {
		if len(v.items) > 0 {
			r.expect(",")
		}
		v.items = append(v.items, r.value(room-1))
	}
	r.expect("]")
}

// string reads a string in which only what must be escaped is, in the shortest way.
func (r *reader) string() string {
	r.expect(`"`)
	var text []byte
	for {
		c := r.next()
		switch {
		case c == '"':
			return string(text)
		case c == '\\':
			text = append(text, r.escaped())
		case c < 0x20:
			fail("not canonical JSON: a control character in a string")
		case c < utf8.RuneSelf:
			text = append(text, c)
		default:
			_, size := utf8.DecodeRune(r.data[r.at-1:])
			require(size > 1, "not canonical JSON: not UTF-8")
			text = append(text, r.data[r.at-1:r.at-1+size]...)
			r.at += size - 1
		}
	}
}

func (r *reader) escaped() byte {
	switch c := r.next(); c {
	case '"', '\\':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	case 'u':
		r.expect("00")
		digits := string([]byte{r.next(), r.next()})
		for code := byte(0); code < 0x20; code++ {
			short := code >= '\b' && code <= '\r' && code != '\v'
			if !short && digits == string([]byte{'0' + code>>4, "0123456789abcdef"[code&15]}) {
				return code
			}
		}
	}
	fail("not canonical JSON: an escape that need not be")
	return 0
}

func (r *reader) integer() int64 {
	start := r.at
	for r.at < len(r.data) && (r.data[r.at] == '-' || (r.data[r.at] >= '0' && r.data[r.at] <= '9')) {
		r.at++
	}
	digits := string(r.data[start:r.at])
	number, err := strconv.ParseInt(digits, 10, 64)
	exact := err == nil && strconv.FormatInt(number, 10) == digits && number <= maxInteger && number >= -maxInteger
	require(exact, "not canonical JSON: a number that is not an exact integer")
	return number
}

// lessUTF16 is the order of RFC 8785 section 3.2.3.
func lessUTF16(a, b string) bool {
	left, right := utf16.Encode([]rune(a)), utf16.Encode([]rune(b))
	for i := range left {
		if i >= len(right) {
			return false
		}
		if left[i] != right[i] {
			return left[i] < right[i]
		}
	}
	return len(left) < len(right)
}

// exactly requires an object with these members and no other.
func (v *value) exactly(what string, names ...string) *value {
	require(v.kind == '{', "%s is not an object", what)
	for _, name := range names {
		require(v.members[name] != nil, "%s: member %s is missing", what, name)
	}
	require(len(v.members) == len(names), "%s has members too many", what)
	return v
}

func (v *value) str(what string) string {
	require(v.kind == '"', "%s is not a text", what)
	return v.text
}

func (v *value) list(what string) []*value {
	require(v.kind == '[', "%s is not a list", what)
	return v.items
}

func (v *value) natural(what string) int64 {
	require(v.kind == '0' && v.number >= 0, "%s is not a whole number", what)
	return v.number
}
