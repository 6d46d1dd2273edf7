"""What a decision may be: checked before anything is written, each wrong field with its own sentence."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.conf import settings

from core.clock import now
from core.problems import NotFound, invalid
from policy.deciding.outcomes import ALSO, INTERIM, OUTCOMES
from policy.deciding.plain_texts import bad, doubt, leak, names_in
from policy.desk import interim
from policy.filing import guided
from policy.law import clocks, rules
from policy.models import Case, Clock, Decision, Exemption
from policy.rulebook.vocabulary import ABOUT_WORKS, CITABLE
from provenance.vocabulary import SYNTHETIC

_O = Decision.Outcome
# What can hold in some places only.
_LIMITED: Final = (_O.GEO_RESTRICT, _O.HASH_BLOCK)
# They change nothing that anybody could be kept from.
_FREE: Final = (_O.NO_ACTION, _O.LABEL)
# In the words that laws use for restrictions.
LAW_WORDS: Final = {
    _O.GEO_RESTRICT: "disable",
    _O.HIDE: "disable",
    _O.SUSPEND: "suspend_account",
}


@dataclass(frozen=True)
class Asked:
    """A decision as somebody asks for it. territory: codes of places; none: everywhere. ends_at: when it runs out.
    no_names: the words in its texts that may be names in this case are none.
    """

    outcome: str
    ground: str
    rule_ids: Sequence[str]
    facts_text: str
    explanation: str
    also: Sequence[str] = ()
    territory: Sequence[str] = ()
    ends_at: dt.datetime | None = None
    exemptions: Sequence[str] = ()
    interim: bool = False
    no_names: bool = False

    @property
    def outcomes(self) -> list[str]:
        return list(dict.fromkeys((self.outcome, *self.also)))


def check(case: Case, asked: Asked) -> list[rules.Rule]:
    """The rules it cites. Raises Problem `request.invalid` with `errors`, Conflict when an outcome cannot be taken."""
    known = {rule.id: rule for rule in citable(case)}
    cited = [known[rule_id] for rule_id in dict.fromkeys(asked.rule_ids) if rule_id in known]
    names = names_in(case)
    facts_text, explanation = bad(asked.facts_text, names), bad(asked.explanation, names)
    ask = not (asked.no_names or facts_text or explanation)
    refuse(
        {
            "outcome": _bad_outcome(asked),
            "also": _bad_also(asked),
            "territory": _bad_territory(asked) or _too_wide(asked, cited),
            "ends_at": _bad_end(asked) or _too_long(case, asked),
            "exemptions": _bad_exemptions(case, asked.exemptions),
            "ground": "" if asked.ground in Decision.Ground.values else "A law, or the terms of this office.",
            "rule_ids": _bad_citation(asked, cited, known),
            "facts_text": facts_text,
            "explanation": explanation,
            "no_names": doubt((asked.facts_text, asked.explanation), names) if ask else "",
        }
    )
    for outcome in asked.outcomes:
        OUTCOMES[outcome].hold(case)
    return cited


def recheck(decision: Decision) -> None:
    """What may have changed since it was proposed: an exemption that a new notice claims, a full name that came with
    it, its end that has come.

    Raises as `check` does.
    """
    names = names_in(decision.case).full
    refuse(
        {
            "ends_at": _bad_end(decision),
            "exemptions": _bad_exemptions(decision.case, decision.exemptions),
            "facts_text": leak(decision.facts_text, names),
            "explanation": leak(decision.explanation, names),
        }
    )
    for outcome in (decision.outcome, *decision.also):
        OUTCOMES[outcome].hold(decision.case)


def refuse(errors: dict[str, str]) -> None:
    """Raises Problem `request.invalid` for the fields that have a sentence."""
    wrong = {field: [sentence] for field, sentence in errors.items() if sentence}
    if wrong:
        raise invalid(wrong)


# --- Rules (I1, I15) -------------------------------------------------------------------------------------------------


def citable(case: Case) -> list[rules.Rule]:
    """What a decision in this case may cite: each rule as it was law when its own event happened (I1), if it is about
    works or about what is said of them, and about this case: it holds for the facts of it, or a deadline to decide it
    rests on the rule, or it is a clause of our terms.

    A rule that begins with a notice: on a day on which one was filed here, or completed as that rule asks; every other
    on the day on which the case was opened. What a clock of the case rests on is cited from that clock's pack, whatever
    a later pack says of it (I13).
    """
    opened = {case.created_at.date()}
    filed = {at.date() for at in case.notices.values_list("created_at", flat=True)} or opened
    begun = list(case.clocks.order_by("started_at", "pk"))
    cured: dict[str, set[dt.date]] = {}
    for clock in begun:
        cured.setdefault(clock.rule_id, set()).add(clock.started_at.date())
    known = {rule.id: rule for rule in rules.all_rules()} | _as_begun(begun)
    law = [rule for rule in known.values() if _in_force(rule, _days(rule, opened, filed, cured.get(rule.id)))]
    rests = {clock.rule_id for clock in begun if clock.purpose == Clock.Purpose.DECIDE}
    said = [rules.complete(facts) for facts in _facts_in(case)]
    return [rule for rule in law if rule.start_event in CITABLE and _is_about(rule, rests, said)]


def _is_about(rule: rules.Rule, rests: set[str], said: Iterable[dict[str, Any]]) -> bool:
    clause = rule.is_terms and rule.start_event == "none"
    return clause or rule.id in rests or any(rule.matches(facts) for facts in said)


def _facts_in(case: Case) -> list[dict[str, Any]]:
    """The case as facts for rules: as the office sees it, and as each notice tells it."""
    asset = case.asset
    own = {
        "category": case.category,
        "jurisdictions": case.jurisdictions or served(),
        "content_kind": asset.kind if asset else "",
        "synthetic": bool(asset and asset.source_type in SYNTHETIC) or case.category in guided.MADE,
        "intimate": case.category in guided.INTIMATE,
        "minor": case.minor,
    }
    ways = (way for notice in case.notices.select_related("asset", "flagger") for way in guided.ways(notice))
    return [own, *(way.facts for way in ways)]


def _as_begun(begun: Iterable[Clock]) -> dict[str, rules.Rule]:
    """The rules that these clocks rest on, each as it was when the first of its clocks began."""
    first = {clock.rule_id: clock for clock in reversed(list(begun))}
    kept = {digest: _kept(digest) for digest in {clock.pack for clock in first.values()}}
    found = ((clock, kept[clock.pack].get(rule_id)) for rule_id, clock in first.items())
    return {rule.id: replace(rule, legal_status=clock.legal_status) for clock, rule in found if rule}


def _kept(digest: str) -> dict[str, rules.Rule]:
    """By id; none for clocks older than packs."""
    try:
        return {rule.id: rule for rule in rules.version(digest).rules}
    except NotFound:
        return {}


def _days(rule: rules.Rule, opened: set[dt.date], filed: set[dt.date], cured: set[dt.date] | None) -> set[dt.date]:
    if rule.start_event in clocks.NOTICE:
        return filed | (cured or set())
    return opened | (cured or set())


def _in_force(rule: rules.Rule, days: Iterable[dt.date]) -> bool:
    return any(rule.in_force(day) for day in days)


def _bad_citation(asked: Asked, cited: list[rules.Rule], known: dict[str, rules.Rule]) -> str:
    if not asked.rule_ids:
        return "Cite at least one rule."
    if unknown := [rule_id for rule_id in asked.rule_ids if rule_id not in known]:
        return f"Not among the rules that this case runs under: {', '.join(unknown[:5])}."
    # How notices are handled is no reason to restrict anything: that is cited beside a rule about works.
    free = set(asked.outcomes) <= set(_FREE)
    reasons = cited if free else [rule for rule in cited if rule.start_event in ABOUT_WORKS]
    if asked.ground == Decision.Ground.TERMS and not any(rule.is_terms for rule in reasons):
        return "The ground is the office's terms: cite the clause about works."
    if asked.ground == Decision.Ground.ILLEGAL and not any(not rule.is_terms for rule in reasons):
        return "The ground is a law: cite its article about works."
    return ""


def _too_wide(asked: Asked, cited: list[rules.Rule]) -> str:
    """I15: the law of one country restricts there; everywhere only with our terms, or a rule of the EU. Beside a rule
    about works, one about how notices are handled carries nothing further.
    """
    if not cited or set(asked.outcomes) <= set(_FREE):
        return ""
    places = {rule.jurisdiction for rule in [r for r in cited if r.start_event in ABOUT_WORKS] or cited}
    if places & {"*", "EU"}:
        return ""
    beyond = [place for place in asked.territory if not places & set(rules.widen([place]))]
    if asked.territory and not beyond and set(asked.outcomes) <= set(_LIMITED):
        return ""
    names = ", ".join(rules.JURISDICTIONS.get(place, place) for place in sorted(places))
    return (
        f"What is cited is the law of {names} alone: limit it to that place (“Not shown in some places”), or cite a "
        "clause of our terms or a rule of the EU."
    )


# --- The rest --------------------------------------------------------------------------------------------------------


def _bad_outcome(asked: Asked) -> str:
    if asked.outcome not in OUTCOMES:
        return "Choose one of the outcomes."
    if asked.interim and asked.outcome not in INTERIM:
        return "Until the case is decided: a label, an age restriction, not shown in some places, or hidden."
    return ""


def _bad_also(asked: Asked) -> str:
    if not asked.also:
        return ""
    if set(asked.also) - set(ALSO) or asked.outcome in asked.also:
        return "Besides the outcome: block copies, suspend the account, or nothing."
    if asked.interim or asked.outcome == _O.NO_ACTION:
        return "Nothing goes with an interim measure, nor with no action."
    return ""


def _bad_territory(asked: Asked) -> str:
    if set(asked.territory) - set(rules.JURISDICTIONS) or "XX" in asked.territory:
        return "Choose from the list of places."
    if asked.outcome == _O.GEO_RESTRICT and not asked.territory:
        return "Say in which places it is not shown."
    if asked.territory and asked.outcome not in _LIMITED:
        return "This outcome holds everywhere; choose “Not shown in some places” to limit it."
    return ""


def _bad_end(asked: Asked | Decision) -> str:
    if asked.ends_at is None:
        return ""
    if asked.ends_at.tzinfo is None or asked.ends_at <= now():
        return "A moment to come, with its time zone."
    if asked.outcome in (_O.NO_ACTION, _O.REMOVE):
        return "What is removed, and what was left alone, does not end."
    return ""


def _too_long(case: Case, asked: Asked) -> str:
    latest = interim.latest(case, asked.outcome) if asked.interim else None
    if latest is None or asked.ends_at is None or asked.ends_at <= latest:
        return ""
    return f"A measure until the case is decided ends on {latest:%Y-%m-%d %H:%M} UTC at the latest."


def claimed(case: Case) -> list[str]:
    """What the filers said might speak against a restriction."""
    return sorted({value for notice in case.notices.all() for value in notice.exemptions})


def _bad_exemptions(case: Case, weighed: Sequence[str]) -> str:
    if set(weighed) - set(Exemption.values):
        return "Choose from the list."
    if left := [value for value in claimed(case) if value not in weighed]:
        words = "; ".join(f"“{Exemption(value).label}”" for value in left)
        return f"A filer says: {words}. Say that you weighed it, and in the explanation why it does or does not apply."
    return ""


# --- As facts for rules ----------------------------------------------------------------------------------------------


def facts_of(decision: Decision, outcome: str = "") -> dict[str, Any]:
    """The decision as facts for rules, in the words the law table uses for restrictions. outcome: another one of it."""
    chosen = _O(outcome or decision.outcome)
    return {
        "category": decision.case.category,
        "jurisdictions": sorted({*decision.case.jurisdictions, *served()}),
        "decision": LAW_WORDS.get(chosen, chosen.value),
    }


def served() -> list[str]:
    """Where this office serves people: its duties to explain and to hear an appeal follow from that."""
    return rules.widen(settings.ASSAY_JURISDICTIONS)
