"""Trust policies: which logs and witnesses count, and how many witnesses make a checkpoint valid. Pure.

Format: https://c2sp.org/tlog-policy. Lines `log <vkey> [<url>]`, `witness <name> <vkey> [<url>]`,
`group <name> <k|all|any> <name>...`, one `quorum <name|none>`; `#` begins a comment line.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from ledger import keys, notes

MAX_BYTES = 1 << 16
MAX_LINES = 256
NONE = "none"


class BadPolicy(ValueError):
    """Not a policy, in words, with the line."""


@dataclass(frozen=True)
class Log:
    verifier: keys.LogVerifier
    url: str = ""


@dataclass(frozen=True)
class Witness:
    """name: of this file only; the key has its own. url: the submission prefix of tlog-witness, where known."""

    name: str
    verifier: keys.WitnessVerifier
    url: str = ""


@dataclass(frozen=True)
class Group:
    """Witnesses a checkpoint when at least `threshold` of its members, witnesses or groups, do."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass
class Policy:
    """quorum: the name of a witness or group, or `none`."""

    logs: list[Log] = field(default_factory=list)
    witnesses: dict[str, Witness] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def satisfied_by(self, cosigners: Collection[keys.WitnessVerifier]) -> bool:
        """Whether witnesses with these keys make the quorum."""
        return self.quorum == NONE or self._witnessed(self.quorum, cosigners)

    def cosigners_of(self, note: notes.Note) -> list[Witness]:
        """The policy's witnesses whose cosignature is on this checkpoint. Raises BadNote for one that is wrong."""
        found = []
        for witness in self.witnesses.values():
            signature = _signature_by(note, witness.verifier)
            if signature is None:
                continue
            if not witness.verifier.verifies(note.text.encode(), signature.signature):
                raise notes.BadNote(f"the cosignature by {witness.verifier.name} is wrong")
            found.append(witness)
        return found

    def check(self, note: notes.Note) -> list[Witness]:
        """The witnesses that cosigned, when they make the quorum. Raises BadNote."""
        found = self.cosigners_of(note)
        if not self.satisfied_by([witness.verifier for witness in found]):
            have = ", ".join(witness.name for witness in found) or "nobody"
            raise notes.BadNote(f"the quorum “{self.quorum}” is not reached: cosigned by {have}")
        return found

    def text(self) -> str:
        """The policy in the form this project writes."""
        lines = [" ".join(filter(None, ("log", log.verifier.vkey, log.url))) for log in self.logs]
        lines += [" ".join(filter(None, ("witness", w.name, w.verifier.vkey, w.url))) for w in self.witnesses.values()]
        lines += [f"group {g.name} {g.threshold} {' '.join(g.members)}" for g in self.groups.values()]
        return "\n".join([*lines, f"quorum {self.quorum}", ""])

    def _witnessed(self, name: str, cosigners: Collection[keys.WitnessVerifier]) -> bool:
        if name in self.witnesses:
            return self.witnesses[name].verifier in cosigners
        group = self.groups[name]
        return sum(self._witnessed(member, cosigners) for member in group.members) >= group.threshold


def parse(data: bytes | str) -> Policy:
    """Raises BadPolicy, naming the line."""
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(raw) > MAX_BYTES:
        raise BadPolicy("the policy is too long")
    if any((byte < 0x20 and byte not in b"\t\n") or byte == 0x7F for byte in raw):
        raise BadPolicy("a policy has no control characters but tab and newline")
    if raw and not raw.endswith(b"\n"):
        raise BadPolicy("the last line of the policy is not ended by a newline")
    # Names are octets; surrogateescape keeps any of them apart and whole.
    lines = raw.decode("utf-8", "surrogateescape").split("\n")[:-1]
    if len(lines) > MAX_LINES:
        raise BadPolicy("the policy has too many lines")
    return _Parser(lines).policy


class _Parser:
    def __init__(self, lines: Sequence[str]) -> None:
        self.policy = Policy()
        self._quorum_seen = False
        # A member of two groups would count twice for one quorum.
        self._used: set[str] = set()
        for number, line in enumerate(lines, 1):
            words = line.replace("\t", " ").split(" ")
            words = [word for word in words if word]
            if not words or words[0].startswith("#"):
                continue
            try:
                self._line(words[0], words[1:])
            except UnicodeEncodeError as error:
                raise BadPolicy(f"line {number}: the name of a key is UTF-8 (signed-note)") from error
            except (BadPolicy, keys.BadKey) as error:
                raise BadPolicy(f"line {number}: {error}") from error
        if not self._quorum_seen:
            raise BadPolicy("there is no quorum line")

    def _line(self, kind: str, words: list[str]) -> None:
        match kind, words:
            case "log", [vkey, *url] if len(url) <= 1:
                self._log(vkey, *url)
            case "witness", [name, vkey, *url] if len(url) <= 1:
                self._witness(name, vkey, *url)
            case "group", [name, threshold, *members] if members:
                self._group(name, threshold, members)
            case "quorum", [name]:
                self._quorum(name)
            case _:
                raise BadPolicy(f"not a line of a policy: {kind!r} with {len(words)} words")

    def _log(self, vkey: str, url: str = "") -> None:
        verifier = keys.parse_vkey(vkey)
        if any(log.verifier.public_key == verifier.public_key for log in self.policy.logs):
            raise BadPolicy("a log is there twice")
        self.policy.logs.append(Log(verifier, url))

    def _witness(self, name: str, vkey: str, url: str = "") -> None:
        verifier = keys.parse_witness_vkey(vkey)
        if any(w.verifier.public_key == verifier.public_key for w in self.policy.witnesses.values()):
            raise BadPolicy("a witness is there twice")
        self.policy.witnesses[self._new(name)] = Witness(name, verifier, url)

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        for member in members:
            self._defined(member)
            if member in self._used:
                raise BadPolicy(f"{member!r} is a member twice")
            self._used.add(member)
        words = {"any": 1, "all": len(members)}
        if threshold not in words and (not threshold.isascii() or not threshold.isdecimal() or threshold[0] == "0"):
            raise BadPolicy(f"not a threshold: {threshold!r}")
        needed = words.get(threshold) or int(threshold[:6])
        if not 1 <= needed <= len(members):
            raise BadPolicy(f"{needed} of {len(members)} members cannot be reached")
        self.policy.groups[self._new(name)] = Group(name, needed, tuple(members))

    def _quorum(self, name: str) -> None:
        if self._quorum_seen:
            raise BadPolicy("there are two quorum lines")
        if name != NONE:
            self._defined(name)
        self._quorum_seen, self.policy.quorum = True, name

    def _new(self, name: str) -> str:
        if name == NONE or name in self.policy.witnesses or name in self.policy.groups:
            raise BadPolicy(f"the name {name!r} is taken")
        return name

    def _defined(self, name: str) -> None:
        if name not in self.policy.witnesses and name not in self.policy.groups:
            raise BadPolicy(f"nothing before this line is called {name!r}")


def _signature_by(note: notes.Note, verifier: keys.WitnessVerifier) -> notes.Signature | None:
    wanted = (verifier.name, verifier.key_id)
    return next((s for s in note.signatures if (s.name, s.key_id) == wanted), None)
