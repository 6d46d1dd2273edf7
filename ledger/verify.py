"""The offline verifier: `python -m ledger.verify FILE [--key VKEY] [--json]`.

Checks an exported bundle, or a single receipt, on a machine that has never seen Assay: Python's standard library,
PyNaCl and this folder, no Django, no database, no network. Formats: `docs/formats.md`. Each check is printed with
✓ or ✗; exit status 0 when all hold, 1 when one does not, 2 when it was not called rightly.
"""

import argparse
import base64
import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger import bundleformat as form
from ledger import container, jcs, keys, merkle, notes

RECEIPT_FORMAT = "assay-receipt/1"
RECEIPT_MEMBERS = {"format", "index", "leaf", "leaf_hash", "entry", "proof", "checkpoint", "tlog_proof"}


class Failed(Exception):
    """A check that does not hold, in one line."""


class Unchecked(Exception):
    """A check that cannot be made because an earlier one failed."""


@dataclass(frozen=True)
class Check:
    """ok: None when it could not be made."""

    name: str
    ok: bool | None
    message: str


@dataclass
class Verdict:
    """The checks in order. The file is verified when each of them holds."""

    checks: list[Check] = field(default_factory=list)
    verifiers: list[keys.LogVerifier] = field(default_factory=list)
    key_from: str = ""

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def run(self, name: str, check: Callable[[], str]) -> None:
        try:
            self.checks.append(Check(name, True, check()))
        except Unchecked as error:
            self.checks.append(Check(name, None, str(error)))
        except (Failed, notes.BadNote, merkle.ProofError, jcs.NotCanonical, container.BadContainer) as error:
            self.checks.append(Check(name, False, str(error)))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            # What Python says about a value that has not the shape the format asks for.
            self.checks.append(Check(name, False, f"not in the form that docs/formats.md asks for ({error!r})"))

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "checks": [{"name": c.name, "ok": c.ok, "message": c.message} for c in self.checks],
            "key_from": self.key_from,
            "keys": [{"vkey": v.vkey, "fingerprint": v.fingerprint} for v in self.verifiers],
        }


def verify_file(data: bytes, trusted: keys.LogVerifier | None = None) -> Verdict:
    """Verify a bundle (zip) or a receipt (JSON). trusted: the log's key from a source of your own; may be None."""
    if data[:1] == b"{":
        return _Receipt(data, trusted).verdict
    return _Bundle(data, trusted).verdict


