"""What an authority may ask of the log: kinds of entries, days, and cases by category, place, missed deadline, order.

Kinds and days are asked of the entries as everybody has them. The rest is asked of cases within the account's reach:
its places, and never a child's case (I24), so that no answer says anything about any other case.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.dateparse import parse_datetime

from accounts.models import User
from core.canonical import Json
from core.problems import Conflict, NotFound, invalid
from ledger import reading
from ledger.events import EventType
from ledger.models import Entry
from policy.audits import reach, regulators
from policy.filing.notice_checks import refuse
from policy.models import Case, Category, Clock, Notice, RegulatorAccount, SavedQuery

# A query about cases looks at so many entries before it says “at least”: a page is never waited for longer.
LOOKED_AT: Final = 100_000
MOST_SAVED: Final = 50
_CHUNK: Final = 1000
_CASE: Final = b'"object":"case:'


@dataclass(frozen=True)
class Query:
    """[since, until) in UTC; no types, categories or places: any. missed: of cases with a missed deadline.
    orders: of cases with an order of a court or an authority.
    """

    types: tuple[str, ...] = ()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    categories: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()
    missed: bool = False
    orders: bool = False

    @property
    def of_cases(self) -> bool:
        """Whether it asks for more than kinds and days, so that only this office can say what matches."""
        return bool(self.categories or self.jurisdictions or self.missed or self.orders)

    def as_json(self) -> dict[str, Json]:
        """As a row or the log keeps it: what was asked for, and nothing that was not."""
        said: dict[str, Json] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dt.datetime):
                said[name] = value.isoformat()
            elif value:
                said[name] = list(value) if isinstance(value, tuple) else value
        return said

    def public(self) -> dict[str, Json]:
        """What of it the log may say in the open: the rest and how many answers there are say what a case is about."""
        return replace(self, categories=(), jurisdictions=(), missed=False, orders=False).as_json()


@dataclass(frozen=True)
class Counted:
    """How many match. cases: None where cases were not asked about. complete: False if there may be more."""

    entries: int
    cases: int | None = None
    complete: bool = True


def read(raw: Mapping[str, Any]) -> Query:
    """The query that these values say. since, until: datetimes or ISO 8601. Raises Problem with `errors`."""
    unknown = set(raw) - set(Query.__dataclass_fields__)
    if unknown:
        raise invalid({name: ["This cannot be asked."] for name in sorted(unknown)})
    lists = {name: _listed(raw.get(name)) for name in ("types", "categories", "jurisdictions")}
    since, until = _time(raw.get("since")), _time(raw.get("until"))
    refuse(_wrong(raw, lists, since, until))
    named = {name: tuple(sorted(set(values or ()))) for name, values in lists.items()}
    flags = {name: bool(raw.get(name)) for name in ("missed", "orders")}
    return Query(since=since, until=until, **named, **flags)  # type: ignore[arg-type]  # of two kinds


_ALLOWED: Final[Mapping[str, tuple[Collection[str], str]]] = {
    "types": (frozenset(str(each) for each in EventType), "Unknown type of entry."),
    "categories": (frozenset(Category.values), "Unknown category."),
    "jurisdictions": (frozenset(regulators.PLACES), "Unknown place."),
}


def _wrong(
    raw: Mapping[str, Any], lists: Mapping[str, list[str] | None], since: dt.datetime | None, until: dt.datetime | None
) -> dict[str, str | bool]:
    wrong: dict[str, str | bool] = {}
    for name, (known, words) in _ALLOWED.items():
        values = lists[name]
        wrong[name] = words if values is None or not set(values) <= set(known) else ""
    for name, value in (("since", since), ("until", until)):
        wrong[name] = "That is no time." if raw.get(name) and value is None else ""
    if since and until and until <= since:
        wrong["until"] = "Must be later than `since`."
    return wrong


def _listed(value: Any) -> list[str] | None:
    """None: that is no list of words."""
    if value in (None, ""):
        return []
    if isinstance(value, list | tuple | set) and all(isinstance(each, str) for each in value):
        return list(value)
    return None


def _time(value: Any) -> dt.datetime | None:
    if isinstance(value, str):
        try:
            value = parse_datetime(value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return (value if value.tzinfo else value.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)


# --- Cases ---------------------------------------------------------------------------------------------------------


def in_reach(account: RegulatorAccount) -> QuerySet[Case]:
    """The cases that stand in a place of the account's; never a child's (I24), never one without a place."""
    return Case.objects.filter(reach.touching(account.jurisdictions), minor=False)


def cases(query: Query, account: RegulatorAccount) -> QuerySet[Case]:
    """Of those in reach, the ones that the query asks for."""
    rows = in_reach(account)
    if query.categories:
        rows = rows.filter(category__in=query.categories)
    if query.jurisdictions:
        rows = rows.filter(reach.touching(query.jurisdictions))
    if query.missed:
        me = OuterRef("pk")
        of = Q(case=me) | Q(notice__case=me) | Q(decision__case=me) | Q(appeal__decision__case=me)
        rows = rows.filter(Exists(Clock.objects.filter(of, state=Clock.State.BREACHED)))
    if query.orders:
        ordered = Notice.objects.filter(case=OuterRef("pk"), kind=Notice.Kind.ORDER)
        rows = rows.filter(Exists(ordered) | Q(category=Category.AUTHORITY_ORDER))
    return rows


def objects(rows: QuerySet[Case]) -> frozenset[str]:
    """The names that these cases have in the log."""
    return frozenset(f"case:{pk}" for pk in rows.order_by().values_list("pk", flat=True).iterator(_CHUNK))


# --- Entries -------------------------------------------------------------------------------------------------------


def entries(query: Query, size: int) -> QuerySet[Entry]:
    """Of the first `size` entries, those of the query's kinds and days, by index; which cases is not asked yet."""
    rows = Entry.objects.select_related("sequence").filter(sequence__index__lt=size)
    if query.since:
        rows = rows.filter(created_at__gte=query.since)
    if query.until:
        rows = rows.filter(created_at__lt=query.until)
    if query.types:
        rows = rows.filter(type__in=query.types)
    return rows.order_by("sequence__index")


