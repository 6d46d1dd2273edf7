"""What the institutions of a federation agree on before the first round.
A plan is one JSON object, `plan.json`, in canonical form (RFC 8785, as the log's; numbers with a fraction as text), so
that everybody computes the same SHA-256 over it. Each institution keeps its own copy and takes part in
nothing that names another digest: the coordinator cannot change the rules on the way.
"""

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from ledger import jcs

VERSION: Final = 1
TRAIN: Final = "train"  # the purpose of consent that training needs (policy.models.Purpose.TRAIN)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


class Aggregation(StrEnum):
    """ROBUST: the coordinator sees each contribution, judges it, and takes a trimmed mean. SECRET: it sees only their
    sum (SecAgg+), so it can judge none. They exclude each other."""

    ROBUST = "robust"
    SECRET = "secret"  # noqa: S105 - the name of a way


class BadPlan(ValueError):
    """The plan is not one."""


@dataclass(frozen=True)
class Participant:
    """name: slug of an institution. key: its Ed25519 public key, hex. purposes: what it declares its material may be
    used for. agreement: SHA-256, hex, of the document in which it says so.
    """

    name: str
    key: str
    purposes: tuple[str, ...]
    agreement: str


@dataclass(frozen=True)
class Training:
    """rounds: how many. pull: weight of the proximal term that keeps an institution near the shared model (FedProx: Li
    et al., MLSys 2020). decay: of L2 regularisation. clip: largest L2 norm of one contribution. quorum: fewest answers
    that make a round. tolerated: how many of the institutions may be hostile. gate: nats by which one contribution may
    raise the loss on the reference set before it is refused.
    """

    rounds: int = 6
    pull: float = 0.05
    decay: float = 0.002
    clip: float = 2.0
    quorum: int = 2
    tolerated: int = 1
    gate: float = 0.2


@dataclass(frozen=True)
class Statistics:
    """The one release of noisy counts at the end. epsilon: of differential privacy, per work. per_work: most pictures
    of one work that count. bins: of the histogram of logits, between -edge and edge.
    """

    epsilon: float = 4.0
    per_work: int = 4
    bins: int = 8
    edge: float = 6.0


@dataclass(frozen=True)
class Plan:
    """See the module. features: name and version of what the vectors are (`features.NAME`). mean, scale: of each
    feature, from a public reference set, so that no institution's statistics are needed for them. reference: SHA-256,
    hex, of the coordinator's own examples (`holding.Holding.digest`), which robust rounds are judged by; "" where the
    plan does not bind them.
    """

    name: str
    aggregation: Aggregation
    features: str
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    participants: tuple[Participant, ...]
    training: Training = Training()
    statistics: Statistics = Statistics()
    purpose: str = TRAIN
    reference: str = ""

    @property
    def size(self) -> int:
        """Parameters of the head: one weight a feature, and one more."""
        return len(self.mean) + 1

    def participant(self, name: str) -> Participant | None:
        return next((one for one in self.participants if one.name == name), None)

    def canonical(self) -> bytes:
        return canonical({"v": VERSION, **_as_text(asdict(self))})

    def digest(self) -> str:
        """SHA-256 of the canonical form, hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def write(self, path: Path) -> None:
        path.write_bytes(self.canonical())

    @classmethod
    def read(cls, path: Path) -> "Plan":
        """Raises BadPlan for a file that is missing, not a plan, or not in canonical form."""
        try:
            data = path.read_bytes()
            plan = cls.from_dict(json.loads(data))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise BadPlan(f"{path.name} is not a plan: {error}") from error
        if plan.canonical() != data:
            raise BadPlan(f"{path.name} is not in canonical form")
        return plan

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Plan":
        """Raises KeyError, TypeError or ValueError for anything but a plan."""
        if told["v"] != VERSION:
            raise ValueError(f"version {told['v']} is not known here")
        plan = cls(
            name=str(told["name"]),
            aggregation=Aggregation(told["aggregation"]),
            features=str(told["features"]),
            mean=tuple(float(value) for value in told["mean"]),
            scale=tuple(float(value) for value in told["scale"]),
            participants=tuple(_participant(one) for one in told["participants"]),
            training=Training(**_numbers(told["training"])),
            statistics=Statistics(**_numbers(told["statistics"])),
            purpose=str(told["purpose"]),
            reference=str(told["reference"]),
        )
        plan.check()
        return plan

    def check(self) -> None:
        """Raises ValueError where the parts do not fit together."""
        names = [one.name for one in self.participants]
        if len(set(names)) != len(names) or len(names) < 2 or not all(_NAME.fullmatch(name) for name in names):
            raise ValueError("a federation has two institutions or more, each with a name of its own (a-z, 0-9, -)")
        training, told = self.training, self.statistics
        numbers = (training.pull, training.decay, training.clip, training.gate, told.epsilon, told.edge)
        if not all(map(math.isfinite, (*numbers, *self.mean, *self.scale))):
            raise ValueError("every number is a finite one")
        if len(self.mean) != len(self.scale) or not self.mean or min(self.scale) <= 0:
            raise ValueError("each feature has a mean and a scale above zero")
        if not 1 <= training.quorum <= len(names) or training.rounds < 1 or training.clip <= 0:
            raise ValueError("quorum, rounds and clip must be possible")
        if min(training.pull, training.decay, training.gate, training.tolerated) < 0 or told.edge <= 0:
            raise ValueError(
                "pull, decay, gate and how many are tolerated are not below zero, and the edge is above it"
            )
        if self.aggregation is Aggregation.SECRET and len(names) < 3:
            raise ValueError("the sum of two tells each what the other sent: secret aggregation needs three")
        if told.epsilon <= 0 or told.per_work < 1 or told.bins < 2:
            raise ValueError("counts need an epsilon above zero, a bound and two bins")


def canonical(value: Any) -> bytes:
    """RFC 8785, as in the log: sorted keys, no spaces, UTF-8, whole numbers. Raises ValueError."""
    return jcs.encode(_listed(value))


def _listed(value: Any) -> Any:
    """With lists for tuples, which JSON has not."""
    if isinstance(value, Mapping):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, list | tuple) else value


def decimal(value: float) -> str:
    """A number as text, the shortest that reads back as the same number."""
    return repr(float(value))


def _as_text(value: Any) -> Any:
    match value:
        case float():
            return decimal(value)
        case dict():
            return {key: _as_text(item) for key, item in value.items()}
        case list() | tuple():
            return [_as_text(item) for item in value]
    return value


def _participant(told: Mapping[str, Any]) -> Participant:
    purposes = tuple(str(one) for one in told["purposes"])
    return Participant(str(told["name"]), str(told["key"]), purposes, str(told["agreement"]))


def _numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: float(value) if isinstance(value, str) else int(value) for name, value in told.items()}
