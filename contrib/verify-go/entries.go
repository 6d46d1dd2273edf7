package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// query is which entries were asked for; dates are as leaves write them, or absent.
type query struct {
	since, until *value
	types        map[string]bool
	slack        int64
	listed       bool // in selected.jsonl; else those that match
	selected     int64
}

func (q *query) matches(leaf *value) bool {
	kind, at := leaf.members["type"], leaf.members["ts"]
	if len(q.types) > 0 && (kind == nil || kind.kind != '"' || !q.types[kind.text]) {
		return false
	}
	if q.since.kind == 'n' && q.until.kind == 'n' {
		return true
	}
	if at == nil || at.kind != '"' {
		return false
	}
	return (q.since.kind == 'n' || q.since.text <= at.text) && (q.until.kind == 'n' || at.text < q.until.text)
}

var timeForm = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$`)

// moment is the time that a text of the leaves' form names.
func moment(v *value) (at time.Time, valid bool) {
	if v == nil || v.kind != '"' || !timeForm.MatchString(v.text) {
		return at, false
	}
	at, err := time.Parse("2006-01-02T15:04:05.000000Z", v.text)
	return at, err == nil && at.Year() > 0
}

// entries is one pass over all leaves, with disclosures, selection and table beside them, in constant memory.
// problems has the first one of each check.
type entries struct {
	*bundle
	problems map[string]string
	tree     *rangeFold

	disclosed *lines
	row       map[string]*value // the next disclosure
	rows      int64
	lastIndex int64
	lastName  string

	runs     *lines // of selected.jsonl
	run      [2]int64
	matching int64

	table       *bufio.Reader
	first, last *value // the times of the first and last leaf
}

// attempt notes under this check what fails in it.
func (e *entries) attempt(name string, what func()) {
	defer func() {
		if r := recover(); r != nil && e.problems[name] == "" {
			e.problems[name] = fmt.Sprint(r)
		}
	}()
	what()
}

// said fails if something was noted under this check.
func (e *entries) said(name, otherwise string) func() string {
	return func() string {
		require(e.problems[name] == "", "%s", e.problems[name])
		return otherwise
	}
}

func (b *bundle) readLeaves() string {
	e := &entries{bundle: b, problems: map[string]string{}, lastIndex: -1, matching: 0}
	b.entries = e
	e.attempt("inclusion", func() { e.tree = newRangeFold(b.first, b.count, b.head.size, b.hashes("range-proof")) })
	e.disclosed, e.table = b.lines("disclosures.jsonl"), bufio.NewReaderSize(b.zip.open("entries.csv"), 1<<20)
	e.nextDisclosure()
	if b.query.listed {
		e.runs, e.run = b.lines("selected.jsonl"), [2]int64{0, -1}
		e.nextRun()
	}
	e.compare(row("index", "time", "type", "role", "object", "facts", "refs", "disclosed", "leaf_hash"))
	all, index := b.lines("leaves.jsonl"), b.first
	for leaf := all.next(); leaf != nil; leaf = all.next() {
		fields := parseJSON(leaf)
		require(fields.kind == '{', "entry %d is not an object", index)
		e.look(index, leaf, fields)
		index++
	}
	e.conclude(index - b.first)
	return fmt.Sprintf("%d entries, each in its one form", index-b.first)
}

func (e *entries) look(index int64, leaf []byte, fields *value) {
	hash := tlog.RecordHash(leaf)
	if e.tree != nil {
		e.tree.add(hash)
	}
	e.compare(tableRow(index, hash, fields, e.disclosuresOf(index, fields)))
	if index == e.bundle.first {
		e.first = fields.members["ts"]
	}
	e.last = fields.members["ts"]
	matches := e.query.matches(fields)
	if !e.query.listed {
		if matches {
			e.matching++
		}
		return
	}
	for e.run[1] >= 0 && e.run[1] <= index {
		e.nextRun()
	}
	if e.run[1] >= 0 && e.run[0] <= index && !matches {
		e.attempt("selection", func() { fail("entry %d is listed, and does not match dates and kinds", index) })
	}
}

func (e *entries) conclude(count int64) {
	e.attempt("disclosures", func() {
		require(e.row == nil, "a disclosure of an entry that is not here")
		require(e.rows == e.stated, "there are not as many disclosures as stated")
	})
	e.attempt("table", func() {
		_, err := e.table.ReadByte()
		require(err == io.EOF, "entries.csv has more rows than there are entries")
	})
	for e.query.listed && e.run[1] >= 0 {
		e.nextRun()
	}
	e.attempt("selection", func() {
		require(e.matching == e.query.selected, "%d entries were asked for, the manifest says %d", e.matching, e.query.selected)
	})
	e.attempt("edges", e.edges)
	if e.tree != nil {
		e.attempt("inclusion", func() {
			require(count == e.count, "there are %d entries, and the range has %d", count, e.count)
			same := count == 0 || e.tree.root() == e.head.root
			require(same, "the entries together do not lead to the signed root: they are not those of the log")
		})
	}
}

// edges: the range reaches so far that no entry that was asked for can lie outside of it.
func (e *entries) edges() {
	since, dated := moment(e.query.since)
	if e.bundle.first > 0 && (dated || !e.query.listed) {
		at, valid := moment(e.first)
		reaches := dated && valid && apart(at, since, e.query.slack) > 0
		require(reaches, "entries could be left out at the beginning of the range")
	}
	until, dated := moment(e.query.until)
	if e.bundle.first+e.count != e.head.size && (dated || !e.query.listed) {
		at, valid := moment(e.last)
		reaches := dated && valid && apart(until, at, e.query.slack) >= 0
		require(reaches, "entries could be left out at the end of the range")
	}
}

// apart is positive if the second time is more than so many seconds after the first one, 0 if it is exactly so many.
func apart(first, second time.Time, slack int64) int64 {
	if slack > 1e12 { // more seconds than lie between any two times; the product below would overflow
		return -1
	}
	return second.UnixMicro() - first.UnixMicro() - slack*1e6
}

func (e *entries) nextDisclosure() {
	e.row = nil
	e.attempt("disclosures", func() {
		if e.problems["disclosures"] != "" {
			return
		}
		line := e.disclosed.next()
		if line == nil {
			return
		}
		row := parseJSON(line).exactly("a disclosure", "index", "name", "salt", "value").members
		index, name := row["index"].natural("index"), row["name"].str("name")
		require(index >= e.bundle.first, "a disclosure of entry %d, which is not here", index)
		require(index > e.lastIndex || index == e.lastIndex && name > e.lastName, "disclosures.jsonl is not in order")
		e.lastIndex, e.lastName, e.row = index, name, row
		e.rows++
	})
}

// disclosuresOf is the canonical object of what is disclosed of this entry; empty if nothing is.
func (e *entries) disclosuresOf(index int64, leaf *value) string {
	var pairs [][2]*value
	for e.row != nil && e.row["index"].number == index {
		row := e.row
		pairs = append(pairs, [2]*value{row["name"], row["value"]})
		e.nextDisclosure()
		e.attempt("disclosures", func() { checkDisclosure(leaf, row) })
	}
	if len(pairs) == 0 {
		return ""
	}
	sort.Slice(pairs, func(i, j int) bool { return lessUTF16(pairs[i][0].text, pairs[j][0].text) })
	var parts []string
	for _, pair := range pairs {
		parts = append(parts, string(pair[0].raw)+":"+string(pair[1].raw))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// nextRun reads [first, count] of the next run of entries that were asked for; its end is -1 after the last.
func (e *entries) nextRun() {
	last := e.run[1]
	e.run = [2]int64{0, -1}
	e.attempt("selection", func() {
		if e.problems["selection"] != "" {
			return
		}
		line := e.runs.next()
		if line == nil {
			return
		}
		run := parseJSON(line).list("a run")
		require(len(run) == 2, "a run of selected entries is its first and their number")
		first, count := run[0].natural("first"), run[1].natural("count")
		require(first > last && first >= e.bundle.first && count > 0, "selected.jsonl is not in order")
		require(first+count <= e.bundle.first+e.count, "a selected entry lies outside of the range")
		e.matching += count
		e.run = [2]int64{first, first + count}
	})
}

func (e *entries) compare(row []byte) {
	if e.problems["table"] != "" {
		return
	}
	e.attempt("table", func() {
		found := make([]byte, len(row))
		_, err := io.ReadFull(e.table, found)
		require(err == nil && bytes.Equal(found, row), "entries.csv does not say what the leaves and disclosures say")
	})
}

func tableRow(index int64, hash tlog.Hash, leaf *value, disclosed string) []byte {
	m, facts := leaf.members, "{}"
	if m["facts"] != nil {
		facts = string(m["facts"].raw)
	}
	return row(strconv.FormatInt(index, 10), shown(m["ts"]), shown(m["type"]), shown(m["role"]), shown(m["object"]),
		facts, references(m["refs"]), disclosed, fmt.Sprintf("%x", hash[:]))
}

func shown(v *value) string {
	switch {
	case v == nil:
		return ""
	case v.kind == '"':
		return v.text
	}
	return string(v.raw)
}

func references(v *value) string {
	if v == nil || v.kind != '[' {
		return shown(v)
	}
	var texts []string
	for _, item := range v.items {
		if item.kind != '"' {
			return shown(v)
		}
		texts = append(texts, item.text)
	}
	return strings.Join(texts, " ")
}

// row is one row of the table: no cell can be taken for a formula, and one is quoted only when it must be.
func row(cells ...string) []byte {
	var b bytes.Buffer
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		if cell != "" && strings.ContainsRune("=+-@\t\r\n", rune(cell[0])) {
			cell = "'" + cell
		}
		if strings.ContainsAny(cell, ",\"\r\n") {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		b.WriteString(cell)
	}
	b.WriteString("\r\n")
	return b.Bytes()
}

// lines reads lines that are not empty, each ended by a newline.
type lines struct {
	name string
	from *bufio.Reader
}

func (b *bundle) lines(name string) *lines {
	return &lines{name, bufio.NewReaderSize(b.zip.open(name), 1<<20)}
}

// next is the next line without its end, nil after the last.
func (l *lines) next() []byte {
	var line []byte
	for {
		piece, err := l.from.ReadSlice('\n')
		line = append(line, piece...)
		if err == io.EOF && len(line) == 0 {
			return nil
		}
		require(err == nil || err == bufio.ErrBufferFull, "%s: each line must be ended by a newline", l.name)
		require(len(line) <= maxLine+1, "%s: a line is longer than 16 MiB", l.name)
		if err == nil {
			require(len(line) > 1, "%s: each line must be non-empty", l.name)
			return line[:len(line)-1]
		}
	}
}
