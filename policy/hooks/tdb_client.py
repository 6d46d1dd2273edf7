"""Handing statements of reasons to the EU's transparency database (DSA 24(5)), through its published API.

Documentation: digital-services-act/transparency-database, `resources/markdown/en/api-documentation.md`: POST
/api/v1/statements takes up to 100 records and answers 201 with their ids, or 422 with what is wrong, and then took none
of them. A number (PUID) that it has already is refused (there, as `existing_puids`: app/Exceptions); POST
/api/v1/statement of that one says which statement exists.

A rehearsal unless it is really meant: then everything is checked here, and nothing is sent. No statement is handed
over twice: what was sent and never answered is found in the database by its number. Of a corrected statement the newest
alone goes; the API knows no withdrawal, so one that was accepted before its correction stays there as it was.
"""

import hashlib
import ipaddress
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.people import leading_role
from core.canonical import Json, canonical_json
from core.clock import now
from core.problems import Problem
from core.states import move
from ledger import log, posting
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority
from policy.deciding import tdb, tdb_export
from policy.deciding.statements import may_leave
from policy.models import StatementOfReasons, TdbSubmission

State = TdbSubmission.State
# Seconds before each further try.
WAITS: tuple[float, ...] = (2, 10, 30)
# A hundred records, written in full, come back with every answer.
LONGEST_ANSWER: Final = 8 << 20
PATIENCE: Final = 60.0
# Under whose key the log seals which numbers were handed over: nobody's data, but beside the open log it would say of
# what each case is.
SEALED_UNDER: Final = "office:tdb"
_MANY, _ONE = "/api/v1/statements", "/api/v1/statement"
_AGAIN: Final = frozenset({0, 408, 425, 429, 500, 502, 503, 504})
_CREATED, _WRONG = 201, 422

Rows = Sequence[StatementOfReasons]


@dataclass
class Told:
    """What came of one call. accepted: {number: the database's id}. refused: {number: {field: [sentence]}}. rehearsed:
    numbers that it would be sent under.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    refused: dict[str, tdb.Errors] = field(default_factory=dict)
    rehearsed: list[str] = field(default_factory=list)

    def add(self, other: "Told") -> None:
        self.accepted |= other.accepted
        self.refused |= other.refused
        self.rehearsed += other.rehearsed


def waiting(by: User) -> list[StatementOfReasons]:
    """Statements with a record that the database has not accepted yet, the oldest first; never a child's case (I24),
    nor one in which `by` is a party.
    """
    rows = tdb_export.not_own(tdb_export.statements(again=True), by).exclude(tdb_submission__state=State.ACCEPTED)
    return [row for row in rows if may_leave(row.decision.case)]


def submit(by: User, *, really: bool = False) -> Told:
    """Check everything that waits, and hand it over if `really`, at most 100 in a call; each call is recorded.

    What this office or the database refuses is kept with its reasons, and goes again the next time. Raises Forbidden;
    Problem when the database is not set up, does not know us or does not answer: what was accepted until then stays.
    """
    authority.may(by, authority.Act.EXPORT_STATEMENTS)
    if really:
        _refuse_unset()
    rows, told = waiting(by), Told()
    tdb_export.refuse_twice([str(row.puid) for row in rows])
    for at in range(0, len(rows), tdb.MOST):
        part = rows[at : at + tdb.MOST]
        refused = tdb_export.objections(part)
        fit = [row for row in part if row.puid not in refused]
        found = Told(refused=refused)
        try:
            found.add(_hand_over(fit) if really else Told(rehearsed=[str(row.puid) for row in fit]))
        except _Interrupted as error:
            found.add(error.told)
            _record(part, found, by, really=really)
            raise error.problem from error
        _record(part, found, by, really=really)
        told.add(found)
    return told


# --- Recording -----------------------------------------------------------------------------------------------------


@transaction.atomic
def _record(rows: Rows, told: Told, by: User, *, really: bool) -> None:
    held = {row.puid: row for row in TdbSubmission.objects.filter(statement__in=rows)}
    states = dict(_states(told))
    changed = {puid: said for puid, said in states.items() if puid not in held or _said(held[puid]) != said}
    for puid in told.refused.keys() - changed.keys():  # refused once more, for other reasons perhaps
        TdbSubmission.objects.filter(pk=held[puid].pk).update(errors=_short(told.refused[puid]))
    if not changed:
        return
    entry = _append(told, changed, by, really=really)
    for row in rows:
        if row.puid in changed:
            _keep(row, held.get(row.puid), entry, told)
    accepted = [row.pk for row in rows if row.puid in told.accepted]
    StatementOfReasons.objects.filter(pk__in=accepted, exported_at=None).update(exported_at=now())


def _states(told: Told) -> Iterator[tuple[str, list[str]]]:
    """(number, [state, id]) of each statement of a call."""
    yield from ((puid, [State.REHEARSED.value, ""]) for puid in told.rehearsed)
    yield from ((puid, [State.REFUSED.value, ""]) for puid in told.refused)
    yield from ((puid, [State.ACCEPTED.value, uuid]) for puid, uuid in told.accepted.items())


def _said(row: TdbSubmission) -> list[str]:
    return [row.state, row.uuid]


def recorded(row: TdbSubmission) -> dict[str, Json]:
    """What the row's entry says of it under seal."""
    return {row.puid: list[Json](_said(row))}


