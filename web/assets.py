"""The public pages of a registered work: what it is, its files. Its receipt is `web.receipts`'."""

from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from core.clock import now
from core.problems import NotFound
from detection.shown import runs_of
from ledger.receipts import receipt_for
from policy.consents import consent
from policy.models import Case, Clock, Flag, Notice
from provenance import manifests, places
from provenance.delivery import Viewer, deliver, refusal, stored
from provenance.media import PNG
from provenance.models import Asset, Rendition

GRAVE = 3  # policy.models.SEVERITY: the body or safety of a person, or a child


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
    """Whether its media is blurred until a viewer asks for it: restricted, reported as harming a body or a child,
    withheld by a person shown, or not shown in a place where the viewer may be. Any other report must not dim an
    honest maker's work before a person has looked at it.
    """
    restricted = asset.restriction in (Asset.Restriction.AGE_RESTRICTED, Asset.Restriction.HIDDEN)
    grave = _reported_as_grave(asset)
    return restricted or places.may_be_among(asset.hidden_in) or grave.exists() or consent.is_withheld(asset)


def _reported_as_grave(asset: Asset) -> QuerySet[Case]:
    """Undecided cases about a body or a child in which a complete notice stands, or a flag that this office raised. A
    notice with something missing counts no longer than the shortest time to decide: anybody may send one.
    """
    said = Notice.objects.filter(case=OuterRef("pk")).exclude(kind=Notice.Kind.FALSE_POSITIVE)
    flagged = Flag.objects.filter(case=OuterRef("pk"), state=Flag.State.RAISED).exclude(origin=Flag.Origin.NOTICE)
    late = Clock.objects.filter(case=OuterRef("pk"), purpose=Clock.Purpose.DECIDE, due_at__lte=now())
    complete = Exists(said.filter(state=Notice.State.VALID))
    in_time = Exists(said.filter(state=Notice.State.INCOMPLETE)) & ~Exists(late)
    grave = Case.objects.filter(asset=asset, state__in=Case.UNDECIDED, severity__gte=GRAVE)
    return grave.filter(complete | in_time | Exists(flagged))


def refusal_to_show(asset: Asset, viewer: Viewer) -> str:
    """Why this viewer gets no media of a work they may know of, in words; empty if they get it."""
    refused = refusal(asset, viewer)
    return f"{refused.detail} {refused.next_step}".strip() if refused else ""


# --- Pages ---------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def public_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What anyone may know of a registered work."""
    asset = asset_for(request, pk)
    context = {
        "asset": asset,
        "signed": asset.renditions.filter(role=Rendition.Role.SIGNED).first(),
        "preview": asset.renditions.filter(role=Rendition.Role.PREVIEW).first(),
        "sealed": is_sealed(asset),
        "refusal": refusal_to_show(asset, request.user),
        "receipt": receipt_for(asset.entry),
        "manifest": manifests.fitting(asset),
        "runs": runs_of(request.user, asset.pk),
        "mine": asset.owner_id == request.user.pk,
    }
    response = render(request, "web/asset.html", context)
    link = manifests.link(asset, anchor=request.build_absolute_uri(reverse("asset_file", args=[asset.pk])))
    if link:
        response["Link"] = link
    return response


# --- Files ---------------------------------------------------------------------------------------------------------


@login_not_required
@require_safe
def signed_file(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """The file with its credential, as a download."""
    return deliver(asset_for(request, pk), request.user, known=_known(request))


@login_not_required
@require_safe
def preview(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """A small picture without metadata, drawn by this office."""
    asset = asset_for(request, pk)
    return deliver(asset, request.user, role=Rendition.Role.PREVIEW, attachment=False, known=_known(request))


@login_not_required
@require_safe
def heat_map(request: HttpRequest, pk: UUID, finding: UUID) -> HttpResponseBase:
    """Where a detector saw its signal, as a picture to lay over the preview."""
    asset = asset_for(request, pk)
    refused = refusal(asset, request.user, Rendition.Role.PREVIEW)
    if refused is not None:
        raise refused
    shown = runs_of(request.user, asset.pk)
    found = next((one for run in shown for one in run.findings.all() if one.pk == finding), None)
    if found is None or not found.heatmap_key:
        raise NotFound("heat map")
    return stored(found.heatmap_key, PNG, f"{found.pk}.png", known=_known(request))


def _known(request: HttpRequest) -> str:
    return request.headers.get("If-None-Match", "")
