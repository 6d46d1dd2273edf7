"""The review desk: what to look at next, the case, the decision. Sealed media are in `web.review_media`."""

import uuid
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import Role, User
from core.problems import Conflict, Forbidden, Problem
from detection.shown import runs_of
from ledger import vault
from policy import authority
from policy.authority import ACTS, Act
from policy.consents import bases
from policy.deciding import approvals, decisions, learning, statements
from policy.desk import case_file, cases, children, quality, queue, reviewers, search
from policy.desk.queue import Wanted
from policy.filing import asking, notices
from policy.law import clocks
from policy.law.rules import JURISDICTIONS, Rule
from policy.models import Case, Category, Clock, Decision, Exemption, Notice
from policy.rights import people
from web import review_drafts
from web.consent import people_shown
from web.forms_decision import DecisionForm
from web.forms_process import onto
from web.forms_review import AskForm, FilterForm, NoChildForm, RecuseForm, TakeBackForm
from web.review_media import seal_of

reviewing = role_required(*ACTS[Act.REVIEW].roles)
PAGE = 25
PAGES = queue.DEPTH // PAGE
LANGUAGES = [("", "those I read"), (queue.ANY_LANGUAGE, "all languages")]
TABS = ("", "mine", "decided")


# --- The queue -----------------------------------------------------------------------------------------------------


@reviewing
@never_cache
@require_safe
def queue_page(request: HttpRequest, children: bool = False) -> HttpResponse:
    """Undecided cases in the order they should be worked; `?show=mine|decided`, filters, and `?q=` to find a case.

    children: the queue of children's cases, which is apart and only for who was trained for it (I24).
    """
    user = signed_in(request)
    if children and not queue.has_children(user):
        raise Forbidden("These cases are for who was trained for them.", code="case.training")
    show, asked = request.GET.get("show", ""), " ".join(request.GET.get("q", "").split())
    form = FilterForm(request.GET, choices=_filters(user))
    wanted = _wanted(form, show, children)
    rows = _rows(user, wanted, show, "" if children else asked)
    page = _page_number(request)
    # One more than is shown says whether there are more: nothing is counted that nobody reads.
    found = list(rows[(page - 1) * PAGE : page * PAGE + 1])
    context = {
        "show": show if show in TABS else "",
        "asked": asked,
        "children": children,
        "filters": form,
        "narrowed": any(form.cleaned_data.values()),
        "rows": queue.explained(found[:PAGE]),
        "newer": page - 1,
        "older": page + 1 if len(found) > PAGE and page < PAGES else 0,
        "resting": reviewers.resting(reviewers.profile_of(user)),
        "has_children": queue.has_children(user),
        "again": quality.waiting(user)[:1].exists(),
        "lead": user.has_role(Role.LEAD_REVIEWER),
        "deepest": page == PAGES and len(found) > PAGE,
    }
    return render(request, "review/queue.html", context)


def _page_number(request: HttpRequest) -> int:
    text = request.GET.get("page", "1")
    return min(max(int(text), 1), PAGES) if text.isascii() and text.isdecimal() and len(text) < 5 else 1


def _filters(user: User) -> dict[str, list[tuple[str, str]]]:
    profile = reviewers.profile_of(user)
    read = [(code, code) for code in (profile.languages if profile else [])]
    general = [(value, str(label)) for value, label in Category.choices if value != Category.CHILD_SAFETY]
    return {
        "category": [("", "all kinds"), *general],
        "language": [*LANGUAGES, *read],
        "place": [("", "all places"), *JURISDICTIONS.items()],
        "state": [("", "waiting"), *((state.value, str(state.label)) for state in map(Case.State, Case.UNDECIDED))],
    }


def _wanted(form: FilterForm, show: str, children: bool) -> Wanted:
    form.is_valid()
    return Wanted(**form.cleaned_data, mine=show == "mine", children=children)


def _rows(user: User, wanted: Wanted, show: str, asked: str) -> QuerySet[Case]:
    if asked:
        return search.find(user, asked)
    return queue.decided(user, wanted) if show == "decided" else queue.waiting(user, wanted)


@reviewing
@require_POST
def next_case(request: HttpRequest) -> HttpResponse:
    """Take the first case nobody has, or go on with one's own; of two who press at once each gets a different one.

    `after`: the case the button stands on, which therefore is not the next one. `children`: from their own queue.
    """
    user, children = signed_in(request), "children" in request.POST
    case = queue.take_next(user, after=request.POST.get("after", ""), children=children)
    if case is not None:
        return redirect("review_case", case.pk)
    messages.info(request, reviewers.resting(reviewers.profile_of(user)) or "Nothing waits for you.")
    return redirect("review_children" if children else "review")


# --- The case ------------------------------------------------------------------------------------------------------


@reviewing
@never_cache
@require_safe
def case_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    case = cases.case_for(user, pk)
    if quality.in_hand(case, user):
        return redirect("review_again", case.pk)  # the first answer is not shown before the second is given
    return _page(request, case, DecisionForm(rules=rule_choices(case), initial={"version": case.version}))


