"""The outcome that keeps copies out: digests of the work on the office's own list (`policy.deciding.hashlist`)."""

from collections.abc import Sequence

from core.problems import Conflict
from policy.deciding import hashlist
from policy.deciding.outcomes.base import EVERYBODY, Outcome, execute, needs_work
from policy.models import Action, Affected, Case, Decision, HashEntry

HASH_BLOCKED = "hash_blocked"


class HashBlock(Outcome):
    """The same bytes cannot be registered again, and what looks the same is shown to a reviewer."""

    name = Decision.Outcome.HASH_BLOCK
    visibility = "DECISION_VISIBILITY_OTHER"

    def hold(self, case: Case) -> None:
        needs_work(case)
        if not hashlist.refuses(case.training):
            raise Conflict(
                "No rule lists this kind of issue as one in which copies are kept out.",
                code="decision.no_block",
                next_step="Choose another outcome. The same bytes may be right somewhere else.",
            )

    def process(self, decision: Decision) -> list[Action]:
        action = execute(
            Action(decision=decision, kind=HASH_BLOCKED, inverse="suspend_entries", pre_image={"entries": []})
        )
        hashlist.block(decision)
        return [action]

    def undo(self, action: Action) -> None:
        hashlist.suspend(action.decision)

    def standing(self, decision: Decision) -> list[str]:
        active = decision.hash_entries.filter(state=HashEntry.State.ACTIVE).count()
        return [f"{active} entries of the list of blocked copies are active."] if active else []

    def notify(self) -> Sequence[Affected]:
        return EVERYBODY
