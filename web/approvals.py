"""The second key: decisions that wait for a second person, what they would do and say, and yes or no."""

import uuid

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Forbidden, NotFound, Problem
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding import approvals, decisions, statements
from policy.deciding.outcomes import all_of
from policy.models import Case, Decision
from web.forms_process import NamesForm, onto

reviewing = role_required(*ACTS[Act.REVIEW].roles)


class SendBackForm(NamesForm):
    reason = forms.CharField(
        label=_("Why you do not agree"),
        min_length=10,
        max_length=5000,
        help_text=_("Who proposed it reads this, and decides again. No names, no addresses."),
        widget=forms.Textarea(attrs={"rows": 4}),
    )


def _waiting(user: User) -> QuerySet[Decision]:
    """Held decisions of the cases that `user` may open in a list, the oldest first; none about a child (I24)."""
    proposed = authority.general_cases(user).filter(state=Case.State.PROPOSED)
    held = Decision.objects.filter(state=Decision.State.HELD, case__in=proposed)
    return held.select_related("case__asset", "decider").order_by("created_at")


@reviewing
@never_cache
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    page = Paginator(_waiting(user), 25).get_page(request.GET.get("page"))
    return render(request, "review/approvals.html", {"page": page})


@reviewing
@never_cache
@require_safe
def page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One proposal; who may not be its second person reads why (403)."""
    return _page(request, _held(signed_in(request), pk), SendBackForm())


def _held(user: User, pk: uuid.UUID) -> Decision:
    rows = Decision.objects.filter(pk=pk, state__in=(Decision.State.HELD, Decision.State.RETURNED))
    decision = rows.select_related("case__asset__owner", "decider", "approver").first()
    if decision is None or not authority.visible_cases(user).filter(pk=decision.case_id).exists():
        raise NotFound("proposal")
    return decision


def _page(request: HttpRequest, decision: Decision, form: SendBackForm, status: int = 200) -> HttpResponse:
    why = _why_not(decision, signed_in(request))
    context = {
        "decision": decision,
        "case": decision.case,
        "outcomes": [each.name.label for each in all_of(decision)],
        "reasons": approvals.reasons(decision),
        "previews": statements.preview(decision),
        "clocks": decision.case.clocks.order_by("due_at"),
        "since": decision.case.notices.filter(created_at__gt=decision.created_at).order_by("created_at"),
        "why": why,
        "form": form,
    }
    return render(request, "review/approval.html", context, status=403 if why and request.method == "POST" else status)


def _why_not(decision: Decision, user: User) -> str:
    if decision.state != Decision.State.HELD:
        return ""
    try:
        authority.may_approve(decision, user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


@reviewing
@never_cache
@require_POST
def approve(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    decision = _held(user, pk)
    try:
        decisions.approve(decision, user, version=_version(request))
    except Problem as problem:
        messages.error(request, f"{problem.detail} {problem.next_step} {_fields(problem)}".strip())
        return _page(request, _held(user, pk), SendBackForm(), status=problem.status)
    messages.success(request, "Approved. It is in effect, and everybody concerned is told.")
    return redirect("decision", decision.pk)


def _version(request: HttpRequest) -> int:
    """Of the case as it stood on the page; what is no number is no version that ever was."""
    sent = request.POST.get("version", "")
    return int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 10 else -1


def _fields(problem: Problem) -> str:
    errors = problem.extra.get("errors")
    if not isinstance(errors, dict):
        return ""
    return " ".join(text for texts in errors.values() for text in texts)


@reviewing
@never_cache
@require_POST
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Who proposed it takes it back."""
    user = signed_in(request)
    decision = decisions.withdraw_proposal(_held(user, pk), user)
    messages.success(request, "Taken back. The case is in your hands again.")
    return redirect("review_case", decision.case_id)


@reviewing
@never_cache
@require_POST
def send_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    decision, form = _held(user, pk), SendBackForm(request.POST)
    if not form.is_valid():
        return _page(request, decision, form, status=422)
    try:
        decisions.send_back(decision, user, **form.cleaned_data)
    except Problem as problem:
        onto(form, problem)
        return _page(request, decision, form, status=problem.status)
    messages.success(request, "Sent back. The case is with its reviewer again.")
    return redirect("approvals")
