"""Retention: how long what is kept, on which rule, and the daily job that lets go of what is past.

How long is a row of a rule pack, not a number here: the rules in force that begin with the thing's own event and hold
for `channel == "retention"` say how long at most or, with `minimum: true`, how long at least. They are resolved for
each row, in its own places: what must be kept is kept, and of several longest terms the shortest counts. Where the two
collide the duty to keep wins, and `--dry-run` counts it. What a legal hold reaches is left alone.
"""

import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from core.canonical import Json
from core.clock import now
from ledger import log
from ledger.events import EventType
from policy.law import rules
from policy.rulebook import dates
from policy.rulebook.rows import Rule

BATCH: Final = 500
# In one transaction: the keys of so many people fit into one leaf.
_TOGETHER: Final = 100
_CHANNEL: Final = "retention"


def nowhere(row: Any) -> list[str]:
    """Of what has no place: only rules for everywhere hold."""
    return []


@dataclass(frozen=True)
class Keeping:
    """One line of the table.

    event: with which its rules begin. find: the rows that could go, each with `kept_from`, the moment of that event.
    held: of these, what a legal hold keeps. purge: lets go of rows in an open transaction, for the run called `object`.
    places: where a row belongs, for rules of one place.
    """

    what: str
    words: str
    event: str
    find: Callable[[], "QuerySet[Any]"]
    purge: Callable[[list[Any], str], None]
    held: "Callable[[], QuerySet[Any]] | None" = None
    places: Callable[[Any], list[str]] = nowhere


@dataclass(frozen=True)
class Term:
    """How long one row is kept. until: None for ever. rules: ids of those that say so. collide: one says that it must
    be kept, another that it must go; then it is kept.
    """

    until: dt.datetime | None
    rules: tuple[str, ...] = ()
    collide: bool = False


@dataclass
class Done:
    """What one line let go of, or would. held, colliding: how many more a hold, or a duty to keep, keeps."""

    keeping: Keeping
    count: int = 0
    held: int = 0
    colliding: int = 0
    rules: set[str] = field(default_factory=set)


# --- How long ------------------------------------------------------------------------------------------------------


def rules_of(event: str, places: Collection[str] = ()) -> list[Rule]:
    """The rules of today: what was once kept for longer is not kept on because it began earlier."""
    facts = {"channel": _CHANNEL, "jurisdictions": sorted(places)}
    found = rules.matching(facts, now(), events={event})
    return [rule for rule in found if rule.clock.get("value") is not None]


def term(among: Collection[Rule], since: dt.datetime) -> Term:
    """How long a thing is kept whose event was at `since`, by these rules."""
    least = [_end(rule, since) for rule in among if rule.clock.get("minimum")]
    most = [_end(rule, since) for rule in among if not rule.clock.get("minimum")]
    ids = tuple(sorted(rule.id for rule in among))
    if not most:
        return Term(None, ids)
    must_keep = max(least, default=since)
    return Term(max(min(most), must_keep), ids, collide=must_keep > min(most))


def _end(rule: Rule, since: dt.datetime) -> dt.datetime:
    return dates.add(since, rule.clock["value"], rule.clock["unit"])


def _horizon(among: Collection[Rule]) -> dt.datetime | None:
    """Nothing later than this can be past. None: nothing goes."""
    most = [rule for rule in among if not rule.clock.get("minimum")]
    return max((dates.add(now(), -rule.clock["value"], rule.clock["unit"]) for rule in most), default=None)


# --- Letting go ----------------------------------------------------------------------------------------------------


def run(table: Collection[Keeping], *, dry: bool = False) -> list[Done]:
    """Let go of what is past, at most 500 rows of each line at a time. dry: only say what would go.

    Each line is purged in transactions of its own, each with one `retention:purged` in the log.
    """
    return [_line(keeping, dry) for keeping in table]


def _line(keeping: Keeping, dry: bool) -> Done:
    done = Done(keeping)
    past = list(itertools.islice(_past(keeping, done), BATCH))
    if dry:
        done.count = len(past)
        return done
    for at in range(0, len(past), _TOGETHER):
        done.count += _purge(keeping, past[at : at + _TOGETHER], sorted(done.rules))
    return done


def _past(keeping: Keeping, done: Done) -> Iterator[Any]:
    """The keys of rows that are past. Rules are looked up once for each set of places."""
    horizon = _horizon(rules_of(keeping.event, list(rules.JURISDICTIONS)))
    if horizon is None:
        return
    rows = keeping.find().filter(kept_from__lte=horizon)
    if keeping.held is not None:
        kept = keeping.held()
        done.held = rows.filter(pk__in=kept.values("pk")).count()
        rows = rows.exclude(pk__in=kept.values("pk"))
    known: dict[tuple[str, ...], list[Rule]] = {}
    # Past those that a duty to keep keeps: they are the oldest again tomorrow.
    for row in rows.order_by("kept_from", "pk").iterator(BATCH):
        places = tuple(sorted(keeping.places(row)))
        if places not in known:
            known[places] = rules_of(keeping.event, places)
        length = term(known[places], row.kept_from)
        if length.until is None or length.until > now():
            done.colliding += length.collide
            continue
        done.rules |= set(length.rules)
        yield row.pk


def _purge(keeping: Keeping, keys: list[Any], ground: list[str]) -> int:
    """Looked at again, and held, in the transaction: whom something began with meanwhile is left out."""
    object = f"retention:{uuid.uuid4()}"
    with transaction.atomic():
        rows = list(keeping.find().filter(pk__in=keys).select_for_update(of=("self",)))
        if rows:
            keeping.purge(rows, object)
            facts: dict[str, Json] = {"what": keeping.what, "count": len(rows), "rules": list(ground)}
            log.append(EventType.RETENTION_PURGED, actor="system", role="system", object=object, facts=facts)
    return len(rows)
