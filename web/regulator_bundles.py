"""Bundles: asked for, built by a worker, downloaded, verified elsewhere."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from ledger import custody
from policy.audits import downloads, exports, queries, regulators
from policy.models import Export
from web.forms_regulator import CaseQueryForm
from web.problem_pages import about
from web.regulator import address, frame, purpose_of, refused, regulators_only, tabs

SHOWN = 50
COMMANDS = """python3 -m venv verify && verify/bin/pip install pynacl
verify/bin/python -m ledger.verify {file} --key '{vkey}'"""


@regulators_only
@never_cache
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Theirs, the newest first; those being built say how far they are."""
    user = signed_in(request)
    account = regulators.entitled(user)
    rows = list(Export.objects.filter(user=user).order_by("-created_at", "-pk")[:SHOWN])
    verifier = custody.log_verifier()
    name = downloads.file_name(rows[0]) if rows else "assay-export.zip"
    context = {
        "rows": [(row, address(row.query), _why(row)) for row in rows],
        "waiting": any(row.state == Export.State.REQUESTED for row in rows),
        "account": account,
        "purpose": purpose_of(request),
        "tabs": tabs("bundles"),
        "commands": COMMANDS.format(file=name, vkey=verifier.vkey),
        "fingerprint": verifier.fingerprint,
    }
    return render(request, "regulator/bundles.html", context)


def _why(row: Export) -> Any:
    """Why it could not be built, in words."""
    group = about(row.error_code) if row.error_code else None
    return group.meaning if group else ""


@regulators_only
@require_POST
def make(request: HttpRequest) -> HttpResponse:
    """Ask for one bundle of what the query names."""
    user, purpose = signed_in(request), purpose_of(request)
    account = regulators.entitled(user)
    if not purpose:
        return redirect("regulator")
    form = CaseQueryForm(request.POST, places=account.jurisdictions)
    if form.is_valid():
        try:
            exports.request_export(user, query=queries.read(form.query()), purpose=purpose)
        except Problem as problem:
            refused(form, problem)
        else:
            messages.success(request, _("The bundle is being built. You can leave this page."))
            return redirect("regulator_bundles")
    context = {"found": None, **frame(request, form, account, "regulator")}
    return render(request, "regulator/room.html", context, status=422)


@regulators_only
@require_POST
def again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Try a bundle that could not be built once more."""
    exports.again(_mine(signed_in(request), pk), signed_in(request))
    return redirect("regulator_bundles")


@regulators_only
@require_safe
def download(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The bundle, for the regulator who asked for it; recorded once a download."""
    return downloads.answer(request, _mine(signed_in(request), pk), signed_in(request))


def _mine(user: User, pk: uuid.UUID) -> Export:
    row = Export.objects.filter(pk=pk, user=user).select_related("user", "entry").first()
    if row is None:
        raise NotFound("export of yours")
    return row
