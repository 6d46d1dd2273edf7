"""The creator's pages: my works, register one, one work with its examinations, people and receipt."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import role_required, signed_in
from accounts.models import Role
from core.models import Job
from core.problems import NotFound, Problem
from core.storage import receive
from detection.examination import unfinished_examination
from detection.shown import runs_of
from ledger.receipts import receipt_for
from policy.models import Case, StatementOfReasons
from provenance import manifests
from provenance.models import Asset, Rendition
from provenance.registration import register_asset, register_hash
from web.assets import is_sealed
from web.consent import people_shown
from web.forms import HashForm, RegisterForm

creators = role_required(Role.CREATOR)
# Which field of the form a problem of registering is about; all others are about the file.
_FIELD_OF = {"asset.title": "title"}
_FIELD_OF_HASH = {"asset.title": "title", "media.size": "size", "media.type_malformed": "media_type"}


@creators
@never_cache
@require_safe
def works(request: HttpRequest) -> HttpResponse:
    """My works, newest first."""
    looked_at = Case.objects.filter(asset=OuterRef("pk"), state__in=Case.UNDECIDED)
    drawn = Rendition.objects.filter(asset=OuterRef("pk"), role=Rendition.Role.PREVIEW)
    marked = Asset.objects.annotate(under_review=Exists(looked_at), has_preview=Exists(drawn))
    mine = marked.filter(owner=signed_in(request)).order_by("-pk")
    page = Paginator(mine, 24).get_page(request.GET.get("page"))
    return render(request, "web/studio.html", {"page": page})


@creators
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; a POST registers and signs the work, everything or nothing."""
    if request.method != "POST":
        return render(request, "web/studio_new.html", {"form": RegisterForm()})
    form = RegisterForm(request.POST, request.FILES)
    status = 422
    if form.is_valid():
        try:
            asset = _register(request, form)
        except Problem as problem:
            status = problem.status
            form.add_error(_FIELD_OF.get(problem.code, "file"), _words(problem))
            context = {"form": form, "earlier": problem.extra.get("asset_id")}
            return render(request, "web/studio_new.html", context, status=status)
        messages.success(request, _("Registered and signed. The examination has begun."))
        return redirect("studio_work", asset.pk)
    return render(request, "web/studio_new.html", {"form": form}, status=status)


def _register(request: HttpRequest, form: RegisterForm) -> Asset:
    file = form.cleaned_data["file"]
    assert isinstance(file, UploadedFile)
    with receive(file.chunks()) as scratch:
        return register_asset(signed_in(request), scratch, filename=file.name or "", **form.values())


@creators
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_by_hash(request: HttpRequest) -> HttpResponse:
    """Register a work by its fingerprint: the file stays with its creator, who gets a credential to lay beside it."""
    if request.method != "POST":
        return render(request, "web/studio_new_hash.html", {"form": HashForm()})
    form = HashForm(request.POST)
    if not form.is_valid():
        return render(request, "web/studio_new_hash.html", {"form": form}, status=422)
    try:
        asset = register_hash(signed_in(request), filename="", **form.values())
    except Problem as problem:
        form.add_error(_FIELD_OF_HASH.get(problem.code, "sha256"), _words(problem))
        context = {"form": form, "earlier": problem.extra.get("asset_id")}
        return render(request, "web/studio_new_hash.html", context, status=problem.status)
    messages.success(request, _("Registered and signed. The file stayed with you."))
    return redirect("studio_work", asset.pk)


def _words(problem: Problem) -> str:
    return " ".join(part for part in (problem.detail or problem.title, problem.next_step) if part)


@creators
@never_cache
@require_safe
def work(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One of my works. htmx asks for the moving part alone while the work is being examined."""
    asset = Asset.objects.filter(owner=signed_in(request), pk=pk).select_related("entry").first()
    if asset is None:
        raise NotFound("work of yours")
    context = _moving(asset)
    if getattr(request, "htmx", False):
        return render(request, "web/_examination.html", context)
    return render(request, "web/studio_work.html", context | _still(asset))


def _moving(asset: Asset) -> dict[str, Any]:
    """What changes by itself: the job, the examinations, the receipt."""
    job = unfinished_examination(asset) or Job.objects.filter(key=f"asset.process:{asset.pk}").first()
    receipt = receipt_for(asset.entry)
    over = (job is None or job.is_over) and receipt is not None
    return {"asset": asset, "job": job, "runs": runs_of(asset.owner, asset.pk), "receipt": receipt, "over": over}


def _still(asset: Asset) -> dict[str, Any]:
    renditions = {file.role: file for file in asset.renditions.all()}
    return {
        "signed": renditions.get(Rendition.Role.SIGNED),
        "preview": renditions.get(Rendition.Role.PREVIEW),
        "sealed": is_sealed(asset),
        "people": people_shown(asset, names=True),
        "cases": Case.objects.filter(asset=asset).order_by("-pk"),
        "flags": asset.flags.order_by("-pk")[:20],
        "statements": StatementOfReasons.objects.filter(decision__case__asset=asset, user=asset.owner)
        .select_related("decision")
        .order_by("-pk"),
        "manifest": manifests.fitting(asset),
    }
