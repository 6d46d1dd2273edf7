"""The desk of appeals: decided by somebody who had no part in the decision. How people appeal is `web.appeal_doors`."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import Forbidden, NotFound, Problem
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding import outcomes
from policy.desk import case_documents, queue
from policy.law import rules
from policy.law.clocks import next_due
from policy.models import Action, Appeal, Decision
from policy.redress import appeal_dialogue, appeal_thread, appeals
from web import appellants
from web.forms_appeals import AppealDecisionForm, QuestionForm
from web.forms_decision import DecisionForm
from web.forms_process import onto
from web.forms_review import TakeBackForm
from web.review import rule_choices

hearers = role_required(*ACTS[Act.HEAR_APPEAL].roles)
PAGE = 25
_DECIDED = (Appeal.State.DECIDED, Appeal.State.OUT_OF_COURT, Appeal.State.FINAL)


# --- The list ------------------------------------------------------------------------------------------------------


@hearers
@never_cache
@require_safe
def desk(request: HttpRequest) -> HttpResponse:
    """Appeals that wait, those not for this person with the reason; `?show=mine|children|decided`."""
    user, show = signed_in(request), request.GET.get("show", "")
    page = Paginator(_rows(user, show), PAGE).get_page(request.GET.get("page"))
    refused = authority.why_not_appeals(user, Appeal.objects.filter(pk__in=[appeal.pk for appeal in page]))
    rows = [(appeal, refused.get(appeal.pk, ""), next_due(appeal.clocks.all())) for appeal in page]
    context = {"page": page, "rows": rows, "show": show, "tabs": _tabs(user, show, queue.has_children(user))}
    return render(request, "appeals/desk.html", context)


def _rows(user: User, show: str) -> QuerySet[Appeal]:
    """Children's appeals are in no general list, and for who was trained for them only (I24)."""
    if show == "children":
        mine = authority.visible_cases(user).filter(minor=True)
        return appeals.waiting().filter(decision__case__in=mine)
    if show == "decided":
        seen = authority.general_cases(user)
        decided = Appeal.objects.filter(state__in=_DECIDED, decision__case__in=seen)
        return appeals.with_relations(decided).order_by("-decided_at")
    rows = appeals.waiting().exclude(decision__case__minor=True)
    return rows.filter(assigned_to=user) if show == "mine" else rows


def _tabs(user: User, show: str, trained: bool) -> list[dict[str, object]]:
    names = {"": "Waiting", "mine": "Mine", "decided": "Decided"} | ({"children": "Children’s"} if trained else {})
    tabs: list[dict[str, object]] = [
        {"label": label, "href": f"/appeals/?show={name}" if name else "/appeals/", "current": name == show}
        for name, label in names.items()
    ]
    if user.has_role(*ACTS[Act.RECORD_OUT_OF_COURT].roles):
        tabs.append({"label": "Out of court", "href": "/appeals/outside/", "current": False})
    return tabs


# --- One appeal ----------------------------------------------------------------------------------------------------


def _appeal(pk: uuid.UUID) -> Appeal:
    appeal = appeals.with_relations(Appeal.objects.filter(pk=pk)).first()
    if appeal is None:
        raise NotFound("appeal")
    return appeal


