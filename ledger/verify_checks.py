"""What the checks of every kind of file share: the verdict, the choice of keys, rotations, cosignatures. Pure."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger import bundleformat as form
from ledger import container, jcs, keys, merkle, notes, tiles, tlogpolicy

# Words for people are made by these; what else Python raises about a wrong shape is shown as it is.
_NAMED = (
    notes.BadNote,
    merkle.ProofError,
    jcs.NotCanonical,
    container.BadContainer,
    tiles.BadTile,
    tlogpolicy.BadPolicy,
    keys.BadKey,
)


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


@dataclass(frozen=True)
class Trust:
    """What the caller trusts from a source of their own: a key, or a policy with keys and a quorum, or nothing.

    thorough: make every check that can be made; otherwise stop at the first that does not hold.
    """

    key: keys.LogVerifier | None = None
    policy: tlogpolicy.Policy | None = None
    thorough: bool = True

    @property
    def source(self) -> str:
        return "policy" if self.policy is not None else "argument" if self.key else "file"

    def keys(self) -> list[keys.LogVerifier]:
        if self.policy:
            return [log.verifier for log in self.policy.logs]
        return [self.key] if self.key else []


@dataclass(frozen=True)
class Term:
    """A key, and the sizes of the checkpoints it counts for: from `first` to `last`, without end if that is None."""

    verifier: keys.LogVerifier
    first: int = 0
    last: int | None = None


@dataclass
class Verdict:
    """The checks in order. What was given is verified when each of them holds.

    terms: the keys that count, and when. key_from: `argument`, `policy`, or `file` (whoever made the file chose it).
    """

    checks: list[Check] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    key_from: str = ""
    thorough: bool = True

    @property
    def verifiers(self) -> list[keys.LogVerifier]:
        """Every key of the chain, those that were given first."""
        return list(dict.fromkeys(term.verifier for term in self.terms))

    def signing(self, size: int) -> list[keys.LogVerifier]:
        """The keys that count for a checkpoint of this size."""
        return list(dict.fromkeys(term.verifier for term in self._until(size) if term.first <= size))

    def vouching(self, size: int) -> list[keys.LogVerifier]:
        """The keys that count for what is said about a checkpoint of this size: then, or later."""
        return list(dict.fromkeys(term.verifier for term in self._until(size)))

    def _until(self, size: int) -> list[Term]:
        if not self.terms:
            raise Unchecked("there is no key to check with")
        return [term for term in self.terms if term.last is None or size <= term.last]

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    def run(self, name: str, check: Callable[[], str]) -> None:
        if not self.thorough and any(not before.ok for before in self.checks):
            return
        self.checks.append(_outcome(name, check))

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "checks": [{"name": c.name, "ok": c.ok, "message": c.message} for c in self.checks],
            "key_from": self.key_from,
            "keys": [{"vkey": v.vkey, "fingerprint": v.fingerprint} for v in self.verifiers],
        }


def _outcome(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except Unchecked as error:
        return Check(name, None, str(error))
    except (Failed, *_NAMED) as error:
        return Check(name, False, str(error))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        return Check(name, False, f"not in the form that docs/formats.md asks for ({error!r})")


@dataclass(frozen=True)
class Rotation:
    """That a log's key `old` was replaced by `new` when it had `size` entries, said by both."""

    old: keys.LogVerifier
    new: keys.LogVerifier
    size: int


def read_rotation(text: str, origin: str) -> Rotation:
    """A rotation statement of this log with exactly its two signatures. Raises Failed, BadNote, BadKey."""
    note = notes.parse(text)
    lines = note.text.split("\n")
    if len(lines) != 6 or lines[0] != form.ROTATION or lines[5]:
        raise Failed(f"not a statement of the kind {form.ROTATION}")
    rotation = Rotation(keys.parse_vkey(lines[2]), keys.parse_vkey(lines[3]), notes.decimal(lines[4]))
    if {lines[1], rotation.old.name, rotation.new.name} != {origin}:
        raise Failed(f"a rotation statement is of another log: {lines[1]}")
    if len(note.signatures) != 2 or rotation.old == rotation.new:
        raise Failed("a rotation statement is signed by the old and the new key, and by nobody else")
    for verifier in (rotation.old, rotation.new):
        notes.open_note(text, [verifier])
    return rotation


def read_rotations(texts: Iterable[str], origin: str) -> list[Rotation]:
    """The statements, oldest first. Raises Failed naming the one that is wrong."""
    found: list[Rotation] = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(read_rotation(text, origin))
        except (notes.BadNote, keys.BadKey) as error:
            raise Failed(f"{form.ROTATIONS}, statement {number}: {error}") from error
    if [rotation.size for rotation in found] != sorted(rotation.size for rotation in found):
        raise Failed(f"{form.ROTATIONS}: the statements are not in order, oldest first")
    for one, other in itertools.pairwise(sorted(set(found), key=lambda rotation: rotation.old.vkey)):
        if one.old == other.old:
            raise Failed(f"{form.ROTATIONS}: a fork: two statements replace the key {one.old.fingerprint}")
    return found


