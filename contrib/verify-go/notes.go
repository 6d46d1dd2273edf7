package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	maxNoteBytes  = 1 << 20
	maxSignatures = 64
	maxProofLines = 63
	typeEd25519   = 1
	typeCosigned  = 4
)

// noteKey is an Ed25519 key with a name: a log's (type 1) or a witness's (type 4). It is a note.Verifier.
type noteKey struct {
	name      string
	id        uint32
	algorithm byte
	public    []byte
	vkey      string
}

type logKey = noteKey

func (k *noteKey) Name() string    { return k.name }
func (k *noteKey) KeyHash() uint32 { return k.id }

// Verify reports whether a log's signature, or a witness's timestamped one, is that of this text.
func (k *noteKey) Verify(text, signature []byte) bool {
	if k.algorithm == typeEd25519 {
		return strictVerify(k.public, text, signature)
	}
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(signature)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text)
	return time < 1<<63 && strictVerify(k.public, []byte(message), signature[8:])
}

func (k *noteKey) fingerprint() string {
	digits := fmt.Sprintf("%x", sha256.Sum256([]byte(k.vkey)))
	var groups []string
	for i := 0; i < 40; i += 4 {
		groups = append(groups, digits[i:i+4])
	}
	return strings.Join(groups, " ")
}

func parseLogKey(vkey string) *logKey {
	key := parseKey(vkey, typeEd25519)
	_, err := note.NewVerifier(vkey)
	require(err == nil, "not a log's key: %v", err)
	return key
}

func parseKey(vkey string, algorithm byte) *noteKey {
	parts := strings.SplitN(vkey, "+", 3)
	require(len(parts) == 3, "a vkey is <name>+<key id>+<base64>")
	checkName(parts[0])
	typed := unbase64(parts[2])
	require(len(typed) == 33 && typed[0] == algorithm, "not an Ed25519 key of type %d", algorithm)
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), typed...))
	require(parts[1] == fmt.Sprintf("%x", digest[:4]), "the vkey's key id is not that of its name and key")
	return &noteKey{parts[0], binary.BigEndian.Uint32(digest[:]), algorithm, typed[1:], vkey}
}

func checkName(name string) {
	odd := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '+' }
	require(name != "" && utf8.ValidString(name) && strings.IndexFunc(name, odd) < 0, "not a name of a key: %q", name)
}