@reviewing
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def draft(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The same page with what is half written in the composer; nothing is judged or kept."""
    case = cases.case_for(signed_in(request), pk)
    if not review_drafts.is_sent(request.POST):
        return redirect("review_case", pk)
    form = DecisionForm(rules=rule_choices(case), initial=review_drafts.initial(request.POST))
    if str(form.initial["version"]) != str(case.version) and case.state == Case.State.IN_REVIEW:
        messages.info(request, "The case has changed since you began to write: look at it again.")
    form.initial["version"] = case.version
    return _page(request, case, form)


def _page(request: HttpRequest, case: Case, form: DecisionForm, status: int = 200) -> HttpResponse:
    user = signed_in(request)
    mine = case.assigned_to_id == user.pk
    context = {
        **look(case, user, request.GET.get("step", "")),
        "form": form,
        "written": review_drafts.words(request.POST),
        "mine": mine and case.state == Case.State.IN_REVIEW,
        "waits_for_filer": mine and case.state == Case.State.AWAITING_INFO,
        "held": case.decisions.filter(state=Decision.State.HELD).select_related("decider").first(),
        "suggestion": decisions.suggest_interim(case) if mine else None,
        "takeable": case.state in Case.WAITING,
        "take_back_form": TakeBackForm() if _stuck(case, user) else None,
        "lead": user.has_role(*ACTS[Act.REFER].roles),
        "no_child_form": NoChildForm() if children.may_say_no(case) else None,
        "recuse_form": RecuseForm(),
        "ask_form": AskForm(),
        "decisions": case.decisions.select_related("decider").order_by("-pk"),
        "alike": case_file.alike(case),
        "lines": case_file.lines(case),
    }
    return render(request, "review/case.html", context, status=status)


def _stuck(case: Case, user: User) -> bool:
    """Whether a lead reads it while somebody else has it, and so may put it back into the queue."""
    return user.has_role(Role.LEAD_REVIEWER) and case.state in Case.IN_HANDS and case.assigned_to_id != user.pk


def look(case: Case, user: User, step: str) -> dict[str, Any]:
    """What both who decides and who looks again see of a case: nothing of what was decided. Constant queries."""
    return {
        "case": case,
        "asset": case.asset,
        "refusal": _refusal(case, user),
        "seal": seal_of(case, user, step),
        "notices": _notices(case),
        "exemptions": _exemptions(case),
        "flags": case.flags.order_by("pk"),
        "clocks": case.clocks.order_by("due_at"),
        "next_clock": clocks.next_due(case.clocks.filter(purpose=Clock.Purpose.DECIDE)),
        "views": case.media_views.select_related("reviewer").order_by("-pk")[:20],
        "people": people_shown(case.asset, names=False) if case.asset else [],
        "runs": runs_of(user, case.asset.pk) if case.asset else [],
        "kept_off": case.asset is not None and bases.is_kept_off(case.asset),
        "audits": learning.audits_of(case),
    }


def _notices(case: Case) -> list[tuple[Notice, dict[str, str] | None]]:
    """Each with its words, None once they were erased; never with the name of who filed (R25)."""
    rows = list(case.notices.select_related("filer", "flagger").prefetch_related("attachments").order_by("pk"))
    known = vault.keys_of(bytes(row.sealed_text) for row in rows)
    return [(row, people.unseal(row.filer.actor, row.sealed_text, notices.TEXT, known)) for row in rows]


def _exemptions(case: Case) -> list[tuple[str, bool]]:
    """What may speak against a restriction, and whether a filer says so: weighed on every decision (R36)."""
    claimed = statements.exemptions_of(case)
    return [(str(label), value in claimed) for value, label in Exemption.choices]


def _refusal(case: Case, user: User) -> str:
    """Who has the case may finish it, also when paused or after enough for today."""
    ask = authority.may_decide if case.assigned_to_id == user.pk else authority.may_review
    try:
        ask(case, user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


def rule_choices(case: Case) -> list[tuple[str, list[tuple[str, str]]]]:
    """What may be cited: what matched the case first, the rest by instrument."""
    citable = decisions.citable(case)
    matched = set(case.clocks.values_list("rule_id", flat=True))
    first = [rule for rule in citable if rule.id in matched]
    # What our terms say of procedure (how long a bundle is kept, who decides an appeal) is no reason for an outcome.
    reasons = [rule for rule in citable if not rule.is_terms or rule.start_event == "none"]
    rest = sorted((rule for rule in reasons if rule.id not in matched), key=lambda rule: rule.instrument)
    groups = [("What this case matched", _choices(first))] if first else []
    return groups + [(name, _choices(group)) for name, group in groupby(rest, key=lambda rule: rule.instrument)]


def _choices(group: Iterable[Rule]) -> list[tuple[str, str]]:
    return [(rule.id, f"{rule.instrument}, {rule.article} · {rule.id} · {rule.legal_status}") for rule in group]


# --- In whose hands ------------------------------------------------------------------------------------------------


@reviewing
@require_POST
def take(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    case = cases.case_for(user, pk)
    try:
        cases.assign(case, user)
    except (Conflict, Forbidden) as problem:
        messages.error(request, f"{problem.detail} {problem.next_step}".strip())
        return redirect("review_case", case.pk)
    messages.success(request, "This case is yours now.")
    return redirect("review_case", case.pk)


@reviewing
@require_POST
def put_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    user = signed_in(request)
    cases.release(cases.case_for(user, pk), user)
    messages.success(request, "The case is back in the queue.")
    return redirect("review")


@reviewing
@require_POST
def take_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """A lead puts a case back into the queue that its reviewer does not go on with."""
    user, form = signed_in(request), TakeBackForm(request.POST)
    if form.is_valid():
        cases.take_back(cases.case_for(user, pk), user, form.cleaned_data["why"])
        messages.success(request, "The case is back in the queue.")
    else:
        messages.error(request, "Say in a few words why. Nothing was changed.")
    return redirect("review_case", pk)


@reviewing
@require_POST
def no_child(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Who was trained for children says that none is concerned: the case is one like others again."""
    user, form = signed_in(request), NoChildForm(request.POST)
    if form.is_valid():
        children.no_child(cases.case_for(user, pk), user, form.cleaned_data["why"])
        messages.success(request, "No child is concerned: the case is in the general queue, and in exports, again.")
    else:
        messages.error(request, "Say in a few words how you know. Nothing was changed.")
    return redirect("review_case", pk)


@reviewing
@require_POST
def recuse(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """“I should not review this”: no reason is needed and nothing is counted."""
    user = signed_in(request)
    cases.recuse(cases.case_for(user, pk), user, request.POST.get("why", ""))
    messages.success(request, "Somebody else will look at this case. It does not come to you again.")
    return redirect("review")


@reviewing
@require_POST
def ask(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask a filer for what is missing; the case waits for the answer."""
    user = signed_in(request)
    said = review_drafts.about(request.POST, request.POST.get("notice", ""))
    case, form = cases.case_for(user, pk), AskForm(said)
    notice = case.notices.filter(pk=form.cleaned_data["notice"]).first() if form.is_valid() else None
    if notice is None:
        messages.error(request, "Choose what to ask for. Nothing was asked.")
        return review_drafts.back(request, case.pk)
    try:
        asking.ask(case, user, notice, form.cleaned_data["fields_asked"])
    except Problem as problem:
        messages.error(request, f"{problem.detail} {problem.next_step}".strip())
    else:
        messages.success(request, "Asked. The case waits for the answer, or until the time to answer is over.")
    return review_drafts.back(request, case.pk)


# --- Deciding ------------------------------------------------------------------------------------------------------


@reviewing
@never_cache
@require_POST
def decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """First the statement of reasons as the people concerned will read it; `confirm` then decides."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    form = DecisionForm(request.POST, rules=rule_choices(case))
    if not form.is_valid() or "edit" in request.POST:
        return _page(request, case, form, status=200 if form.is_valid() else 422)
    try:
        if "confirm" not in request.POST:
            return _preview(request, case, form)
        decision = decisions.decide(case, user, **form.asked())
    except Problem as problem:
        case = cases.case_for(user, pk)
        form = _sent_again(request, case) if problem.code == "case.changed" else form
        onto(form, problem)
        return _page(request, case, form, status=problem.status)
    messages.success(request, _said(decision))
    return redirect("review_case" if decision.state == Decision.State.HELD else "decision", _where(decision))


def _sent_again(request: HttpRequest, case: Case) -> DecisionForm:
    """What was written, for the case as it is now: the page that comes back shows what is new."""
    data = request.POST.copy()
    data["version"] = str(case.version)
    form = DecisionForm(data, rules=rule_choices(case))
    form.is_valid()
    return form


def _said(decision: Decision) -> str:
    if decision.state == Decision.State.HELD:
        return "Proposed. Nothing happens until a second person agrees."
    if decision.interim:
        return "Done until the case is decided. Everybody concerned can read why, and may appeal."
    return "Decided. Everybody concerned can read why, and may appeal."


def _where(decision: Decision) -> uuid.UUID:
    return decision.case_id if decision.state == Decision.State.HELD else decision.pk


def _preview(request: HttpRequest, case: Case, form: DecisionForm) -> HttpResponse:
    """The statements as the verb will write them, from a decision that is not saved."""
    asked = {name: value for name, value in form.asked().items() if name != "version"}
    draft = decisions.draft(case, signed_in(request), **asked)
    context = {
        "case": case,
        "form": form,
        "previews": statements.preview(draft),
        "second": approvals.reasons(draft),
    }
    return render(request, "review/preview.html", context)
