"""The receipt of a registration, for people (a picture of the proof, in words) and as files for machines."""

import datetime as dt
import json
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timesince import timesince
from django.views.decorators.http import require_safe

from core.clock import now
from core.problems import Problem
from ledger import alarms, cose, merkle, reading
from ledger.acknowledgements import acknowledge
from ledger.models import Stamp
from ledger.receipts import COSIGNED, Receipt, cosigned_receipt_for, receipt_for
from provenance.models import Asset
from web.assets import asset_for
from web.merkle_picture import inclusion_picture


@login_not_required
@require_safe
def receipt(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The receipt of the registration: a picture of the proof, words, and how to check it oneself."""
    asset = asset_for(request, pk)
    cosigned = reading.latest_cosigned()
    found = receipt_for(asset.entry, checkpoint=cosigned) if cosigned else None
    context: dict[str, object] = {"asset": asset, "cosigned": found is not None, "delay": _delay()}
    found = found or receipt_for(asset.entry)
    context["receipt"] = found
    context["halted"] = alarms.halting() if found is None else None
    if found is not None:
        context |= _explained(found) | _witnessed(found)
    template = "web/_receipt.html" if getattr(request, "htmx", False) else "web/receipt.html"
    return render(request, template, context)


def _delay() -> str:
    """The maximum merge delay in words."""
    start = now()
    return timesince(start, start + dt.timedelta(seconds=max(60, settings.ASSAY_LOG_MMD)))


def _explained(found: Receipt) -> dict[str, object]:
    tree, leaf_hash = found.head, merkle.leaf_hash(found.leaf)
    return {
        "size": tree.size,
        "root": tree.root.hex(),
        "leaf_hash": leaf_hash.hex(),
        "leaf_json": json.dumps(json.loads(found.leaf), indent=2, ensure_ascii=False),
        "picture": inclusion_picture(found.index, tree.size, leaf_hash, found.proof),
    }


def _witnessed(found: Receipt) -> dict[str, object]:
    """Who else saw this state of the log, and when: witnesses, and the first authority of time after the entry."""
    first = Stamp.objects.filter(checkpoint_id__gt=found.index).order_by("checkpoint_id").first()
    stamps = Stamp.objects.filter(checkpoint_id=first.checkpoint_id).order_by("at") if first else []
    return {
        "witnesses": len(reading.policy().witnesses),
        "confirmed": reading.confirmations(found.checkpoint),
        "stamps": list(stamps),
    }


@login_not_required
@require_safe
def receipt_json(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The receipt as a file that `ledger.verify` checks offline; it opens to whoever is signed in what is their own."""
    asset = asset_for(request, pk)
    return _download(_signed(request, asset).as_json(), "application/json", f"receipt-{asset.pk}.json")


@login_not_required
@require_safe
def receipt_proof(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The inclusion proof in the C2SP tlog-proof format, for any client of such logs."""
    asset = asset_for(request, pk)
    proof = _signed(request, asset).as_tlog_proof().encode()
    return _download(proof, "text/plain; charset=utf-8", f"{asset.pk}.tlog-proof")


@login_not_required
@require_safe
def receipt_cose(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The same proof as a COSE receipt (RFC 9942)."""
    asset = asset_for(request, pk)
    return _download(_signed(request, asset).as_cose(), cose.MEDIA_TYPE, f"receipt-{asset.pk}.cose")


@login_not_required
@require_safe
def acknowledgement(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What is given out at once: the signed promise that the registration will be in the log."""
    asset = asset_for(request, pk)
    return _download(acknowledge(asset.entry).as_json(), "application/json", f"acknowledgement-{asset.pk}.json")


def _signed(request: HttpRequest, asset: Asset) -> Receipt:
    """`?checkpoint=cosigned` asks for the one that witnesses confirmed. Raises Problem."""
    holder = str(getattr(request.user, "actor", ""))
    if request.GET.get("checkpoint") == COSIGNED:
        return cosigned_receipt_for(asset.entry, holder=holder)
    found = receipt_for(asset.entry, holder=holder)
    if found is None:
        raise Problem(
            "receipt.pending",
            "The receipt is not signed yet",
            status=404,
            detail="The entry waits for the next checkpoint, which takes a few seconds.",
            next_step="Try again in a moment; the acknowledgement is there at once.",
        )
    return found


def _download(body: bytes, content_type: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-cache"}
    return HttpResponse(body, content_type=content_type, headers=headers)