def about(rows: Iterable[Entry], named: Collection[str]) -> Iterator[Entry]:
    """Of these entries, those about one of the named cases."""
    for row in rows:
        if _CASE in bytes(row.leaf) and reading.content(row)["object"] in named:
            yield row


def count(query: Query, account: RegulatorAccount | None, size: int) -> Counted:
    """How much there is, before anything is taken. account: None for who may not ask about cases."""
    rows = entries(query, size)
    if account is None or not query.of_cases:
        return Counted(rows.count())
    named = objects(cases(query, account))
    seen = found = 0
    for row in rows[:LOOKED_AT].iterator(_CHUNK):
        seen += 1
        found += next(about([row], named), None) is not None
    return Counted(found, len(named), complete=seen < LOOKED_AT)


def page(
    query: Query, account: RegulatorAccount | None, size: int, *, after: int, limit: int
) -> tuple[list[Entry], int | None]:
    """The next entries above index `after`, and with which index to go on; None at the end."""
    rows = entries(query, size).filter(sequence__index__gt=after)
    if account is None or not query.of_cases:
        found = list(rows[: limit + 1])
        return found[:limit], (found[limit - 1].sequence.index if len(found) > limit else None)
    return _page_of_cases(rows[:LOOKED_AT], objects(cases(query, account)), limit)


def _page_of_cases(rows: QuerySet[Entry], named: Collection[str], limit: int) -> tuple[list[Entry], int | None]:
    found: list[Entry] = []
    seen, last = 0, -1
    for row in rows.iterator(_CHUNK):
        if len(found) == limit:
            return found, found[-1].sequence.index
        found.extend(about([row], named))
        seen, last = seen + 1, row.sequence.index
    return found, (last if seen == LOOKED_AT else None)


# --- Templates -----------------------------------------------------------------------------------------------------


def saved_by(user: User) -> QuerySet[SavedQuery]:
    return SavedQuery.objects.filter(user=user).order_by("name")


def save(user: User, name: str, query: Query) -> SavedQuery:
    """Keep a query to ask it again; one of the same name is replaced. Raises Forbidden, Problem with `errors`, Conflict
    when there are fifty.
    """
    regulators.entitled(user)
    name = name.strip()
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise invalid({"name": ["Between 1 and 80 characters."]})
    if saved_by(user).exclude(name=name).count() >= MOST_SAVED:
        raise Conflict(f"You keep {MOST_SAVED} queries already.", code="query.too_many", next_step="Delete one first.")
    try:
        with transaction.atomic():
            row, _ = SavedQuery.objects.update_or_create(user=user, name=name, defaults={"query": query.as_json()})
    except IntegrityError as error:
        raise Conflict("This query was saved a moment ago.", code="query.race") from error
    return row


def forget(user: User, pk: UUID | str) -> None:
    """Raises Forbidden, NotFound."""
    regulators.entitled(user)
    if not saved_by(user).filter(pk=pk).delete()[0]:
        raise NotFound("saved query")
