"""What a part of a transparency report is made of: figures, shares, questions, what is missing. Data, no counting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ledger.events import EventType as E
from policy.models import Category, Decision
from policy.rulebook.facts import JURISDICTIONS

Words = str | Promise
Labels = Mapping[str, Words]


@dataclass(frozen=True)
class Definition:
    """One figure. query: as `transparency.figures` reads it, without `since` and `until`. labels: of a table, each of
    which has a row. totals: the cells that its rows are the parts of, together; none where an entry may be in several
    rows. plain: what the office says of itself, and shows however small it is. columns: of a list.
    """

    key: str
    title: Words
    query: Mapping[str, Any]
    labels: Labels = field(default_factory=dict)
    totals: tuple[str, ...] = ()
    plain: bool = False
    note: Words = ""
    columns: tuple[Words, ...] = ()


@dataclass(frozen=True)
class Rate:
    """A share that is computed from two published cells when it is read, never stored."""

    title: Words
    part: str
    whole: str


@dataclass(frozen=True)
class Part:
    """key: number in the template of the regulation, or of our own. missing: what the template asks for and nobody
    can find here, with the reason. words: {key: question} of what is told in words.
    """

    key: str
    title: Words
    basis: Words
    figures: tuple[Definition, ...] = ()
    rates: tuple[Rate, ...] = ()
    missing: tuple[Words, ...] = ()
    words: Labels = field(default_factory=dict)


def labels_of(choices: Any, *but: str) -> dict[str, Words]:
    return {value: label for value, label in choices.choices if value and value not in but}


def entries(*kinds: E, **more: Any) -> dict[str, Any]:
    return {"of": [kind.value for kind in kinds], **more}


def link(kind: E, key: str, own: str = "", **more: Any) -> dict[str, Any]:
    return {"of": [kind.value], "key": key, "with": own or key, **more}


YES_NO: Final[Labels] = {"yes": _("Yes"), "no": _("No")}
PLACES: Final[Labels] = dict(JURISDICTIONS)
CATEGORIES: Final = labels_of(Category)
OUTCOMES: Final = labels_of(Decision.Outcome)
RESTRICTIONS: Final = labels_of(Decision.Outcome, Decision.Outcome.NO_ACTION)
GROUNDS: Final = labels_of(Decision.Ground)
FINAL: Final = ["facts.interim", "is not", True]
