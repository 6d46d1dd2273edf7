"""The file of one case, for an authority: every signed entry about it and its work in their order, what of them may be
opened, the files by their digests, the deadlines, and to whom it was handed: the chain of custody (R37).

Each look is recorded, with its purpose. A case that touches none of the account's places is not found, and neither is a
child's (I24).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from core.canonical import Json
from core.problems import Forbidden, NotFound
from ledger import reading
from ledger.models import Entry
from policy import authority
from policy.audits import exports, openings, queries, reach, regulators
from policy.audits.queries import Query
from policy.authority import Act
from policy.models import Case, Clock, Referral, RegulatorAccount
from provenance.models import Rendition

MOST: Final = 500


@dataclass(frozen=True)
class Step:
    """One signed entry of the case or of its work. opened: what may be read of what is sealed, by section.
    sealed: the names of the rest, withheld here or erased.
    """

    index: int
    at: str
    type: str
    role: str
    object: str
    facts: dict[str, Any]
    opened: dict[str, Json]
    sealed: tuple[str, ...]
    leaf_hash: str


@dataclass(frozen=True)
class Trail:
    """complete: False when there are more entries than are shown; a bundle has them all."""

    case: Case
    steps: list[Step]
    complete: bool
    places: list[str] = field(default_factory=list)
    files: list[Rendition] = field(default_factory=list)
    clocks: list[Clock] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)


def listed(user: User, query: Query, *, purpose: str, start: int, limit: int) -> tuple[list[Case], bool]:
    """The cases in reach that the query matches, the newest first, from the one at `start` on, and whether there are
    more. Recorded. Raises Forbidden.
    """
    account = _covered(user)
    rows = queries.cases(query, account).select_related("asset").order_by("-created_at", "-pk")
    found = list(rows[start : start + limit + 1])
    asked: dict[str, Json] = {"query": query.as_json(), "count": len(found[:limit])}
    with transaction.atomic():
        exports.audit(user, {"read": "cases"}, purpose, asked=asked)
    return found[:limit], len(found) > limit


def trail(user: User, pk: UUID | str, *, purpose: str) -> Trail:
    """The file of a case. Recorded. Raises Forbidden, NotFound."""
    account = _covered(user)
    try:
        case = reach.with_places(queries.in_reach(account)).select_related("asset", "entry").get(pk=pk)
    except (Case.DoesNotExist, ValidationError) as error:
        raise NotFound("case") from error
    with transaction.atomic():
        exports.audit(user, {"read": "case_file"}, purpose, object=case.object)
    rows = list(islice(_entries(case), MOST + 1))
    return Trail(
        case=case,
        steps=_steps(rows[:MOST], account, case),
        complete=len(rows) <= MOST,
        places=reach.places(case),
        files=list(case.asset.renditions.order_by("pk")) if case.asset else [],
        clocks=list(case.clocks.order_by("started_at", "pk")),
        referrals=_theirs(case, account),
    )


def _theirs(case: Case, account: RegulatorAccount) -> list[Referral]:
    """What was handed to authorities of their places; not what another's heard."""
    rows = case.referrals.order_by("created_at")
    return [row for row in rows if reach.meets([row.jurisdiction], account.jurisdictions)]


def _covered(user: User) -> RegulatorAccount:
    authority.may(user, Act.READ_CASE_FILE)
    account = regulators.entitled(user)
    if RegulatorAccount.Scope.CASES not in account.scopes:
        raise Forbidden("Your access does not cover the files of cases.", code="regulator.scope")
    return account


def _entries(case: Case) -> Iterator[Entry]:
    """Of the case and of its work, by index; nothing is about a work before it is registered."""
    named = [case.object, *([f"asset:{case.asset_id}"] if case.asset_id else [])]
    begins = min(each.created_at for each in (case, case.asset) if each is not None)
    return reading.about(named, since=begins)


def _steps(rows: list[Entry], account: RegulatorAccount, case: Case) -> list[Step]:
    opened: dict[int, dict[str, Json]] = {}
    for index, one in openings.opened(rows, account, _only(case)):
        opened.setdefault(index, {})[one.name] = one.value
    return [_step(row, opened.get(row.sequence.index, {})) for row in rows]


def _only(case: Case) -> QuerySet[Case]:
    return Case.objects.filter(pk=case.pk)


def _step(row: Entry, opened: dict[str, Json]) -> Step:
    leaf = reading.content(row)
    return Step(
        index=row.sequence.index,
        at=leaf["ts"],
        type=leaf["type"],
        role=leaf["role"],
        object=leaf["object"],
        facts=leaf["facts"],
        opened=opened,
        sealed=tuple(name for name in leaf["commitments"] if name not in opened),
        leaf_hash=bytes(row.leaf_hash).hex(),
    )