def _append(told: Told, changed: Mapping[str, list[str]], by: User, *, really: bool) -> Entry:
    """How many, in the open; which ones, under seal, and without a reference to their cases."""
    facts: dict[str, Json] = {
        "really": really,
        "accepted": len(told.accepted),
        "refused": len(told.refused),
        "rehearsed": len(told.rehearsed),
        "sha256": hashlib.sha256(canonical_json(sorted(changed))).hexdigest(),
    }
    return log.append(
        EventType.STATEMENT_SUBMITTED,
        actor=by.actor,
        role=leading_role(by, *authority.ACTS[authority.Act.EXPORT_STATEMENTS].roles),
        facts=facts,
        sealed={"about": Sealed({puid: list[Json](said) for puid, said in changed.items()}, SEALED_UNDER)},
    )


def _keep(statement: StatementOfReasons, row: TdbSubmission | None, entry: Entry, told: Told) -> None:
    puid = str(statement.puid)
    state = next(State(said[0]) for number, said in _states(told) if number == puid)
    columns: dict[str, Any] = {
        "uuid": told.accepted.get(puid, ""),
        "errors": _short(told.refused.get(puid, {})),
        "sent_at": now() if state == State.ACCEPTED else None,
        "entry": entry,
    }
    if row is None:
        TdbSubmission.objects.create(statement=statement, puid=puid, state=state, **columns)
    else:
        move(row, TdbSubmission.MOVES, state, **columns)


def _short(errors: tdb.Errors) -> dict[str, list[str]]:
    """As much as somebody reads; the database's words are not ours."""
    return {str(name)[:60]: [str(one)[:300] for one in list(said)[:5]] for name, said in list(errors.items())[:30]}


# --- Speaking to the database --------------------------------------------------------------------------------------


class _Interrupted(Exception):
    """The database cannot be spoken to now; `told` came of it before."""

    def __init__(self, problem: Problem, told: Told) -> None:
        super().__init__(problem.code)
        self.problem, self.told = problem, told


def _hand_over(rows: Rows) -> Told:
    """Send one call; what is refused in it is taken out, and the rest sent again, because it was all or none."""
    told, left = Told(), {str(row.puid): row.tdb or {} for row in rows}
    while left:
        try:
            found = _call(left)
        except Problem as problem:
            raise _Interrupted(problem, told) from problem
        told.add(found)
        done = found.accepted.keys() | found.refused.keys()
        if not done:
            raise _Interrupted(_not_understood(_CREATED), told)
        left = {puid: record for puid, record in left.items() if puid not in done}
    return told


def _call(records: Mapping[str, tdb.Record]) -> Told:
    status, body = _post(_MANY, {"statements": list(records.values())})
    if status == _CREATED:
        return Told(accepted=_ids(body, records))
    errors = body.get("errors")
    if not isinstance(errors, dict) or not errors:
        raise _not_understood(status)
    return _sorted(errors, records)


def _ids(body: Mapping[str, Any], records: Mapping[str, tdb.Record]) -> dict[str, str]:
    made = body.get("statements")
    rows = [one for one in made if isinstance(one, dict)] if isinstance(made, list) else []
    return {one["puid"]: _id(one) for one in rows if one.get("puid") in records}


