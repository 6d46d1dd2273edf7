"""Taking statements out for the EU's transparency database: one, or many in the calls that its API takes.

Whatever the database would refuse is refused here, with its reasons; nothing personal and nothing about a child leaves
(I6, I24). The office sends nothing by itself: who has the database's token sends the files.
"""

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import leading_role
from core.canonical import canonical_json
from core.clock import now
from core.problems import Conflict, NotFound, Problem
from ledger import log
from ledger.events import EventType
from policy import authority
from policy.deciding import plain_texts, tdb
from policy.deciding.statements import may_leave
from policy.models import Decision, StatementOfReasons

Call = dict[str, Any]


def statements(
    *, since: dt.datetime | None = None, until: dt.datetime | None = None, again: bool = False
) -> QuerySet[StatementOfReasons]:
    """Statements with a record, made in [since, until), the oldest first; those not exported yet, unless `again`.

    Of a corrected statement the newest alone.
    """
    rows = StatementOfReasons.objects.exclude(puid=None).filter(corrected_by=None)
    rows = rows.exclude(decision__case__minor=True)
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    if until is not None:
        rows = rows.filter(created_at__lt=until)
    if not again:
        rows = rows.filter(exported_at=None)
    return rows.select_related("decision__case__asset__owner", "entry").order_by("created_at", "pk")


def read(decision: Decision, by: User) -> tdb.Record:
    """The newest record of one decision, checked, to look at: it counts as not exported.

    Raises Forbidden for anybody but leads and operators, NotFound when there is none, Problem with `errors`.
    """
    row = _newest(decision, by)
    _refuse([row])
    return row.tdb or {}


def of_decision(decision: Decision, by: User) -> tdb.Record:
    """The newest record of one decision, checked, to be sent: marks it as exported. Raises as `read` does."""
    record: tdb.Record = next(_checked([_newest(decision, by)], by))["statements"][0]
    return record


def _newest(decision: Decision, by: User) -> StatementOfReasons:
    authority.may(by, authority.Act.EXPORT_STATEMENTS)
    row = statements(again=True).filter(decision=decision).last()
    if row is None or not may_leave(decision.case):
        raise NotFound("record for the transparency database")
    return row


def calls(rows: QuerySet[StatementOfReasons], by: User) -> Iterator[Call]:
    """`{"statements": […]}` of at most 100 records each, as the database's endpoint for several takes them; each call
    is recorded and marked as exported in a transaction of its own.

    Raises Forbidden, Problem with `errors` by number for the first call of which a record would be refused.
    """
    authority.may(by, authority.Act.EXPORT_STATEMENTS)
    held = [row for row in rows if may_leave(row.decision.case)]
    yield from _checked(held, by)


def _checked(rows: Sequence[StatementOfReasons], by: User) -> Iterator[Call]:
    refuse_twice([str(row.puid) for row in rows])
    for at in range(0, len(rows), tdb.MOST):
        part = rows[at : at + tdb.MOST]
        call = {"statements": [row.tdb for row in part]}
        _refuse(part)
        _record(part, call, by)
        yield call


def refuse_twice(numbers: Sequence[str]) -> None:
    """Raises Conflict when a number (PUID) stands twice: the database would take neither of the two."""
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise Conflict(
            f"These numbers (PUID) stand twice: {', '.join(twice[:5])}.",
            code="statement.puid",
            next_step="Export each statement once: a number is unique within a platform.",
        )


def _refuse(rows: Sequence[StatementOfReasons]) -> None:
    """Also what was fine when it was written: a name may have become known since."""
    records = [row.tdb or {} for row in rows]
    wrong: dict[str, Any] = tdb.batch_problems(records)
    names = plain_texts.names_of({row.decision.case for row in rows})
    for n, row in enumerate(rows):
        if leaks := plain_texts.leaks(records[n], names[row.decision.case_id].full):
            wrong.setdefault(f"statement_{n}", {}).update(leaks)
    if wrong:
        named = {str(rows[int(key.rpartition("_")[2])].puid): errors for key, errors in wrong.items()}
        raise Problem(
            "statement.refused",
            "The transparency database would refuse this",
            status=409,
            detail=f"{len(named)} of {len(rows)} records are not as its API asks; nothing of this call was exported.",
            next_step="See `errors` by number. Correct the statements, then export again.",
            extra={"errors": named},
        )


@transaction.atomic
def _record(rows: Sequence[StatementOfReasons], call: Call, by: User) -> None:
    log.append(
        EventType.STATEMENT_EXPORTED,
        actor=by.actor,
        role=leading_role(by, *authority.ACTS[authority.Act.EXPORT_STATEMENTS].roles),
        refs=[row.entry for row in rows if row.entry is not None][:20],
        facts={"statements": len(rows), "sha256": hashlib.sha256(canonical_json(call)).hexdigest()},
    )
    StatementOfReasons.objects.filter(pk__in=[row.pk for row in rows]).update(exported_at=now())
