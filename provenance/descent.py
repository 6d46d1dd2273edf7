"""What the credential of a work carries of other works: a store holds the manifests of all it was made from (C2PA 2.4
§11.1), and a signed file holds its store. When an earlier work is hidden, or a statement about it redacted, what was
made from it must not go on telling of it.
"""

from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.models import User
from core.problems import Forbidden, Problem
from provenance import manifests
from provenance.models import SEE_HIDDEN, Asset, Manifest
from provenance.restriction import nameable

MAX_GENERATIONS: Final = 8

Viewer = User | AnonymousUser | None


def refusal(asset: Asset, viewer: Viewer) -> Problem | None:
    """Why `viewer` does not get what holds the credential of `asset`, None if they do.

    Its owner, who has the earlier file, and reviewers get it while the earlier work is hidden; a statement that was
    redacted is handed out to nobody. What is stored is read, so that manifests between two works of ours count too.
    """
    labels = _labels(asset)
    if not labels:
        return None
    earlier = Manifest.objects.filter(label__in=labels).exclude(asset=asset)
    if _tells_of_redacted(earlier, labels):
        return _redacted()
    if not _may_know(asset, viewer) and earlier.exclude(asset__in=nameable(viewer)).exists():
        return _hidden()
    return None


def handed_out(works: Collection[UUID | str], viewer: Viewer) -> set[UUID]:
    """Those of `works` whose credentials nothing is held against."""
    found = Asset.objects.filter(pk__in=works).prefetch_related("manifests")
    return {asset.pk for asset in found if refusal(asset, viewer) is None}


def descendants(labels: Iterable[str]) -> set[UUID]:
    """Works made from a file with one of these manifests, and works made from those; at most 8 generations.

    Every manifest is looked at: for what happens seldom.
    """
    found: set[UUID] = set()
    level = set(labels)
    for _ in range(MAX_GENERATIONS):
        parents = Manifest.objects.annotate(parent=Cast(KT("active__ingredients__0__active_manifest"), TextField()))
        works = set(parents.filter(parent__in=level).values_list("asset_id", flat=True)) - found
        if not works:
            break
        found |= works
        level = set(Manifest.objects.filter(asset__in=works).values_list("label", flat=True))
    return found


def _labels(asset: Asset) -> set[str]:
    """Of all manifests that the stores in force hold; a work that was made from nothing costs no reading."""
    made = [one for one in manifests.in_force(asset).values() if one.active.get("ingredients")]
    return {label for one in made for label in _held(one)}


def _held(manifest: Manifest) -> Iterable[str]:
    try:
        return manifests.labels(manifests.store_of(manifest))
    except (Problem, ValueError):
        return [str(one.get("active_manifest") or "") for one in manifest.active["ingredients"]]


def _tells_of_redacted(ours: QuerySet[Manifest], labels: Collection[str]) -> bool:
    return any(_from_before(one, labels) for one in ours.filter(key="").prefetch_related("replaced_by"))


def _from_before(old: Manifest, labels: Collection[str]) -> bool:
    """Whether this is the manifest as it was before a redaction: a store from after it names the update, too."""
    later = {one.label for one in old.replaced_by.all()}
    return bool(later) and later.isdisjoint(labels)


def _may_know(asset: Asset, viewer: Viewer) -> bool:
    if not isinstance(viewer, User) or not viewer.is_active:
        return False
    return viewer.pk == asset.owner_id or viewer.has_role(*SEE_HIDDEN)


def _hidden() -> Forbidden:
    return Forbidden(
        "Its credential tells of an earlier work that is not shown for now.",
        code="asset.earlier_work_hidden",
        next_step="It is handed out again when the earlier work is shown again.",
    )


def _redacted() -> Forbidden:
    return Forbidden(
        "A statement in its history was removed; its owner is asked to register it again.",
        code="asset.history_redacted",
        next_step="Register it again, made from the earlier work's file as it is handed out now.",
    )
