"""The regulator's room: a purpose first, then the audit log, then a bundle that proves itself elsewhere."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import Role
from core.problems import NotFound, Problem
from ledger import custody
from ledger.events import EventType
from policy.audits import exports
from policy.authority import ACTS, Act
from policy.models import Export
from web.forms_process import LogQueryForm, PurposeForm, onto

readers = role_required(*ACTS[Act.READ_LOG].roles)
regulators = role_required(*ACTS[Act.MAKE_EXPORT].roles)
_PURPOSE = "audit_purpose"
PAGE = 50
COMMANDS = """python3 -m venv verify && verify/bin/pip install pynacl
verify/bin/python -m ledger.verify {file} --key '{vkey}'"""
TYPES = [str(each) for each in EventType]


@readers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def room(request: HttpRequest) -> HttpResponse:
    """Without a purpose: only the question for it. With one: the log, page by page, each page recorded."""
    purpose = request.session.get(_PURPOSE, "")
    if request.method == "POST":
        form = PurposeForm(request.POST)
        if form.is_valid():
            request.session[_PURPOSE] = form.cleaned_data["purpose"]
            return redirect("regulator")
        return render(request, "regulator/purpose.html", {"form": form}, status=422)
    if not purpose:
        return render(request, "regulator/purpose.html", {"form": PurposeForm()})
    return _log(request, purpose)


def _log(request: HttpRequest, purpose: str) -> HttpResponse:
    user = signed_in(request)
    form = LogQueryForm(request.GET, types=TYPES)
    rows: list[dict[str, Any]] = []
    if form.is_valid():
        since, until = form.span()
        chosen = [form.cleaned_data["type"]] if form.cleaned_data["type"] else []
        after = form.cleaned_data["after"] if form.cleaned_data["after"] is not None else -1
        # One more than is shown tells whether there is a next page.
        rows = exports.query_entries(
            user, after=after, types=chosen, since=since, until=until, limit=PAGE + 1, purpose=purpose
        )
    context = {
        "purpose": purpose,
        "form": form,
        "rows": rows[:PAGE],
        "older": _page_after(request, rows[PAGE - 1]["index"]) if len(rows) > PAGE else "",
        "first": _page_after(request, None) if "after" in request.GET else "",
        **_bundles(request),
    }
    return render(request, "regulator/room.html", context, status=422 if form.errors else 200)


def _page_after(request: HttpRequest, index: int | None) -> str:
    query = {name: str(value) for name, value in request.GET.items() if name != "after" and value}
    if index is not None:
        query["after"] = str(index)
    return "?" + urlencode(query)


def _bundles(request: HttpRequest) -> dict[str, Any]:
    user, verifier = signed_in(request), custody.log_verifier()
    made = list(Export.objects.filter(user=user).order_by("-pk")[:50])
    name = _file_name(made[0]) if made else "assay-export.zip"
    return {
        "may_export": user.has_role(Role.REGULATOR),
        "exports": made,
        "commands": COMMANDS.format(file=name, vkey=verifier.vkey),
        "fingerprint": verifier.fingerprint,
    }


@readers
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """End this purpose; the next visit asks again."""
    request.session.pop(_PURPOSE, None)
    return redirect("regulator")


@regulators
@require_POST
def export(request: HttpRequest) -> HttpResponse:
    """Make one bundle of what the query names."""
    purpose = request.session.get(_PURPOSE, "")
    if not purpose:
        return redirect("regulator")
    form = LogQueryForm(request.POST, types=TYPES)
    if form.is_valid():
        since, until = form.span()
        chosen = [form.cleaned_data["type"]] if form.cleaned_data["type"] else []
        try:
            made = exports.make_export(signed_in(request), since=since, until=until, types=chosen, purpose=purpose)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, f"The bundle is ready: {made.entries} entries. Download it below.")
            return redirect("/regulator/#bundles")
    context = {"purpose": purpose, "form": form, "rows": [], "older": "", "first": "", **_bundles(request)}
    return render(request, "regulator/room.html", context, status=422)


@regulators
@never_cache
@require_safe
def download(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The bundle, for the regulator who made it; recorded each time."""
    user = signed_in(request)
    made = Export.objects.filter(pk=pk, user=user).first()
    if made is None:
        raise NotFound("export of yours")
    file = exports.open_export(made, user)
    return FileResponse(file, as_attachment=True, filename=_file_name(made), content_type="application/zip")


def _file_name(export: Export) -> str:
    return f"assay-export-{str(export.pk)[-8:]}.zip"
