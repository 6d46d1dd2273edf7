"""What every outcome is made of, and the outcome that does nothing."""

from collections.abc import Sequence
from typing import ClassVar

from core.canonical import Json
from core.problems import Conflict
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy.models import Action, Affected, Case, Decision


class Outcome:
    """No action: nobody's view changes, and who filed a notice is told why.

    visibility, account: the words of the transparency database; empty where the outcome has none.
    """

    name: ClassVar[Decision.Outcome] = Decision.Outcome.NO_ACTION
    visibility: ClassVar[str] = ""
    account: ClassVar[str] = ""

    def hold(self, case: Case) -> None:
        """Raises Conflict when this outcome cannot be taken in this case."""

    def process(self, decision: Decision) -> list[Action]:
        """Do it, in the decision's transaction. Returns what was done or planned; nothing for no action."""
        return []

    def undo(self, action: Action) -> None:
        """Undo what `action` changed beside what the public sees of the work, which follows from all actions."""

    def standing(self, decision: Decision) -> list[str]:
        """What of it stands although it should not, a sentence each."""
        return []

    def notify(self) -> Sequence[Affected]:
        """In which roles people are affected and get a statement of reasons."""
        return (Affected.NOTIFIER,)


EVERYBODY: Sequence[Affected] = (Affected.UPLOADER, Affected.NOTIFIER, Affected.DEPICTED)


def needs_work(case: Case) -> None:
    """Raises Conflict where there is no work that this office could do anything about."""
    if case.asset is None:
        raise Conflict(
            "What was reported is not registered here, so there is nothing this office could restrict.",
            code="decision.nothing_held",
            next_step="Decide “no action” and say in the explanation who can help.",
        )


def execute(action: Action) -> Action:
    """Write down that it was done."""
    action.entry = record(EventType.ACTION_EXECUTED, action)
    action.save(force_insert=True)
    return action


def record(type: EventType, action: Action, *, refs: Sequence[Entry] = ()) -> Entry:
    """One entry about an action, which names no person or work: `refs` lead to the decision and why it was undone."""
    decision = action.decision
    named = [row.entry for row in (decision, action) if row.entry is not None]
    case = decision.case
    return log.append(
        type,
        actor="system",
        role="system",
        object=case.object,
        refs=[*named, *refs],
        facts={"kind": action.kind, "inverse": action.inverse, "decision": str(decision.pk)},
        # Which work, under seal: the decision, and its rules, are not to be read beside it by everybody.
        sealed={"about": Sealed(about(case), case.object)},
    )


def about(case: Case) -> dict[str, Json]:
    """What the entry of an action says under seal."""
    return {"asset": str(case.asset_id or "")}
