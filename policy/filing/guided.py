"""The guided form: from choices to the laws that may apply, from these to what they ask for.

Choices and yes/no answers are facts; what somebody typed never is (I25). Which question answers which field of a law,
and the word-for-word statements that people swear, are data: `policy/forms/*.yaml`.
"""

import datetime as dt
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from core.clock import now
from policy.law import clocks, rules
from policy.models import Category, Clock, Exemption, Notice
from provenance.vocabulary import SYNTHETIC

FORMS: Final = Path(__file__).resolve().parent.parent / "forms"
SWORN: Final = "sworn:"
INTIMATE: Final = (Category.NCII, Category.NCII_DEEPFAKE)
# Issues that there are with what software made alone.
MADE: Final = (Category.NCII_DEEPFAKE, Category.UNLABELLED_SYNTHETIC)

# The events that a notice of each kind starts clocks with; a report's are `clocks.NOTICE`, an order's `clocks.ORDER`.
FALSE_POSITIVE: Final = frozenset({"false_positive_claimed"})
PRIVACY: Final = frozenset({"privacy_concern_received"})
REMOVAL: Final = frozenset({"valid_removal_request_received"})


@dataclass(frozen=True)
class Choice:
    """A question with a closed list of answers, kept in the open (`Notice.answers`)."""

    label: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class Question:
    """A question that is answered in words, which are sealed. most: characters. missing: its name when asked for."""

    label: str
    missing: str
    most: int = 200
    hint: str = ""
    long: bool = False


@dataclass(frozen=True)
class Statement:
    """What somebody swears, word for word. cite: the clause that asks for it."""

    id: str
    version: str
    text: str
    cite: str


@dataclass(frozen=True)
class Law:
    """A rule that the answers match: its deadline if the notice were complete now, and which questions it asks."""

    rule: rules.Rule
    clock: rules.ComputedClock
    asks: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """One set of facts under which a notice is looked at, and the events that it starts."""

    purpose: Clock.Purpose
    facts: dict[str, Any]
    events: frozenset[str]


YES_NO_UNKNOWN: Final = {"yes": "Yes", "no": "No", "unknown": "I do not know"}
CHOICES: Final[Mapping[str, Choice]] = {
    "shown": Choice(
        "Are you shown or heard in it?",
        {"me": "Yes, it shows me", "for": "It shows somebody I act for", "no": "No"},
    ),
    "how_made": Choice(
        "How was it made, as far as you know?",
        {"software": "Made or altered by software", "recorded": "Recorded as it was", "unknown": "I do not know"},
    ),
    "minor": Choice("Is the person shown under 18?", YES_NO_UNKNOWN),
    "public_figure": Choice("Is the person shown in public life, in politics for example?", YES_NO_UNKNOWN),
}
QUESTIONS: Final[Mapping[str, Question]] = {
    "name": Question("Your full name", "your full name, typed as your signature", 120),
    "email": Question("Your e-mail address", "an e-mail address", 200),
    "work": Question("Which work of yours is used?", "which work of yours is used", 1000, long=True),
    "legal_basis": Question("Legal basis of the order", "the legal basis of the order", 300),
    "provision": Question(
        "Why it is illegal, and under which provision", "why it is illegal, and the provision", 1000, long=True
    ),
    "authority": Question("Which court or authority issued it?", "the court or authority that issued it"),
    "redress": Question(
        "How the order can be contested", "how the order can be contested", 1000, "By whom, where and until when.", True
    ),
    "inform": Question("Which authority is to be told of its effect?", "which authority is to be told", 300),
    "signature": Question("Your signature: type your full name", "your signature", 120),
    "address": Question("Your postal address", "your postal address", 500, long=True),
    "phone": Question("Your telephone number", "your telephone number", 40),
}
# Asked in every notice, or answered by its choices: their words when a reviewer asks for them again.
_OTHER_WORDS: Final = {
    "statement": "more about what is wrong",
    "place": "where exactly it is",
    "good_faith": "good faith",
}


# --- The tables ----------------------------------------------------------------------------------------------------


@functools.cache
def _every_statement() -> tuple[Statement, ...]:
    rows = yaml.safe_load((FORMS / "statements.yaml").read_text())["statements"]
    return tuple(Statement(**row) for row in rows)


@functools.cache
def statements() -> Mapping[str, Statement]:
    """The newest version of each statement, by id: the last one in the file."""
    return {each.id: each for each in _every_statement()}


def sworn_text(id: str, version: str) -> str:
    """What was sworn, word for word, in the version of that day."""
    return next(each.text for each in _every_statement() if (each.id, each.version) == (id, version))


@functools.cache
def _fields() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """{rule id: {field of the law: the questions that answer it}}."""
    laws: Mapping[str, Mapping[str, str | list[str]]] = yaml.safe_load((FORMS / "fields.yaml").read_text())["laws"]
    return {
        rule: {name: (asked,) if isinstance(asked, str) else tuple(asked) for name, asked in fields.items()}
        for rule, fields in laws.items()
    }


def asks(rule: rules.Rule) -> tuple[str, ...]:
    """The questions that this law asks for, in its own order. A later version of a law asks as the earlier one did,
    field by field; a field that no question answers cannot be asked for.
    """
    own = _fields().get(rule.id) or {name: asked for law in _fields().values() for name, asked in law.items()}
    return tuple(dict.fromkeys(ask for field in rule.required_fields for ask in own.get(field, ())))


def words(ask: str) -> str:
    """What is missing, for the person who is asked for it."""
    if ask.startswith(SWORN):
        known = statements().get(ask.removeprefix(SWORN))
        return f"your statement: “{known.text}”" if known else "a statement"
    return QUESTIONS[ask].missing if ask in QUESTIONS else _OTHER_WORDS.get(ask, ask)


