"""The checks of an exported bundle, in the order they are printed; of its entries `verify_entries`. Pure.

Format: `docs/formats.md`. Each way to tamper with a bundle has a check of its own name.
"""

from collections.abc import Callable
from typing import IO, Any

from ledger import bundleformat as form
from ledger import container, jcs, merkle, notes, tlogpolicy, verify_checks, verify_entries, verify_naming, verify_stamp
from ledger.verify_checks import Failed, Trust, Unchecked, Verdict, decoded, exactly, items, natural, some
from ledger.verify_entries import Entries, Progress, Scope

_MANIFEST_MEMBERS = (
    "format", "about", "made_at", "origin", "checkpoint", "range", "query", "selection", "disclosures", "members",
)  # fmt: skip


class Bundle:
    """One bundle, in a file that can be sought in, and its verdict. progress: is told how many entries are done."""

    def __init__(self, file: IO[bytes], trust: Trust, progress: Progress | None = None) -> None:
        self.file, self.trust, self.progress = file, trust, progress
        self.verdict = Verdict(thorough=trust.thorough)
        self.archive = container.Archive(file, {})
        self.damage: container.BadContainer | None = None
        self.manifest: dict[str, Any] = {}
        self.policy: tlogpolicy.Policy | None = None
        self.head: notes.TreeHead | None = None
        self.scope: Scope | None = None
        self.entries: Entries | None = None
        for name, check in self._checks():
            self.verdict.run(name, check)

    def _checks(self) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("file length", self.file_length),
            ("member names", self.member_names),
            ("packing", self.packing),
            ("zip file", self.zip_file),
            ("manifest", self.read_manifest),
            ("members", self.digests),
            ("key", self.key),
            ("manifest signature", self.manifest_signature),
            ("log", self.log),
            ("checkpoint", self.checkpoint),
            ("witnesses", self.witnesses),
            ("leaves", self.read_leaves),
            ("inclusion", lambda: self._entries().inclusion()),
            *((name, self._untouched(name, words)) for name, words in _UNTOUCHED.items()),
            ("selection", lambda: self._entries().selected()),
            ("edges", lambda: self._entries().edges()),
            ("earlier export", self.previous),
            ("time stamps", self.stamps),
            ("disclosures", lambda: self._entries().disclosures()),
            ("disclosure owners", lambda: self._entries().owners()),
            ("table", lambda: self._entries().tabled()),
        ]

    def file_length(self) -> str:
        try:
            self.archive = container.scan(self.file)
        except container.BadContainer as error:
            self.damage = error
            # The other checks still say what else is wrong, as far as the file goes.
            self.archive = container.salvage(self.file) if self.trust.thorough else self.archive
        return self._undamaged(container.Truncated, "the file is whole")

    def member_names(self) -> str:
        return self._undamaged(container.BadName, "no name leads out of the folder that it is unpacked in")

    def packing(self) -> str:
        return self._undamaged(container.Packed, "no member is packed: none unpacks to more than it is")

    def zip_file(self) -> str:
        if self.damage:
            raise Unchecked(str(self.damage)) if type(self.damage) is not container.BadContainer else self.damage
        return f"{len(self.archive.members)} members, nothing else"

    def _undamaged(self, kind: type[container.BadContainer], otherwise: str) -> str:
        if isinstance(self.damage, kind):
            raise self.damage
        return otherwise

    def read_manifest(self) -> str:
        manifest = decoded(form.MANIFEST, self._member(form.MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != form.FORMAT:
            raise Failed(f"{form.MANIFEST} is not of the format {form.FORMAT}")
        exactly(manifest, _MANIFEST_MEMBERS, form.MANIFEST)
        for name in ("made_at", "origin"):
            verify_checks.text_of(manifest[name], f"{form.MANIFEST}: {name}")
        self.scope = scope = _scope(manifest)
        self.manifest = manifest
        return f"{scope.count} entries from {scope.first}, {scope.selected} asked for; made {manifest['made_at']}"

    def digests(self) -> str:
        stated = self._manifest()["members"]
        if not isinstance(stated, dict):
            raise Failed(f"{form.MANIFEST}: members is not an object")
        ordered = self._expected_order(stated)
        if set(stated) != set(ordered):
            raise Failed(f"the manifest does not name the right members: {some(set(stated) ^ set(ordered))}")
        present = set(self.archive.members) - {form.MANIFEST, form.SIGNATURE}
        if present != set(ordered):
            raise Failed(f"members are missing or too many: {some(present ^ set(ordered))}")
        for name in ordered:
            member, row = self.archive.members[name], exactly(stated[name], ("size", "sha256"), name)
            if natural(row["size"]) != member.size or row["sha256"] != member.sha256:
                raise Failed(f"{name} was changed: its size or SHA-256 is not that of the manifest")
        if list(self.archive.members) != [*ordered, form.MANIFEST, form.SIGNATURE]:
            raise Failed("the members are not in the order of the format")
        return f"{len(stated)} digests agree with the manifest"

    def _expected_order(self, stated: dict[str, Any]) -> list[str]:
        """What the manifest may name: the fixed members, each optional group whole, any files."""
        previous = form.PREVIOUS_CHECKPOINT in stated or form.PREVIOUS_CONSISTENCY in stated
        authorities = form.authorities(stated)
        if not authorities and form.STAMPS_CHECKPOINT in stated:
            raise Failed(f"{form.STAMPS_CHECKPOINT} is there without any stamp of it")
        files = [name for name in stated if name.startswith(form.FILES)]
        listed = self._scope().listed
        return form.member_order(selected=listed, previous=previous, authorities=authorities, files=files)

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

    def log(self) -> str:
        origin, stated = notes.parse_tree_head(notes.parse(self._member(form.CHECKPOINT)).text).origin, self._manifest()
        if origin != stated["origin"]:
            raise Failed(f"the checkpoint is of another log: {origin}, and not of {stated['origin']}")
        return f"the checkpoint is of the log {origin}"

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
        self.entries = Entries(self.archive, self._scope(), self.head, self.progress)
        return self.entries.leaves()

    def _untouched(self, name: str, words: str) -> Callable[[], str]:
        return lambda: self._entries().untouched(name, words)

    def prove(self, index: int) -> str:
        """The tlog-proof of one entry of a bundle that was verified. Raises Failed when the entry is not in it."""
        scope, head = self._scope(), self._head()
        if not scope.first <= index < scope.end:
            raise Failed(f"entry {index} is not in this bundle: it holds {scope.first} to {scope.end - 1}")
        hashes = map(merkle.leaf_hash, verify_entries.lines(self.archive, form.LEAVES))
        proof = form.parse_hashes(self._member(form.RANGE_PROOF))
        path = merkle.range_inclusion(index, scope.first, scope.count, head.size, proof, hashes)
        return str(notes.LoggedProof(index, tuple(path), self._member(form.CHECKPOINT).decode()))

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
            proof = form.parse_hashes(self._member(consistency))
            merkle.verify_consistency(old.size, old.root, head.size, head.root, proof)
        except (ValueError, merkle.ProofError) as error:
            raise Failed(f"{checkpoint} is not shown to be an earlier state of this log: {error}") from error
        return old

    def _member(self, name: str) -> bytes:
        return verify_entries.whole(self.archive, name)

    def _manifest(self) -> dict[str, Any]:
        if not self.manifest:
            raise Unchecked("the manifest could not be read")
        return self.manifest

    def _scope(self) -> Scope:
        if self.scope is None:
            raise Unchecked("the manifest could not be read")
        return self.scope

    def _head(self) -> notes.TreeHead:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head

    def _entries(self) -> Entries:
        if self.entries is None:
            raise Unchecked("the leaves could not be read")
        return self.entries


# What nobody did to the entries, if they are proved.
_UNTOUCHED = {
    verify_naming.CHANGED: "each entry is as it was recorded, and none was added",
    verify_naming.MISSING: "no entry of the range was left out",
    verify_naming.ORDER: "the entries are in the order of the log",
    verify_naming.DUPLICATES: "no entry is there twice",
    verify_naming.GAPS: "the numbers of the entries run on without a gap",
}


def _scope(manifest: dict[str, Any]) -> Scope:
    """Raises Failed."""
    whole = exactly(manifest["range"], ("first", "count"), f"{form.MANIFEST}: range")
    asked = exactly(manifest["query"], ("since", "until", "types", "slack"), f"{form.MANIFEST}: query")
    chosen = exactly(manifest["selection"], ("by", "count"), f"{form.MANIFEST}: selection")
    first, count, types = natural(whole["first"]), natural(whole["count"]), items(asked["types"], "types")
    if first and not count:
        raise Failed("a range without entries begins with 0")
    for name in ("since", "until"):
        if asked[name] is not None and form.parse_time(asked[name]) is None:
            raise Failed(f"{form.MANIFEST}: {name} is not a time")
    if [verify_checks.text_of(kind, "a type") for kind in types] != sorted(set(types)):
        raise Failed("the types are not in order, or one is there twice")
    if chosen["by"] not in ("query", "list"):
        raise Failed(f"{form.MANIFEST}: selected by neither query nor list")
    query = form.Query(asked["since"], asked["until"], tuple(types))
    slack, selected, disclosures = natural(asked["slack"]), natural(chosen["count"]), natural(manifest["disclosures"])
    return Scope(first, count, query, slack, chosen["by"] == "list", selected, disclosures)
