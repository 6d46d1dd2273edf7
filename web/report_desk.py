"""The desk of transparency reports: drafts, counting, publication by a second person, corrections."""

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Problem
from policy.authority import ACTS, Act
from policy.models import TransparencyReport
from policy.transparency import reports
from web.forms_process import onto
from web.forms_reports import CorrectionForm, PeriodForm, WordsForm
from web.transparency import told

State = TransparencyReport.State
desk = role_required(*ACTS[Act.WRITE_REPORT].roles)
TONES = {State.DRAFT: "neutral", State.FROZEN: "warn", State.PUBLISHED: "ok", State.CORRECTED: "info"}


@desk
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def listing(request: HttpRequest) -> HttpResponse:
    """All reports; POST begins one."""
    form = PeriodForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = reports.make(signed_in(request), form.cleaned_data["since"], form.cleaned_data["until"])
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("report_desk_one", made.pk)
    rows = [(row, TONES[State(row.state)]) for row in reports.for_desk()[:100]]
    return render(request, "transparency/desk.html", {"form": form, "rows": rows}, status=422 if form.errors else 200)


@desk
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One report as it would be, or is, published; POST keeps what is told in words."""
    report = reports.find(reports.for_desk(), pk=pk)
    words = WordsForm(request.POST if request.method == "POST" else None, initial=report.words)
    if request.method == "POST" and words.is_valid():
        try:
            reports.write(report, signed_in(request), words.cleaned_data)
        except Problem as problem:
            onto(words, problem)
        else:
            messages.success(request, _("What is told in words is kept."))
            return redirect("report_desk_one", pk)
    return _page(request, report, words=words)


@desk
@require_POST
def correct(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    report, form = reports.find(reports.for_desk(), pk=pk), CorrectionForm(request.POST)
    if form.is_valid():
        try:
            made = reports.correct(report, signed_in(request), form.cleaned_data["why"])
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("report_desk_one", made.pk)
    return _page(request, report, correction=form)


def _page(
    request: HttpRequest,
    report: TransparencyReport,
    *,
    words: forms.Form | None = None,
    correction: forms.Form | None = None,
) -> HttpResponse:
    words = words or WordsForm(initial=report.words)
    correction = correction or CorrectionForm()
    context: dict[str, Any] = {
        **told(report),
        "tone": TONES[State(report.state)],
        "own": reports.has_made(report, signed_in(request)),
        "job": reports.counting(report),
        "counting": reports.is_being_counted(report),
        "words": words,
        "correction": correction,
    }
    status = 422 if words.errors or correction.errors else 200
    return render(request, "transparency/desk_one.html", context, status=status)


def _step(verb: Callable[[TransparencyReport, User], Any], said: Any) -> Callable[..., HttpResponse]:
    @desk
    @require_POST
    def view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        verb(reports.find(reports.for_desk(), pk=pk), signed_in(request))
        messages.success(request, str(said))
        return redirect("report_desk_one", pk)

    return view


freeze = _step(reports.ask_freeze, gettext_lazy("It is being counted. Open this page again in a moment."))
publish = _step(reports.publish, gettext_lazy("It is published, and will never change."))
send_back = _step(reports.send_back, gettext_lazy("It is a draft again."))
