"""Outcomes of a decision as classes: hold, process, notify, reverse.

What the public sees of a work is always the strongest restriction that any action in force asks for. So undoing one
action restores exactly what it changed and never lifts what another decision still demands.
"""

from collections.abc import Sequence
from typing import ClassVar

from core.clock import now
from core.problems import Conflict
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy.models import Action, Affected, Case, Category, Decision
from provenance import restriction
from provenance.models import Asset

LABELS: dict[str, str] = {
    Category.UNLABELLED_SYNTHETIC: "This work contains synthetic media.",
    Category.NCII_DEEPFAKE: "This work contains synthetic media.",
}
LABEL = "This office added context to this work after a review."


class Outcome:
    """No action: nobody's view changes, and who filed a notice is told why."""

    name: ClassVar[Decision.Outcome] = Decision.Outcome.NO_ACTION
    visibility: ClassVar[str] = ""

    def hold(self, case: Case) -> None:
        """Raises Conflict when this outcome cannot be taken in this case."""

    def process(self, decision: Decision) -> Action | None:
        """Do it, in the decision's transaction. Returns what was done, None for nothing."""
        return None

    def notify(self) -> Sequence[Affected]:
        """In which roles people are affected and get a statement of reasons."""
        return (Affected.NOTIFIER,)


class Restriction(Outcome):
    """An outcome that changes what the public sees."""

    kind: ClassVar[Asset.Restriction]
    inverse: ClassVar[str] = "restore"

    def hold(self, case: Case) -> None:
        if case.asset is None:
            raise Conflict(
                "What was reported is not registered here, so there is nothing this office could restrict.",
                code="decision.nothing_held",
                next_step="Decide “no action” and say in the explanation who can help.",
            )

    def process(self, decision: Decision) -> Action:
        asset = decision.case.asset
        assert asset is not None
        before = {"restriction": asset.restriction, "label": asset.label_text}
        action = Action(decision=decision, kind=self.kind.value, inverse=self.inverse, pre_image=before)
        action.entry = _record(EventType.ACTION_EXECUTED, action)
        action.save(force_insert=True)
        show(asset)
        return action

    def notify(self) -> Sequence[Affected]:
        return (Affected.UPLOADER, Affected.NOTIFIER)


class Label(Restriction):
    name = Decision.Outcome.LABEL
    kind = Asset.Restriction.LABELLED
    visibility = "DECISION_VISIBILITY_CONTENT_LABELLED"


class AgeRestrict(Restriction):
    name = Decision.Outcome.AGE_RESTRICT
    kind = Asset.Restriction.AGE_RESTRICTED
    visibility = "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED"


class Hide(Restriction):
    """Hidden, not deleted: the evidence and the way back stay."""

    name = Decision.Outcome.HIDE
    kind = Asset.Restriction.HIDDEN
    visibility = "DECISION_VISIBILITY_CONTENT_DISABLED"


OUTCOMES: dict[str, Outcome] = {each.name: each for each in (Outcome(), Label(), AgeRestrict(), Hide())}
_STRENGTH = {kind: n for n, kind in enumerate(("labelled", "age_restricted", "hidden"))}


def reverse(decision: Decision) -> int:
    """Undo every executed action of the decision, in its caller's transaction. Returns how many."""
    undone = 0
    for action in decision.actions.filter(state=Action.State.EXECUTED):
        move(action, Action.MOVES, Action.State.REVERSED, reversed_at=now())
        _record(EventType.ACTION_REVERSED, action)
        undone += 1
    if undone and decision.case.asset is not None:
        show(decision.case.asset)
    return undone


def show(asset: Asset) -> None:
    """Let the public see of `asset` what the actions in force leave of it."""
    asset.refresh_from_db(fields=["restriction", "label_text"])
    before = (asset.restriction, asset.label_text)
    _apply(asset)
    if (asset.restriction, asset.label_text) != before:
        _record_visibility(asset)


def _apply(asset: Asset) -> None:
    in_force = Action.objects.filter(decision__case__asset=asset, state=Action.State.EXECUTED)
    strongest = max(in_force.select_related("decision__case"), key=lambda a: _STRENGTH[a.kind], default=None)
    if strongest is None:
        restriction.lift(asset)
        return
    label = LABELS.get(strongest.decision.case.category, LABEL) if strongest.kind == "labelled" else ""
    restriction.restrict(asset, strongest.kind, label=label)


def _record_visibility(asset: Asset) -> None:
    """What the public sees of the work from now on, which may follow from several actions together."""
    log.append(
        EventType.ASSET_RESTRICTED if asset.restriction else EventType.ASSET_RESTORED,
        actor="system",
        role="system",
        object=f"asset:{asset.pk}",
        refs=[asset.entry],
        facts={"restriction": asset.restriction},
    )


def _record(type: EventType, action: Action) -> Entry:
    decision = action.decision
    return log.append(
        type,
        actor="system",
        role="system",
        object=f"asset:{decision.case.asset_id}",
        refs=[row.entry for row in (decision, action) if row.entry is not None],
        facts={"kind": action.kind, "inverse": action.inverse, "decision": str(decision.pk)},
    )
