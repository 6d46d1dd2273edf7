"""Rounds enter the register: checked again from the first signature to the last digest, then a row and its entry.
The coordinator works outside the service and is not believed: every statement's signature is verified against the plan,
every participant's declared purpose is looked at, and a round must continue from the model that the one before it ended
with.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from django.db import IntegrityError, transaction

from core.canonical import Json
from core.problems import Conflict, Problem
from detection.federation import contribution, records, rounds
from detection.federation.contribution import BadContribution
from detection.federation.plan import BadPlan, Plan, decimal
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
    made = [record_round(plan, _read(folder, number)) for number in records.kept(folder) if number not in known]
    released = folder / "statistics.json"
    if released.exists() and plan.training.rounds + 1 not in known:
        made.append(record_release(plan, released.read_bytes(), _who_released(released)))
    return made


def plan_in(folder: Path) -> Plan:
    """Raises Refused."""
    try:
        return Plan.read(folder / "plan.json")
    except BadPlan as error:
        raise Refused(f"{error}.") from error


def record_round(plan: Plan, record: Record) -> FederationRound:
    """One round and its entry, both or neither. Raises Refused, Conflict if it is recorded already."""
    before = _last(plan)
    _check_order(plan, record, before)
    contributions = [_checked(plan, record, verdict) for verdict in record.verdicts]
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


def record_release(plan: Plan, statistics: bytes, participants: list[str]) -> FederationRound:
    """That noisy counts were released, by whom, and what it cost. Raises Refused before the last round, Conflict."""
    before = _last(plan)
    if before is None or before.number != plan.training.rounds:
        raise Refused("Statistics are released once, after the last round.")
    released = hashlib.sha256(statistics).hexdigest()
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


def _who_released(statistics: Path) -> list[str]:
    try:
        return list(records.statistics(statistics))
    except BadRecord as error:
        raise Refused(f"Its file cannot be read: {error}.") from error
