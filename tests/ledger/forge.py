"""A second writer, for tests: bundles, receipts and whole logs made from `docs/formats.md` alone.

Nothing of the product is imported: keys are OpenSSL's (cryptography), the zip file is zipfile's, the tree is RFC 6962's
recursive definition. What the verifiers accept from here, they accept because the document says so.
"""

import base64
import hashlib
import hmac
import io
import json
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ORIGIN = "register.example/log"
README = b"# An extract\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """RFC 8785 for what is used here: keys within the basic plane, integers."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Key:
    """An Ed25519 key of a log (type 1) or of a witness (type 4), from 32 times one letter."""

    name: str
    letter: str
    type: int = 1

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.letter.encode() * 32)

    @property
    def typed(self) -> bytes:
        return bytes([self.type]) + self.private.public_key().public_bytes_raw()

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.typed).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64(self.typed)}"

    def line(self, text: str, time: int = 1_790_000_000) -> str:
        if self.type == 1:
            signature = self.private.sign(text.encode())
        else:
            signature = struct.pack(">Q", time) + self.private.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return f"— {self.name} {b64(self.id + signature)}\n"


LOG = Key(ORIGIN, "l")
OLD = Key(ORIGIN, "o")
MALLORY = Key(ORIGIN, "m")
PROMISE = Key(f"{ORIGIN}/promise", "p")
WITNESS = Key("witness.example/greta", "g", 4)


def note(text: str, *keys: Key) -> str:
    return text + "\n" + "".join(key.line(text) for key in keys)


def rotation(old: Key = OLD, new: Key = LOG, size: int = 3, origin: str = ORIGIN) -> str:
    return note(f"assay-key-rotation/1\n{origin}\n{old.vkey}\n{new.vkey}\n{size}\n", old, new)


def policy(quorum: str = "none", witness: Key = WITNESS, log: Key = LOG) -> str:
    return f"log {log.vkey}\nwitness greta {witness.vkey} https://witness.example/\nquorum {quorum}\n"


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """RFC 6962 section 2.1, as it is written there; subtrees are remembered."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._hashes = [leaf_hash(leaf) for leaf in leaves]
        self._known: dict[tuple[int, int], bytes] = {}

    def root(self, start: int, end: int) -> bytes:
        if start == end:
            return hashlib.sha256(b"").digest()
        if end - start == 1:
            return self._hashes[start]
        if (start, end) not in self._known:
            k = self._split(end - start)
            self._known[start, end] = node(self.root(start, start + k), self.root(start + k, end))
        return self._known[start, end]

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        k = self._split(end - start)
        if m < k:
            return [*self.path(m, start, start + k), self.root(start + k, end)]
        return [*self.path(m - k, start + k, end), self.root(start, start + k)]

    def proof(self, m: int, start: int, end: int, whole: bool = True) -> list[bytes]:
        if m == end - start:
            return [] if whole else [self.root(start, end)]
        k = self._split(end - start)
        if m <= k:
            return [*self.proof(m, start, start + k, whole), self.root(start + k, end)]
        return [*self.proof(m - k, start + k, end, False), self.root(start, start + k)]

    def around(self, first: int, last: int, start: int, end: int) -> list[bytes]:
        """The hashes of the subtrees that hold none of the leaves [first, last), left to right."""
        if end <= first or start >= last:
            return [self.root(start, end)]
        if first <= start and end <= last:
            return []
        k = start + self._split(end - start)
        return self.around(first, last, start, k) + self.around(first, last, k, end)

    @staticmethod
    def _split(n: int) -> int:
        k = 1
        while 2 * k < n:
            k *= 2
        return k


@dataclass
class Leaf:
    """An entry whose section `statement` is sealed."""

    number: int
    text: str = ""
    salt: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.text or f"Statement {self.number} of Dana, “schön”, 中"
        self.salt = hashlib.sha256(b"salt %d" % self.number).digest()

    @property
    def fields(self) -> dict[str, Any]:
        mac = hmac.new(self.salt, canonical(self.text), hashlib.sha256).digest()
        return {
            "v": 1, "type": "asset:registered", "ts": f"2026-11-23T03:00:00.{self.number:06d}Z", "role": "creator",
            "nonce": b64(hashlib.sha256(b"nonce %d" % self.number).digest()[:16]), "object": f"asset:{self.number}",
            "refs": [hashlib.sha256(b"earlier").hexdigest()] * (self.number % 3), "facts": {"kind": "image", "n": -1},
            "commitments": {"statement": b64(mac)},
        }  # fmt: skip

    @property
    def raw(self) -> bytes:
        return canonical(self.fields)

    def disclosure(self) -> dict[str, Any]:
        return {"name": "statement", "salt": b64(self.salt), "value": self.text}


class Log:
    """A log in memory, signed by `keys` and cosigned by `witnesses`."""

    def __init__(self, count: int, keys: Sequence[Key] = (LOG,), witnesses: Sequence[Key] = (WITNESS,)) -> None:
        self.entries = [Leaf(number) for number in range(count)]
        self.leaves = [entry.raw for entry in self.entries]
        self.tree, self.keys, self.witnesses = Tree(self.leaves), keys, witnesses

    def checkpoint(self, size: int | None = None, keys: Sequence[Key] | None = None) -> str:
        size = len(self.leaves) if size is None else size
        text = f"{(keys or self.keys)[0].name}\n{size}\n{b64(self.tree.root(0, size))}\n"
        return note(text, *(keys or self.keys), *self.witnesses)

    def tlog_proof(self, index: int, checkpoint: str, size: int) -> str:
        path = [b64(value) for value in self.tree.path(index, 0, size)]
        return "\n".join(["c2sp.org/tlog-proof@v1", f"index {index}", *path, "", checkpoint])

    def consistency(self, old: int) -> bytes:
        proof = self.tree.proof(old, 0, len(self.leaves)) if old else []
        return "".join(f"{b64(value)}\n" for value in proof).encode()


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, path and checkpoint of a tlog-proof (c2sp.org/tlog-proof) without extra line."""
    head, _, checkpoint = text.partition("\n\n")
    first, index, *path = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    return int(index.removeprefix("index ")), [base64.b64decode(line) for line in path], checkpoint


