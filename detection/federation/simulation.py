"""Whole federations in one process: the same institutions and rounds, no network. For tests, replays and tables."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detection.federation import contribution, records, rounds
from detection.federation.contribution import BadContribution
from detection.federation.plan import Plan
from detection.federation.records import Handed, Record
from detection.federation.rounds import Examples, Round, Vector
from detection.federation.taking_part import Declined, HandedIn, Institution

# (round, model before it, what the institution would have handed in) → what it hands in instead.
Tampering = Callable[[int, Vector, Vector], Vector]


@dataclass(frozen=True)
class Simulation:
    """folders: of holdings, by institution. absent: in which rounds an institution is not there. tampering: what a
    hostile institution does to its update; it signs what it hands in, as it can.
    """

    plan: Plan
    folders: Mapping[str, Path]
    reference: Examples
    absent: Mapping[str, frozenset[int]] = field(default_factory=dict)
    tampering: Mapping[str, Tampering] = field(default_factory=dict)

    def run(self) -> Vector:
        """The model after the last round."""
        model = rounds.blank(self.plan)
        for _, played in self.rounds():
            model = played.model
        return model

    def rounds(self, folder: Path | None = None) -> Iterator[tuple[Record, Round]]:
        """Each round as the coordinator would record it, and what came out. folder: to keep them in, as it would."""
        model = rounds.blank(self.plan)
        for number in range(1, self.plan.training.rounds + 1):
            handed, updates, refused = self._answers(number, model)
            played = rounds.play(model, updates, self.reference, self.plan, refused)
            record = records.record_of(self.plan, number, model, played, handed)
            if folder is not None:
                records.keep(folder, record, played.model, updates)
            yield record, played
            model = played.model

    def _answers(self, number: int, model: Vector) -> tuple[dict[str, Handed], dict[str, Vector], dict[str, str]]:
        handed: dict[str, Handed] = {}
        updates: dict[str, Vector] = {}
        refused: dict[str, str] = {}
        for name, folder in self.folders.items():
            answer = self._answer(name, folder, number, model)
            if answer is None:
                continue
            try:
                before = contribution.model_digest(model)
                contribution.check(answer.statement, answer.signature, plan=self.plan, number=number, model=before)
            except BadContribution as error:
                refused[error.participant] = error.reason
                continue
            handed[name] = Handed(answer.statement, answer.signature, answer.salt)
            tamper = self.tampering.get(name)
            updates[name] = tamper(number, model, answer.update) if tamper else answer.update
        return handed, updates, refused

    def _answer(self, name: str, folder: Path, number: int, model: Vector) -> HandedIn | None:
        if number in self.absent.get(name, frozenset()):
            return None
        try:
            return Institution(folder).contribute(self.plan.digest(), number, model)
        except Declined:
            return None


def replay(plan: Plan, folder: Path, reference: Examples) -> list[tuple[int, bool]]:
    """Plays the rounds of a coordinator's folder again from what was handed in: for each, whether the same model comes
    out. With secret aggregation there is nothing to play again."""
    model, told = rounds.blank(plan), []
    for number in records.kept(folder):
        record, after = records.read(folder, number), records.model_after(folder, number)
        again = again_played(plan, folder, record, model, reference).model
        told.append((number, bool(np.array_equal(again, after)) and contribution.model_digest(after) == record.after))
        model = after
    return told


def again_played(plan: Plan, folder: Path, record: Record, model: Vector, reference: Examples) -> Round:
    """A robust round as the agreed code plays it, from `model` and what the coordinator kept as handed in."""
    updates = records.updates_of(folder, record.round)
    refused = {one.participant: one.reason for one in record.verdicts if one.participant not in updates}
    refused = {name: reason for name, reason in refused.items() if reason != "no_answer"}
    return rounds.play(model, updates, reference, plan, refused)
