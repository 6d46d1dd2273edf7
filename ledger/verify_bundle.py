"""The checks of an exported bundle, in the order they are printed. Format: `docs/formats.md`. Pure."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

from ledger import bundleformat as form
from ledger import container, jcs, merkle, notes, tlogpolicy, verify_checks, verify_stamp
from ledger.verify_checks import Failed, Trust, Unchecked, Verdict, decoded, exactly, items, natural, some

_MANIFEST_MEMBERS = (
    "format", "about", "made_at", "origin", "checkpoint", "range", "selected", "disclosures", "members",
)  # fmt: skip


class Bundle:
    """One bundle and its verdict."""

    def __init__(self, data: bytes, trust: Trust) -> None:
        self.data, self.trust = data, trust
        self.verdict = Verdict(thorough=trust.thorough)
        self.members: dict[str, bytes] = {}
        self.manifest: dict[str, Any] = {}
        self.policy: tlogpolicy.Policy | None = None
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
            ("witnesses", self.witnesses),
            ("leaves", self.read_leaves),
            ("inclusion", self.inclusion),
            ("root", self.root),
            ("earlier export", self.previous),
            ("time stamps", self.stamps),
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
            self.members = _lenient(self.data) if self.trust.thorough else {}
            raise
        return f"{len(self.members)} members, nothing else"

    def read_manifest(self) -> str:
        manifest = decoded(form.MANIFEST, self._member(form.MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != form.FORMAT:
            raise Failed(f"{form.MANIFEST} is not of the format {form.FORMAT}")
        exactly(manifest, _MANIFEST_MEMBERS, form.MANIFEST)
        scope = exactly(manifest["range"], ("first", "count"), f"{form.MANIFEST}: range")
        first, count = natural(scope["first"]), natural(scope["count"])
        if count > container.MAX_MEMBERS:
            raise Failed(f"{form.MANIFEST} claims {count} entries, more than one bundle can hold")
        selected = [natural(index) for index in items(manifest["selected"], "selected")]
        if selected != sorted(set(selected)):
            raise Failed("the selected indices are not in order")
        if any(index not in range(first, first + count) for index in selected):
            raise Failed("a selected index lies outside of the range")
        for name in ("made_at", "origin"):
            verify_checks.text_of(manifest[name], f"{form.MANIFEST}: {name}")
        natural(manifest["disclosures"])
        self.manifest = manifest
        return f"{count} entries from {first}, {len(selected)} asked for; made {manifest['made_at']}"

    def digests(self) -> str:
        stated = self._manifest()["members"]
        ordered = self._expected_order()
        expected = set(ordered)
        if set(stated) != expected:
            raise Failed(f"the manifest does not name the right members: {some(set(stated) ^ expected)}")
        present = set(self.members) - {form.MANIFEST, form.SIGNATURE}
        if present != expected:
            raise Failed(f"members are missing or too many: {some(present ^ expected)}")
        for name in ordered:
            data, row = self.members[name], exactly(stated[name], ("size", "sha256"), f"{form.MANIFEST}: {name}")
            if natural(row["size"]) != len(data) or row["sha256"] != form.sha256(data):
                raise Failed(f"{name} was changed: its size or SHA-256 is not that of the manifest")
        if list(self.members) != [form.MANIFEST, form.SIGNATURE, *ordered]:
            raise Failed("the members are not in the order of the format")
        return f"{len(stated)} digests agree with the manifest"

    def _expected_order(self) -> list[str]:
        """What the manifest may name: the fixed members, the proofs of the range, each optional group whole."""
        stated = self._manifest()["members"]
        previous = form.PREVIOUS_CHECKPOINT in stated or form.PREVIOUS_CONSISTENCY in stated
        authorities = form.authorities(stated)
        if not authorities and form.STAMPS_CHECKPOINT in stated:
            raise Failed(f"{form.STAMPS_CHECKPOINT} is there without any stamp of it")
        return form.member_order(*self._range(), previous=previous, authorities=authorities)

    def key(self) -> str:
        self.policy = tlogpolicy.parse(self._member(form.POLICY))
        origin = self._manifest()["origin"]
        rotations = verify_checks.read_rotations(form.split_notes(self._member(form.ROTATIONS)), origin)
        enclosed = [log.verifier for log in self.policy.logs]
        return verify_checks.choose_keys(self.verdict, self.trust, origin, enclosed, rotations)

    def manifest_signature(self) -> str:
        manifest = self._member(form.MANIFEST)
        size = natural(exactly(self._manifest()["checkpoint"], ("size", "root"), "checkpoint")["size"])
        note = verify_checks.open_signed(form.SIGNATURE, self._member(form.SIGNATURE), self.verdict.vouching(size))
        if note.text != form.signed_text(manifest):
            raise Failed(f"{form.MANIFEST} was changed: it is not the one that was signed")
        return f"{form.MANIFEST} is signed by the log"

    def checkpoint(self) -> str:
        head = verify_checks.open_head(form.CHECKPOINT, self._member(form.CHECKPOINT), self.verdict)
        stated = self._manifest()["checkpoint"]
        if jcs.encode(stated) != jcs.encode({"size": head.size, "root": head.root.hex()}):
            raise Failed("the manifest states another size or root than the checkpoint")
        self.head = head
        return f"{head.origin} had {head.size} entries, root {head.root.hex()}"

    def witnesses(self) -> str:
        self._head()
        note = notes.parse(self._member(form.CHECKPOINT))
        return verify_checks.check_cosignatures(note, self.trust, self.policy)

    def read_leaves(self) -> str:
        first, count = self._range()
        leaves = form.split_lines(self._member(form.LEAVES))
        if len(leaves) != count:
            raise Failed(f"{form.LEAVES} holds {len(leaves)} entries, the manifest says {count}")
        for index, leaf in enumerate(leaves, first):
            if not isinstance(decoded(f"{form.LEAVES}: entry {index}", leaf), dict):
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

    def previous(self) -> str:
        if form.PREVIOUS_CHECKPOINT not in self._manifest()["members"]:
            return "the bundle says nothing of an earlier one"
        old = self._earlier(form.PREVIOUS_CHECKPOINT, form.PREVIOUS_CONSISTENCY)
        return f"the log of {old.size} entries, as it was exported before, is the beginning of this one"

    def stamps(self) -> str:
        authorities = form.authorities(self._manifest()["members"])
        if not authorities:
            return "the bundle holds no time stamp"
        old = self._earlier(form.STAMPS_CHECKPOINT, form.STAMPS_CONSISTENCY)
        stamped, times = form.sha256(self._member(form.STAMPS_CHECKPOINT)), []
        for authority in authorities:
            name = form.stamp_name(authority)
            try:
                stamp = verify_stamp.read(self._member(name))
            except verify_stamp.BadStamp as error:
                raise Failed(f"{name}: {error}") from error
            if stamp.imprint.hex() != stamped:
                raise Failed(f"{name} is the stamp of something else than {form.STAMPS_CHECKPOINT}")
            times.append(f"{authority} at {stamp.time}")
        return f"of {old.size} entries: {', '.join(times)}; the authority's own signature is for `openssl ts -verify`"

    def _earlier(self, checkpoint: str, consistency: str) -> notes.TreeHead:
        """The head in member `checkpoint`, which by member `consistency` is an earlier state of this log."""
        head = self._head()
        old = verify_checks.open_head(checkpoint, self._member(checkpoint), self.verdict)
        try:
            if self.policy:
                self.policy.cosigners_of(notes.parse(self._member(checkpoint)))
            proof = form.parse_consistency(self._member(consistency))
            merkle.verify_consistency(old.size, old.root, head.size, head.root, proof)
        except (ValueError, merkle.ProofError) as error:
            raise Failed(f"{checkpoint} is not shown to be an earlier state of this log: {error}") from error
        return old

    def disclosures(self) -> str:
        first, leaves, seen = self._range()[0], self._leaves(), []
        lines = enumerate(form.split_lines(self._member(form.DISCLOSURES)), 1)
        rows = [decoded(f"{form.DISCLOSURES} line {number}", line) for number, line in lines]
        for number, row in enumerate(rows, 1):
            exactly(row, ("index", "name", "salt", "value"), f"{form.DISCLOSURES} line {number}")
            index = natural(row["index"])
            if not 0 <= index - first < len(leaves):
                raise Failed(f"{form.DISCLOSURES} line {number} is not a disclosure of an entry that is here")
            verify_checks.check_disclosure(leaves[index - first], index, row)
            seen.append((index, row["name"]))
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

    def _head(self) -> notes.TreeHead:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head

    def _leaves(self) -> list[bytes]:
        if len(self.leaves) != self._range()[1]:
            raise Unchecked("the leaves could not be read")
        return self.leaves


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
