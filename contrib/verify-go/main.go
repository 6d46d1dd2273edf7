// Verify-go verifies what an Assay log says: a bundle, a receipt, an acknowledgement, or the whole log in a folder or
// at an http(s) address. It is written from docs/formats.md, shares no code with Assay, and leaves Merkle proofs and
// signed notes to golang.org/x/mod/sumdb, the library of Go's own checksum database.
//
// Usage: verify-go [-key VKEY | -policy FILE] [-json] [-tree-only] [-since CHECKPOINT] WHAT
//
// Exit status: 0 verified, 1 not, 2 wrong call.
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// check is one statement that was checked, with its outcome in words.
type check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Message string `json:"message"`
}

// verdict holds the checks up to the first that does not hold.
type verdict struct {
	OK      bool     `json:"ok"`
	Checks  []check  `json:"checks"`
	KeyFrom string   `json:"key_from"`
	Keys    []string `json:"keys"`
	ring    terms
}

// failure is what fail panics with; run turns it into a check that does not hold.
type failure string

func fail(format string, args ...any) {
	panic(failure(fmt.Sprintf(format, args...)))
}

func require(holds bool, format string, args ...any) {
	if !holds {
		fail(format, args...)
	}
}

// run makes one check unless an earlier one failed. A runtime error on hostile input is a check that does not hold.
func (v *verdict) run(name string, what func() string) {
	if len(v.Checks) > 0 && !v.OK {
		return
	}
	v.OK = false
	defer func() {
		if r := recover(); r != nil {
			v.Checks = append(v.Checks, check{name, false, fmt.Sprint(r)})
		}
	}()
	message := what()
	v.Checks = append(v.Checks, check{name, true, message})
	v.OK = true
}

// trust is what the caller trusts from a source of their own.
type trust struct {
	keys   []*logKey
	policy *policy
	source string
}

// verifyFile reads a bundle piece by piece, and anything else whole.
func verifyFile(file io.ReaderAt, size int64, t trust) *verdict {
	start := make([]byte, 1)
	if n, _ := file.ReadAt(start, 0); n == 0 || start[0] != '{' {
		return verifyBundle(file, size, t)
	}
	v := &verdict{}
	data, err := io.ReadAll(io.NewSectionReader(file, 0, size))
	var fields *value
	v.run("file", func() string {
		require(err == nil, "the file cannot be read: %v", err)
		fields = parseJSON(data)
		return "canonical JSON"
	})
	if !v.OK {
		return v
	}
	if format := fields.members["format"]; format != nil && format.kind == '"' && format.text == ackFormat {
		verifyAcknowledgement(v, fields, t)
	} else {
		verifyReceipt(v, fields, t)
	}
	return v
}

func main() {
	key := flag.String("key", "", "the log's public key (C2SP vkey), from a source you trust")
	policyFile := flag.String("policy", "", "a tlog-policy `file`: keys you trust, and the quorum of witnesses you ask for")
	asJSON := flag.Bool("json", false, "print the verdict as JSON")
	treeOnly := flag.Bool("tree-only", false, "whole logs: do not look into the entries")
	since := flag.String("since", "", "whole logs: a `checkpoint` seen earlier, of which the log must be a continuation")
	patches := flag.Bool("patches", false, "for tests: verdicts of damaged copies of a file, described on standard input")
	flag.DurationVar(&patience, "patience", patience, "for tests: how long a resource over HTTP may take, whatever its size")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: verify-go [-key VKEY | -policy FILE] [-json] WHAT")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 || (*key != "" && *policyFile != "") {
		flag.Usage()
		os.Exit(2)
	}
	t := trustFrom(*key, *policyFile)
	what := flag.Arg(0)
	if *patches {
		verifyPatches(readFile(what), t)
		return
	}
	var v *verdict
	source := sourceOf(what)
	switch {
	case source != nil:
		var old []byte
		if *since != "" {
			old = readFile(*since)
		}
		v = verifyLog(source, t, *treeOnly, old)
	case *treeOnly || *since != "":
		wrongCall("-tree-only and -since are for whole logs: a folder or an address")
	default:
		v = verifyNamed(what, t)
	}
	for _, k := range v.ring.all() {
		v.Keys = append(v.Keys, k.vkey)
	}
	if *asJSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		encoder.Encode(v)
	} else {
		print(what, v)
	}
	if !v.OK {
		os.Exit(1)
	}
}

func print(what string, v *verdict) {
	for _, c := range v.Checks {
		mark := "✗"
		if c.OK {
			mark = "✓"
		}
		fmt.Printf("%s %s: %s\n", mark, c.Name, plain(c.Message))
	}
	if v.OK && v.KeyFrom == "file" {
		fmt.Println("! The key came from the file itself: whoever made the file chose it. Give the log's key with -key,")
		fmt.Println("  or compare the fingerprint above with one that you got by another way.")
	}
	outcome := "NOT verified"
	if v.OK {
		outcome = "verified"
	}
	fmt.Printf("%s: %s\n", plain(filepath.Base(what)), outcome)
}

// plain spells what could move the cursor, hide a line or turn the writing round: the words may be the file's.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04x", r)
		}
	}
	return b.String()
}

func trustFrom(key, policyFile string) (t trust) {
	defer func() {
		if r := recover(); r != nil {
			wrongCall(fmt.Sprint(r))
		}
	}()
	t.source = "file"
	if key != "" {
		t.keys, t.source = []*logKey{parseLogKey(key)}, "argument"
	}
	if policyFile != "" {
		t.policy, t.source = parsePolicy(readFile(policyFile)), "policy"
		t.keys = t.policy.logs
	}
	return t
}

func verifyNamed(name string, t trust) *verdict {
	file, err := os.Open(name)
	if err != nil {
		wrongCall(err.Error())
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		wrongCall(err.Error())
	}
	return verifyFile(file, size, t)
}

func readFile(name string) []byte {
	data, err := os.ReadFile(name)
	if err != nil {
		wrongCall(err.Error())
	}
	return data
}

func wrongCall(message string) {
	fmt.Fprintln(os.Stderr, "verify-go:", message)
	os.Exit(2)
}

// verifyPatches answers "1" or "0" for each line of standard input, which names the bytes in which a copy of the file
// differs: `offset:hex`, several separated by commas. Assay's tests look at a hundred thousand damaged copies of files
// of up to megabytes; sent whole, they would be tens of gigabytes.
func verifyPatches(data []byte, t trust) {
	in, out := bufio.NewScanner(os.Stdin), bufio.NewWriter(os.Stdout)
	defer out.Flush()
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		patches := strings.Split(in.Text(), ",")
		var before [][]byte
		for _, patch := range patches {
			place, content := parsePatch(patch, data)
			before = append(before, append([]byte(nil), place...))
			copy(place, content)
		}
		answer := "0"
		if verifyFile(bytes.NewReader(data), int64(len(data)), t).OK {
			answer = "1"
		}
		io.WriteString(out, answer+"\n")
		for i := len(patches) - 1; i >= 0; i-- {
			place, _ := parsePatch(patches[i], data)
			copy(place, before[i])
		}
	}
}

// parsePatch is the part of data that a patch replaces, and what comes there.
func parsePatch(patch string, data []byte) (place, content []byte) {
	at, digits, _ := strings.Cut(patch, ":")
	offset, err := strconv.Atoi(at)
	content, err2 := hex.DecodeString(digits)
	if err != nil || err2 != nil || offset < 0 || offset+len(content) > len(data) {
		wrongCall("not a patch: " + patch)
	}
	return data[offset : offset+len(content)], content
}
