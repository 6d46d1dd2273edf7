"""Taking statements out for the EU's transparency database: one, or many in the calls that its API takes.

Whatever the database would refuse is refused here, with its reasons; nothing personal and nothing about a child leaves
(I6, I24). As files, for who sends them by hand; `policy.hooks.tdb_client` hands them over itself. A statement is
exported once, again only by name; nobody exports one about a case of their own.
"""

import datetime as dt
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import leading_role
from core.canonical import canonical_json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import log
from ledger.events import EventType
from policy import authority
from policy.deciding import plain_texts, tdb
from policy.deciding.statements import may_leave
from policy.models import Case, Decision, StatementOfReasons

Call = dict[str, Any]


class Taken(NamedTuple):
    """call: `{"statements": […]}`, exported now, perhaps none. refused: {number (PUID): errors}, left out."""

    call: Call
    refused: dict[str, tdb.Errors]


def statements(
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    again: bool = False,
    named: Collection[str] = (),
) -> QuerySet[StatementOfReasons]:
    """Statements with a record, made in [since, until), the oldest first; those not exported yet, unless `again`.

    named: these numbers (PUID) alone, exported before or not. Of a corrected statement the newest alone.
    """
    rows = StatementOfReasons.objects.exclude(puid=None).filter(corrected_by=None)
    rows = rows.exclude(decision__case__minor=True)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    if named:
        rows = rows.filter(puid__in=named)
    elif not again:
        rows = rows.filter(exported_at=None)
    return rows.select_related("decision__case__asset__owner", "entry").order_by("created_at", "pk")


def read(decision: Decision, by: User) -> tdb.Record:
    """The newest record of one decision, checked, to look at: it counts as not exported.

    Raises Forbidden for anybody but leads and operators, and for a party in the case; NotFound when there is none;
    Problem with `errors`.
    """
    row = _newest(decision, by)
    _refuse(objections([row]))
    return row.tdb or {}


def of_decision(decision: Decision, by: User, *, again: str = "") -> tdb.Record:
    """The newest record of one decision, checked, to be sent: marks it as exported. Raises as `read` does.

    again: its number (PUID), if it may have been exported before. Raises Conflict when it was and is not named.
    """
    row = _newest(decision, by)
    rows = statements(named=[again]) if again else statements()
    taken = _take(rows.filter(pk=row.pk), by)
    _refuse(taken.refused)
    if not taken.call["statements"]:
        raise Conflict(
            "This statement was exported before.",
            code="statement.exported",
            next_step="If it has to go again, name its number (PUID) in `again`.",
        )
    record: tdb.Record = taken.call["statements"][0]
    return record


def _newest(decision: Decision, by: User) -> StatementOfReasons:
    authority.may(by, authority.Act.EXPORT_STATEMENTS)
    if why := authority.party_in(Case.objects.filter(pk=decision.case_id), by):
        raise Forbidden(f"{why}, so somebody else exports the statement.", code="case.conflict")
    row = statements(again=True).filter(decision=decision).last()
    if row is None or not may_leave(decision.case):
        raise NotFound("record for the transparency database")
    return row


def calls(rows: QuerySet[StatementOfReasons], by: User) -> Iterator[Taken]:
    """What to send, at most 100 records in a call, as the database's endpoint for several takes them; each call is
    recorded and marked as exported in a transaction of its own.

    Left out of its call is what the database would refuse, or what carries personal data (listed), what somebody else
    exported a moment ago, and what is about a case in which `by` is a party. Raises Forbidden.
    """
    authority.may(by, authority.Act.EXPORT_STATEMENTS)
    rows = not_own(rows, by)
    numbers = [str(puid) for puid in rows.values_list("puid", flat=True)]
    refuse_twice(numbers)
    for at in range(0, len(numbers), tdb.MOST):
        taken = _take(rows.filter(puid__in=numbers[at : at + tdb.MOST]), by)
        if taken.call["statements"] or taken.refused:
            yield taken


def not_own(rows: QuerySet[StatementOfReasons], by: User) -> QuerySet[StatementOfReasons]:
    """Without those about cases in which `by` is a party: somebody else takes them out."""
    return rows.exclude(decision__case__in=authority.own_cases(by))


@transaction.atomic
def _take(rows: QuerySet[StatementOfReasons], by: User) -> Taken:
    """At most 100. Of two at once the second waits, and then finds them exported."""
    held = [row for row in rows.select_for_update(of=("self",)) if may_leave(row.decision.case)]
    refused = objections(held)
    fit = [row for row in held if row.puid not in refused]
    call = {"statements": [row.tdb for row in fit]}
    if fit:
        _record(fit, call, by)
    return Taken(call, refused)


def refuse_twice(numbers: Sequence[str]) -> None:
    """Raises Conflict when a number (PUID) stands twice: the database would take neither of the two."""
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise Conflict(
            f"These numbers (PUID) stand twice: {', '.join(twice[:5])}.",
            code="statement.puid",
            next_step="Export each statement once: a number is unique within a platform.",
        )


def objections(rows: Sequence[StatementOfReasons]) -> dict[str, tdb.Errors]:
    """{number (PUID): errors} of at most 100 records that may not leave; {} when all may. Also of what was fine when it
    was written: a name may have become known since.
    """
    records = [row.tdb or {} for row in rows]
    wrong: dict[str, tdb.Errors] = tdb.batch_problems(records)
    names = plain_texts.names_of({row.decision.case for row in rows})
    for n, row in enumerate(rows):
        if leaks := plain_texts.leaks(records[n], names[row.decision.case_id].full):
            wrong.setdefault(f"statement_{n}", {}).update(leaks)
    return {str(rows[int(key.rpartition("_")[2])].puid): errors for key, errors in wrong.items()}


def _refuse(errors: Mapping[str, tdb.Errors]) -> None:
    if errors:
        raise Problem(
            "statement.refused",
            "The transparency database would refuse this",
            status=409,
            detail="The record is not as its API asks, or says who somebody is; it was not exported.",
            next_step="See `errors` by number. Correct the statement, then export again.",
            extra={"errors": dict(errors)},
        )


def _record(rows: Sequence[StatementOfReasons], call: Call, by: User) -> None:
    _mark([row for row in rows if row.exported_at is None])
    log.append(
        EventType.STATEMENT_EXPORTED,
        actor=by.actor,
        role=leading_role(by, *authority.ACTS[authority.Act.EXPORT_STATEMENTS].roles),
        refs=[row.entry for row in rows if row.entry is not None][:20],
        facts={"statements": len(rows), "sha256": hashlib.sha256(canonical_json(call)).hexdigest()},
    )


def _mark(fresh: Sequence[StatementOfReasons]) -> None:
    """What goes again keeps the day it first went."""
    rows = StatementOfReasons.objects.filter(pk__in=[row.pk for row in fresh], exported_at=None)
    marked = rows.update(exported_at=now())
    if marked != len(fresh):  # where rows cannot be locked
        raise Conflict("Somebody else exports these statements right now.", code="statement.exported")
