package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	width       = 256
	tileBytes   = width * tlog.HashSize
	bundleBytes = width * (2 + 65535)
)

// source reads one resource of a log, nil when there is none; fails when it is larger than limit.
type source func(path string, limit int64) []byte

// sourceOf is the log at an address or in a folder, nil if this is neither.
func sourceOf(what string) source {
	if strings.HasPrefix(what, "http://") || strings.HasPrefix(what, "https://") {
		return web(what)
	}
	if info, err := os.Stat(what); err != nil || !info.IsDir() {
		return nil
	}
	return func(path string, limit int64) []byte {
		name := filepath.Join(what, filepath.FromSlash(path))
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		require(err == nil, "%s cannot be read: %v", path, err)
		require(info.Mode().IsRegular(), "%s is not a file", path) // to open a pipe would wait for its writer
		file, err := os.Open(name)
		require(err == nil, "%s cannot be read: %v", path, err)
		defer file.Close()
		return atMost(file, limit, path)
	}
}

func web(address string) source {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.RawQuery != "" {
		wrongCall("an address of a log is http(s)://host/path")
	}
	client := &http.Client{CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Host != base.Host || r.URL.Scheme != base.Scheme || len(via) > 5 {
			return fmt.Errorf("redirects to %s: refused", r.URL.Host)
		}
		return nil
	}}
	return func(path string, limit int64) []byte {
		whole := strings.TrimSuffix(address, "/") + "/" + path
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		end := &deadline{start: time.Now(), timer: time.AfterFunc(patience, cancel)}
		defer end.timer.Stop()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, whole, nil)
		require(err == nil, "%v", err)
		problem := ""
		for _, pause := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second} {
			time.Sleep(pause)
			answer, err := client.Do(request)
			require(ctx.Err() == nil, "%s: the server is too slow", whole)
			if err != nil {
				problem = err.Error()
				continue
			}
			defer answer.Body.Close()
			switch code := answer.StatusCode; {
			case code == http.StatusOK:
				end.answer = answer.Body
				return atMost(end, limit, path)
			case code == http.StatusNotFound || code == http.StatusGone:
				return nil
			case code != http.StatusTooManyRequests && code < 500:
				fail("%s: the server answers %s", whole, answer.Status)
			default:
				problem = whole + ": the server answers " + answer.Status
			}
		}
		fail("%s", problem)
		return nil
	}
}

// A resource has this long, and a second more for each slowest bytes that have come.
var patience = 60 * time.Second

const slowest = 16 << 10

// deadline reads an answer, and grants more time for what has come.
type deadline struct {
	answer io.Reader
	start  time.Time
	timer  *time.Timer
	come   int64
}

func (d *deadline) Read(data []byte) (int, error) {
	n, err := d.answer.Read(data)
	d.come += int64(n)
	left := time.Until(d.start.Add(patience + time.Duration(d.come)*time.Second/slowest))
	if left <= 0 && err != io.EOF {
		return n, errors.New("the server is too slow")
	}
	d.timer.Reset(left)
	return n, err
}

func atMost(r io.Reader, limit int64, path string) []byte {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	require(err == nil, "%s cannot be read: %v", path, err)
	require(int64(len(data)) <= limit, "%s is larger than %d bytes", path, limit)
	if data == nil {
		data = []byte{}
	}
	return data
}

// frontier holds the roots of the perfect subtrees of a growing tree.
type frontier struct {
	size  int64
	peaks []tlog.Hash
}

// add appends the hash of a perfect subtree of 2^height leaves.
func (f *frontier) add(h tlog.Hash, height uint) {
	for bits := f.size >> height; bits&1 == 1; bits >>= 1 {
		last := len(f.peaks) - 1
		h, f.peaks = tlog.NodeHash(f.peaks[last], h), f.peaks[:last]
	}
	f.peaks = append(f.peaks, h)
	f.size += 1 << height
}

func (f *frontier) root() tlog.Hash {
	if len(f.peaks) == 0 {
		return sha256.Sum256(nil)
	}
	h := f.peaks[len(f.peaks)-1]
	for i := len(f.peaks) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.peaks[i], h)
	}
	return h
}

// walk is one pass over all entries of a log, every tile compared with what lies below it.
type walk struct {
	read     source
	treeOnly bool
	size     int64
	tree     frontier
	roots    map[int64]tlog.Hash // at the sizes asked for
	samples  map[int64]tlog.Hash // hashes of the leaves asked for
	carried  [][]byte            // carried[L]: the hashes of level L+1 that do not yet fill a tile
	folded   []int64             // how many full tiles of level L+1 there were
}