// The encodings of points of small order, without the sign bit (libsodium, ge25519_has_small_order).
var smallOrder = [][]byte{
	encoding("0000000000000000000000000000000000000000000000000000000000000000"),
	encoding("0100000000000000000000000000000000000000000000000000000000000000"),
	encoding("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
	encoding("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
	encoding("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	encoding("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
	encoding("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}

func encoding(digits string) []byte {
	b, err := hex.DecodeString(digits)
	require(err == nil, "%v", err)
	return b
}

// strictVerify is Ed25519 as libsodium verifies it: no small-order or non-canonical key, no small-order R.
func strictVerify(public, message, signature []byte) bool {
	if len(signature) != ed25519.SignatureSize || hasSmallOrder(public) || hasSmallOrder(signature[:32]) {
		return false
	}
	return isCanonicalPoint(public) && ed25519.Verify(public, message, signature)
}

func hasSmallOrder(point []byte) bool {
	unsigned := append([]byte(nil), point...)
	unsigned[31] &= 0x7f
	for _, bad := range smallOrder {
		if bytes.Equal(unsigned, bad) {
			return true
		}
	}
	return false
}

// isCanonicalPoint reports whether the y coordinate is below p = 2^255 - 19.
func isCanonicalPoint(point []byte) bool {
	if point[31]&0x7f != 0x7f || point[0] < 0xed {
		return true
	}
	for _, b := range point[1:31] {
		if b != 0xff {
			return true
		}
	}
	return false
}

// unbase64 accepts the one canonical form only.
func unbase64(text string) []byte {
	data, err := base64.StdEncoding.DecodeString(text)
	require(err == nil && base64.StdEncoding.EncodeToString(data) == text, "not canonical base64: %.60q", text)
	return data
}

func hashOf(data []byte) (h tlog.Hash) {
	require(len(data) == tlog.HashSize, "a hash must have 32 bytes")
	copy(h[:], data)
	return h
}

var decimalForm = regexp.MustCompile(`^(0|[1-9][0-9]{0,18})$`)

func decimal(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	require(decimalForm.MatchString(text) && err == nil, "not a canonical decimal: %.40q", text)
	return number
}

type signature struct {
	name string
	id   uint32
	raw  []byte
}

// parseNote reads a signed note (c2sp.org/signed-note) in its one form; signatures are not verified yet.
func parseNote(data []byte) (text string, signatures []signature) {
	require(len(data) <= maxNoteBytes && utf8.Valid(data), "the note is too long or not UTF-8")
	whole := string(data)
	split := strings.LastIndex(whole, "\n\n")
	require(split >= 0 && strings.HasSuffix(whole, "\n"), "a note is a text, an empty line and signature lines")
	text = whole[:split+1]
	require(text != "\n", "the text of a note is not empty")
	control := func(r rune) bool { return r < 0x20 && r != '\n' }
	require(strings.IndexFunc(text, control) < 0, "a note has no control characters")
	require(len(whole) > split+2, "a note has a signature")
	seen := map[string]bool{}
	for _, line := range strings.Split(whole[split+2:len(whole)-1], "\n") {
		parts := strings.Split(line, " ")
		require(len(parts) == 3 && parts[0] == "—", "a signature line is an em dash, a name and base64")
		checkName(parts[1])
		raw := unbase64(parts[2])
		require(len(raw) >= 5, "a signature is too short")
		who := parts[1] + " " + string(raw[:4])
		require(!seen[who], "the note is signed twice by one key")
		seen[who] = true
		signatures = append(signatures, signature{parts[1], binary.BigEndian.Uint32(raw), raw[4:]})
	}
	require(len(signatures) <= maxSignatures, "the note has too many signatures")
	return text, signatures
}

// openNote is the text of a note signed by at least one of these keys, and wrongly by none of them.
func openNote(what string, data []byte, keys []*noteKey) string {
	parseNote(data)
	var verifiers []note.Verifier
	for _, key := range keys {
		verifiers = append(verifiers, key)
	}
	opened, err := note.Open(data, note.VerifierList(verifiers...))
	require(err == nil, "%s: %v", what, err)
	return opened.Text
}

type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

// parseHead reads the text of a checkpoint (c2sp.org/tlog-checkpoint) without extension lines.
func parseHead(text string) head {
	lines := strings.Split(text, "\n")
	require(len(lines) == 4 && lines[3] == "" && lines[0] != "", "a checkpoint has exactly three lines")
	root := hashOf(unbase64(lines[2]))
	return head{lines[0], decimal(lines[1]), root}
}

func openHead(what string, data []byte, ring terms) head {
	text, _ := parseNote(data)
	h := parseHead(text)
	openNote(what, data, ring.signing(h.size))
	require(h.origin == ring[0].key.name, "%s is of another log: %s", what, h.origin)
	return h
}

// checkEarlier verifies that the log of h begins with that of old (RFC 6962 section 2.1.2).
func checkEarlier(what string, old, h head, proof tlog.TreeProof) {
	require(old.size <= h.size, "%s is of more entries than the checkpoint", what)
	if old.size == 0 { // x/mod proves nothing about the empty tree: it is the beginning of any
		require(len(proof) == 0 && old.root == tlog.Hash(sha256.Sum256(nil)), "the root of the empty tree is wrong")
		return
	}
	err := tlog.CheckTree(proof, h.size, h.root, old.size, old.root)
	require(err == nil, "%s is not shown to be an earlier state of this log: %v", what, err)
}

type rotation struct {
	old, new *logKey
	size     int64
}

// parseRotations reads rotation statements, oldest first, each with exactly the signatures of its two keys.
func parseRotations(statements []string, origin string) (found []rotation) {
	for _, statement := range statements {
		text, signatures := parseNote([]byte(statement))
		lines := strings.Split(text, "\n")
		require(len(lines) == 6 && lines[0] == "assay-key-rotation/1" && lines[5] == "", "not a rotation statement")
		r := rotation{parseLogKey(lines[2]), parseLogKey(lines[3]), decimal(lines[4])}
		require(lines[1] == origin && r.old.name == origin && r.new.name == origin, "a rotation of another log")
		require(len(signatures) == 2 && r.old.vkey != r.new.vkey, "a rotation is signed by the old and the new key alone")
		openNote("a rotation", []byte(statement), []*logKey{r.old})
		openNote("a rotation", []byte(statement), []*logKey{r.new})
		require(len(found) == 0 || found[len(found)-1].size <= r.size, "the rotations are not in order, oldest first")
		for _, other := range found {
			same := other.new.vkey == r.new.vkey && other.size == r.size
			require(other.old.vkey != r.old.vkey || same, "a fork: two statements replace one key")
		}
		found = append(found, r)
	}
	return found
}

// splitNotes splits notes without an empty line in their texts, each followed by an empty line.
func splitNotes(data []byte) (found []string) {
	require(utf8.Valid(data), "not UTF-8")
	parts := strings.Split(string(data), "\n\n")
	last := len(parts) - 1
	require(parts[last] == "" && last%2 == 0, "each note must be followed by an empty line")
	for i := 0; i < last; i += 2 {
		found = append(found, parts[i]+"\n\n"+parts[i+1]+"\n")
	}
	return found
}

// term is a key and the sizes of the checkpoints it counts for.
type term struct {
	key         *logKey
	first, last int64
}

type terms []term

// signing are the keys that count for a checkpoint of this size.
func (ring terms) signing(size int64) []*logKey {
	return ring.keys(func(t term) bool { return t.first <= size && size <= t.last })
}

// vouching are the keys that count for what is said about a checkpoint of this size: then, or later.
func (ring terms) vouching(size int64) []*logKey {
	return ring.keys(func(t term) bool { return size <= t.last })
}

// all is every key of the chain.
func (ring terms) all() []*logKey {
	return ring.keys(func(term) bool { return true })
}

func (ring terms) keys(counts func(term) bool) (found []*logKey) {
	seen := map[string]bool{}
	for _, t := range ring {
		if counts(t) && !seen[t.key.vkey] {
			seen[t.key.vkey] = true
			found = append(found, t.key)
		}
	}
	return found
}

// reachable is the given keys, their descendants and their ancestors, never forward again after a step backward. Each
// step narrows the sizes: a key counts for none for which the key that led to it does not.
func reachable(start []*logKey, rotations []rotation) terms {
	var trusted terms
	for _, key := range start {
		trusted = append(trusted, term{key, 0, math.MaxInt64})
	}
	byOld, byNew := map[string][]rotation{}, map[string][]rotation{}
	for _, r := range rotations {
		byOld[r.old.vkey] = append(byOld[r.old.vkey], r)
		byNew[r.new.vkey] = append(byNew[r.new.vkey], r)
	}
	later := trusted.walk(func(t term) (steps terms) {
		for _, r := range byOld[t.key.vkey] {
			step := term{r.new, t.first, math.MaxInt64}
			if r.size > step.first {
				step.first = r.size
			}
			steps = append(steps, step)
		}
		return steps
	})
	earlier := trusted.walk(func(t term) (steps terms) {
		for _, r := range byNew[t.key.vkey] {
			step := term{r.old, 0, t.last}
			if r.size < step.last {
				step.last = r.size
			}
			steps = append(steps, step)
		}
		return steps
	})
	return append(later, earlier...)
}

func (ring terms) walk(next func(term) terms) (found terms) {
	type place struct {
		vkey        string
		first, last int64
	}
	seen := map[place]bool{}
	add := func(t term) {
		at := place{t.key.vkey, t.first, t.last}
		if !seen[at] {
			seen[at] = true
			found = append(found, t)
		}
	}
	for _, t := range ring {
		add(t)
	}
	for i := 0; i < len(found); i++ { // grows while it is walked
		for _, step := range next(found[i]) {
			add(step)
		}
	}
	return found
}

// chooseKeys fills v.ring: the keys that are trusted (or the file's own) and those that rotations connect with them.
func (v *verdict) chooseKeys(t trust, origin string, enclosed []*logKey, rotations []rotation) string {
	start := t.keys
	if t.source == "file" {
		start = enclosed
	}
	var mine []*logKey
	for _, key := range start {
		if key.name == origin {
			mine = append(mine, key)
		}
	}
	v.KeyFrom, v.ring = t.source, reachable(mine, rotations)
	require(len(v.ring) > 0, "there is no key of the log %s", origin)
	in, ids := map[string]bool{}, map[uint32]bool{}
	for _, key := range v.ring.all() {
		require(!ids[key.id], "two keys of this log have the same key id: which of them signed cannot be told")
		in[key.vkey], ids[key.id] = true, true
	}
	connected := len(enclosed) == 0
	for _, key := range enclosed {
		connected = connected || in[key.vkey]
	}
	require(connected, "the file encloses another key, and no rotation statement connects it with the one you gave")
	if t.source == "file" {
		return "the key came from the file itself; compare its fingerprint: " + mine[0].fingerprint()
	}
	return "the key is the one you gave: " + mine[0].fingerprint()
}
