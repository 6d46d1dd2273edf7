"""What detectors found, in the order in which a reader needs it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detection.detectors import Answer, Strength
from detection.models import Finding
from detection.models.runs import RANK


@dataclass(frozen=True)
class Sorted:
    """Findings apart by their answer; signals the strongest first, the rest as they came. Each is a row or its JSON."""

    signals: list[Any] = field(default_factory=list)
    cant_say: list[Any] = field(default_factory=list)
    none: list[Any] = field(default_factory=list)


def in_order(findings: Iterable[Finding | Mapping[str, Any]]) -> Sorted:
    """A finding without an answer of its own (of a rule) has one by its strength."""
    found = Sorted()
    for one in findings:
        answer, strength = _said(one)
        if answer == Answer.CANT_SAY:
            found.cant_say.append(one)
        elif strength == Strength.NONE:
            found.none.append(one)
        else:
            found.signals.append(one)
    found.signals.sort(key=lambda one: -RANK[_said(one)[1]])
    return found


def _said(one: Finding | Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(one, Finding):
        return one.answer, one.strength
    return one["answer"] or "", one["strength"]
