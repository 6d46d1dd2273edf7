"""Why a second person is needed: a rule of the packs says so, by the duty `second_approval`. No list in code."""

from typing import Final

from core.clock import now
from policy.deciding.decision_checks import facts_of
from policy.law import rules
from policy.models import Decision

DUTY: Final = "second_approval"
EVENTS: Final = frozenset({"decision_proposed"})


def why_second(decision: Decision) -> list[dict[str, str]]:
    """The rules for which this decision waits for a second person, [{"id","pack"}] by id; none: it takes effect at
    once. Each is kept as it is today: a pack published while the second person reads changes nothing.

    An interim measure never waits: it ends by itself, can be undone at once, and decides nothing.
    """
    if decision.interim:
        return []
    at = now()
    public = _is_public_figure(decision)
    found: dict[str, str] = {}
    for outcome in (decision.outcome, *decision.also):
        facts = {**facts_of(decision, outcome), "public_figure": public}
        matched = rules.matching(facts, at, events=EVENTS)
        found |= {rule.id: rule.pack for rule in matched if DUTY in rule.duties}
    return [{"id": rule_id, "pack": pack} for rule_id, pack in sorted(found.items())]


def _is_public_figure(decision: Decision) -> bool:
    """Whether somebody who filed a notice chose the answer that the person shown is in public life (no free text)."""
    answers = decision.case.notices.values_list("answers", flat=True)
    return any(answer.get("public_figure") == "yes" for answer in answers)


def reasons(decision: Decision) -> list[str]:
    """Why it is held, a sentence each, for the second person and for who proposed it."""
    return [f"{rule.instrument}, {rule.article}." for rule in rules.cited(decision.held_for)]
