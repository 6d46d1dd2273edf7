"""What is on record about a case: the log's lines about its rows, and what was decided in others like it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Model, Q, QuerySet

from ledger.models import Entry
from policy.models import (
    Action,
    Appeal,
    Case,
    Decision,
    Flag,
    MediaView,
    Notice,
    Recusal,
    StatementOfReasons,
)

_LINES = 40
# Of so many like decisions the spread is counted: enough to see a habit, few enough to stay quick.
_ALIKE = 200
_SHOWN = 5

_ROWS: tuple[tuple[type[Model], str], ...] = (
    (Case, "pk"),
    (Notice, "case"),
    (Flag, "case"),
    (Decision, "case"),
    (Action, "decision__case"),
    (StatementOfReasons, "decision__case"),
    (Appeal, "decision__case"),
    (MediaView, "case"),
    (Recusal, "case"),
)


def lines(case: Case) -> QuerySet[Entry]:
    """The log's entries that rows of this case came with, the newest first; types and times, nothing sealed."""
    about = Q()
    for model, path in _ROWS:
        entries: Any = model._default_manager.filter(**{path: case.pk}, entry__isnull=False).values("entry")
        about |= Q(pk__in=entries)
    return Entry.objects.filter(about).select_related("sequence").defer("leaf").order_by("-pk")[:_LINES]


def newest(case: Case, count: int) -> str:
    """The newest `count` lines in words (at most three), for who has to look again."""
    found = lines(case)[: min(count, 3)]
    return "; ".join(f"{row.type.replace(':', ' ').replace('_', ' ')}, {row.created_at:%H:%M} UTC" for row in found)


@dataclass(frozen=True)
class Alike:
    """What was decided lately in cases of the same category. spread: (outcome in words, how many), the usual first."""

    latest: Sequence[Decision]
    spread: list[tuple[str, int]]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.spread)


def alike(case: Case) -> Alike:
    """Same facts, same rules, same outcome, whoever decides (R31): what others did. Two queries."""
    others = Decision.objects.exclude(case=case).filter(case__category=case.category, interim=False)
    lately = others.filter(case__minor=case.minor).order_by("-pk")
    counted = Decision.objects.filter(pk__in=list(lately.values_list("pk", flat=True)[:_ALIKE]))
    rows = counted.values_list("outcome").annotate(n=Count("pk")).order_by("-n", "outcome")
    spread = [(str(Decision.Outcome(outcome).label), n) for outcome, n in rows]
    return Alike(list(lately.select_related("case")[:_SHOWN]), spread)
