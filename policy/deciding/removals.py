"""Removing for good (I3): the files of a work go when the time to appeal is over, nothing can come of an appeal any
more and no legal hold keeps them. Until then the work is hidden, and everything can come back.

What goes: every stored file of the work, its credentials' stores, what detectors drew of it. What stays: the entry in
the register, its digests and its place in the log, so that the office can show what it did.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from core import beat, storage
from core.clock import now
from core.problems import Conflict
from core.states import move
from detection.models import Finding
from ledger.events import EventType
from policy.deciding.outcomes import PURGE, at_once
from policy.deciding.outcomes.base import record
from policy.law import clocks
from policy.models import Action, CounterNotice, Decision, Hold
from policy.rights import holds
from provenance.models import Asset, Manifest, Rendition

log = structlog.get_logger()

# What could not be deleted is tried again after this long; it is shown as failed meanwhile.
AGAIN_AFTER: Final = dt.timedelta(hours=1)


def run() -> int:
    """Remove what is due. Returns how many works. Run by beat; each in a transaction of its own, so that one whose
    files cannot be deleted holds up none of the others.
    """
    due = Action.objects.filter(kind=PURGE, planned_for__lte=now()).select_related("decision__case__asset", "entry")
    planned = due.filter(state=Action.State.PLANNED, decision__state=Decision.State.IN_EFFECT)
    failed = due.filter(state=Action.State.FAILED)
    return beat.each([*planned[:500], *failed[:500]], _try, atomic=False)


def _try(action: Action) -> bool:
    """Rows first, and the files once that is committed: no row ever names a file that is gone. Raises Conflict when it
    was reversed or held a moment ago, or something stands in the way.
    """
    with transaction.atomic():
        keys = _purge(action)
    try:
        for key in keys:
            storage.remove(key)
    except OSError as error:
        log.error("removal.failed", action=str(action.pk), error=type(error).__name__)
        _fail(action, keys)
        return False
    return True


def why_not(action: Action) -> str:
    """Why the files are not deleted yet, in a sentence; empty when nothing stands in the way."""
    asset = action.decision.case.asset
    assert asset is not None
    if holds_on(asset).exists():
        return "A legal hold keeps the files."
    if at_once(action.decision):
        return ""
    if clocks.still_heard(action.decision.case):
        return "An appeal is being heard, or can still go on."
    waiting = (CounterNotice.State.INCOMPLETE, CounterNotice.State.VALID, CounterNotice.State.FORWARDED)
    if CounterNotice.objects.filter(decision=action.decision, state__in=waiting).exists():
        return "A counter-notice waits for its time to run out."
    return ""


def holds_on(asset: Asset) -> QuerySet[Hold]:
    """The legal holds in force that keep a work's files: on it, its cases, its owner or the people in it (I11)."""
    people = Q(person__depictions__asset=asset) | Q(person__notices__asset=asset)
    about = Q(asset=asset) | Q(case__asset=asset) | Q(user=asset.owner_id) | people
    return Hold.objects.filter(about, released_at=None).distinct()


def _purge(action: Action) -> list[str]:
    """No row names the files any more; from here on nothing brings them back. Returns the keys of what is to delete.

    Everybody whom a hold on the work would reach is locked before it is asked again what stands in the way, as placing
    a hold does: it comes before or after, never in between. Raises Conflict where something does.
    """
    if action.state == Action.State.FAILED:
        keys = _unnamed(action.pre_image["keys"])
    else:
        asset = holds.locked("asset", str(action.decision.case.asset_id))
        if why := why_not(action):
            raise Conflict(why, code="removal.not_now")
        Asset.objects.filter(pk=asset.pk).update(removed_at=now())
        keys = _forget_files(asset)
    move(action, Action.MOVES, Action.State.EXECUTED)
    record(EventType.ACTION_EXECUTED, action)
    return keys


def _forget_files(asset: Asset) -> list[str]:
    """No row names the work's files any more. Returns the keys that no other work shares."""
    drawn = Finding.objects.filter(run__asset=asset).exclude(heatmap_key="")
    stores = Manifest.objects.filter(asset=asset).exclude(key="")
    keys = {*asset.renditions.values_list("key", flat=True), *stores.values_list("key", flat=True)}
    keys |= set(drawn.values_list("heatmap_key", flat=True))
    asset.renditions.all().delete()
    stores.update(key="")
    drawn.update(heatmap_key="")
    return _unnamed(keys)


def _unnamed(keys: Iterable[str]) -> list[str]:
    wanted = set(keys)
    shared = {*Rendition.objects.filter(key__in=wanted).values_list("key", flat=True)}
    shared |= {*Manifest.objects.filter(key__in=wanted).values_list("key", flat=True)}
    shared |= {*Finding.objects.filter(heatmap_key__in=wanted).values_list("heatmap_key", flat=True)}
    return sorted(wanted - shared)


def _fail(action: Action, keys: list[str]) -> None:
    """Each try is in the log; the row says what is left, and until when it is tried again."""
    again: dict[str, Any] = {"planned_for": now() + AGAIN_AFTER, "pre_image": {**action.pre_image, "keys": keys}}
    with transaction.atomic():
        move(action, Action.MOVES, Action.State.FAILED, **again)
        record(EventType.ACTION_FAILED, action)
