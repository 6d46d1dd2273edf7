package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const bundleFormat = "assay-bundle/1"

var (
	fixedMembers = []string{
		"README.md", "checkpoint", "policy", "rotations", "leaves.jsonl", "entries.csv", "disclosures.jsonl",
	}
	stampName = regexp.MustCompile(`^stamps/[A-Za-z0-9][A-Za-z0-9._-]*\.tsr$`)
)

// bundle is one bundle while it is checked.
type bundle struct {
	members      map[string][]byte
	manifest     map[string]*value
	first, count int64
	stamps       []string
	policy       *policy
	head         head
	leaves       [][]byte
	fields       []*value         // the leaves, read
	opened       map[int][]*value // disclosures by place in leaves
}

func verifyBundle(data []byte, t trust) *verdict {
	v, b := &verdict{}, &bundle{members: map[string][]byte{}, opened: map[int][]*value{}}
	var order []string
	v.run("zip file", func() string {
		for _, m := range readZip(data) {
			order = append(order, m.name)
			b.members[m.name] = m.data
		}
		return fmt.Sprintf("%d members, nothing else", len(order))
	})
	v.run("manifest", b.readManifest)
	v.run("members", func() string { return b.digests(order) })
	v.run("key", func() string { return b.key(v, t) })
	v.run("manifest signature", func() string { return b.signature(v.ring) })
	v.run("checkpoint", func() string { return b.checkpoint(v.ring) })
	v.run("witnesses", func() string { return checkCosignatures(b.member("checkpoint"), t, b.policy) })
	v.run("leaves", b.readLeaves)
	v.run("inclusion", b.inclusion)
	v.run("root", b.root)
	v.run("earlier export", func() string { return b.previous(v.ring) })
	v.run("time stamps", func() string { return b.timeStamps(v.ring) })
	v.run("disclosures", b.disclosures)
	v.run("table", b.table)
	return v
}

func (b *bundle) member(name string) []byte {
	data, found := b.members[name]
	require(found, "%s is missing", name)
	return data
}

func (b *bundle) readManifest() string {
	m := parseJSON(b.member("manifest.json"))
	m.exactly("manifest.json", "format", "about", "made_at", "origin", "checkpoint", "range", "selected",
		"disclosures", "members")
	b.manifest = m.members
	require(b.manifest["format"].str("format") == bundleFormat, "not of the format "+bundleFormat)
	b.manifest["made_at"].str("made_at")
	b.manifest["origin"].str("origin")
	b.manifest["disclosures"].natural("disclosures")
	scope := b.manifest["range"].exactly("range", "first", "count").members
	b.first, b.count = scope["first"].natural("first"), scope["count"].natural("count")
	require(b.count <= maxMembers, "the manifest claims more entries than one bundle can hold")
	last := int64(-1)
	for _, one := range b.manifest["selected"].list("selected") {
		index := one.natural("a selected index")
		require(index > last && index >= b.first && index < b.first+b.count, "selected: not in order, or out of range")
		last = index
	}
	return fmt.Sprintf("%d entries from %d", b.count, b.first)
}

func (b *bundle) digests(order []string) string {
	stated := b.manifest["members"]
	require(stated.kind == '{', "members is not an object")
	want := append([]string{"manifest.json", "manifest.sig"}, b.expected(stated.members)...)
	require(len(order) == len(want) && len(stated.members) == len(want)-2, "members are missing or too many")
	for i, name := range want {
		require(order[i] == name, "member %s is not where it must be", name)
		if i < 2 {
			continue
		}
		require(stated.members[name] != nil, "the manifest does not name %s", name)
		row := stated.members[name].exactly(name, "size", "sha256").members
		digest := fmt.Sprintf("%x", sha256.Sum256(b.members[name]))
		same := row["size"].natural("size") == int64(len(b.members[name])) && row["sha256"].str("sha256") == digest
		require(same, "%s was changed: its size or SHA-256 is not that of the manifest", name)
	}
	return fmt.Sprintf("%d digests agree with the manifest", len(order)-2)
}