def members(
    log: Log,
    first: int,
    count: int,
    *,
    previous: int = 0,
    stamped: int = 0,
    rich: bool = True,
    selected: str | None = None,
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> dict[str, bytes]:
    """The members of a bundle but its manifest. rich: with a policy of one witness, a rotation and disclosures.

    selected: the lines of `selected.jsonl`; empty for a query by date and kind. By default the range, if it is a part.
    """
    checkpoint, chosen, size = log.checkpoint(), log.entries[first : first + count], len(log.leaves)
    rows = [{"index": entry.number, **entry.disclosure()} for entry in chosen] if rich else []
    if selected is None:
        selected = f"[{first},{count}]\n" if count < size else ""
    proof = log.tree.around(first, first + count, 0, size) if count else []
    found = {
        "leaves.jsonl": b"".join(entry.raw + b"\n" for entry in chosen),
        "disclosures.jsonl": b"".join(canonical(row) + b"\n" for row in rows),
        "entries.csv": table(chosen, rich),
        **({"selected.jsonl": selected.encode()} if selected else {}),
        "range-proof": "".join(f"{b64(value)}\n" for value in proof).encode(),
        "checkpoint": checkpoint.encode(),
        "policy": policy().encode() if rich else f"log {log.keys[0].vkey}\nquorum none\n".encode(),
        "rotations": (rotation(size=previous or 3) + "\n").encode() if rich else b"",
    }
    if previous:
        found["previous/checkpoint"] = log.checkpoint(previous, [OLD] if rich else None).encode()
        found["previous/consistency"] = log.consistency(previous)
    if stamped:
        found["stamps/checkpoint"] = log.checkpoint(stamped).encode()
        found["stamps/consistency"] = log.consistency(stamped)
        for authority in ("eu-tsa", "own"):
            found[f"stamps/{authority}.tsr"] = stamp(found["stamps/checkpoint"])
    found |= {"README.md": README, "schema.json": b"{}"}
    return found | {f"files/{name}": files[name] for name in sorted(files)}


def table(entries: Iterable[Leaf], disclosed: bool) -> bytes:
    rows = [["index", "time", "type", "role", "object", "facts", "refs", "disclosed", "leaf_hash"]]
    for entry in entries:
        fields = entry.fields
        shown = canonical({"statement": entry.text}).decode() if disclosed else ""
        texts = [fields.get(name, "") for name in ("ts", "type", "role", "object")]
        facts, refs = canonical(fields.get("facts", {})).decode(), " ".join(fields.get("refs", []))
        rows.append([str(entry.number), *texts, facts, refs, shown, leaf_hash(entry.raw).hex()])
    return "".join(",".join(map(_cell, row)) + "\r\n" for row in rows).encode()


def _cell(text: str) -> str:
    text = "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text


def manifest(content: dict[str, bytes], log: Log, first: int, count: int, **changes: Any) -> bytes:
    """Canonical JSON over these members; `changes` replace members of the manifest itself."""
    size, runs = len(log.leaves), content.get("selected.jsonl", b"").splitlines()
    selected = sum(json.loads(run)[1] for run in runs) if runs else count
    fields = {
        "format": "assay-bundle/2", "about": {"purpose": "inquiry 7"}, "made_at": "2026-11-23T04:00:00Z",
        "origin": log.keys[0].name, "checkpoint": {"size": size, "root": log.tree.root(0, size).hex()},
        "range": {"first": first, "count": count}, "selection": {"by": "list" if runs else "query", "count": selected},
        "query": {"since": None, "until": None, "types": [], "slack": 0},
        "disclosures": content["disclosures.jsonl"].count(b"\n"), "members": digests(content),
    }  # fmt: skip
    return canonical(fields | changes)


def digests(content: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()}


def sealed(raw: bytes, content: dict[str, bytes], key: Key = LOG) -> bytes:
    """The zip file of this manifest, its signature and these members."""
    signature = note(f"assay-bundle/2\n{hashlib.sha256(raw).hexdigest()}\n", key)
    return packed({**content, "manifest.json": raw, "manifest.sig": signature.encode()})


def packed(content: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in content.items():
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o100644 << 16
            archive.writestr(member, data)
    return target.getvalue()


def unpacked(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def resealed(content: dict[str, bytes], key: Key = LOG, **changes: Any) -> bytes:
    """What the holder of the signing key makes of changed members: new digests, a new signature."""
    rest = {name: data for name, data in content.items() if name not in ("manifest.json", "manifest.sig")}
    fields = json.loads(content["manifest.json"]) | {"members": digests(rest)} | changes
    return sealed(canonical(fields), rest, key)


def bundle(log: Log, first: int, count: int, *, query: Mapping[str, Any] | None = None, **options: Any) -> bytes:
    """query: of the manifest, with the number of entries that match it as `count`."""
    changes: dict[str, Any] = {}
    if query:
        options["selected"] = ""
        asked = {name: query.get(name) for name in ("since", "until")}
        changes = {
            "query": {**asked, "types": query.get("types", []), "slack": query.get("slack", 0)},
            "selection": {"by": "query", "count": query["count"]},
        }
    content = members(log, first, count, **options)
    return sealed(manifest(content, log, first, count, **changes), content)


def receipt(log: Log, index: int, /, **changes: Any) -> bytes:
    """The receipt of one entry; `changes` replace its members."""
    entry, checkpoint, size = log.entries[index], log.checkpoint(), len(log.leaves)
    fields = {
        "format": "assay-receipt/1", "index": index, "leaf": b64(entry.raw), "leaf_hash": leaf_hash(entry.raw).hex(),
        "entry": entry.fields, "disclosures": [entry.disclosure()], "checkpoint": checkpoint,
        "proof": [b64(value) for value in log.tree.path(index, 0, size)],
        "tlog_proof": log.tlog_proof(index, checkpoint, size), "policy": policy(), "rotations": [rotation()],
    }  # fmt: skip
    return canonical(fields | changes)


def acknowledgement(entry: Leaf, /, **changes: Any) -> bytes:
    """What is handed out before the entry has an index; `changes` replace its members."""
    hashed = leaf_hash(entry.raw)
    promise = f"assay-promise/1\n{ORIGIN}\n{b64(hashed)}\n{entry.fields['ts']}\n60\n"
    fields = {
        "format": "assay-acknowledgement/1", "entry": 12, "leaf_hash": hashed.hex(), "promise": note(promise, PROMISE),
        "promise_key": note(f"assay-promise-key/1\n{ORIGIN}\n{PROMISE.vkey}\n", LOG),
    }  # fmt: skip
    return canonical(fields | changes)


def stamp(data: bytes, status: int = 0, algorithm: str = "608648016503040201") -> bytes:
    """An RFC 3161 response over SHA-256 of `data`, without certificate or signature: those are not what is checked."""
    digest = _der(0x30, _der(0x06, bytes.fromhex(algorithm)), b"\5\0")
    imprint = _der(0x30, digest, _der(0x04, hashlib.sha256(data).digest()))
    policy_id = _der(0x06, b"\x2a\3\4")
    info = _der(0x30, b"\2\1\1", policy_id, imprint, b"\2\1\7", _der(0x18, b"20261123030000Z"))
    wrapped = _der(0x30, _der(0x06, bytes.fromhex("2a864886f70d0109100104")), _der(0xA0, _der(0x04, info)))
    signed = _der(0x30, b"\2\1\3", _der(0x31), wrapped, _der(0x31))
    token = _der(0x30, _der(0x06, bytes.fromhex("2a864886f70d010702")), _der(0xA0, signed))
    return _der(0x30, _der(0x30, bytes([2, 1, status])), token)


def _der(tag: int, *contents: bytes) -> bytes:
    data = b"".join(contents)
    size = len(data)
    length = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + struct.pack(">H", size)
    return bytes([tag]) + length + data


def many_leaves(count: int, size: int) -> Iterator[bytes]:
    """Leaves of about `size` bytes."""
    padding = "x" * max(0, size - 22)
    for number in range(count):
        yield b'{"n":%d,"pad":"%s"}' % (number, padding.encode())


def write_log(folder: Path, leaves: Iterable[bytes], *keys: Key) -> list[bytes]:
    """A whole log as files (c2sp.org/tlog-tiles), and the hashes of its leaves. Streams the leaves."""
    hashes: list[bytes] = []
    pending: list[bytes] = []
    for leaf in leaves:
        pending.append(leaf)
        if len(pending) == 256:
            hashes += _write_bundle(folder, len(hashes) // 256, pending)
            pending = []
    if pending:
        hashes += _write_bundle(folder, len(hashes) // 256, pending)
    level, row = 0, hashes
    while row:
        for n in range(0, len(row), 256):
            _write_tile(folder / "tile" / str(level), n // 256, row[n : n + 256], b"".join(row[n : n + 256]))
        row = [_folded(row[n : n + 256]) for n in range(0, len(row) - 255, 256)]
        level += 1
    signing = keys or (LOG,)
    text = f"{signing[0].name}\n{len(hashes)}\n{b64(root_of(hashes))}\n"
    (folder / "checkpoint").write_text(note(text, *signing))
    (folder / "key").write_text("".join(f"{key.vkey}\n" for key in signing if key.type == 1))
    return hashes


def _write_bundle(folder: Path, n: int, leaves: list[bytes]) -> list[bytes]:
    data = b"".join([struct.pack(">H", len(leaf)) + leaf for leaf in leaves])
    _write_tile(folder / "tile" / "entries", n, leaves, data)
    return [leaf_hash(leaf) for leaf in leaves]


def _write_tile(folder: Path, n: int, parts: Sequence[bytes], data: bytes) -> None:
    file = folder / tile_path(n, len(parts))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def tile_path(n: int, width: int = 256) -> str:
    path = f"{n % 1000:03d}"
    while n >= 1000:
        n //= 1000
        path = f"x{n % 1000:03d}/{path}"
    return path if width == 256 else f"{path}.p/{width}"


def _folded(row: list[bytes]) -> bytes:
    while len(row) > 1:
        row = [node(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def root_of(hashes: list[bytes]) -> bytes:
    """RFC 6962's root, level by level: a last hash without a neighbour rises as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    while len(hashes) > 1:
        pairs = [node(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(hashes) - len(hashes) % 2 :]
    return hashes[0]