class _Bundle:
    """One bundle and its checks, in the order they are printed."""

    def __init__(self, data: bytes, trusted: keys.LogVerifier | None) -> None:
        self.data, self.trusted, self.verdict = data, trusted, Verdict()
        self.members: dict[str, bytes] = {}
        self.manifest: dict[str, Any] = {}
        self.head: notes.TreeHead | None = None
        self.leaves: list[bytes] = []
        self.opened: list[dict[str, Any]] = []
        checks: list[tuple[str, Callable[[], str]]] = [
            ("zip file", self.zip_file),
            ("manifest", self.read_manifest),
            ("members", self.digests),
            ("key", self.key),
            ("manifest signature", self.manifest_signature),
            ("checkpoint", self.checkpoint),
            ("leaves", self.read_leaves),
            ("inclusion", self.inclusion),
            ("root", self.root),
            ("disclosures", self.disclosures),
            ("table", self.table),
        ]
        for name, check in checks:
            self.verdict.run(name, check)

    def zip_file(self) -> str:
        try:
            self.members = container.read(self.data)
        except container.BadContainer:
            # The other checks still say what else is wrong, as far as any zip program can read the file.
            self.members = _lenient(self.data)
            raise
        return f"{len(self.members)} members, nothing else"

    def read_manifest(self) -> str:
        manifest = _decoded(form.MANIFEST, self._member(form.MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != form.FORMAT:
            raise Failed(f"{form.MANIFEST} is not of the format {form.FORMAT}")
        first, count = _natural(manifest["range"]["first"]), _natural(manifest["range"]["count"])
        if count > container.MAX_MEMBERS:
            raise Failed(f"{form.MANIFEST} claims {count} entries, more than one bundle can hold")
        selected = manifest["selected"]
        if selected != sorted({_natural(index) for index in selected}):
            raise Failed("the selected indices are not in order")
        if any(index not in range(first, first + count) for index in selected):
            raise Failed("a selected index lies outside of the range")
        self.manifest = manifest
        return f"{count} entries from {first}, {len(selected)} asked for; made {manifest['made_at']}"

    def digests(self) -> str:
        stated = self._manifest()["members"]
        first, count = self._range()
        ordered = [*form.FIXED, *(form.proof_name(index) for index in range(first, first + count))]
        expected = set(ordered)
        if set(stated) != expected:
            raise Failed(f"the manifest does not name the right members: {_some(set(stated) ^ expected)}")
        present = set(self.members) - {form.MANIFEST, form.SIGNATURE}
        if present != expected:
            raise Failed(f"members are missing or too many: {_some(present ^ expected)}")
        for name, data in self.members.items():
            if name in stated and stated[name] != {"size": len(data), "sha256": form.sha256(data)}:
                raise Failed(f"{name} was changed: its size or SHA-256 is not that of the manifest")
        if list(self.members) != [form.MANIFEST, form.SIGNATURE, *ordered]:
            raise Failed("the members are not in the order of the format")
        return f"{len(stated)} digests agree with the manifest"

    def key(self) -> str:
        lines = form.split_lines(self._member(form.KEYS))
        enclosed = [keys.parse_vkey(line.decode("utf-8")) for line in lines]
        if not enclosed:
            raise Failed(f"{form.KEYS} holds no key")
        return _choose_key(self.verdict, self.trusted, enclosed)

    def manifest_signature(self) -> str:
        manifest = self._member(form.MANIFEST)
        note = _signed(form.SIGNATURE, self._member(form.SIGNATURE), self._verifiers())
        if note.text != form.signed_text(manifest):
            raise Failed(f"{form.MANIFEST} was changed: it is not the one that was signed")
        return f"{form.MANIFEST} is signed by the log"

    def checkpoint(self) -> str:
        origin = self._manifest()["origin"]
        note = _signed(form.CHECKPOINT, self._member(form.CHECKPOINT), self._verifiers())
        head = notes.parse_tree_head(note.text)
        if head.origin != origin or any(verifier.name != origin for verifier in self._verifiers()):
            raise Failed(f"the checkpoint is of {head.origin}, the manifest of {origin}, and the key of another log")
        stated = self._manifest()["checkpoint"]
        if stated != {"size": head.size, "root": head.root.hex()}:
            raise Failed("the manifest states another size or root than the checkpoint")
        self.head = head
        return f"{head.origin} had {head.size} entries, root {head.root.hex()}"

    def read_leaves(self) -> str:
        first, count = self._range()
        leaves = form.split_lines(self._member(form.LEAVES))
        if len(leaves) != count:
            raise Failed(f"{form.LEAVES} holds {len(leaves)} entries, the manifest says {count}")
        for index, leaf in enumerate(leaves, first):
            if not isinstance(_decoded(f"{form.LEAVES}: entry {index}", leaf), dict):
                raise Failed(f"{form.LEAVES}: entry {index} is not an object")
        self.leaves = leaves
        return f"{count} entries without a gap"

    def inclusion(self) -> str:
        head, leaves = self._head(), self._leaves()
        checkpoint = self._member(form.CHECKPOINT).decode("utf-8")
        for index, leaf in enumerate(leaves, self._range()[0]):
            name = form.proof_name(index)
            try:
                proof = notes.parse_proof(self._member(name))
                merkle.verify_inclusion(merkle.leaf_hash(leaf), index, head.size, proof.path, head.root)
            except (notes.BadNote, merkle.ProofError) as error:
                raise Failed(f"entry {index} is not proved by {name}: {error}") from error
            if proof.index != index or proof.checkpoint != checkpoint:
                raise Failed(f"{name} is of another entry or another checkpoint")
        return f"each of {len(leaves)} entries is in the signed tree"

    def root(self) -> str:
        head, leaves = self._head(), self._leaves()
        if self._range() != (0, head.size):
            return "not the whole log: each entry is proved by itself"
        if merkle.root_of([merkle.leaf_hash(leaf) for leaf in leaves]) != head.root:
            raise Failed("the entries together do not give the signed root")
        return f"all {head.size} entries of the log together give the signed root"

    def disclosures(self) -> str:
        first, leaves, seen = self._range()[0], self._leaves(), []
        rows = [
            _decoded(f"{form.DISCLOSURES} line {number}", line)
            for number, line in enumerate(form.split_lines(self._member(form.DISCLOSURES)), 1)
        ]
        for number, row in enumerate(rows, 1):
            if set(row) != {"index", "name", "salt", "value"} or not 0 <= row["index"] - first < len(leaves):
                raise Failed(f"{form.DISCLOSURES} line {number} is not a disclosure of an entry that is here")
            if not form.commits(jcs.decode(leaves[row["index"] - first]), row):
                raise Failed(f"“{row['name']}” of entry {row['index']} is not the value that was recorded")
            seen.append((row["index"], row["name"]))
        if seen != sorted(set(seen)) or len(seen) != self._manifest()["disclosures"]:
            raise Failed(f"{form.DISCLOSURES} is not in order, or not as long as the manifest says")
        self.opened = rows
        return f"{len(rows)} disclosed values are those that were recorded"

    def table(self) -> str:
        if self._member(form.CSV) != form.entries_csv(self._range()[0], self._leaves(), self.opened):
            raise Failed(f"{form.CSV} does not say what the leaves and disclosures say")
        return f"{form.CSV} says what the leaves and disclosures say"

    def _member(self, name: str) -> bytes:
        if name not in self.members:
            raise Failed(f"{name} is missing") if self.members else Unchecked("the zip file could not be read")
        return self.members[name]

    def _manifest(self) -> dict[str, Any]:
        if not self.manifest:
            raise Unchecked("the manifest could not be read")
        return self.manifest

    def _range(self) -> tuple[int, int]:
        return self._manifest()["range"]["first"], self._manifest()["range"]["count"]

    def _verifiers(self) -> list[keys.LogVerifier]:
        if not self.verdict.verifiers:
            raise Unchecked("there is no key to check with")
        return self.verdict.verifiers

    def _head(self) -> notes.TreeHead:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head

    def _leaves(self) -> list[bytes]:
        if len(self.leaves) != self._range()[1]:
            raise Unchecked("the leaves could not be read")
        return self.leaves


class _Receipt:
    """One receipt (JSON) and its checks. Its key comes from `--key` or is not known: a receipt encloses none."""

    def __init__(self, data: bytes, trusted: keys.LogVerifier | None) -> None:
        self.data, self.trusted, self.verdict = data, trusted, Verdict()
        self.fields: dict[str, Any] = {}
        self.head: notes.TreeHead | None = None
        for name, check in (("receipt", self.read), ("checkpoint", self.checkpoint), ("inclusion", self.inclusion)):
            self.verdict.run(name, check)

    def read(self) -> str:
        fields = json.loads(self.data.decode("utf-8"), object_pairs_hook=_each_once)
        if fields.get("format") != RECEIPT_FORMAT:
            raise Failed(f"not a receipt of the format {RECEIPT_FORMAT}")
        if set(fields) != RECEIPT_MEMBERS:
            raise Failed(f"members are missing or too many: {_some(set(fields) ^ RECEIPT_MEMBERS)}")
        leaf = base64.b64decode(fields["leaf"], validate=True)
        proof = notes.LoggedProof(
            _natural(fields["index"]),
            tuple(base64.b64decode(value, validate=True) for value in fields["proof"]),
            fields["checkpoint"],
        )
        if fields["entry"] != json.loads(leaf) or fields["leaf_hash"] != merkle.leaf_hash(leaf).hex():
            raise Failed("the entry shown for reading is not the leaf that is proved")
        if fields["tlog_proof"] != str(proof):
            raise Failed("the tlog-proof is not that of the receipt")
        self.fields = fields
        return f"entry {fields['index']}: {fields['entry'].get('type')}"

    def checkpoint(self) -> str:
        if not self.fields:
            raise Unchecked("the receipt could not be read")
        if self.trusted is None:
            raise Failed("a receipt encloses no key: give the log's key with --key (it is at /log/key)")
        _choose_key(self.verdict, self.trusted, [self.trusted])
        self.head = notes.open_checkpoint(self.fields["checkpoint"], self.trusted.name, [self.trusted])
        return f"{self.head.origin} had {self.head.size} entries, root {self.head.root.hex()}"

    def inclusion(self) -> str:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        leaf = base64.b64decode(self.fields["leaf"])
        path = [base64.b64decode(value) for value in self.fields["proof"]]
        merkle.verify_inclusion(merkle.leaf_hash(leaf), self.fields["index"], self.head.size, path, self.head.root)
        return f"the entry is number {self.fields['index']} of the signed tree"


def _choose_key(verdict: Verdict, trusted: keys.LogVerifier | None, enclosed: list[keys.LogVerifier]) -> str:
    if trusted is None:
        verdict.verifiers, verdict.key_from = enclosed, "bundle"
        return f"the key came from the file itself; compare its fingerprint: {enclosed[0].fingerprint}"
    verdict.verifiers, verdict.key_from = [trusted], "argument"
    if trusted not in enclosed:
        raise Failed("the file encloses another key than the one you gave")
    return f"the key is the one you gave: {trusted.fingerprint}"


def _lenient(data: bytes) -> dict[str, bytes]:
    """What Python's own zip reader finds, or what the headers still tell, or nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            # A zip bomb would be far larger unpacked than a bundle, which is not compressed at all.
            if len(members) > container.MAX_MEMBERS or sum(m.file_size for m in members) > 64 * len(data) + (1 << 20):
                return {}
            return {member.filename: archive.read(member) for member in members}
    except Exception:  # a reader of hostile bytes raises what it likes; the strict check has failed already
        return container.salvage(data)


def _decoded(where: str, line: bytes) -> Any:
    try:
        return jcs.decode(line)
    except jcs.NotCanonical as error:
        raise Failed(f"{where} is damaged: {error}") from error


def _signed(name: str, data: bytes, verifiers: list[keys.LogVerifier]) -> notes.Note:
    try:
        return notes.open_note(data, verifiers)
    except notes.BadNote as error:
        raise Failed(f"{name}: {error}") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which two readers cannot find two values under one name."""
    if len(dict(pairs)) != len(pairs):
        raise Failed("a member is there twice")
    return dict(pairs)


def _natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Failed(f"not a whole number: {value!r}")
    return value


def _some(names: set[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:5]) + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")


def _print(path: Path, verdict: Verdict) -> None:
    marks = {True: "✓", False: "✗", None: "–"}
    for check in verdict.checks:
        print(f"{marks[check.ok]} {check.name}: {check.message}")
    if verdict.ok and verdict.key_from == "bundle":
        print("! The key came from the file itself: whoever made the file chose it. Give the log's key with --key,")
        print("  or compare the fingerprint above with one that you got by another way.")
    print(f"{path.name}: {'verified' if verdict.ok else 'NOT verified'}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ledger.verify", description="Verify a bundle or receipt, offline.")
    parser.add_argument("file", type=Path, help="bundle (.zip) or receipt (.json)")
    parser.add_argument("--key", help="the log's public key (C2SP vkey), from a source you trust")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    options = parser.parse_args(arguments)
    try:
        trusted = keys.parse_vkey(options.key) if options.key else None
        data = options.file.read_bytes()
    except keys.BadKey as error:
        parser.error(f"--key: {error}")
    except OSError as error:
        parser.error(f"cannot read {options.file}: {error.strerror}")
    verdict = verify_file(data, trusted)
    if options.json:
        print(json.dumps(verdict.as_dict(), indent=2))
    else:
        _print(options.file, verdict)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    sys.exit(main())