// expected are the names after the manifest's, in order; optional groups are there whole or not at all.
func (b *bundle) expected(stated map[string]*value) []string {
	names := append([]string(nil), fixedMembers...)
	if stated["previous/checkpoint"] != nil {
		names = append(names, "previous/checkpoint", "previous/consistency")
	}
	for name := range stated {
		if stampName.MatchString(name) {
			b.stamps = append(b.stamps, name)
		}
	}
	if len(b.stamps) > 0 {
		authority := func(i int) string { return strings.TrimSuffix(b.stamps[i], ".tsr") }
		sort.Slice(b.stamps, func(i, j int) bool { return authority(i) < authority(j) })
		names = append(append(names, "stamps/checkpoint", "stamps/consistency"), b.stamps...)
	}
	for i := int64(0); i < b.count; i++ {
		names = append(names, fmt.Sprintf("proofs/%d.tlog-proof", b.first+i))
	}
	return names
}

func (b *bundle) key(v *verdict, t trust) string {
	b.policy = parsePolicy(b.member("policy"))
	origin := b.manifest["origin"].text
	return v.chooseKeys(t, origin, b.policy.logs, parseRotations(splitNotes(b.member("rotations")), origin))
}

func (b *bundle) signature(ring terms) string {
	size := b.manifest["checkpoint"].exactly("checkpoint", "size", "root").members["size"].natural("size")
	text := openNote("manifest.sig", b.member("manifest.sig"), ring.vouching(size))
	want := fmt.Sprintf("%s\n%x\n", bundleFormat, sha256.Sum256(b.member("manifest.json")))
	require(text == want, "manifest.json was changed: it is not the one that was signed")
	return "manifest.json is signed by the log"
}

func (b *bundle) checkpoint(ring terms) string {
	b.head = openHead("checkpoint", b.member("checkpoint"), ring)
	stated := b.manifest["checkpoint"].exactly("checkpoint", "size", "root").members
	root := fmt.Sprintf("%x", b.head.root[:])
	same := stated["size"].natural("size") == b.head.size && stated["root"].str("root") == root
	require(same, "the manifest states another size or root than the checkpoint")
	return fmt.Sprintf("%s had %d entries, root %s", b.head.origin, b.head.size, root)
}

func (b *bundle) readLeaves() string {
	b.leaves = splitLines(b.member("leaves.jsonl"))
	require(int64(len(b.leaves)) == b.count, "leaves.jsonl holds %d entries, not %d", len(b.leaves), b.count)
	for i, leaf := range b.leaves {
		fields := parseJSON(leaf)
		require(fields.kind == '{', "entry %d is not an object", b.first+int64(i))
		b.fields = append(b.fields, fields)
	}
	return fmt.Sprintf("%d entries without a gap", b.count)
}

func (b *bundle) inclusion() string {
	checkpoint := string(b.member("checkpoint"))
	for i, leaf := range b.leaves {
		want := b.first + int64(i)
		name := fmt.Sprintf("proofs/%d.tlog-proof", want)
		index, path, enclosed := parseProof(b.member(name))
		require(index == want && enclosed == checkpoint, "%s is of another entry or another checkpoint", name)
		err := tlog.CheckRecord(path, b.head.size, b.head.root, index, tlog.RecordHash(leaf))
		require(err == nil, "entry %d is not proved by %s: %v", index, name, err)
	}
	return fmt.Sprintf("each of %d entries is in the signed tree", len(b.leaves))
}

func (b *bundle) root() string {
	if b.first != 0 || b.count != b.head.size {
		return "not the whole log: each entry is proved by itself"
	}
	var tree frontier
	for _, leaf := range b.leaves {
		tree.add(tlog.RecordHash(leaf), 0)
	}
	require(tree.root() == b.head.root, "the entries together do not give the signed root")
	return "all entries of the log together give the signed root"
}

func (b *bundle) previous(ring terms) string {
	if b.members["previous/checkpoint"] == nil {
		return "the bundle says nothing of an earlier one"
	}
	old := b.earlier("previous", ring)
	return fmt.Sprintf("the log of %d entries, as it was exported before, is the beginning of this one", old.size)
}

func (b *bundle) timeStamps(ring terms) string {
	if len(b.stamps) == 0 {
		return "the bundle holds no time stamp"
	}
	b.earlier("stamps", ring)
	digest := sha256.Sum256(b.member("stamps/checkpoint"))
	for _, name := range b.stamps {
		require(bytes.Equal(imprintOf(b.members[name]), digest[:]), "%s is the stamp of something else", name)
	}
	return strings.Join(b.stamps, ", ") + "; the authority's own signature is for `openssl ts -verify`"
}

