package main

import "golang.org/x/mod/sumdb/tlog"

// rangeFold is the root that a range of leaves and the hashes left and right of it lead to (RFC 6962, docs/formats.md).
type rangeFold struct {
	tree  frontier
	end   int64
	right []subtree
}

type subtree struct {
	start, end uint64
	hash       tlog.Hash
}

func newRangeFold(first, count, size int64, proof []tlog.Hash) *rangeFold {
	require(size-first >= count, "the range is outside of the tree of %d", size)
	spans := rangeSpans(uint64(first), uint64(first+count), uint64(size))
	if count == 0 {
		spans = nil
	}
	require(len(spans) == len(proof), "the range proof has %d hashes instead of %d", len(proof), len(spans))
	f := &rangeFold{end: first + count}
	for i, span := range spans {
		span.hash = proof[i]
		if span.start >= uint64(first) {
			f.right = append(f.right, span)
			continue
		}
		f.tree.add(span.hash, height(span))
	}
	return f
}

func rangeSpans(first, end, size uint64) (spans []subtree) {
	for at := uint64(0); at < first; {
		step := uint64(1)
		for step<<1 <= first-at {
			step <<= 1
		}
		spans = append(spans, subtree{start: at, end: at + step})
		at += step
	}
	for at := end; at < size; {
		stop := at + at&-at
		if stop > size {
			stop = size
		}
		spans = append(spans, subtree{start: at, end: stop})
		at = stop
	}
	return spans
}

// height of a perfect subtree.
func height(s subtree) (h uint) {
	for width := s.end - s.start; width > 1; width >>= 1 {
		h++
	}
	return h
}

func (f *rangeFold) add(hash tlog.Hash) { f.tree.add(hash, 0) }

func (f *rangeFold) root() tlog.Hash {
	require(f.tree.size == f.end, "there are more or fewer entries than the range has")
	for _, s := range f.right {
		if width := s.end - s.start; width&(width-1) != 0 { // the ragged right edge of the tree
			h := s.hash
			for i := len(f.tree.peaks) - 1; i >= 0; i-- {
				h = tlog.NodeHash(f.tree.peaks[i], h)
			}
			return h
		}
		f.tree.add(s.hash, height(s))
	}
	return f.tree.root()
}

// hashes are the lines of a proof.
func (b *bundle) hashes(name string) (proof []tlog.Hash) {
	found := splitLines(b.zip.whole(name))
	require(len(found) <= 2*maxProofLines, "%s is too long", name)
	for _, line := range found {
		proof = append(proof, hashOf(unbase64(string(line))))
	}
	return proof
}
