"""What a withdrawal reaches besides the work itself: what was made from it, labels to train with, digests the person
gave us. And the other way: what was refused for want of consent is tried again once it is given.

Each thing that is reached has an entry of its own in the log.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from core import jobs
from core.models import Job
from core.problems import NotFound
from detection import labels
from detection.examination import request_examination
from detection.models import Label, Run
from detection.permission import NO_BASIS
from policy.deciding import hashlist
from policy.filing.flags import raise_flag
from policy.models import Consent, ConsentEvent, Flag, HashEntry, Purpose
from provenance.descent import descendants
from provenance.models import Asset, Manifest

REACH, AGAIN = "consent.reach", "consent.look_again"
BATCH = 500
_WHY = "consent_withdrawn"


def fan_out(consent: Consent, gone: Collection[str], event: ConsentEvent, *, look: bool) -> None:
    """In the transaction by which these purposes ended. look: a reviewer is asked to look at what was made from it.

    Labels go at once; what was made from the work is found by a job, because every manifest is looked at.
    """
    asset = consent.depiction.asset
    if Purpose.TRAIN in gone:
        _exclude_labels([asset.pk])
    if look or Purpose.TRAIN in gone:
        train = Purpose.TRAIN in gone
        jobs.enqueue(REACH, key=f"{REACH}:{event.pk}", asset=str(asset.pk), look=look, train=train)


def _exclude_labels(assets: Iterable[UUID]) -> None:
    """No model is trained on these any more: their basis is gone."""
    for label in Label.objects.filter(asset__in=list(assets), state=Label.State.TRAINABLE).select_related("asset"):
        if labels.basis_of(label.asset) != label.basis:
            labels.exclude(label, _WHY)


def given_with(numbers: Collection[str]) -> QuerySet[HashEntry]:
    """What is on the list of blocked copies because the filers of these notices asked for it, and nobody decided."""
    return HashEntry.objects.filter(notice__number__in=numbers, decision=None, state__in=hashlist.LISTED)


def withdraw_hashes(numbers: Collection[str]) -> int:
    """In the transaction of a withdrawal: nothing that came with these notices is compared with other media any more.

    Only number and PIN of a notice say that it is the same person's. An address or a name does not, and neither does
    the link, which who asked for the consent knows too. Returns how many.
    """
    return hashlist.withdraw(given_with(numbers))


@jobs.handler(REACH)
def reach(job: Job) -> None:
    """Args: asset (id), look, train. Works made from it are flagged, labels of them excluded; again changes nothing."""
    own = Manifest.objects.filter(asset=UUID(str(job.args["asset"])))
    found = Asset.objects.filter(pk__in=descendants(own.values_list("label", flat=True))).order_by("pk")
    for asset in found:
        with transaction.atomic():
            if job.args["look"]:
                raise_flag(asset, Flag.Origin.CONSENT_WITHDRAWN)
            if job.args["train"]:
                _exclude_labels([asset.pk])


def look_again(asset_id: UUID | None = None) -> None:
    """In the caller's transaction: what was refused for want of a basis is tried again, of this work or of all."""
    jobs.enqueue(AGAIN, asset=str(asset_id) if asset_id else "")


@jobs.handler(AGAIN)
def try_again(job: Job) -> None:
    """Args: asset (id, or "" for all). The newest works first, at most 500."""
    refused = Run.objects.filter(state=Run.State.FAILED, error_code=NO_BASIS, asset__held=True)
    if job.args["asset"]:
        refused = refused.filter(asset=UUID(str(job.args["asset"])))
    wanted: dict[UUID, list[str]] = {}
    for asset_id, detector in refused.order_by("-asset", "detector").values_list("asset", "detector")[:BATCH]:
        wanted.setdefault(asset_id, []).append(detector)
    for asset in Asset.objects.filter(pk__in=wanted):
        with suppress(NotFound):  # a detector that was removed since
            request_examination(asset, sorted(set(wanted[asset.pk])))
