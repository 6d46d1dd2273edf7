"""The checks of a whole log (C2SP tlog-tiles): every entry, every tile, to the signed root, as a stream. Pure.

Each entry bundle must hash to its tile of level 0, each full tile fold into the tile above, each partial tile hold
exactly what the size asks for, and everything lead to the root of the checkpoint. Memory: a few tiles.
"""

import hashlib
from collections.abc import Callable

from ledger import bundleformat as form
from ledger import jcs, keys, merkle, notes, tiles, tlogpolicy, verify_checks
from ledger.verify_checks import Failed, Trust, Unchecked, Verdict
from ledger.verify_source import Source, Unreadable

_TILE_BYTES = tiles.WIDTH * merkle.HASH_SIZE
_BUNDLE_BYTES = tiles.WIDTH * (2 + tiles.MAX_ENTRY_BYTES)
# Called with the number of entries checked so far and the size.
Progress = Callable[[int, int], None]


class Log:
    """A log that lies somewhere, and its verdict.

    tree_only: do not look into the leaves. since: a checkpoint seen earlier, of which this log must be a continuation.
    """

    def __init__(
        self,
        source: Source,
        trust: Trust,
        *,
        tree_only: bool = False,
        since: bytes | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.source, self.trust, self.tree_only, self.since = source, trust, tree_only, since
        self.progress = progress or (lambda done, size: None)
        self.verdict = Verdict(thorough=trust.thorough)
        self.note: bytes = b""
        self.policy: tlogpolicy.Policy | None = None
        self.head: notes.TreeHead | None = None
        self.old: notes.TreeHead | None = None
        self.old_root: bytes | None = None
        self.done = False
        checks: list[tuple[str, Callable[[], str]]] = [
            ("key", self.key),
            ("checkpoint", self.checkpoint),
            ("witnesses", self.witnesses),
            *([("earlier checkpoint", self.earlier)] if since is not None else []),
            ("tree", self.tree),
            *([("consistency", self.consistency)] if since is not None else []),
        ]
        for name, check in checks:
            self.verdict.run(name, _readable(check))

    def key(self) -> str:
        note = self.source.read("checkpoint", notes.MAX_NOTE_BYTES)
        if note is None:
            raise Failed("there is no file `checkpoint`: this is not the place of a log")
        self.note = note
        origin = notes.parse_tree_head(notes.parse(note).text).origin
        policy = self.source.read("policy", tlogpolicy.MAX_BYTES)
        self.policy = tlogpolicy.parse(policy) if policy is not None else None
        statements = self.source.read("rotations", notes.MAX_NOTE_BYTES)
        rotations = verify_checks.read_rotations(form.split_notes(statements or b""), origin)
        enclosed = self._published_keys()
        if self.trust.source == "file" and not enclosed:
            raise Failed("the log publishes no key (`key`): give it with --key or --policy")
        return verify_checks.choose_keys(self.verdict, self.trust, origin, enclosed, rotations)

    def _published_keys(self) -> list[keys.LogVerifier]:
        """What the log says its keys are; a log that is not of Assay need not say it."""
        published = self.source.read("key", tlogpolicy.MAX_BYTES)
        if published is not None:
            vkeys = [line.decode() for line in form.split_lines(published)]
            # Keys of other kinds (ML-DSA-44) sign beside the Ed25519 one, which alone is checked here.
            return [keys.parse_vkey(vkey) for vkey in vkeys if keys.key_type(vkey) == notes.ED25519]
        return [log.verifier for log in self.policy.logs] if self.policy else []

    def checkpoint(self) -> str:
        head = self.head = verify_checks.open_head("checkpoint", self.note, self.verdict)
        return f"{head.origin} has {head.size} entries, root {head.root.hex()}"

    def witnesses(self) -> str:
        self._head()
        return verify_checks.check_cosignatures(notes.parse(self.note), self.trust, self.policy)

    def earlier(self) -> str:
        head = self._head()
        old = verify_checks.open_head("the earlier checkpoint", self.since or b"", self.verdict)
        if old.size > head.size:
            raise Failed(f"the log shrank: it had {old.size} entries, and has {head.size} now")
        self.old = old
        return f"it had {old.size} entries, root {old.root.hex()}"

    def tree(self) -> str:
        head = self._head()
        tree = _Tree(self)
        self.old_root = tree.root_at(self.old.size if self.old else 0, head.size)
        if tree.frontier.root() != head.root:
            raise Failed(
                f"the {head.size} entries lead to the root {tree.frontier.root().hex()}, not to the one that is signed"
            )
        what = "hashes to its tile" if self.tree_only else "is canonical and hashes to its tile"
        return f"each of {head.size} entries {what}, the tiles fold into the signed root"

    def consistency(self) -> str:
        if self.old is None or self.old_root is None:
            raise Unchecked("there is nothing to compare")
        if self.old_root != self.old.root:
            raise Failed(f"the first {self.old.size} entries are not those of the earlier checkpoint: history changed")
        return f"the first {self.old.size} entries are those of the earlier checkpoint"

    def _head(self) -> notes.TreeHead:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head


class _Tree:
    """One walk over all entries. levels[L]: the hashes of level L that are not yet a full tile, and how many before."""

    def __init__(self, log: Log) -> None:
        self.log, self.source, self.tree_only = log, log.source, log.tree_only
        self.frontier = merkle.Frontier()
        self._carried: dict[int, list[bytes]] = {}
        self._folded: dict[int, int] = {}

    def root_at(self, old: int, size: int) -> bytes:
        """Walk the whole tree of `size`; the root that its first `old` entries have."""
        old_root = merkle.EMPTY_ROOT
        for n in range(-(-size // tiles.WIDTH)):
            before = self.frontier.copy() if n == old // tiles.WIDTH else None
            tile = self._checked_tile(n, tiles.width_of(0, n, size))
            if before is not None:
                old_root = _grown(before, tile[: old % tiles.WIDTH * merkle.HASH_SIZE]).root()
            if len(tile) == _TILE_BYTES:
                self._carry(1, value := tiles.fold(tile))
                self.frontier.add(value, tiles.HEIGHT)
            else:
                _grown(self.frontier, tile)
            self.log.progress(self.frontier.size, size)
        for level, hashes in self._carried.items():
            if hashes:
                self._compare(level, self._folded.get(level, 0), b"".join(hashes))
        return self.frontier.root() if old == size else old_root

    def _checked_tile(self, n: int, width: int) -> bytes:
        """Tile (0, n), which the entries of bundle n hash to."""
        leaves, sha256 = self._leaves(n, width), hashlib.sha256
        tile = b"".join([sha256(b"\x00" + leaf).digest() for leaf in leaves])
        self._compare(0, n, tile)
        if not self.tree_only:
            for index, leaf in enumerate(leaves, n * tiles.WIDTH):
                _check_leaf(index, leaf)
        return tile

    def _carry(self, level: int, value: bytes) -> None:
        """Put a full tile's hash into the level above; when that fills a tile, go on."""
        hashes = self._carried.setdefault(level, [])
        hashes.append(value)
        if len(hashes) == tiles.WIDTH:
            n, tile = self._folded.get(level, 0), b"".join(hashes)
            self._compare(level, n, tile)
            self._folded[level] = n + 1
            hashes.clear()
            self._carry(level + 1, tiles.fold(tile))

    def _compare(self, level: int, n: int, computed: bytes) -> None:
        width = len(computed) // merkle.HASH_SIZE
        path = f"tile/{level}/{tiles.path_of(n, width)}"
        data, fuller = self._stored(f"tile/{level}/", n, width, _TILE_BYTES)
        if len(data) != (_TILE_BYTES if fuller else len(computed)):
            raise Failed(f"{path} holds {len(data)} bytes instead of {len(computed)}")
        if data[: len(computed)] == computed:
            return
        pairs = enumerate(zip(tiles.split_hashes(data), tiles.split_hashes(computed), strict=False))
        place = next(place for place, (found, right) in pairs if found != right)
        below = f"entry {n * tiles.WIDTH + place}" if level == 0 else f"tile {n * tiles.WIDTH + place} below it"
        raise Failed(f"{path}: hash {place} is not that of {below}: the one or the other was changed")

    def _leaves(self, n: int, width: int) -> list[bytes]:
        path = f"tile/entries/{tiles.path_of(n)}"
        data, fuller = self._stored("tile/entries/", n, width, _BUNDLE_BYTES)
        try:
            leaves = tiles.split_bundle(data)
        except tiles.BadTile as error:
            raise Failed(f"{path}: {error}") from error
        if len(leaves) != (tiles.WIDTH if fuller else width):
            raise Failed(f"{path} holds {len(leaves)} entries instead of {width}")
        return leaves[:width]

    def _stored(self, kind: str, n: int, width: int, limit: int) -> tuple[bytes, bool]:
        """What is stored, and whether it is the full one: servers may drop a partial tile once there is a full one."""
        path = kind + tiles.path_of(n, width)
        data = self.source.read(path, limit)
        if data is not None:
            return data, False
        fuller = self.source.read(kind + tiles.path_of(n), limit) if width < tiles.WIDTH else None
        if fuller is None:
            raise Failed(f"{path} is missing")
        return fuller, True


def _grown(frontier: merkle.Frontier, tile: bytes) -> merkle.Frontier:
    for at in range(0, len(tile), merkle.HASH_SIZE):
        frontier.add(tile[at : at + merkle.HASH_SIZE])
    return frontier


def _check_leaf(index: int, leaf: bytes) -> None:
    try:
        fields = jcs.decode(leaf)
    except jcs.NotCanonical as error:
        raise Failed(f"entry {index} is in the tree, but is not canonical JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Failed(f"entry {index} is in the tree, but is not an object")


def _readable(check: Callable[[], str]) -> Callable[[], str]:
    def run() -> str:
        try:
            return check()
        except Unreadable as error:
            raise Failed(str(error)) from error

    return run