func (w *walk) run() {
	for n := int64(0); n*width < w.size; n++ {
		count := w.size - n*width
		if count > width {
			count = width
		}
		leaves := w.leaves(n, int(count))
		var tile bytes.Buffer
		for _, leaf := range leaves {
			hash := tlog.RecordHash(leaf)
			tile.Write(hash[:])
		}
		w.compare(0, n, tile.Bytes())
		w.grow(n, leaves, tile.Bytes())
	}
	for i, hashes := range w.carried {
		if len(hashes) > 0 {
			w.compare(i+1, w.folded[i], hashes)
		}
	}
}

func (w *walk) grow(n int64, leaves [][]byte, tile []byte) {
	for i, leaf := range leaves {
		if !w.treeOnly {
			require(parseJSON(leaf).kind == '{', "entry %d is not an object", n*width+int64(i))
		}
		hash := hashOf(tile[i*tlog.HashSize : (i+1)*tlog.HashSize])
		if _, wanted := w.samples[w.tree.size]; wanted {
			w.samples[w.tree.size] = hash
		}
		w.tree.add(hash, 0)
		if _, wanted := w.roots[w.tree.size]; wanted {
			w.roots[w.tree.size] = w.tree.root()
		}
	}
	if len(tile) == tileBytes {
		w.carry(0, fold(tile))
	}
}

// carry puts a full tile's hash into the level above; when that fills a tile, it goes on.
func (w *walk) carry(i int, hash tlog.Hash) {
	if i == len(w.carried) {
		w.carried, w.folded = append(w.carried, nil), append(w.folded, 0)
	}
	w.carried[i] = append(w.carried[i], hash[:]...)
	if tile := w.carried[i]; len(tile) == tileBytes {
		w.compare(i+1, w.folded[i], tile)
		w.folded[i]++
		w.carried[i] = nil
		w.carry(i+1, fold(tile))
	}
}

func fold(tile []byte) tlog.Hash {
	var f frontier
	for at := 0; at < len(tile); at += tlog.HashSize {
		f.add(hashOf(tile[at:at+tlog.HashSize]), 0)
	}
	return f.root()
}

func (w *walk) compare(level int, n int64, computed []byte) {
	stored := tileAt(w.read, level, n, len(computed)/tlog.HashSize)
	require(bytes.Equal(stored, computed), "tile %d/%d is not what lies below it: the one or the other was changed", level, n)
}

// tileAt is the first hashes of a tile.
func tileAt(read source, level int, n int64, count int) []byte {
	path := tilePath(fmt.Sprint(level), n, count)
	data, full := stored(read, fmt.Sprint(level), n, count, tileBytes)
	want := count * tlog.HashSize
	require(len(data) == want || full && len(data) == tileBytes, "%s holds %d bytes instead of %d", path, len(data), want)
	return data[:want]
}

// stored is a partial or full tile; a server may have dropped the partial one once there is a full one.
func stored(read source, kind string, n int64, count int, limit int64) (data []byte, full bool) {
	if data := read(tilePath(kind, n, count), limit); data != nil {
		return data, false
	}
	if count < width {
		data = read(tilePath(kind, n, width), limit)
	}
	require(data != nil, "%s is missing", tilePath(kind, n, count))
	return data, true
}

// tilePath is x/mod's path (tile/8/<L>/<N>[.p/<W>]) as c2sp.org/tlog-tiles spells it: without the height.
func tilePath(kind string, n int64, count int) string {
	path := tlog.Tile{H: 8, L: 0, N: n, W: count}.Path()
	return "tile/" + kind + strings.TrimPrefix(path, "tile/8/0")
}

func (w *walk) leaves(n int64, count int) (leaves [][]byte) {
	data, full := stored(w.read, "entries", n, count, bundleBytes)
	for len(data) > 0 {
		require(len(data) >= 2, "entry bundle %d ends inside a length", n)
		end := 2 + int(binary.BigEndian.Uint16(data))
		require(end <= len(data), "entry bundle %d ends inside an entry", n)
		leaves = append(leaves, data[2:end])
		data = data[end:]
	}
	exact := len(leaves) == count || full && len(leaves) == width
	require(exact, "entry bundle %d holds %d entries instead of %d", n, len(leaves), count)
	return leaves[:count]
}

// tileReader lets x/mod read the hashes it needs, which it checks against the signed tree.
type tileReader struct{ read source }

func (r tileReader) Height() int { return 8 }

func (r tileReader) ReadTiles(tiles []tlog.Tile) (found [][]byte, err error) {
	for _, t := range tiles {
		found = append(found, tileAt(r.read, t.L, t.N, t.W))
	}
	return found, nil
}

