"""The checks of a receipt and of an acknowledgement, both canonical JSON. Formats: `docs/formats.md`. Pure."""

from collections.abc import Callable
from typing import Any

from ledger import bundleformat as form
from ledger import jcs, keys, merkle, notes, tlogpolicy, verify_checks
from ledger.verify_checks import Failed, Trust, Unchecked, Verdict, decoded, exactly, items, natural, text_of

RECEIPT_MEMBERS = (
    "format", "index", "leaf", "leaf_hash", "entry", "disclosures", "proof", "checkpoint", "tlog_proof",
    "policy", "rotations",
)  # fmt: skip
ACKNOWLEDGEMENT_MEMBERS = ("format", "entry", "leaf_hash", "promise", "promise_key")


class Receipt:
    """One receipt and its verdict."""

    def __init__(self, data: bytes, trust: Trust) -> None:
        self.data, self.trust = data, trust
        self.verdict = Verdict(thorough=trust.thorough)
        self.fields: dict[str, Any] = {}
        self.leaf = b""
        self.path: list[bytes] = []
        self.policy: tlogpolicy.Policy | None = None
        self.head: notes.TreeHead | None = None
        checks: list[tuple[str, Callable[[], str]]] = [
            ("receipt", self.read),
            ("key", self.key),
            ("checkpoint", self.checkpoint),
            ("witnesses", self.witnesses),
            ("inclusion", self.inclusion),
            ("disclosures", self.disclosures),
        ]
        for name, check in checks:
            self.verdict.run(name, check)

    def read(self) -> str:
        fields = exactly(decoded("the receipt", self.data), RECEIPT_MEMBERS, "the receipt")
        if fields["format"] != form.RECEIPT_FORMAT:
            raise Failed(f"not a receipt of the format {form.RECEIPT_FORMAT}")
        for name in ("leaf", "leaf_hash", "checkpoint", "tlog_proof", "policy"):
            text_of(fields[name], name)
        leaf, index = form.unb64(fields["leaf"]), natural(fields["index"])
        path = [form.unb64(text_of(value, "a hash of the proof")) for value in items(fields["proof"], "proof")]
        entry = fields["entry"]
        if not isinstance(entry, dict):
            raise Failed("the entry is not an object")
        if jcs.encode(entry) != leaf or fields["leaf_hash"] != merkle.leaf_hash(leaf).hex():
            raise Failed("the entry shown for reading is not the leaf that is proved")
        proof = notes.LoggedProof(index, tuple(path), fields["checkpoint"])
        if fields["tlog_proof"] != str(proof):
            raise Failed("the tlog-proof is not that of the receipt")
        self.fields, self.leaf, self.path = fields, leaf, path
        return f"entry {index}: {entry.get('type')}"

    def key(self) -> str:
        fields = self._fields()
        self.policy = tlogpolicy.parse(fields["policy"])
        # Whose log it is follows from the text that must be signed; the signature is the next check.
        origin = notes.parse_tree_head(notes.parse(fields["checkpoint"]).text).origin
        texts = [text_of(value, "a rotation statement") for value in items(fields["rotations"], "rotations")]
        rotations = verify_checks.read_rotations(texts, origin)
        enclosed = [log.verifier for log in self.policy.logs]
        return verify_checks.choose_keys(self.verdict, self.trust, origin, enclosed, rotations)

    def checkpoint(self) -> str:
        checkpoint = self._fields()["checkpoint"]
        head = self.head = verify_checks.open_head("checkpoint", checkpoint, self.verdict)
        return f"{head.origin} had {head.size} entries, root {head.root.hex()}"

    def witnesses(self) -> str:
        self._head()
        return verify_checks.check_cosignatures(notes.parse(self.fields["checkpoint"]), self.trust, self.policy)

    def inclusion(self) -> str:
        head, index = self._head(), self.fields["index"]
        merkle.verify_inclusion(merkle.leaf_hash(self.leaf), index, head.size, self.path, head.root)
        return f"the entry is number {index} of the signed tree"

    def disclosures(self) -> str:
        rows = items(self._fields()["disclosures"], "disclosures")
        for row in rows:
            verify_checks.check_disclosure(
                self.fields["entry"], self.fields["index"], exactly(row, ("name", "salt", "value"), "a disclosure")
            )
        names = [row["name"] for row in rows]
        if names != sorted(set(names)):
            raise Failed("the disclosures are not in order, or one is there twice")
        return f"{len(rows)} disclosed values are those that were recorded"

    def _fields(self) -> dict[str, Any]:
        if not self.fields:
            raise Unchecked("the receipt could not be read")
        return self.fields

    def _head(self) -> notes.TreeHead:
        if self.head is None:
            raise Unchecked("there is no valid checkpoint to check against")
        return self.head


class Acknowledgement:
    """One acknowledgement and its verdict. It encloses no key of the log: that has to be given."""

    def __init__(self, data: bytes, trust: Trust) -> None:
        self.data, self.trust = data, trust
        self.verdict = Verdict(thorough=trust.thorough)
        self.fields: dict[str, Any] = {}
        self.promise_key: keys.LogVerifier | None = None
        for name, check in (
            ("acknowledgement", self.read),
            ("promise key", self.attestation),
            ("promise", self.promise),
        ):
            self.verdict.run(name, check)

    def read(self) -> str:
        fields = exactly(decoded("the acknowledgement", self.data), ACKNOWLEDGEMENT_MEMBERS, "the acknowledgement")
        for name in ("leaf_hash", "promise", "promise_key"):
            text_of(fields[name], name)
        self.fields = fields
        return f"of entry {natural(fields['entry'])} in the office's own count, which the promise does not cover"

    def attestation(self) -> str:
        text = self._fields()["promise_key"]
        if self.trust.source == "file":
            raise Failed("an acknowledgement encloses no key of the log: give it with --key (it is at /log/key)")
        lines = _statement(text, form.PROMISE_KEY, 2)
        verify_checks.choose_keys(self.verdict, self.trust, lines[0], [], [])
        verify_checks.open_signed("promise_key", text, self.verdict.verifiers)
        promise_key = keys.parse_vkey(lines[1])
        if promise_key.name != f"{lines[0]}/promise":
            raise Failed("the promise key is not named after the log")
        self.promise_key = promise_key
        return f"the log {lines[0]} signs its promises with {promise_key.vkey}"

    def promise(self) -> str:
        text = self._fields()["promise"]
        if self.promise_key is None:
            raise Unchecked("there is no promise key to check with")
        origin, leaf_hash, moment, delay = _statement(text, form.PROMISE, 4)
        verify_checks.open_signed("promise", text, [self.promise_key])
        if f"{origin}/promise" != self.promise_key.name:
            raise Failed("the promise is of another log")
        if form.unb64(leaf_hash).hex() != self.fields["leaf_hash"] or len(form.unb64(leaf_hash)) != merkle.HASH_SIZE:
            raise Failed("the promise is about another leaf")
        return f"the entry of {moment} will be in the tree within {notes.decimal(delay)} seconds"

    def _fields(self) -> dict[str, Any]:
        if not self.fields:
            raise Unchecked("the acknowledgement could not be read")
        return self.fields


def _statement(text: str, kind: str, count: int) -> list[str]:
    """The lines after the first one of a statement of this kind. Raises Failed, BadNote."""
    lines = notes.parse(text).text.split("\n")
    if lines[0] != kind or len(lines) != count + 2 or lines[-1]:
        raise Failed(f"not a statement of the kind {kind}")
    return lines[1:-1]