def reachable(start: Collection[keys.LogVerifier], rotations: Sequence[Rotation]) -> list[Term]:
    """`start`, its descendants and its ancestors, each with the sizes it counts for (docs/formats.md).

    Never forward again after a step backward: whoever holds a retired key could lead anywhere from there.
    Each step narrows: a key counts for no size for which the key that led to it does not.
    """
    trusted = [Term(verifier) for verifier in dict.fromkeys(start)]
    by_old, by_new = defaultdict(list), defaultdict(list)
    for rotation in rotations:
        by_old[rotation.old].append(rotation)
        by_new[rotation.new].append(rotation)
    later = _walk(trusted, lambda term: [Term(r.new, max(term.first, r.size)) for r in by_old[term.verifier]])
    earlier = _walk(trusted, lambda term: [Term(r.old, 0, _least(term.last, r.size)) for r in by_new[term.verifier]])
    return list(dict.fromkeys(later + earlier))


def _walk(start: Sequence[Term], steps: Callable[[Term], list[Term]]) -> list[Term]:
    found, seen = list(start), set(start)
    for term in found:  # grows while it is walked
        further = [step for step in steps(term) if step not in seen]
        found += further
        seen.update(further)
    return found


def _least(last: int | None, size: int) -> int:
    return size if last is None else min(last, size)


def choose_keys(
    verdict: Verdict, trust: Trust, origin: str, enclosed: Sequence[keys.LogVerifier], rotations: Sequence[Rotation]
) -> str:
    """Fill `verdict.verifiers` with the keys that count for this log. Raises Failed."""
    by_file = trust.source == "file"
    candidates = enclosed if by_file else trust.keys()
    start = [verifier for verifier in candidates if verifier.name == origin]
    verdict.key_from, verdict.terms = trust.source, reachable(start, rotations)
    if not start:
        names = ", ".join(sorted({verifier.name for verifier in candidates})) or "nobody"
        raise Failed(f"this is of the log {origin}; the keys {'in it' if by_file else 'you gave'} are of {names}")
    if len({verifier.key_id for verifier in verdict.verifiers}) < len(verdict.verifiers):
        raise Failed("two keys of this log have the same key id: which of them signed cannot be told")
    shown = start[0].fingerprint
    if by_file:
        return f"the key came from the file itself; compare its fingerprint: {shown}"
    if enclosed and not set(enclosed) & set(verdict.verifiers):
        raise Failed("the file encloses another key than the one you gave, and no rotation statement connects the two")
    return f"the key is the one you gave: {shown}{_rotated(len(verdict.verifiers) - len(start))}"


def _rotated(further: int) -> str:
    return f"; rotation statements lead to {further} further key(s) of this log" if further else ""


def check_cosignatures(note: notes.Note, trust: Trust, enclosed: tlogpolicy.Policy | None) -> str:
    """The quorum of the caller's policy, if there is one; else which of the file's own witnesses cosigned."""
    by_file = enclosed.cosigners_of(note) if enclosed else []
    if trust.policy:
        found = trust.policy.check(note)
        names = ", ".join(witness.name for witness in found) or "nobody"
        return f"the quorum “{trust.policy.quorum}” of your policy is reached; cosigned by {names}"
    if not by_file:
        return "no witness cosigned; none was asked for (--policy)"
    names = ", ".join(witness.name for witness in by_file)
    return f"cosigned by {names}, witnesses that the file itself names; give a quorum of your own with --policy"


def open_signed(name: str, data: bytes | str, verifiers: Sequence[notes.Verifier]) -> notes.Note:
    """The note, signed by one of these keys. Raises Failed, naming it."""
    try:
        return notes.open_note(data, verifiers)
    except notes.BadNote as error:
        raise Failed(f"{name}: {error}") from error


def open_head(name: str, data: bytes | str, verdict: Verdict) -> notes.TreeHead:
    """The tree head of a checkpoint signed by a key that counts for its size. Raises Failed, naming it, Unchecked."""
    try:
        size = notes.parse_tree_head(notes.parse(data).text).size
        verifiers = verdict.signing(size)
        return notes.open_checkpoint(data, verifiers[0].name, verifiers)
    except notes.BadNote as error:
        raise Failed(f"{name}: {error}") from error


def decoded(where: str, data: bytes) -> Any:
    """Canonical JSON. Raises Failed, saying where."""
    try:
        return jcs.decode(data)
    except jcs.NotCanonical as error:
        raise Failed(f"{where} is damaged: {error}") from error


def natural(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Failed(f"not a whole number: {value!r}")
    return value


def text_of(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise Failed(f"{what} is not a text")
    return value


def items(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Failed(f"{what} is not a list")
    return value


def exactly(value: Any, names: Collection[str], what: str) -> dict[str, Any]:
    """`value` as an object with these members and no other. Raises Failed."""
    if not isinstance(value, dict):
        raise Failed(f"{what} is not an object")
    if set(value) != set(names):
        raise Failed(f"{what}: members are missing or too many: {some(set(value) ^ set(names))}")
    return value


def check_disclosure(fields: dict[str, Any], index: int, row: dict[str, Any]) -> None:
    """Raises Failed when the leaf with these fields does not commit to this name, salt and value."""
    name = text_of(row["name"], "the name of a disclosure")
    if len(form.unb64(text_of(row["salt"], "a salt"))) != form.SALT_BYTES:
        raise Failed(f"the salt of “{name}” of entry {index} has not {form.SALT_BYTES} bytes")
    if not form.commits(fields, row):
        raise Failed(f"“{name}” of entry {index} is not the value that was recorded")


def some(names: Collection[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:5]) + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")