def _why_not(appeal: Appeal, user: User) -> str:
    try:
        authority.may_decide_appeal(appeal, user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


def _refused(request: HttpRequest, appeal: Appeal, why: str) -> HttpResponse:
    form = TakeBackForm() if _stuck(appeal, signed_in(request)) else None
    return render(request, "appeals/refused.html", {"appeal": appeal, "why": why, "take_back_form": form}, status=403)


def _stuck(appeal: Appeal, user: User) -> bool:
    """Whether somebody else hears it, and this lead reviewer may put it back on the desk."""
    try:
        authority.may_take_appeal_back(appeal, user)
    except Forbidden:
        return False
    return appeal.state in Appeal.HEARD_BY_ONE and appeal.assigned_to_id != user.pk


@hearers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def appeal_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Decide the appeal, or read why it is not yours to decide (403), or how it was decided."""
    user, appeal = signed_in(request), _appeal(pk)
    if appeal.state not in Appeal.UNDECIDED and request.method != "POST":
        authority.may_open(appeal.decision.case, user)
        return _page(request, appeal, {})
    if why := _why_not(appeal, user):
        return _refused(request, appeal, why)
    if request.method != "POST":
        return _page(request, appeal, _forms(appeal))
    forms = _forms(appeal, request)
    if _decided(request, appeal, user, forms):
        return redirect("appeal", appeal.pk)
    return _page(request, appeal, forms, status=422)


def _forms(appeal: Appeal, request: HttpRequest | None = None) -> dict[str, Any]:
    """The decision form, the form of another decision (prefix `new`), and the form of a question."""
    decision, data = appeal.decision, request.POST if request else None
    names = ("outcome", "ground", "facts_text", "explanation", "also", "territory", "exemptions", "ends_at")
    said = {name: getattr(decision, name) for name in names}
    said["rule_ids"] = [rule["id"] for rule in decision.rule_refs]
    modifies = data is not None and data.get("outcome") == Appeal.Outcome.MODIFY
    new = DecisionForm(
        data if modifies else None,
        rules=rule_choices(decision.case),
        initial=said,
        prefix="new",
        replacing=True,
        use_required_attribute=False,
    )
    return {"form": AppealDecisionForm(data), "new_form": new, "question_form": QuestionForm()}


def _decided(request: HttpRequest, appeal: Appeal, user: User, forms: dict[str, Any]) -> bool:
    form, new = forms["form"], forms["new_form"]
    if not form.is_valid() or (new.is_bound and not new.is_valid()):
        return False
    try:
        appeals.decide_appeal(appeal, user, **form.cleaned_data, replacement=new.asked() if new.is_bound else None)
    except Problem as problem:
        onto(form, problem)
        return False
    messages.success(request, "The appeal is decided. Everybody concerned is told.")
    return True


def _rule(ref: dict[str, str]) -> rules.Rule | None:
    """As the decision cited it; None for one of a pack from before packs were kept."""
    try:
        return rules.rule(ref["id"], ref["pack"])
    except NotFound:
        return None


def _page(request: HttpRequest, appeal: Appeal, forms: dict[str, Any], status: int = 200) -> HttpResponse:
    decision, mine = appeal.decision, appeal.assigned_to_id == signed_in(request).pk
    context = {
        "appeal": appeal,
        "decision": decision,
        "asset": decision.case.asset,
        "grounds": appeals.grounds_of(appeal),
        "thread": appeal_thread.thread(appeal),
        "statement": decision.statements.order_by("pk").first(),
        "clocks": appeal.clocks.order_by("due_at"),
        "actions": decision.actions.order_by("pk"),
        "undone": [action for action in decision.actions.order_by("pk") if action.state != Action.State.REVERSED],
        "left": outcomes.standing(decision) if decision.state == Decision.State.REVERSED else [],
        "rules": [(ref, _rule(ref)) for ref in decision.rule_refs],
        "mine": mine,
        "reads": mine or appeal.state not in Appeal.UNDECIDED,
        **forms,
    }
    return render(request, "appeals/appeal.html", context, status=status)


# --- What the hearer does ------------------------------------------------------------------------------------------


@hearers
@never_cache
@require_POST
def take(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    appeals.assign(_appeal(pk), signed_in(request))
    return redirect("appeal", pk)


@hearers
@never_cache
@require_POST
def put_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    appeals.release(_appeal(pk), signed_in(request))
    messages.success(request, "The appeal is back on the desk for somebody else. You need not say why.")
    return redirect("appeals")


@hearers
@never_cache
@require_POST
def take_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A lead puts an appeal back on the desk that its hearer does not go on with."""
    user, form = signed_in(request), TakeBackForm(request.POST)
    if form.is_valid():
        appeals.take_back(_appeal(pk), user, form.cleaned_data["why"])
        messages.success(request, "The appeal is back on the desk.")
    else:
        messages.error(request, "Say in a few words why. Nothing was changed.")
    return redirect("appeal", pk)


@hearers
@never_cache
@require_POST
def ask(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A question to who appeals, with its deadline."""
    user, appeal, form = signed_in(request), _appeal(pk), QuestionForm(request.POST)
    if why := _why_not(appeal, user):
        return _refused(request, appeal, why)
    if form.is_valid():
        try:
            appeal_dialogue.ask(appeal, user, form.cleaned_data["text"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Asked. Who appeals is told that a question waits.")
            return redirect("appeal", pk)
    return _page(request, appeal, {**_forms(appeal), "question_form": form}, status=422)


@hearers
@never_cache
@require_POST
def document(request: HttpRequest, pk: uuid.UUID, document: uuid.UUID) -> HttpResponse:
    """A document of the thread, for who hears the appeal or reads a decided one, for a reason that is logged."""
    user, row = signed_in(request), appellants.document_in(_appeal(pk), document)
    assert row.message is not None
    case = row.message.appeal.decision.case
    return appellants.as_download(row, case_documents.read(row, case, user, request.POST.get("reason", "")))
