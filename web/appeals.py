"""Decisions as the people concerned read them, and appeals, decided by somebody who had no part in the decision."""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Conflict, Forbidden, NotFound, Problem
from policy import appeals, cases
from policy.clocks import next_due
from policy.models import Appeal, Clock, Decision, Notice, StatementOfReasons
from web.forms_process import AppealDecisionForm, GroundsForm, onto

deciders = role_required(*appeals.DECIDERS)


@dataclass(frozen=True)
class Window:
    """Whether somebody may appeal: until when, or why not."""

    open: bool
    until: dt.datetime | None = None
    rule_id: str = ""
    why: str = ""


def window(decision: Decision, *, user: User | None = None, notice: Notice | None = None) -> Window:
    try:
        clock = appeals.may_appeal(decision, user=user, notice=notice)
    except (Forbidden, Conflict) as refusal:
        return Window(False, why=refusal.detail)
    return Window(True, clock.due_at, clock.rule_id)


# --- The decision, as its recipient reads it -----------------------------------------------------------------------


@never_cache
@require_safe
def decision_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    decision, statement = _decision(signed_in(request), pk)
    return _decision_page(request, decision, statement, GroundsForm())


def _decision(user: User, pk: uuid.UUID) -> tuple[Decision, StatementOfReasons | None]:
    """The decision and this person's own statement; reviewers read any but those in which they are a party."""
    decision = Decision.objects.select_related("case__asset", "decider").filter(pk=pk).first()
    if decision is None:
        raise NotFound("decision")
    statement = decision.statements.filter(user=user).first()
    if statement is None and not _reviews(user, decision):
        raise NotFound("decision")
    return decision, statement


def _reviews(user: User, decision: Decision) -> bool:
    return cases.visible_to(user).filter(pk=decision.case_id).exists()


def _decision_page(
    request: HttpRequest, decision: Decision, own: StatementOfReasons | None, form: GroundsForm, status: int = 200
) -> HttpResponse:
    user = signed_in(request)
    context: dict[str, Any] = {
        "decision": decision,
        "own": own,
        "statements": [own] if own else list(decision.statements.order_by("pk")),
        "window": window(decision, user=user) if own else None,
        "appeal": decision.appeals.filter(user=user).first() if own else None,
        "clocks": decision.clocks.exclude(purpose=Clock.Purpose.DUTY).order_by("due_at"),
        "form": form,
        "reviewer": own is None,
    }
    return render(request, "appeals/decision.html", context, status=status)


@never_cache
@require_POST
def decision_appeal(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    decision, own = _decision(user, pk)
    form = GroundsForm(request.POST)
    if form.is_valid():
        try:
            appeals.file_appeal(decision, user=user, grounds=form.cleaned_data["grounds"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Your appeal is filed. Somebody who did not take this decision will look at it.")
            return redirect("decision", decision.pk)
    return _decision_page(request, decision, own, form, 422)


# --- The desk of appeals -------------------------------------------------------------------------------------------


@deciders
@never_cache
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Appeals that wait, those not for this person with the reason; and the decided ones."""
    user = signed_in(request)
    page = Paginator(appeals.waiting(), 25).get_page(request.GET.get("page"))
    rows = [(appeal, _why_not(appeal, user), next_due(appeal.clocks.all())) for appeal in page]
    decided = Appeal.objects.filter(state=Appeal.State.DECIDED).select_related("decision__case__asset")
    context = {"page": page, "rows": rows, "decided": decided.order_by("-decided_at")[:20]}
    return render(request, "appeals/desk.html", context)


def _why_not(appeal: Appeal, user: User) -> str:
    try:
        appeals.may_decide(appeal, user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


@deciders
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def appeal_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Decide the appeal, or read why it is not yours to decide (403), or how it was decided."""
    user = signed_in(request)
    appeal = Appeal.objects.select_related("decision__case__asset", "decision__decider").filter(pk=pk).first()
    if appeal is None:
        raise NotFound("appeal")
    if appeal.state == Appeal.State.DECIDED and request.method != "POST" and _reviews(user, appeal.decision):
        return _appeal_page(request, appeal, None)
    if why := _why_not(appeal, user):
        return render(request, "appeals/refused.html", {"appeal": appeal, "why": why}, status=403)
    form = AppealDecisionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            appeals.decide_appeal(appeal, user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "The appeal is decided. Everybody concerned is told.")
            return redirect("appeal", appeal.pk)
    return _appeal_page(request, appeal, form)


def _appeal_page(request: HttpRequest, appeal: Appeal, form: AppealDecisionForm | None) -> HttpResponse:
    decision = appeal.decision
    context = {
        "appeal": appeal,
        "decision": decision,
        "asset": decision.case.asset,
        "grounds": appeals.grounds_of(appeal),
        "statement": decision.statements.order_by("pk").first(),
        "clocks": appeal.clocks.order_by("due_at"),
        "actions": decision.actions.order_by("pk"),
        "form": form,
    }
    return render(request, "appeals/appeal.html", context, status=422 if form is not None and form.errors else 200)
