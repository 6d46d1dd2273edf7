package main

import (
	"bytes"
	"strconv"
	"strings"
)

const (
	maxPolicyBytes = 1 << 16
	maxPolicyLines = 256
)

type group struct {
	threshold int
	members   []string
}

// policy is a tlog-policy (c2sp.org/tlog-policy): keys of logs, keys of witnesses, and who of these must have cosigned.
type policy struct {
	logs      []*logKey
	witnesses map[string]*noteKey
	names     []string // of the witnesses, in order
	groups    map[string]group
	quorum    string
	used      map[string]bool
}

func parsePolicy(data []byte) *policy {
	require(len(data) <= maxPolicyBytes, "the policy is too long")
	for _, c := range data {
		require(c >= 0x20 && c != 0x7f || c == '\t' || c == '\n', "a policy has no control characters")
	}
	require(len(data) == 0 || bytes.HasSuffix(data, []byte("\n")), "the policy's last line is not ended")
	p := &policy{witnesses: map[string]*noteKey{}, groups: map[string]group{}, used: map[string]bool{}}
	lines := strings.Split(string(data), "\n")
	require(len(lines)-1 <= maxPolicyLines, "the policy has too many lines")
	for _, line := range lines {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
		if len(words) > 0 && words[0][0] != '#' {
			p.line(words)
		}
	}
	require(p.quorum != "", "the policy has no quorum line")
	return p
}

func (p *policy) line(words []string) {
	switch n := len(words); {
	case words[0] == "log" && (n == 2 || n == 3):
		key := parseLogKey(words[1])
		for _, other := range p.logs {
			require(!bytes.Equal(other.public, key.public), "a log is there twice")
		}
		p.logs = append(p.logs, key)
	case words[0] == "witness" && (n == 3 || n == 4):
		key := parseKey(words[2], typeCosigned)
		for _, other := range p.witnesses {
			require(!bytes.Equal(other.public, key.public), "a witness is there twice")
		}
		p.free(words[1])
		p.witnesses[words[1]] = key
		p.names = append(p.names, words[1])
	case words[0] == "group" && n >= 4:
		p.group(words[1], words[2], words[3:])
	case words[0] == "quorum" && n == 2:
		require(p.quorum == "", "there are two quorum lines")
		require(words[1] == "none" || p.defined(words[1]), "nothing before this line is called %q", words[1])
		p.quorum = words[1]
	default:
		fail("not a line of a policy: %q with %d words", words[0], n-1)
	}
}

func (p *policy) group(name, threshold string, members []string) {
	for _, member := range members {
		require(p.defined(member) && !p.used[member], "%q is not defined, or a member twice", member)
		p.used[member] = true
	}
	needed := 0
	switch threshold {
	case "any":
		needed = 1
	case "all":
		needed = len(members)
	default:
		number, err := strconv.ParseUint(threshold, 10, 31)
		require(err == nil && threshold == strconv.FormatUint(number, 10), "not a threshold: %q", threshold)
		needed = int(number)
	}
	require(needed >= 1 && needed <= len(members), "%d of %d members cannot be reached", needed, len(members))
	p.free(name)
	p.groups[name] = group{needed, members}
}

func (p *policy) defined(name string) bool {
	_, isGroup := p.groups[name]
	return p.witnesses[name] != nil || isGroup
}

func (p *policy) free(name string) {
	require(name != "none" && !p.defined(name), "the name %q is taken", name)
}

// cosigners are the policy's witnesses whose cosignature is on this checkpoint; a wrong one fails.
func (p *policy) cosigners(checkpoint []byte) map[string]bool {
	text, signatures := parseNote(checkpoint)
	found := map[string]bool{}
	for _, name := range p.names {
		witness := p.witnesses[name]
		for _, s := range signatures {
			if s.name == witness.name && s.id == witness.id {
				require(witness.Verify([]byte(text), s.raw), "the cosignature by %s is wrong", witness.name)
				found[name] = true
			}
		}
	}
	return found
}

func (p *policy) satisfied(name string, cosigners map[string]bool) bool {
	g, isGroup := p.groups[name]
	if !isGroup {
		return name == "none" || cosigners[name]
	}
	count := 0
	for _, member := range g.members {
		if p.satisfied(member, cosigners) {
			count++
		}
	}
	return count >= g.threshold
}

// checkCosignatures enforces the quorum of the caller's own policy; the file's own policy only tells who cosigned.
func checkCosignatures(checkpoint []byte, t trust, enclosed *policy) string {
	names := []string{}
	if enclosed != nil {
		byFile := enclosed.cosigners(checkpoint)
		for _, name := range enclosed.names {
			if byFile[name] {
				names = append(names, name)
			}
		}
	}
	if t.policy != nil {
		found := t.policy.cosigners(checkpoint)
		require(t.policy.satisfied(t.policy.quorum, found), "the quorum %q is not reached", t.policy.quorum)
		return "the quorum " + t.policy.quorum + " of your policy is reached"
	}
	if len(names) == 0 {
		return "no witness cosigned; none was asked for (-policy)"
	}
	return "cosigned by " + strings.Join(names, ", ") + ", witnesses that the file itself names"
}
