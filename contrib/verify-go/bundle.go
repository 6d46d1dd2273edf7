package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
)

const bundleFormat = "assay-bundle/2"

var stampName = regexp.MustCompile(`^stamps/[A-Za-z0-9][A-Za-z0-9._-]*\.tsr$`)

// bundle is one bundle while it is checked.
type bundle struct {
	zip          *archive
	manifest     map[string]*value
	first, count int64
	stated       int64 // disclosures
	query        query
	stamps       []string
	policy       *policy
	head         head
	entries      *entries
}

func verifyBundle(file io.ReaderAt, size int64, t trust) *verdict {
	v, b := &verdict{}, &bundle{}
	var found damage
	b.zip, found = openZip(file, size)
	for _, check := range []string{"file length", "member names", "packing", "zip file"} {
		v.run(check, func() string {
			require(found.check != check, "%s", found.message)
			return "as it must be"
		})
	}
	v.run("manifest", b.readManifest)
	v.run("members", b.digests)
	v.run("key", func() string { return b.key(v, t) })
	v.run("manifest signature", func() string { return b.signature(v.ring) })
	v.run("log", b.log)
	v.run("checkpoint", func() string { return b.checkpoint(v.ring) })
	v.run("witnesses", func() string { return checkCosignatures(b.member("checkpoint"), t, b.policy) })
	v.run("leaves", b.readLeaves)
	// What Python's verifier says apart follows from this one: no entry was changed, left out, moved or added.
	v.run("inclusion", func() string { return b.entries.said("inclusion", "all entries are in the signed tree, in order")() })
	v.run("selection", func() string { return b.entries.said("selection", "those asked for are of dates and kinds")() })
	v.run("edges", func() string { return b.entries.said("edges", "none of the dates can lie outside of the range")() })
	v.run("earlier export", func() string { return b.previous(v.ring) })
	v.run("time stamps", func() string { return b.timeStamps(v.ring) })
	v.run("disclosures", func() string { return b.entries.said("disclosures", "all values are those recorded")() })
	v.run("table", func() string { return b.entries.said("table", "entries.csv says what leaves and disclosures say")() })
	return v
}

func (b *bundle) member(name string) []byte {
	return b.zip.whole(name)
}

func (b *bundle) readManifest() string {
	m := parseJSON(b.member("manifest.json"))
	m.exactly("manifest.json", "format", "about", "made_at", "origin", "checkpoint", "range", "query", "selection",
		"disclosures", "members")
	b.manifest = m.members
	require(b.manifest["format"].str("format") == bundleFormat, "not of the format "+bundleFormat)
	b.manifest["made_at"].str("made_at")
	b.manifest["origin"].str("origin")
	b.stated = b.manifest["disclosures"].natural("disclosures")
	scope := b.manifest["range"].exactly("range", "first", "count").members
	b.first, b.count = scope["first"].natural("first"), scope["count"].natural("count")
	require(b.first == 0 || b.count > 0, "a range without entries begins with 0")
	b.readQuery()
	return fmt.Sprintf("%d entries from %d", b.count, b.first)
}

func (b *bundle) readQuery() {
	q := b.manifest["query"].exactly("query", "since", "until", "types", "slack").members
	chosen := b.manifest["selection"].exactly("selection", "by", "count").members
	b.query = query{since: q["since"], until: q["until"], types: map[string]bool{}, slack: q["slack"].natural("slack")}
	for _, date := range []*value{q["since"], q["until"]} {
		_, valid := moment(date)
		require(valid || date.kind == 'n', "since or until is not a time")
	}
	last := ""
	for i, kind := range q["types"].list("types") {
		require(i == 0 || kind.str("a type") > last, "the types are not in order, or one is there twice")
		last = kind.str("a type")
		b.query.types[last] = true
	}
	by := chosen["by"].str("by")
	require(by == "query" || by == "list", "selected by neither query nor list")
	b.query.listed, b.query.selected = by == "list", chosen["count"].natural("count")
}

func (b *bundle) digests() string {
	stated := b.manifest["members"]
	require(stated.kind == '{', "members is not an object")
	expected := b.expected(stated.members)
	want := append(expected, "manifest.json", "manifest.sig")
	require(len(b.zip.order) == len(want) && len(stated.members) == len(want)-2, "members are missing or too many")
	for i, name := range want {
		require(b.zip.order[i] == name, "member %s is not where it must be", name)
		if i >= len(expected) {
			continue
		}
		require(stated.members[name] != nil, "the manifest does not name %s", name)
		row, m := stated.members[name].exactly(name, "size", "sha256").members, b.zip.members[name]
		same := row["size"].natural("size") == m.size && row["sha256"].str("sha256") == fmt.Sprintf("%x", m.digest)
		require(same, "%s was changed: its size or SHA-256 is not that of the manifest", name)
	}
	return fmt.Sprintf("%d digests agree with the manifest", len(expected))
}

// expected are the names before the manifest's, in order; optional groups are there whole or not at all.
func (b *bundle) expected(stated map[string]*value) []string {
	names := []string{"leaves.jsonl", "disclosures.jsonl", "entries.csv"}
	if b.query.listed {
		names = append(names, "selected.jsonl")
	}
	names = append(names, "range-proof", "checkpoint", "policy", "rotations")
	if stated["previous/checkpoint"] != nil {
		names = append(names, "previous/checkpoint", "previous/consistency")
	}
	var files []string
	for name := range stated {
		if stampName.MatchString(name) {
			b.stamps = append(b.stamps, name)
		}
		if strings.HasPrefix(name, "files/") {
			files = append(files, name)
		}
	}
	if len(b.stamps) > 0 {
		authority := func(i int) string { return strings.TrimSuffix(b.stamps[i], ".tsr") }
		sort.Slice(b.stamps, func(i, j int) bool { return authority(i) < authority(j) })
		names = append(append(names, "stamps/checkpoint", "stamps/consistency"), b.stamps...)
	}
	sort.Strings(files)
	return append(append(names, "README.md", "schema.json"), files...)
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

func (b *bundle) log() string {
	text, _ := parseNote(b.member("checkpoint"))
	origin := parseHead(text).origin
	require(origin == b.manifest["origin"].text, "the checkpoint is of another log: %s", origin)
	return "the checkpoint is of the log " + origin
}

func (b *bundle) checkpoint(ring terms) string {
	b.head = openHead("checkpoint", b.member("checkpoint"), ring)
	stated := b.manifest["checkpoint"].exactly("checkpoint", "size", "root").members
	root := fmt.Sprintf("%x", b.head.root[:])
	same := stated["size"].natural("size") == b.head.size && stated["root"].str("root") == root
	require(same, "the manifest states another size or root than the checkpoint")
	return fmt.Sprintf("%s had %d entries, root %s", b.head.origin, b.head.size, root)
}

func (b *bundle) previous(ring terms) string {
	if b.zip.members["previous/checkpoint"] == nil {
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
		require(bytes.Equal(imprintOf(b.member(name)), digest[:]), "%s is the stamp of something else", name)
	}
	return strings.Join(b.stamps, ", ") + "; the authority's own signature is for `openssl ts -verify`"
}

// earlier is the head in this folder's checkpoint, which by its consistency proof is an earlier state of the log.
func (b *bundle) earlier(folder string, ring terms) head {
	old := openHead(folder+"/checkpoint", b.member(folder+"/checkpoint"), ring)
	b.policy.cosigners(b.member(folder + "/checkpoint"))
	checkEarlier(folder+"/checkpoint", old, b.head, b.hashes(folder+"/consistency"))
	return old
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