def _id(one: Mapping[str, Any]) -> str:
    return str(one.get("uuid") or "")[:60]


def _sorted(errors: Mapping[str, Any], records: Mapping[str, tdb.Record]) -> Told:
    """What was refused, by number, and what is there already. Errors are named `statement_<n>`."""
    told, puids = Told(), list(records)
    doubled = errors.get("existing_puids")
    for puid in doubled if isinstance(doubled, list) else ():
        if puid in records:
            told.add(_apart(records[puid]))
    if doubled is not None:
        return told
    for name, wrong in errors.items():
        place = str(name).removeprefix("statement_")
        if not place.isdecimal() or int(place) >= len(puids) or not isinstance(wrong, dict):
            raise _not_understood(_WRONG)
        puid = puids[int(place)]
        told.add(_apart(records[puid]) if set(wrong) == {"puid"} else _refusal(puid, wrong))
    return told


def _refusal(puid: str, errors: Any) -> Told:
    said = errors.items() if isinstance(errors, dict) else [("answer", errors)]
    return Told(refused={puid: {str(name): _sentences(one) for name, one in said}})


def _sentences(said: Any) -> list[str]:
    return [str(one) for one in said] if isinstance(said, list) else [str(said)]


def _apart(record: tdb.Record) -> Told:
    """What came of one record alone, of which the database said that it has its number. Should that not be so any
    more, it is created by this.
    """
    puid = str(record["puid"])
    status, body = _post(_ONE, record)
    found = body if status == _CREATED else body.get("existing")
    if isinstance(found, dict) and found.get("puid") == puid:
        return Told(accepted={puid: _id(found)})
    return _refusal(puid, body.get("errors") or body.get("message"))


def _post(path: str, payload: Any) -> tuple[int, dict[str, Any]]:
    """(201 or 422, the answer). Tries again when the database does not answer. Raises Problem."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    headers = {"Authorization": f"Bearer {settings.ASSAY_TDB_TOKEN}", "Accept": "application/json"}
    for wait in (*WAITS, None):
        reply = posting.post(
            settings.ASSAY_TDB_URL + path,
            body,
            "application/json",
            headers=headers,
            at_most=PATIENCE,
            longest=LONGEST_ANSWER,
        )
        if reply.status not in _AGAIN or wait is None:
            break
        time.sleep(wait)
    return reply.status, _answer(reply)


def _answer(reply: posting.Reply) -> dict[str, Any]:
    if reply.status in (401, 403):
        raise _problem("tdb.token", "does not accept our token", "Generate a new one there; set ASSAY_TDB_TOKEN_FILE.")
    if reply.status in _AGAIN:
        raise _problem("tdb.unreachable", "does not answer", "Try again later: nothing is handed over twice.")
    try:
        body = json.loads(reply.body)
    except ValueError:
        body = None
    if reply.status not in (_CREATED, _WRONG) or not isinstance(body, dict):
        raise _not_understood(reply.status)
    return body


def _not_understood(status: int) -> Problem:
    return _problem(
        "tdb.not_understood",
        f"answered in a way that its documentation does not describe (status {status})",
        "Look whether its API has changed. Nothing is handed over twice.",
    )


def _refuse_unset() -> None:
    if not settings.ASSAY_TDB_URL or not settings.ASSAY_TDB_TOKEN:
        raise _problem("tdb.not_set_up", "is not set up here", "Set ASSAY_TDB_URL and ASSAY_TDB_TOKEN_FILE.")
    if not _is_safe(settings.ASSAY_TDB_URL):
        raise _problem("tdb.not_set_up", "has an address without https", "The token would be readable on the way.")


def _is_safe(url: str) -> bool:
    """https; or this machine, for a rehearsal against a copy of the database."""
    parts = urlsplit(url)
    try:
        here = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        here = parts.hostname == "localhost"
    return parts.scheme == "https" or (parts.scheme == "http" and here)


def _problem(code: str, what: str, next_step: str) -> Problem:
    return Problem(
        code,
        "The transparency database cannot be used just now",
        status=503,
        detail=f"The transparency database {what}.",
        next_step=next_step,
    )
