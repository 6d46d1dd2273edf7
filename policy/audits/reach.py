"""The places in which a case stands for authorities. What anybody may tick in a form brings no authority to it."""

from collections.abc import Collection
from functools import reduce
from operator import or_
from typing import Final

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from policy.law import rules
from policy.models import Case, Decision, Notice

_KNOWN: Final = Q(account__isnull=False) | Q(flagger__isnull=False) | Q(filer__contact_proved_at__isnull=False)
_OVER: Final = (Notice.State.WITHDRAWN, Notice.State.UNFOUNDED)


def _notices() -> QuerySet[Notice]:
    """Those, orders too, of which somebody is known to be behind them."""
    return Notice.objects.filter(_KNOWN).exclude(state__in=_OVER)


def _decisions() -> QuerySet[Decision]:
    return Decision.objects.filter(state__in=Decision.STANDING).exclude(territory=[])


def meets(places: Collection[str], theirs: Collection[str]) -> bool:
    """Whether one of these places is, or lies within, one of theirs."""
    return not set(rules.widen(places)).isdisjoint(theirs)


def touching(places: Collection[str]) -> Q:
    """Of cases: which stand in one of these places. Cases of notices that nobody proved, and without, stand in none."""
    within = sorted(place for place in rules.JURISDICTIONS if meets([place], places))
    # SQLite cannot ask whether a JSON list holds a value; a code between its quotation marks stands in no other.
    applies = reduce(or_, (Q(territory__icontains=f'"{place}"') for place in within), Q(pk__in=[]))
    me = OuterRef("pk")
    return Q(Exists(_notices().filter(case=me, jurisdiction__in=within))) | Q(
        Exists(_decisions().filter(applies, case=me))
    )


def with_places(cases: QuerySet[Case]) -> QuerySet[Case]:
    """Two queries more, however many cases, so that `places` asks nothing."""
    return cases.prefetch_related(
        Prefetch("notices", _notices(), to_attr="standing_notices"),
        Prefetch("decisions", _decisions(), to_attr="standing_decisions"),
    )


def places(case: Case) -> list[str]:
    """Where a case of `with_places` stands, each place with what it lies within, sorted."""
    named = {notice.jurisdiction for notice in case.standing_notices}  # type: ignore[attr-defined]  # prefetched
    for decision in case.standing_decisions:  # type: ignore[attr-defined]  # prefetched
        named |= set(decision.territory)
    return rules.widen(named)
