"""“This flag is wrong”: which case hears it (R04). A flag that a decision confirmed is looked at again, by somebody
else, once; and what was decided then is undone by the next decision, not beside it.
"""

from core.problems import Conflict
from core.states import move
from ledger import log
from ledger.events import EventType
from policy.desk import cases
from policy.filing import guided
from policy.models import Appeal, Case, Flag, Notice


def case_of(notice: Notice) -> Case | None:
    """The decided case of the disputed flag, opened again; None where an undecided or a new one will do.

    Run inside the verb's transaction. Raises Conflict when this flag was looked at again before, or an appeal about it
    is being heard.
    """
    flag = notice.flag
    if notice.kind != Notice.Kind.FALSE_POSITIVE or flag is None:
        return None
    _refuse_again(flag)
    case = Case.objects.select_for_update().get(pk=flag.case_id)
    if case.state not in (Case.State.DECIDED, Case.State.CLOSED) or cases.undecided(flag.asset, case.category):
        return None
    if Appeal.objects.filter(decision__case=case, state__in=Appeal.HEARD).exists():
        raise Conflict(
            "An appeal about the decision behind this flag is being heard; it answers the same question.",
            code="flag.appealed",
            next_step="If the decision concerns you, appeal it yourself.",
        )
    _reopen(case)
    return cases.widen(case, [], minor=guided.about_a_child(notice))


def _refuse_again(flag: Flag) -> None:
    declined = flag.disputes.filter(state=Notice.State.ANSWERED, outcome=Notice.Outcome.DECLINED)
    if declined.exists():
        raise Conflict(
            "A person looked at this flag again before, and it stayed.",
            code="flag.looked_at_again",
            next_step="If the decision concerns you, appeal it; if there is something new, report the work.",
        )


def _reopen(case: Case) -> None:
    move(case, Case.MOVES, Case.State.REOPENED, assigned_to=None, closed_at=None)
    log.append(
        EventType.CASE_REOPENED,
        actor="system",
        role="system",
        object=case.object,
        refs=[case.entry] if case.entry else [],
    )
