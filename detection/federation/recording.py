"""Rounds enter the register: checked again from the first signature to the last digest, then a row and its entry.
The coordinator works outside the service and is not believed: every statement's signature is verified against the plan,
every participant's declared purpose is looked at, a round must continue from the model that the one before it ended
with, and it needs its quorum. A round with robust aggregation is played again from the updates that were signed for, on
the reference that the plan binds, and must give the same verdicts and the same model. A round with secret aggregation
cannot be: of its sum the coordinator alone tells.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, transaction

from core.canonical import Json
from core.problems import Conflict, Problem
from detection.federation import contribution, records, release, rounds, simulation
from detection.federation.contribution import BadContribution
from detection.federation.holding import BadHolding, Holding
from detection.federation.plan import Aggregation, BadPlan, Plan, decimal
from detection.federation.records import BadRecord, Record
from detection.federation.rounds import Outcome, Verdict
from detection.models import FederationRound
from ledger import log
from ledger.events import EventType
from ledger.models import Entry

ACTOR: Final = "system:federation"
_TAKING_PART = (Outcome.COUNTED, Outcome.HIDDEN)


class Refused(Problem):
    """The round is not what the plan and the rounds before it allow."""

    def __init__(self, why: str) -> None:
        super().__init__(
            "federation.round_refused",
            "The round was not recorded",
            status=409,
            detail=why,
            next_step="Ask the coordinator for the files of this round as they were written.",
        )


def record_all(folder: Path) -> list[FederationRound]:
    """Every round of the coordinator's folder that is not in the register yet, and the release, in order.

    Raises Refused at the first that is not in order; those before it stay recorded.
    """
    plan = plan_in(folder)
    known = set(_rows(plan).values_list("number", flat=True))
    waiting = [number for number in records.kept(folder) if number not in known]
    made = [record_round(plan, _read(folder, number), folder) for number in waiting]
    released = folder / "statistics.json"
    if released.exists() and plan.training.rounds + 1 not in known:
        made.append(record_release(plan, released))
    return made


def plan_in(folder: Path) -> Plan:
    """Raises Refused."""
    try:
        return Plan.read(folder / "plan.json")
    except BadPlan as error:
        raise Refused(f"{error}.") from error


def record_round(plan: Plan, record: Record, folder: Path) -> FederationRound:
    """One round and its entry, both or neither. folder: of the coordinator, with what was handed in. Raises Refused,
    Conflict if it is recorded already.
    """
    before = _last(plan)
    _check_order(plan, record, before)
    contributions = [_checked(plan, record, verdict) for verdict in record.verdicts]
    _check_quorum(plan, record)
    if plan.aggregation is Aggregation.ROBUST:
        _check_played(plan, record, folder)
    row = FederationRound(
        federation=plan.name,
        plan=record.plan,
        kind=FederationRound.Kind.TRAINING,
        number=record.round,
        aggregation=record.aggregation,
        purpose=plan.purpose,
        before=record.before,
        after=record.after,
        void=record.void,
        contributions=contributions,
    )
    return _saved(row, before)


def record_release(plan: Plan, statistics: Path) -> FederationRound:
    """That noisy counts were released, by whom, and what it cost. Raises Refused before the last round, or for counts
    that an institution did not sign; Conflict.
    """
    before = _last(plan)
    if before is None or before.number != plan.training.rounds:
        raise Refused("Statistics are released once, after the last round.")
    participants = _who_released(plan, statistics, before.after)
    released = hashlib.sha256(statistics.read_bytes()).hexdigest()
    row = FederationRound(
        federation=plan.name,
        plan=plan.digest(),
        kind=FederationRound.Kind.RELEASE,
        number=plan.training.rounds + 1,
        aggregation=plan.aggregation.value,
        purpose=plan.purpose,
        before=before.after,
        after=before.after,
        epsilon=decimal(plan.statistics.epsilon),
        contributions=[{"participant": name, "released": released} for name in sorted(participants)],
    )
    return _saved(row, before)


def facts_of(row: FederationRound) -> dict[str, Json]:
    """What the entry of a round says in public. Signatures stay in the row."""
    told = [{name: value for name, value in one.items() if name != "signature"} for one in row.contributions]
    return {
        "plan": row.plan,
        "kind": str(row.kind),
        "round": row.number,
        "aggregation": row.aggregation,
        "purpose": row.purpose,
        "before": row.before,
        "after": row.after,
        "void": row.void,
        "epsilon": row.epsilon,
        "contributions": told,
    }


def object_of(row: FederationRound) -> str:
    return f"federation:{row.federation}"


def _saved(row: FederationRound, before: FederationRound | None) -> FederationRound:
    refs: list[Entry] = [before.entry] if before is not None and before.entry is not None else []
    try:
        with transaction.atomic():
            row.entry = log.append(
                EventType.FEDERATION_ROUND,
                actor=ACTOR,
                role="system",
                object=object_of(row),
                refs=refs,
                facts=facts_of(row),
            )
            row.save(force_insert=True)
    except IntegrityError as error:
        raise Conflict("This round is in the register already.", code="federation.recorded") from error
    return row


def _check_order(plan: Plan, record: Record, before: FederationRound | None) -> None:
    if (record.federation, record.plan, record.aggregation) != (plan.name, plan.digest(), plan.aggregation.value):
        raise Refused("It was played under another plan than the one that was agreed on.")
    if record.round != (before.number + 1 if before else 1) or record.round > plan.training.rounds:
        raise Refused("Rounds are recorded in order, and this one is not the next.")
    if record.before != (before.after if before else contribution.model_digest(rounds.blank(plan))):
        raise Refused("It does not start from the model that the round before it ended with.")
    if record.void and record.before != record.after:
        raise Refused("It is said to be void, and yet the model moved.")
    named = [verdict.participant for verdict in record.verdicts]
    if sorted(named) != sorted(one.name for one in plan.participants):
        raise Refused("It does not say of each institution what became of its contribution.")


def _checked(plan: Plan, record: Record, verdict: Verdict) -> dict[str, Any]:
    told: dict[str, Any] = {
        "participant": verdict.participant,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "norm": decimal(round(verdict.norm, 6)),
    }
    handed = record.handed.get(verdict.participant)
    if handed is None:
        if verdict.outcome in _TAKING_PART:
            raise Refused(f"{verdict.participant} is said to have taken part, and signed nothing.")
        return told
    try:
        contribution.check(handed.statement, handed.signature, plan=plan, number=record.round, model=record.before)
    except BadContribution as error:
        raise Refused(f"What {verdict.participant} is said to have handed in cannot count: {error}.") from error
    if handed.statement.participant != verdict.participant:
        raise Refused(f"What {verdict.participant} is said to have handed in was signed by somebody else.")
    statement = handed.statement
    return told | {
        "contribution": statement.digest(),
        "items": statement.items,
        "basis": statement.basis,
        "signature": handed.signature.hex(),
    }


def _rows(plan: Plan) -> Any:
    return FederationRound.objects.filter(plan=plan.digest())


def _last(plan: Plan) -> FederationRound | None:
    last: FederationRound | None = _rows(plan).select_related("entry").order_by("number").last()
    return last


def _read(folder: Path, number: int) -> Record:
    try:
        return records.read(folder, number)
    except (BadRecord, BadContribution) as error:
        raise Refused(f"Its file cannot be read: {error}.") from error


def _who_released(plan: Plan, statistics: Path, model: str) -> list[str]:
    try:
        told = records.releases(statistics)
        for name, signed in told.items():
            release.check(signed, plan, model)
            if signed.release.participant != name:
                raise Refused(f"What {name} is said to have released was signed by somebody else.")
    except (BadRecord, BadContribution) as error:
        raise Refused(f"The counts cannot be recorded: {error}.") from error
    return list(told)


def _check_quorum(plan: Plan, record: Record) -> None:
    answered = [one for one in record.verdicts if one.outcome is not Outcome.MISSING]
    least = plan.training.quorum if plan.aggregation is Aggregation.ROBUST else max(2, plan.training.quorum)
    if not record.void and len(answered) < least:
        raise Refused(f"{len(answered)} answered, and the plan asks for {least}: the model may not move.")


def _check_played(plan: Plan, record: Record, folder: Path) -> None:
    """That the agreed code comes to the same verdicts and the same model. Raises Refused."""
    try:
        model = records.model_after(folder, record.round - 1) if record.round > 1 else rounds.blank(plan)
        updates = records.updates_of(folder, record.round)
        reference = _reference(plan, folder)
        if sorted(updates) != sorted(record.handed):
            raise Refused("What was signed for and the updates that were kept are not of the same institutions.")
        for name, handed in record.handed.items():
            contribution.check_update(handed.statement, updates[name], handed.salt)
    except (BadRecord, BadHolding, BadContribution, OSError, ValueError) as error:
        raise Refused(f"It cannot be played again: {error}.") from error
    if contribution.model_digest(model) != record.before:
        raise Refused("The model that it is said to start from is not the one that was kept.")
    again = simulation.again_played(plan, folder, record, model, reference)
    same = [(one.participant, one.outcome, one.reason) for one in again.verdicts]
    if same != [(one.participant, one.outcome, one.reason) for one in _as_planned(plan, record)]:
        raise Refused("Playing it again gives other verdicts on what was handed in.")
    if (again.void, contribution.model_digest(again.model)) != (record.void, record.after):
        raise Refused("Playing it again gives another model.")


def _as_planned(plan: Plan, record: Record) -> list[Verdict]:
    told = {one.participant: one for one in record.verdicts}
    return [told[one.name] for one in plan.participants]


def _reference(plan: Plan, folder: Path) -> rounds.Examples:
    """Raises BadHolding, also for another reference than the plan binds."""
    holding = Holding.read(folder / "reference")
    if plan.reference and holding.digest() != plan.reference:
        raise BadHolding("the reference is not the one that the plan names")
    return holding.training(plan)[0]