def swear(ids: Collection[str], at: dt.datetime) -> list[dict[str, str]]:
    """For `sworn`: which statements, in which version, when. Their texts stay in `forms/statements.yaml`."""
    known = statements()
    return [{"statement": each, "version": known[each].version, "at": at.isoformat()} for each in dict.fromkeys(ids)]


# --- From choices to law -------------------------------------------------------------------------------------------


def facts_of(notice: Notice) -> dict[str, Any]:
    """The notice as facts for rules: choices and yes/no answers only, never a word of its text (I25)."""
    asset, how = notice.asset, notice.answers.get("how_made")
    return {
        "category": notice.category,
        "jurisdictions": [notice.jurisdiction],
        "channel": "notice",
        "role": "depicted" if notice.as_depicted else "other",
        "content_kind": asset.kind if asset else "",
        "synthetic": bool(asset and asset.source_type in SYNTHETIC) or how == "software" or notice.category in MADE,
        "intimate": notice.category in INTIMATE,
        "minor": about_a_child(notice),
        "satire": Exemption.SATIRE in notice.exemptions,
        "news": Exemption.NEWS in notice.exemptions,
        "licensed": Exemption.LICENSED in notice.exemptions,
        "court_order": notice.kind == Notice.Kind.ORDER,
    }


def about_a_child(notice: Notice) -> bool:
    return notice.category == Category.CHILD_SAFETY or notice.answers.get("minor") == "yes"


def room(notice: Notice) -> str:
    """The category of the case: an intimate picture of a child goes to who is trained for children (I24), while the
    law about intimate pictures still counts its hours.
    """
    child = about_a_child(notice) and notice.category in (*INTIMATE, Category.CHILD_SAFETY)
    return Category.CHILD_SAFETY if child else notice.category


def held_here(notice: Notice) -> bool:
    """Whether there is something that this office could act on: a work registered here, or a digest to keep out."""
    return bool(notice.asset_id or notice.file_sha256)


def ways(notice: Notice) -> list[Way]:
    """Under which facts, and with which events, clocks start. A trusted flagger's notice is also an ordinary one."""
    facts, decide, duty = facts_of(notice), Clock.Purpose.DECIDE, Clock.Purpose.DUTY
    match notice.kind:
        case Notice.Kind.FALSE_POSITIVE:
            return [Way(decide, {**facts, "channel": "false_positive"}, FALSE_POSITIVE)]
        case Notice.Kind.ORDER:
            return [Way(decide, {**facts, "channel": "order"}, clocks.ORDER)]
    # A law's hours for taking something down do not run where there is nothing that could be.
    found = [Way(decide, facts, clocks.NOTICE if held_here(notice) else clocks.NOTICE - REMOVAL)]
    if notice.kind == Notice.Kind.PRIVACY:
        found.append(Way(duty, {**facts, "channel": "privacy"}, PRIVACY))
    if notice.flagger is not None:
        found.append(Way(decide, {**facts, "channel": "trusted_flagger"}, clocks.NOTICE))
    return found


def laws(notice: Notice, at: dt.datetime | None = None) -> list[Law]:
    """The rules that would start clocks for this notice (saved or not), the shortest first."""
    found, at = [], at or now()
    for way in ways(notice):
        matching = {rule.id: rule for rule in rules.matching(way.facts, at, events=way.events)}
        due = rules.due(way.facts, at, events=way.events)
        found += [Law(matching[clock.rule_id], clock, asks(matching[clock.rule_id])) for clock in due]
    unique = {law.rule.id: law for law in found}.values()
    return sorted(unique, key=lambda law: (law.clock.due_at is None, law.clock.due_at or at, law.rule.id))


# --- What is missing -----------------------------------------------------------------------------------------------


def lacks(asked: Iterable[str], notice: Notice, given: Mapping[str, str], *, spared: Collection[str] = ()) -> set[str]:
    """Which of the questions `asked` this notice does not answer."""
    return {ask for ask in asked if ask not in spared and not _answered(ask, notice, given)}


def lacking(law: Law, notice: Notice, given: Mapping[str, str]) -> set[str]:
    # DSA 16(2)(c): who reports such an offence against a child need not say who they are.
    return lacks(law.asks, notice, given, spared=("name", "email") if about_a_child(notice) and _is_eu(law) else ())


def missing(notice: Notice, given: Mapping[str, str], at: dt.datetime | None = None) -> list[str]:
    """Every question that some law asks and this notice does not answer, in alphabetical order."""
    return sorted({ask for law in laws(notice, at) for ask in lacking(law, notice, given)})


def hurry(notice: Notice, given: Mapping[str, str]) -> tuple[Law, Law | None] | None:
    """The law with the shortest deadline among those that still want something, and the one whose deadline counts
    meanwhile; None where adding it brings nothing forward.
    """
    dated = [law for law in laws(notice) if law.clock.due_at]  # the shortest first
    waits = next((law for law in dated if lacking(law, notice, given)), None)
    counts = next((law for law in dated if not lacking(law, notice, given)), None)
    if waits is None or (counts is not None and dated.index(counts) < dated.index(waits)):
        return None
    return waits, counts


def _answered(ask: str, notice: Notice, given: Mapping[str, str]) -> bool:
    if ask.startswith(SWORN):
        return ask.removeprefix(SWORN) in {row["statement"] for row in notice.sworn}
    match ask:
        case "place":
            return bool(notice.asset_id or notice.file_sha256 or given.get("url_or_text"))
        case "good_faith":
            return notice.good_faith
        case "statement":  # who filed with one click says it later, as “more”
            return bool(given.get("statement") or given.get("more"))
    return bool(given.get(ask))


def _is_eu(law: Law) -> bool:
    return law.rule.jurisdiction == "EU"
