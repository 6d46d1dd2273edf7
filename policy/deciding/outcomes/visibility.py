"""Outcomes that change what the public sees of a work: label, age, place, hide, remove."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, ClassVar

from core.clock import now
from ledger import log
from ledger.events import EventType
from policy.deciding.outcomes.base import EVERYBODY, Outcome, execute, needs_work, record
from policy.law import rules
from policy.models import Action, Affected, Case, Category, Clock, Decision
from provenance import restriction
from provenance.models import Asset

LABELS: dict[str, str] = {
    Category.UNLABELLED_SYNTHETIC: "This work contains synthetic media.",
    Category.NCII_DEEPFAKE: "This work contains synthetic media.",
}
LABEL = "This office added context to this work after a review."
PLACES = "geo_restricted"
PURGE = "purge"
# The duty of a rule that lets files go before the time to appeal is over (I3).
AT_ONCE = "remove_at_once"


class Restriction(Outcome):
    """An outcome that changes what the public sees, and that lifting the action undoes."""

    kind: ClassVar[str]
    inverse: ClassVar[str] = "restore"

    def hold(self, case: Case) -> None:
        needs_work(case)

    def process(self, decision: Decision) -> list[Action]:
        asset = decision.case.asset
        assert asset is not None
        return [execute(Action(decision=decision, kind=self.kind, inverse=self.inverse, pre_image=_as_it_is(asset)))]

    def notify(self) -> Sequence[Affected]:
        return EVERYBODY


def _as_it_is(asset: Asset) -> dict[str, Any]:
    return {"restriction": asset.restriction, "label": asset.label_text, "hidden_in": asset.hidden_in}


class Label(Restriction):
    name = Decision.Outcome.LABEL
    kind = Asset.Restriction.LABELLED.value
    visibility = "DECISION_VISIBILITY_CONTENT_LABELLED"


class AgeRestrict(Restriction):
    name = Decision.Outcome.AGE_RESTRICT
    kind = Asset.Restriction.AGE_RESTRICTED.value
    visibility = "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED"


class GeoRestrict(Restriction):
    """Not shown in the decision's places, and as it was everywhere else (I15)."""

    name = Decision.Outcome.GEO_RESTRICT
    kind = PLACES
    visibility = "DECISION_VISIBILITY_CONTENT_DISABLED"


class Hide(Restriction):
    """Hidden, not deleted: the evidence and the way back stay."""

    name = Decision.Outcome.HIDE
    kind = Asset.Restriction.HIDDEN.value
    visibility = "DECISION_VISIBILITY_CONTENT_DISABLED"


class Remove(Restriction):
    """Hidden now; its files go when the time to appeal is over and no hold keeps them (`policy.deciding.removals`)."""

    name = Decision.Outcome.REMOVE
    kind = Asset.Restriction.HIDDEN.value
    visibility = "DECISION_VISIBILITY_CONTENT_REMOVED"

    def process(self, decision: Decision) -> list[Action]:
        asset = decision.case.asset
        assert asset is not None
        purge = Action(
            decision=decision,
            kind=PURGE,
            inverse="",
            planned_for=_purge_at(decision),
            pre_image={"renditions": sorted(asset.renditions.values_list("sha256", flat=True))},
            state=Action.State.PLANNED,
        )
        hidden = super().process(decision)
        purge.entry = record(EventType.ACTION_PLANNED, purge)
        purge.save(force_insert=True)
        return [*hidden, purge]


def _purge_at(decision: Decision) -> dt.datetime:
    """When the longest window to appeal is over; now where a rule asks for it at once."""
    begun = decision.starts_at or now()
    if at_once(decision):
        return begun
    windows = decision.clocks.filter(purpose=Clock.Purpose.APPEAL, due_at__isnull=False)
    last = windows.order_by("-due_at").values_list("due_at", flat=True).first()
    return last or begun


def at_once(decision: Decision) -> list[str]:
    """Ids of the rules by which the files need not wait for an appeal; none for most decisions."""
    facts = rules.complete({"category": decision.case.category, "decision": Decision.Outcome.REMOVE.value})
    day = (decision.starts_at or now()).date()
    return [rule.id for rule in rules.citable(day) if AT_ONCE in rule.duties and rule.matches(facts)]


# --- What the public sees ------------------------------------------------------------------------------------------

_STRENGTH = {kind: n for n, kind in enumerate((Label.kind, AgeRestrict.kind, Hide.kind))}


def show(asset: Asset) -> None:
    """Let the public see of `asset` what the actions in force leave of it."""
    asset.refresh_from_db(fields=["restriction", "label_text", "hidden_in"])
    before = _as_it_is(asset)
    in_force = Action.objects.filter(decision__case__asset=asset, state=Action.State.EXECUTED)
    actions = list(in_force.select_related("decision__case"))
    strongest = max((a for a in actions if a.kind in _STRENGTH), key=lambda a: _STRENGTH[a.kind], default=None)
    _restrict(asset, strongest)
    places = {place for a in actions if a.kind == PLACES for place in a.decision.territory}
    restriction.hide_in(asset, sorted(places))
    if _as_it_is(asset) != before:
        _record_visibility(asset)


def _restrict(asset: Asset, strongest: Action | None) -> None:
    if strongest is None:
        restriction.lift(asset)
        return
    label = LABELS.get(strongest.decision.case.category, LABEL) if strongest.kind == Label.kind else ""
    restriction.restrict(asset, strongest.kind, label=label)


def _record_visibility(asset: Asset) -> None:
    """What the public sees of the work from now on, which may follow from several actions together."""
    restricted = asset.restriction or asset.hidden_in
    log.append(
        EventType.ASSET_RESTRICTED if restricted else EventType.ASSET_RESTORED,
        actor="system",
        role="system",
        object=f"asset:{asset.pk}",
        refs=[asset.entry],
        facts={"restriction": asset.restriction, **({"hidden_in": asset.hidden_in} if asset.hidden_in else {})},
    )
