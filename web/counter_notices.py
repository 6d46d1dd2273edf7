"""The uploader's counter-notice (17 U.S.C. 512(g)): filed, completed, followed, taken back; and the action in court
that a lead reviewer looks for.
"""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from policy import authority
from policy.authority import ACTS, Act
from policy.filing import counter_notices, court_actions, guided
from policy.models import CounterNotice, Decision
from web.forms_notices import CounterNoticeForm, LiftForm, sworn_in
from web.forms_process import onto


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def counter_notice(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The form, what is missing, or how far it is. Raises Forbidden or Conflict where the law opens no such way."""
    user, decision = signed_in(request), _decision(request, pk)
    row = decision.counter_notices.filter(by=user).select_related("decision__case", "by", "entry").first()
    if row is None:
        counter_notices.may_file(decision, user)
    elif row.state != CounterNotice.State.INCOMPLETE:
        return _page(request, decision, row, None)
    asks = row.missing if row else counter_notices.asks(decision)
    form = CounterNoticeForm(request.POST or None, asks=asks)
    if request.method == "POST" and form.is_valid():
        try:
            _send(decision, user, row, form)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "We have your counter-notice.")
            return redirect("counter_notice", decision.pk)
    return _page(request, decision, row, form)


def _decision(request: HttpRequest, pk: uuid.UUID) -> Decision:
    rows = Decision.objects.select_related("case__asset", "entry")
    decision = rows.filter(pk=pk, case__asset__owner=signed_in(request)).first()
    if decision is None:
        raise NotFound("decision about a work of yours")
    return decision


def _send(decision: Decision, user: User, row: CounterNotice | None, form: CounterNoticeForm) -> None:
    data = form.cleaned_data
    asked: dict[str, Any] = {
        "details": {name: data[name] for name in counter_notices.TEXTS if name in data},
        "sworn": sworn_in(data),
    }
    if row is None:
        counter_notices.file_counter_notice(decision, user, **asked)
    else:
        counter_notices.complete(row, **asked)


def _page(
    request: HttpRequest, decision: Decision, row: CounterNotice | None, form: CounterNoticeForm | None
) -> HttpResponse:
    context = {
        "decision": decision,
        "row": row,
        "form": form,
        "missing": [guided.words(ask) for ask in row.missing] if row else [],
        "clocks": row.clocks.order_by("due_at") if row else [],
        "words": counter_notices.fields_of(row) if row else {},
        "actions": court_actions.actions_told(row) if row and row.state == CounterNotice.State.BLOCKED else [],
        "complaints": counter_notices.complaints(decision).count(),
        "known": counter_notices.known_complaints(decision),
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "notices/counter_notice.html", context, status=status)


@never_cache
@require_POST
def withdraw(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    row = CounterNotice.objects.select_related("decision__case", "by", "entry").filter(
        decision=_decision(request, pk), by=signed_in(request)
    )
    found = row.first()
    if found is None:
        raise NotFound("counter-notice of yours")
    counter_notices.withdraw(found)
    messages.success(request, "You took your counter-notice back.")
    return redirect("counter_notice", pk)


@role_required(*ACTS[Act.LIFT_BLOCK].roles)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def told_action(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What was told of an action in court, for the lead reviewer who looks whether it is there."""
    rows = CounterNotice.objects.select_related("decision__case__asset", "by", "entry")
    row = rows.filter(pk=pk).exclude(action_told_at=None).first()
    if row is None:
        raise NotFound("counter-notice with an action in court")
    lead = signed_in(request)
    authority.may_open(row.decision.case, lead)
    actions = court_actions.standing(row)
    form = LiftForm(request.POST or None, actions=actions)
    if request.method == "POST" and form.is_valid():
        try:
            done = _looked(request, row, lead, form)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, done)
            return redirect("told_action", pk)
    within = court_actions.LOOKED_AT_WITHIN.days
    context = {"row": row, "form": form, "actions": actions, "within": within}
    return render(request, "notices/told_action.html", context, status=422 if form.errors else 200)


def _looked(request: HttpRequest, row: CounterNotice, lead: User, form: LiftForm) -> str:
    """What the lead found; the sentence that says what follows."""
    said = {"why": form.cleaned_data["reason"], "notice": form.cleaned_data.get("notice", "")}
    if request.POST.get("found") == "yes":
        court_actions.confirm(row, lead, **said)
        return "The action is there: the work stays as it is."
    court_actions.lift(row, lead, **said)
    left = row.state == CounterNotice.State.BLOCKED
    return "Another action still keeps the work away." if left else "The work comes back on its day."
