"""What could be done until a case is decided: the deadline that ends first drives it, its law limits it (I15), and it
ends by itself.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Final

from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Problem
from policy.law import clocks, rules
from policy.mail import letters
from policy.models import Case, Category, Clock, Decision

# Starts the clock of the office's terms at whose end a measure ends.
TAKEN: Final = frozenset({"interim_measure_taken"})
_WORST: Final = 3  # policy.models.SEVERITY: the body or safety of a person, or a child


@dataclass(frozen=True)
class Suggestion:
    """An interim measure for a person to take or leave. territory: where; none: everywhere. why: a plain sentence."""

    outcome: str
    territory: tuple[str, ...]
    rule_id: str
    due_at: dt.datetime
    why: str


def suggest(case: Case) -> Suggestion | None:
    """The measure that the shortest running clock speaks for; None without a deadline, or a work to do it to."""
    if case.asset_id is None:
        return None
    clock = clocks.next_due(case.clocks.filter(purpose=Clock.Purpose.DECIDE))
    if clock is None or clock.due_at is None:
        return None
    outcome, territory = _measure(case, clock.jurisdiction)
    words = str(Decision.Outcome(outcome).label).lower()
    where = f" in {rules.JURISDICTIONS.get(territory[0], territory[0])}" if territory else ""
    return Suggestion(
        outcome=outcome,
        territory=territory,
        rule_id=clock.rule_id,
        due_at=clock.due_at,
        why=f"{clock.instrument}, {clock.article} ({clock.legal_status}) ends first, on {clock.due_at:%Y-%m-%d %H:%M} "
        f"UTC. Until the case is decided: {words}{where}.",
    )


def _measure(case: Case, jurisdiction: str) -> tuple[str, tuple[str, ...]]:
    """The mildest that keeps harm away: a label for what lacks one; nothing is hidden that harms nobody's body."""
    if case.severity < _WORST:
        return Decision.Outcome.LABEL, ()
    if case.category == Category.UNLABELLED_SYNTHETIC:
        return Decision.Outcome.LABEL, ()
    if jurisdiction in ("*", "EU"):
        return Decision.Outcome.HIDE, ()
    return Decision.Outcome.GEO_RESTRICT, (jurisdiction,)


# --- Its end -------------------------------------------------------------------------------------------------------


def latest(case: Case, outcome: str) -> dt.datetime:
    """When a measure taken now ends at the latest: nobody is restricted for ever by a case that is not decided. It may
    be renewed once: all measures together last no longer than two of the first.

    Raises Problem where no rule in force says so, and when that time is used up.
    """
    ends = _end(case, outcome, now())
    first = _first(case)
    if first is None:
        return ends
    over = _end(case, outcome, _end(case, outcome, first))
    if over <= now():
        raise Problem(
            "interim.used_up",
            "Measures have lasted as long as they may",
            detail="They were taken until the case is decided, and renewed for as long as the office’s terms allow.",
            next_step="Decide the case.",
        )
    return min(ends, over)


def _first(case: Case) -> dt.datetime | None:
    """When the first measure since the last decision began."""
    rows = case.decisions.exclude(starts_at=None).order_by("-starts_at")
    last = rows.filter(interim=False).values_list("starts_at", flat=True).first()
    since = rows.filter(interim=True, **({"starts_at__gt": last} if last else {}))
    return since.values_list("starts_at", flat=True).last()


def _end(case: Case, outcome: str, begins: dt.datetime) -> dt.datetime:
    ends = [clock.due_at for clock in rules.due(_facts(case, outcome), begins, events=TAKEN) if clock.due_at]
    if not ends:
        raise Problem(
            "interim.no_rule",
            "The office’s terms do not say how long",
            detail=f"No rule in force starts with “{', '.join(TAKEN)}” and gives a number.",
            next_step="Decide the case, or ask the policy editor for such a rule.",
        )
    return min(ends)


def _facts(case: Case, outcome: str) -> dict[str, str]:
    return {"category": case.category, "decision": outcome}


@jobs.handler("policy.tell_measure_over")
def _tell(job: Job) -> None:
    """Args: case (id). Who has the case learns that its measure ran out and that nothing restricts the work now."""
    case = Case.objects.select_related("assigned_to").get(pk=job.args["case"])
    if case.assigned_to is not None and case.assigned_to.is_active and case.state in Case.UNDECIDED:
        sentence = "A measure in a case of yours has run out before the case was decided. You find it"
        letters.send(case.assigned_to.email, "A measure has run out", sentence, f"/review/{case.pk}/")