// earlier is the head in this folder's checkpoint, which by its consistency proof is an earlier state of the log.
func (b *bundle) earlier(folder string, ring terms) head {
	old := openHead(folder+"/checkpoint", b.member(folder+"/checkpoint"), ring)
	b.policy.cosigners(b.member(folder + "/checkpoint"))
	lines := splitLines(b.member(folder + "/consistency"))
	require(len(lines) <= 2*maxProofLines, "the consistency proof is too long")
	var proof tlog.TreeProof
	for _, line := range lines {
		proof = append(proof, hashOf(unbase64(string(line))))
	}
	checkEarlier(folder+"/checkpoint", old, b.head, proof)
	return old
}

func (b *bundle) disclosures() string {
	lines := splitLines(b.member("disclosures.jsonl"))
	lastIndex, lastName := int64(-1), ""
	for _, line := range lines {
		row := parseJSON(line).exactly("a disclosure", "index", "name", "salt", "value").members
		index, name := row["index"].natural("index"), row["name"].str("name")
		require(index >= b.first && index < b.first+b.count, "a disclosure of entry %d, which is not here", index)
		require(index > lastIndex || index == lastIndex && name > lastName, "disclosures.jsonl is not in order")
		lastIndex, lastName = index, name
		place := int(index - b.first)
		checkDisclosure(b.fields[place], row)
		b.opened[place] = append(b.opened[place], row["name"], row["value"])
	}
	require(int64(len(lines)) == b.manifest["disclosures"].number, "there are not as many disclosures as stated")
	return fmt.Sprintf("%d disclosed values are those that were recorded", len(lines))
}

// checkDisclosure fails unless the leaf commits to this name, salt and value.
func checkDisclosure(leaf *value, row map[string]*value) {
	name, salt := row["name"].str("name"), unbase64(row["salt"].str("salt"))
	require(len(salt) == 32, "the salt of %q has not 32 bytes", name)
	mac := hmac.New(sha256.New, salt)
	mac.Write(row["value"].raw)
	commitments := leaf.members["commitments"]
	require(commitments != nil && commitments.kind == '{', "the entry commits to nothing")
	stated, made := commitments.members[name], base64.StdEncoding.EncodeToString(mac.Sum(nil))
	same := stated != nil && stated.kind == '"' && stated.text == made
	require(same, "%q is not the value that was recorded", name)
}

func (b *bundle) table() string {
	var table bytes.Buffer
	writeRow(&table, "index", "time", "type", "role", "object", "facts", "refs", "disclosed", "leaf_hash")
	for i, leaf := range b.leaves {
		m := b.fields[i].members
		facts := "{}"
		if m["facts"] != nil {
			facts = string(m["facts"].raw)
		}
		hash := tlog.RecordHash(leaf)
		writeRow(&table, strconv.FormatInt(b.first+int64(i), 10), shown(m["ts"]), shown(m["type"]), shown(m["role"]),
			shown(m["object"]), facts, references(m["refs"]), b.shownDisclosures(i), fmt.Sprintf("%x", hash[:]))
	}
	require(bytes.Equal(table.Bytes(), b.member("entries.csv")), "entries.csv does not say what the leaves say")
	return "entries.csv says what the leaves and disclosures say"
}

// shownDisclosures is the canonical object of what is disclosed of the entry at this place; empty if nothing is.
func (b *bundle) shownDisclosures(place int) string {
	opened := b.opened[place]
	if len(opened) == 0 {
		return ""
	}
	var pairs [][2]*value
	for i := 0; i < len(opened); i += 2 {
		pairs = append(pairs, [2]*value{opened[i], opened[i+1]})
	}
	sort.Slice(pairs, func(i, j int) bool { return lessUTF16(pairs[i][0].text, pairs[j][0].text) })
	var parts []string
	for _, pair := range pairs {
		parts = append(parts, string(pair[0].raw)+":"+string(pair[1].raw))
	}
	return "{" + strings.Join(parts, ",") + "}"
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

func writeRow(table *bytes.Buffer, cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			table.WriteByte(',')
		}
		if strings.ContainsAny(cell, ",\"\r\n") {
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		table.WriteString(cell)
	}
	table.WriteString("\r\n")
}

// splitLines splits lines that are not empty, each ended by a newline.
func splitLines(data []byte) [][]byte {
	if len(data) == 0 {
		return nil
	}
	lines := bytes.Split(data, []byte("\n"))
	last := len(lines) - 1
	for i, line := range lines {
		require((len(line) == 0) == (i == last), "each line must be non-empty and ended by a newline")
	}
	return lines[:last]
}
