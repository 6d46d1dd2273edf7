"""The public pages of a registered work: what it is, its files. Its receipt is `web.receipts`'."""

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db.models import Prefetch
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.models import User
from core import storage
from core.problems import Forbidden, NotFound
from detection.models import Finding, Run
from ledger.receipts import receipt_for
from policy import consent
from policy.models import Case
from provenance.media import SUFFIXES
from provenance.models import Asset, Rendition

GRAVE = 3  # policy.models.SEVERITY: the body or safety of a person, or a child
ADULTS = "This work is restricted to adults."


# --- What a viewer may see -----------------------------------------------------------------------------------------


def asset_for(request: HttpRequest, pk: UUID) -> Asset:
    """The work, if this viewer may know of it. Raises NotFound."""
    found = (
        Asset.objects.visible_to(request.user).select_related("owner", "organisation", "entry").filter(pk=pk).first()
    )
    if found is None:
        raise NotFound("work")
    return found


def is_sealed(asset: Asset) -> bool:
    """Whether its media is blurred until a viewer asks for it: restricted, reported as harming a body or a child, or
    withheld by a person shown. Any other report must not dim an honest maker's work before a person has looked at it.
    """
    restricted = asset.restriction in (Asset.Restriction.AGE_RESTRICTED, Asset.Restriction.HIDDEN)
    grave = Case.objects.filter(asset=asset, state__in=Case.UNDECIDED, severity__gte=GRAVE)
    return restricted or grave.exists() or consent.is_withheld(asset)


def refusal_to_show(asset: Asset, viewer: object) -> str:
    """Why this viewer gets no media of a work they may know of, in words; empty if they get it.

    Reviewers see hidden media at their desk, where the reason for looking is recorded, not under its public address.
    """
    if isinstance(viewer, User) and viewer.pk == asset.owner_id:
        return ""
    if asset.is_hidden:
        return "This work is hidden. Open it from its case, where the reason for looking is recorded."
    if asset.restriction == Asset.Restriction.AGE_RESTRICTED and not isinstance(viewer, User):
        return ADULTS
    return ""


# --- Pages ---------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def public_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What anyone may know of a registered work."""
    asset = asset_for(request, pk)
    context = {
        "asset": asset,
        "signed": asset.rendition(Rendition.Role.SIGNED),
        "preview": asset.rendition(Rendition.Role.PREVIEW),
        "sealed": is_sealed(asset),
        "refusal": refusal_to_show(asset, request.user),
        "receipt": receipt_for(asset.entry),
        "manifest": asset.manifests.order_by("-created_at").first(),
        "runs": examinations(asset),
        "mine": asset.owner_id == request.user.pk,
    }
    return render(request, "web/asset.html", context)


def examinations(asset: Asset) -> list[Run]:
    findings = Prefetch("findings", queryset=Finding.objects.order_by("pk"))
    return list(asset.runs.prefetch_related(findings).order_by("detector", "pk"))


# --- Files ---------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def signed_file(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The file with its credential, as a download."""
    asset = _showable(request, pk)
    file = asset.rendition(Rendition.Role.SIGNED)
    return _serve(request, file.key, file.media_type, f"{asset.pk}{SUFFIXES[file.media_type]}")


@login_not_required
@require_safe
def preview(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A small picture without metadata, drawn by this office."""
    file = _showable(request, pk).rendition(Rendition.Role.PREVIEW)
    return _serve(request, file.key, file.media_type)


@login_not_required
@require_safe
def heat_map(request: HttpRequest, pk: UUID, finding: UUID) -> HttpResponseBase:
    """Where a detector saw its signal, as a picture to lay over the preview."""
    asset = _showable(request, pk)
    found = Finding.objects.filter(pk=finding, run__asset=asset).exclude(heatmap_key="").first()
    if found is None:
        raise NotFound("heat map")
    return _serve(request, found.heatmap_key, "image/png")


def _showable(request: HttpRequest, pk: UUID) -> Asset:
    asset = asset_for(request, pk)
    refusal = refusal_to_show(asset, request.user)
    if refusal:
        next_step = "Sign in to see it." if refusal == ADULTS else ""
        raise Forbidden(refusal, code="asset.restricted", next_step=next_step)
    return asset


def _serve(request: HttpRequest, key: str, media_type: str, download_as: str = "") -> HttpResponseBase:
    """A stored file. Its key names its content, so it is its own ETag; a restriction must work at once: no-cache."""
    etag = f'"{key.rpartition("/")[2][:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "X-Robots-Tag": "noindex"}
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified(headers=headers)
    return FileResponse(
        storage.open_file(key),
        content_type=media_type,
        as_attachment=bool(download_as),
        filename=download_as or "picture",
        headers=headers,
    )
