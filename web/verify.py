"""The verify page: what is known about a file, from its bytes or from its fingerprint alone. Nothing of it is kept."""

import datetime as dt
import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.http import one_file, wants_json
from core.problems import NotFound, Problem
from core.storage import receive
from provenance import kept
from provenance.manifest_reading import MAX_STORE
from provenance.verification import Report, known, verify_file
from web.forms import QuestionForm
from web.privacy import limit
from web.report_page import page_of

# What a person has in hand between the report and the wish to keep it: the report itself, signed by this office.
HANDED_OUT = "web.verify.report"
FOR = dt.timedelta(hours=2)
MOST = 1 << 20  # characters; Django refuses forms above 2 MiB
SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


# --- Ask -----------------------------------------------------------------------------------------------------------


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The drop zone; a POST answers with the report on the file sent."""
    if request.method != "POST":
        return render(request, "web/home.html", {"options": QuestionForm()})
    options = QuestionForm(request.POST, request.FILES)
    try:
        return _read(request, options)
    except Problem as problem:
        if wants_json(request):
            raise
        return render(request, "web/home.html", {"problem": problem, "options": options}, status=problem.status)


def _read(request: HttpRequest, options: QuestionForm) -> HttpResponse:
    _count(request)
    file = one_file(request.FILES)
    as_of = options.as_of_moment()
    with ExitStack() as stack:
        scratch = stack.enter_context(receive(file.chunks()))
        beside = options.cleaned_data["manifest"]
        manifest = stack.enter_context(receive(beside.chunks(), limit=MAX_STORE)).path if beside else None
        found = verify_file(scratch.path, scratch.sha256, filename=file.name or "", as_of=as_of, manifest=manifest)
        report, crjson, size = found.as_dict(), found.crjson, scratch.size
    about = {"name": (file.name or "")[-120:], "size": size, "origin": "sent", "token": _handed_out(report, crjson)}
    return render(request, "web/report.html", {**page_of(report), **about, "crjson": bool(crjson)})


@login_not_required
@never_cache
@require_safe
def by_hash(request: HttpRequest, sha256: str) -> HttpResponse:
    """The lasting address of what is known about these bytes; of unknown bytes it asks for the file."""
    _count(request)
    if not SHA256.fullmatch(sha256):
        raise NotFound("report")
    options = QuestionForm(request.GET)
    report = known(sha256, None, as_of=options.as_of_moment())
    if report is None:
        context = {"sha256": sha256, "options": QuestionForm()}
        return render(request, "web/verify_unknown.html", context, status=404)
    return render(request, "web/report.html", {**page_of(report.as_dict()), **_from_register(report, options)})


def _from_register(report: Report, options: QuestionForm) -> dict[str, Any]:
    """What the page says besides the report when the fingerprint was enough: where the same is served to programs."""
    address = reverse("api_verification", args=[report.sha256])
    as_of = options.as_of_moment()
    dated = {"as_of": as_of.isoformat()} if as_of else {}
    return {
        "origin": "hash",
        "options": options,
        "json_url": f"{address}?{urlencode(dated)}" if dated else address,
        "crjson_url": f"{address}?{urlencode({**dated, 'format': 'crjson'})}" if report.crjson else "",
    }


def _count(request: HttpRequest) -> None:
    if not request.user.is_authenticated:
        limit(request, "anon")


# --- Keep, and take home -------------------------------------------------------------------------------------------


@login_not_required
@never_cache
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Keep the report a person holds, not the file, and give it an address."""
    limit(request, "kept", str(request.user.pk or ""))
    handed = _handed_in(request)
    return redirect("verify_kept", kept.keep(handed["report"]).pk)


@login_not_required
@never_cache
@require_safe
def kept_report(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A report somebody kept, until its day. Raises NotFound, also while a work it names is hidden."""
    found = kept.get(pk)
    about = {"origin": "kept", "kept": found, "json_url": reverse("api_kept_report", args=[pk])}
    response = render(request, "web/report.html", {**page_of(found.report), **about})
    response["X-Robots-Tag"] = "noindex"
    return response


@login_not_required
@never_cache
@require_POST
def download(request: HttpRequest, form: str) -> HttpResponse:
    """The report a person holds, as a file: report.json, or crjson.json in the C2PA's own words."""
    handed = _handed_in(request)
    body: Any = handed["report"] if form == "report" else handed["crjson"]
    sha256 = handed["report"]["file"]["sha256"]
    headers = {"Content-Disposition": f'attachment; filename="{form}-{sha256[:12]}.json"'}
    return HttpResponse(
        json.dumps(body, indent=2, ensure_ascii=False), content_type="application/json", headers=headers
    )


def _handed_out(report: Mapping[str, Any], crjson: Mapping[str, Any] | None) -> str:
    """Empty for a report that is too long to travel in a form; it can be copied from the page."""
    token = signing.dumps({"report": report, "crjson": crjson}, salt=HANDED_OUT, compress=True)
    return token if len(token) <= MOST else ""


def _handed_in(request: HttpRequest) -> dict[str, Any]:
    try:
        handed: dict[str, Any] = signing.loads(request.POST.get("token", ""), salt=HANDED_OUT, max_age=FOR)
    except signing.BadSignature:
        raise Problem(
            "report.not_ours",
            "This is no report of ours, or it is too old",
            status=422,
            detail="A report can be kept or downloaded within two hours after it was made.",
            next_step="Test the file again.",
        ) from None
    return handed
