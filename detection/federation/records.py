"""What the coordinator keeps of each round, for the register and for whoever plays it again.
`rounds/0001.json`, canonical: federation, plan, round, aggregation, digests of the model before and after, whether it
was void, and for each participant outcome, reason, statement, signature and, with robust aggregation, the salt of the
update's digest. `rounds/0001.model` and, with robust aggregation, `rounds/0001-<participant>.update` hold little-endian
float64 values. `statistics.json`: for each participant the signed release of its counts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detection.federation import release
from detection.federation.contribution import Statement, model_digest
from detection.federation.contribution import read as read_statement
from detection.federation.plan import Plan, canonical, decimal
from detection.federation.privacy import Histogram
from detection.federation.release import Signed
from detection.federation.rounds import Outcome, Round, Vector, Verdict, as_bytes, from_bytes


class BadRecord(ValueError):
    """A round's file is missing or not one."""


@dataclass(frozen=True)
class Handed:
    """A statement with its signature, as the coordinator received it. salt: b"" where it did not see the update."""

    statement: Statement
    signature: bytes
    salt: bytes = b""


@dataclass(frozen=True)
class Record:
    """See the module. handed: by participant."""

    federation: str
    plan: str
    round: int
    aggregation: str
    before: str
    after: str
    void: bool
    verdicts: tuple[Verdict, ...]
    handed: Mapping[str, Handed] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "federation": self.federation,
            "plan": self.plan,
            "round": self.round,
            "aggregation": self.aggregation,
            "before": self.before,
            "after": self.after,
            "void": self.void,
            "contributions": [self._contribution(one) for one in self.verdicts],
        }

    def _contribution(self, verdict: Verdict) -> dict[str, Any]:
        told: dict[str, Any] = {
            "participant": verdict.participant,
            "outcome": verdict.outcome.value,
            "reason": verdict.reason,
            "norm": decimal(verdict.norm),
        }
        if handed := self.handed.get(verdict.participant):
            told["statement"] = handed.statement.canonical().decode()
            told |= {"signature": handed.signature.hex(), "salt": handed.salt.hex()}
        return told


def record_of(plan: Plan, number: int, before: Vector, played: Round, handed: Mapping[str, Handed]) -> Record:
    return Record(
        federation=plan.name,
        plan=plan.digest(),
        round=number,
        aggregation=plan.aggregation.value,
        before=model_digest(before),
        after=model_digest(played.model),
        void=played.void,
        verdicts=played.verdicts,
        handed=dict(handed),
    )


def keep(folder: Path, record: Record, model: Vector, updates: Mapping[str, Vector]) -> None:
    """Writes a round: the JSON last and all at once, so that whoever sees it sees all of it."""
    place = folder / "rounds"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{record.round:04}.model").write_bytes(as_bytes(model))
    for name, update in updates.items():
        (place / f"{record.round:04}-{name}.update").write_bytes(as_bytes(update))
    whole(place / f"{record.round:04}.json", canonical(record.as_dict()))


def whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(data)
    part.replace(path)


def kept(folder: Path) -> list[int]:
    """The numbers of the rounds that are there, in order."""
    return sorted(int(path.stem) for path in (folder / "rounds").glob("[0-9][0-9][0-9][0-9].json"))


def read(folder: Path, number: int) -> Record:
    """Raises BadRecord."""
    try:
        told = json.loads((folder / "rounds" / f"{number:04}.json").read_bytes())
        contributions = told["contributions"]
        return Record(
            federation=str(told["federation"]),
            plan=str(told["plan"]),
            round=int(told["round"]),
            aggregation=str(told["aggregation"]),
            before=str(told["before"]),
            after=str(told["after"]),
            void=bool(told["void"]),
            verdicts=tuple(_verdict(one) for one in contributions),
            handed={str(one["participant"]): _handed(one) for one in contributions if "statement" in one},
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadRecord(f"round {number} cannot be read: {error}") from error


def model_after(folder: Path, number: int) -> Vector:
    """The model after round `number`. Raises BadRecord."""
    try:
        return from_bytes((folder / "rounds" / f"{number:04}.model").read_bytes())
    except (OSError, ValueError) as error:
        raise BadRecord(f"the model after round {number} is missing") from error


def keep_releases(path: Path, told: Mapping[str, Signed]) -> None:
    whole(
        path,
        canonical(
            {
                name: {"statement": one.release.canonical().decode(), "signature": one.signature.hex()}
                for name, one in told.items()
            }
        ),
    )


def releases(path: Path) -> dict[str, Signed]:
    """What each institution signed, by its name; not yet checked. Raises BadRecord."""
    try:
        told = json.loads(path.read_bytes())
        read = (release.read(str(one["statement"]).encode(), bytes.fromhex(one["signature"])) for one in told.values())
        return dict(zip(map(str, told), read, strict=True))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadRecord(f"the statistics cannot be read: {error}") from error


def statistics(path: Path) -> dict[str, Histogram]:
    """The noisy counts, by institution. Raises BadRecord."""
    return {name: signed.release.counts for name, signed in releases(path).items()}


def updates_of(folder: Path, number: int) -> dict[str, Vector]:
    """What was handed in, by participant; empty with secret aggregation."""
    found = sorted((folder / "rounds").glob(f"{number:04}-*.update"))
    return {path.stem[5:]: from_bytes(path.read_bytes()) for path in found}


def _verdict(told: Mapping[str, Any]) -> Verdict:
    return Verdict(str(told["participant"]), Outcome(told["outcome"]), str(told["reason"]), float(told["norm"]))


def _handed(told: Mapping[str, Any]) -> Handed:
    statement = read_statement(str(told["statement"]).encode())
    return Handed(statement, bytes.fromhex(told["signature"]), bytes.fromhex(told["salt"]))
