"""Talks with authorities: their side, the office's side, and what everybody reads of them."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from policy.audits import consultations, queries, regulators
from policy.authority import ACTS, Act
from policy.models import Case, Consultation, RegulatorAccount
from web.forms_regulator import CloseForm, OfficeOpenForm, OpenForm, WriteForm
from web.regulator import refused, regulators_only, tabs

office = role_required(*ACTS[Act.CONSULT].roles)
PAGE = 50


@regulators_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def messages_page(request: HttpRequest) -> HttpResponse:
    """An authority's consultations; POST opens one. `?case=<id>` is what it is about."""
    user = signed_in(request)
    account = regulators.entitled(user)
    case = _case(account, request.GET.get("case", ""))
    form = OpenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        row = _open(form, user, account, case)
        if row is not None:
            return redirect("regulator_message", row.pk)
    page = Paginator(consultations.of_authority(user), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form, "case": case, "tabs": tabs("messages"), "thread": "regulator_message"}
    return render(request, "regulator/messages.html", context, status=422 if form.errors else 200)


def _case(account: RegulatorAccount, pk: str) -> Case | None:
    if not pk:
        return None
    try:
        found = queries.in_reach(account).filter(pk=uuid.UUID(pk)).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound("case")
    return found


def _open(form: OpenForm, by: User, account: RegulatorAccount, case: Case | None) -> Consultation | None:
    """None when what was typed cannot be used."""
    said = form.cleaned_data
    try:
        return consultations.open_consultation(by, account, subject=said["subject"], text=said["text"], case=case)
    except Problem as problem:
        refused(form, problem)
    return None


@regulators_only
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def message(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One consultation; POST writes."""
    return _thread(request, pk, {"tabs": tabs("messages"), "address": "regulator_message"})


def _thread(request: HttpRequest, pk: uuid.UUID, more: dict[str, Any]) -> HttpResponse:
    row = consultations.find(signed_in(request), pk)
    form = WriteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            consultations.write(row, signed_in(request), form.cleaned_data["text"])
        except Problem as problem:
            refused(form, problem)
        else:
            return redirect(more["address"], row.pk)
    said = row.messages.select_related("by").order_by("created_at", "pk")
    context = {"row": row, "said": said, "form": form, **more}
    return render(request, "regulator/message.html", context, status=422 if form.errors else 200)


# --- The office ----------------------------------------------------------------------------------------------------


@office
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """All consultations, open ones first; POST opens one."""
    user = signed_in(request)
    form = OfficeOpenForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        row = _open(form, user, form.cleaned_data["account"], None)
        if row is not None:
            return redirect("consultation", row.pk)
    page = Paginator(consultations.for_office(user), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form, "office_side": True, "thread": "consultation"}
    return render(request, "regulator/messages.html", context, status=422 if form.errors else 200)


@office
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def thread(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One consultation, for the office; POST writes."""
    return _thread(request, pk, {"close_form": CloseForm(), "office_side": True, "address": "consultation"})


@office
@require_POST
def close(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """With the outcome that everybody reads."""
    row, form = consultations.find(signed_in(request), pk), CloseForm(request.POST)
    if form.is_valid():
        try:
            consultations.close(row, signed_in(request), form.cleaned_data["outcome"])
        except Problem as problem:
            refused(form, problem)
        else:
            messages.success(request, _("Closed, and published."))
            return redirect("consultation", row.pk)
    said = row.messages.select_related("by").order_by("created_at", "pk")
    context = {"row": row, "said": said, "form": WriteForm(), "close_form": form, "office_side": True}
    return render(request, "regulator/message.html", {**context, "address": "consultation"}, status=422)
