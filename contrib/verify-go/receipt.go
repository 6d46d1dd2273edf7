package main

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	receiptFormat = "assay-receipt/1"
	ackFormat     = "assay-acknowledgement/1"
)

func verifyReceipt(v *verdict, receipt *value, t trust) {
	var fields map[string]*value
	var leaf *value
	var path tlog.RecordProof
	var enclosed *policy
	var h head
	text := func(name string) string { return fields[name].str(name) }
	v.run("receipt", func() string {
		fields = receipt.exactly("the receipt", "format", "index", "leaf", "leaf_hash", "entry", "disclosures", "proof",
			"checkpoint", "tlog_proof", "policy", "rotations").members
		require(text("format") == receiptFormat, "not a receipt of the format "+receiptFormat)
		raw, index := unbase64(text("leaf")), fields["index"].natural("index")
		leaf = fields["entry"]
		hash := tlog.RecordHash(raw)
		same := leaf.kind == '{' && bytes.Equal(leaf.raw, raw) && text("leaf_hash") == fmt.Sprintf("%x", hash[:])
		require(same, "the entry shown for reading is not the leaf that is proved")
		lines := []string{"c2sp.org/tlog-proof@v1", fmt.Sprintf("index %d", index)}
		for _, one := range fields["proof"].list("proof") {
			path = append(path, hashOf(unbase64(one.str("a hash"))))
			lines = append(lines, one.text)
		}
		proof := strings.Join(lines, "\n") + "\n\n" + text("checkpoint")
		require(text("tlog_proof") == proof, "the tlog-proof is not that of the receipt")
		return fmt.Sprintf("entry %d: %s", index, shown(leaf.members["type"]))
	})
	v.run("key", func() string {
		enclosed = parsePolicy([]byte(text("policy")))
		note, _ := parseNote([]byte(text("checkpoint")))
		origin := parseHead(note).origin
		var statements []string
		for _, one := range fields["rotations"].list("rotations") {
			statements = append(statements, one.str("a rotation"))
		}
		return v.chooseKeys(t, origin, enclosed.logs, parseRotations(statements, origin))
	})
	v.run("checkpoint", func() string {
		h = openHead("checkpoint", []byte(text("checkpoint")), v.ring)
		return fmt.Sprintf("%s had %d entries, root %x", h.origin, h.size, h.root[:])
	})
	v.run("witnesses", func() string { return checkCosignatures([]byte(text("checkpoint")), t, enclosed) })
	v.run("inclusion", func() string {
		err := tlog.CheckRecord(path, h.size, h.root, fields["index"].number, tlog.RecordHash(leaf.raw))
		require(err == nil, "the entry is not proved: %v", err)
		return fmt.Sprintf("the entry is number %d of the signed tree", fields["index"].number)
	})
	v.run("disclosures", func() string {
		rows, last := fields["disclosures"].list("disclosures"), ""
		for i, one := range rows {
			row := one.exactly("a disclosure", "name", "salt", "value").members
			name := row["name"].str("name")
			require(i == 0 || name > last, "the disclosures are not in order, or one is there twice")
			checkDisclosure(leaf, row)
			last = name
		}
		return fmt.Sprintf("%d disclosed values are those that were recorded", len(rows))
	})
}

func verifyAcknowledgement(v *verdict, acknowledgement *value, t trust) {
	var fields map[string]*value
	var origin string
	var promiseKey *logKey
	v.run("acknowledgement", func() string {
		fields = acknowledgement.exactly("the acknowledgement", "format", "entry", "leaf_hash", "promise",
			"promise_key").members
		return fmt.Sprintf("of entry %d in the office's own count", fields["entry"].natural("entry"))
	})
	v.run("promise key", func() string {
		require(t.source != "file", "an acknowledgement encloses no key of the log: give it with -key")
		attestation := []byte(fields["promise_key"].str("promise_key"))
		lines := statement(attestation, "assay-promise-key/1", 2)
		origin = lines[0]
		v.chooseKeys(t, origin, nil, nil)
		openNote("promise_key", attestation, v.ring.all())
		promiseKey = parseLogKey(lines[1])
		require(promiseKey.name == origin+"/promise", "the promise key is not named after the log")
		return "the log " + origin + " signs its promises with " + promiseKey.vkey
	})
	v.run("promise", func() string {
		promise := []byte(fields["promise"].str("promise"))
		lines := statement(promise, "assay-promise/1", 4)
		openNote("promise", promise, []*logKey{promiseKey})
		require(lines[0] == origin, "the promise is of another log")
		hash := hashOf(unbase64(lines[1]))
		require(fields["leaf_hash"].str("leaf_hash") == fmt.Sprintf("%x", hash[:]), "the promise is about another leaf")
		return fmt.Sprintf("the entry of %s will be in the tree within %d seconds", lines[2], decimal(lines[3]))
	})
}

// statement is the lines after the first one of a statement of this kind.
func statement(data []byte, kind string, count int) []string {
	text, _ := parseNote(data)
	lines := strings.Split(text, "\n")
	require(lines[0] == kind && len(lines) == count+2 && lines[count+1] == "", "not a statement of the kind %s", kind)
	return lines[1 : count+1]
}
