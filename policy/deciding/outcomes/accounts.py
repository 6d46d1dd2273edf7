"""The outcome that suspends an account, and the strike that a grave decision leaves until it expires."""

from collections.abc import Sequence

from policy.deciding import suspensions
from policy.deciding.outcomes.base import Outcome, execute, needs_work
from policy.models import Action, Affected, Case, Decision, Strike, Suspension

SUSPENDED = "suspended"
STRIKE = "strike"
# What counts against who uploaded: what the law forbids and the office took away for good.
_GRAVE = frozenset(
    {Decision.Outcome.HIDE, Decision.Outcome.REMOVE, Decision.Outcome.HASH_BLOCK, Decision.Outcome.SUSPEND}
)


class Suspend(Outcome):
    """The owner cannot register works for a while. They can log in, read, take their data and appeal."""

    name = Decision.Outcome.SUSPEND
    account = "DECISION_ACCOUNT_SUSPENDED"

    def hold(self, case: Case) -> None:
        needs_work(case)

    def process(self, decision: Decision) -> list[Action]:
        asset = decision.case.asset
        assert asset is not None
        action = execute(Action(decision=decision, kind=SUSPENDED, inverse="reinstate", pre_image={"suspended": False}))
        until = decision.ends_at or suspensions.until(decision)
        suspensions.suspend(asset.owner, scope=Suspension.Scope.UPLOADS, until=until, decision=decision)
        return [action]

    def undo(self, action: Action) -> None:
        if action.kind == STRIKE:
            suspensions.void_strike(action.decision)
        else:
            suspensions.lift_for(action.decision)

    def standing(self, decision: Decision) -> list[str]:
        left = []
        if decision.suspensions.filter(state=Suspension.State.ACTIVE).exists():
            left.append("The account is suspended.")
        if Strike.objects.filter(decision=decision, voided_at=None).exists():
            left.append("The strike counts.")
        return left

    def notify(self) -> Sequence[Affected]:
        return (Affected.UPLOADER, Affected.NOTIFIER)


def strike(decision: Decision) -> list[Action]:
    """A strike against the owner where the law was broken and the outcome is grave; never for a measure meanwhile."""
    outcomes = {decision.outcome, *decision.also}
    if decision.interim or decision.ground != Decision.Ground.ILLEGAL or not outcomes & _GRAVE:
        return []
    action = execute(Action(decision=decision, kind=STRIKE, inverse="void_strike", pre_image={"strike": False}))
    suspensions.give_strike(decision)
    return [action]