func (r tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

func verifyLog(read source, t trust, treeOnly bool, since []byte) *verdict {
	v, checkpoint := &verdict{}, []byte(nil)
	var enclosed *policy
	var h, old head
	w := &walk{read: read, treeOnly: treeOnly, roots: map[int64]tlog.Hash{}, samples: map[int64]tlog.Hash{}}
	v.run("key", func() string {
		checkpoint = read("checkpoint", maxNoteBytes)
		require(checkpoint != nil, "there is no file checkpoint: this is not the place of a log")
		text, _ := parseNote(checkpoint)
		origin := parseHead(text).origin
		if data := read("policy", maxPolicyBytes); data != nil {
			enclosed = parsePolicy(data)
		}
		rotations := parseRotations(splitNotes(read("rotations", maxNoteBytes)), origin)
		return v.chooseKeys(t, origin, publishedKeys(read, enclosed), rotations)
	})
	v.run("checkpoint", func() string {
		h = openHead("checkpoint", checkpoint, v.ring)
		return fmt.Sprintf("%s has %d entries, root %x", h.origin, h.size, h.root[:])
	})
	v.run("witnesses", func() string { return checkCosignatures(checkpoint, t, enclosed) })
	if since != nil {
		v.run("earlier checkpoint", func() string {
			old = openHead("the earlier checkpoint", since, v.ring)
			require(old.size <= h.size, "the log shrank: it had %d entries, and has %d now", old.size, h.size)
			w.roots[old.size] = tlog.Hash(sha256.Sum256(nil))
			return fmt.Sprintf("it had %d entries", old.size)
		})
	}
	v.run("tree", func() string {
		w.size = h.size
		for _, size := range []int64{1, h.size / 2, h.size - 1, h.size &^ (width - 1)} {
			w.roots[size] = tlog.Hash(sha256.Sum256(nil))
		}
		for i := int64(0); i < 64 && h.size > 0; i++ {
			w.samples[i*(h.size-1)/63] = tlog.Hash{}
		}
		w.run()
		require(w.tree.root() == h.root, "the %d entries do not lead to the root that is signed", h.size)
		return fmt.Sprintf("each of %d entries hashes to its tile, the tiles fold into the signed root", h.size)
	})
	v.run("proofs", func() string { return w.proofs(h) })
	if since != nil {
		v.run("consistency", func() string {
			require(w.roots[old.size] == old.root, "the first %d entries are not those of the earlier checkpoint", old.size)
			return fmt.Sprintf("the first %d entries are those of the earlier checkpoint", old.size)
		})
	}
	return v
}

func publishedKeys(read source, enclosed *policy) (keys []*logKey) {
	if data := read("key", maxPolicyBytes); data != nil {
		for _, line := range splitLines(data) {
			parts := strings.SplitN(string(line), "+", 3)
			require(len(parts) == 3, "a vkey is <name>+<key id>+<base64>")
			// Keys of other kinds (ML-DSA-44) sign beside the Ed25519 one, which alone is checked here.
			if typed := unbase64(parts[2]); len(typed) > 0 && typed[0] == typeEd25519 {
				keys = append(keys, parseLogKey(string(line)))
			}
		}
	} else if enclosed != nil {
		keys = enclosed.logs
	}
	return keys
}

// proofs has x/mod prove from the tiles, and check, that sampled entries are in the tree and that the tree continues
// the trees it was earlier.
func (w *walk) proofs(h head) string {
	if h.size == 0 {
		return "an empty log has nothing to prove"
	}
	reader := tlog.TileHashReader(tlog.Tree{N: h.size, Hash: h.root}, tileReader{w.read})
	for index, hash := range w.samples {
		proof, err := tlog.ProveRecord(h.size, index, reader)
		require(err == nil, "entry %d cannot be proved: %v", index, err)
		err = tlog.CheckRecord(proof, h.size, h.root, index, hash)
		require(err == nil, "entry %d is not proved: %v", index, err)
	}
	for size, root := range w.roots {
		if size < 1 || size > h.size {
			continue
		}
		proof, err := tlog.ProveTree(h.size, size, reader)
		require(err == nil, "the tree of %d entries cannot be proved: %v", size, err)
		err = tlog.CheckTree(proof, h.size, h.root, size, root)
		require(err == nil, "the tree of %d entries is not the beginning: %v", size, err)
	}
	return fmt.Sprintf("%d entries and %d earlier sizes are proved from the tiles", len(w.samples), len(w.roots))
}
