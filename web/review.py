"""The review desk: what to look at next, the case, the sealed media, the decision."""

import datetime as dt
import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import role_required, signed_in
from accounts.models import REVIEWERS, User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from detection.models import Run
from detection.shown import runs_of
from policy import cases, clocks, decisions, learning, notices, rules, statements
from policy.models import Case, Category, Clock, Decision, Exemption, MediaView
from policy.outcomes import OUTCOMES
from web.consent import people_shown
from web.forms_process import DecisionForm, ReasonForm, onto
from web.pictures import picture, veil

reviewers = role_required(*REVIEWERS)
# A reason given to look holds for one sitting, not for ever.
LOOK_FOR = dt.timedelta(hours=1)


# --- The queue -----------------------------------------------------------------------------------------------------


@reviewers
@never_cache
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """Undecided cases in the order they should be worked; `?show=mine|decided`, `?category=`."""
    user, show, category = signed_in(request), request.GET.get("show", ""), request.GET.get("category", "")
    context: dict[str, Any] = {"show": show, "category": category, "categories": Category.choices}
    if show == "decided":
        decided = cases.visible_to(user).exclude(state__in=Case.UNDECIDED).select_related("asset")
        context["page"] = Paginator(_of(decided, category).order_by("-pk"), 25).get_page(request.GET.get("page"))
        return render(request, "review/queue.html", context)
    waiting = cases.queue(user)
    mine = [row for row in waiting if row.case.assigned_to_id == user.pk]
    rows = [row for row in (mine if show == "mine" else waiting) if category in ("", row.case.category)]
    context["page"] = Paginator(rows, 25).get_page(request.GET.get("page"))
    return render(request, "review/queue.html", context | {"count": len(waiting), "count_mine": len(mine)})


def _of(rows: QuerySet[Case], category: str) -> QuerySet[Case]:
    return rows.filter(category=category) if category else rows


@reviewers
@require_POST
def next_case(request: HttpRequest) -> HttpResponse:
    """Take the first case nobody has, or go on with one's own; of two who press at once each gets a different one.

    `after`: the case the button stands on, which therefore is not the next one.
    """
    user, here = signed_in(request), request.POST.get("after", "")
    for row in cases.queue(user):
        if str(row.case.pk) == here:
            continue
        if row.case.assigned_to_id == user.pk:
            return redirect("review_case", row.case.pk)
        try:
            cases.assign(row.case, user)
        except Conflict:
            continue
        return redirect("review_case", row.case.pk)
    messages.info(request, "Nothing waits for you.")
    return redirect("review")


# --- The case ------------------------------------------------------------------------------------------------------


@reviewers
@never_cache
@require_safe
def case_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    case = cases.case_for(signed_in(request), pk)
    return _page(request, case, DecisionForm(rules=_rule_choices(case)))


def _page(request: HttpRequest, case: Case, form: DecisionForm, status: int = 200) -> HttpResponse:
    user = signed_in(request)
    context = {
        "case": case,
        "asset": case.asset,
        "form": form,
        "refusal": _refusal(case, user),
        "mine": case.assigned_to_id == user.pk and case.state == Case.State.IN_REVIEW,
        "seal": _seal(request, case, user),
        "reason_form": ReasonForm(),
        "notices": [(notice, notices.contents(notice)) for notice in case.notices.order_by("pk")],
        "exemptions": _exemptions(case),
        "flags": case.flags.order_by("pk"),
        "clocks": case.clocks.order_by("due_at"),
        "next_clock": clocks.next_due(case.clocks.filter(purpose=Clock.Purpose.DECIDE)),
        "views": case.media_views.select_related("reviewer").order_by("-pk")[:20],
        "decisions": case.decisions.select_related("decider").order_by("-pk"),
        "similar": _similar(case),
        "people": people_shown(case.asset, names=False) if case.asset else [],
        "runs": _runs(case, user),
        "audits": learning.audits_of(case),
    }
    return render(request, "review/case.html", context, status=status)


def _exemptions(case: Case) -> list[tuple[str, bool]]:
    """What may speak against a restriction, and whether a filer says so: weighed on every decision (R36)."""
    claimed = statements.exemptions_of(case)
    return [(str(label), value in claimed) for value, label in Exemption.choices]


def _refusal(case: Case, user: User) -> str:
    try:
        cases.may_review(case, user)
    except Forbidden as refusal:
        return refusal.detail
    return ""


def _runs(case: Case, user: User) -> list[Run]:
    return runs_of(user, case.asset.pk) if case.asset else []


def _similar(case: Case) -> QuerySet[Decision]:
    """What was decided lately about the same kind of issue: same facts, same outcome, whoever decides (R31)."""
    others = Decision.objects.exclude(case=case).filter(case__category=case.category)
    return others.select_related("case").order_by("-pk")[:5]


def _rule_choices(case: Case) -> list[tuple[str, str]]:
    """Rules of the places this case touches, in force when it was opened, and our own terms."""
    places = {"*", *case.jurisdictions}
    citable = [rule for rule in rules.citable(case.created_at.date()) if rule.jurisdiction in places]
    return [(rule.id, f"{rule.instrument}, {rule.article} · {rule.id} · {rules.LEGAL_STATUS}") for rule in citable]


@reviewers
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


@reviewers
@require_POST
def put_back(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """“I should not review this”: no reason is asked and nothing is counted."""
    user = signed_in(request)
    cases.release(cases.case_for(user, pk), user)
    messages.success(request, "The case is back in the queue for somebody else. You need not say why.")
    return redirect("review")


# --- Sealed media --------------------------------------------------------------------------------------------------


def _seal(request: HttpRequest, case: Case, user: User) -> str:
    """`closed` until this person gave a reason within the hour; then `soft` (blurred, grey) or `open`."""
    if not _gave_reason(case, user):
        return "closed"
    return "open" if request.GET.get("seal") == "open" else "soft"


def _gave_reason(case: Case, user: User) -> bool:
    return MediaView.objects.filter(case=case, reviewer=user, created_at__gt=now() - LOOK_FOR).exists()


@reviewers
@require_POST
def unseal(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Log the reason, then show the media softened; the next step (clear) is one more press on the same page."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say in a few words why you need to see it. The picture stays sealed until then.")
        return redirect("review_case", case.pk)
    try:
        cases.view_media(case, user, form.cleaned_data["reason"])
    except Problem as problem:
        messages.error(request, problem.detail)
    return redirect("review_case", case.pk)


@reviewers
@require_safe
def media(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The picture: a few pixels of it until a reason was logged. `?clip` is the file itself, for video and sound."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    cases.may_see(case, user)
    if case.asset is None:
        raise Problem("media.none", "No file here", status=404, detail="This case is about a work we do not hold.")
    if not _gave_reason(case, user):
        return veil(case.asset)
    itself = ("signed", "original")  # a file of which no copy could be signed is there as it was sent
    return picture(case.asset, *(itself if "clip" in request.GET else ("preview", *itself)))


# --- Deciding ------------------------------------------------------------------------------------------------------


@reviewers
@never_cache
@require_POST
def decide(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """First the statement of reasons as the people concerned will read it; `confirm` then decides."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    form = DecisionForm(request.POST, rules=_rule_choices(case))
    if not form.is_valid() or "edit" in request.POST:
        return _page(request, case, form, status=200 if form.is_valid() else 422)
    try:
        if "confirm" not in request.POST:
            return _preview(request, case, form)
        decision = decisions.decide(case, user, **_asked(form))
    except Problem as problem:
        onto(form, problem)
        return _page(request, cases.case_for(user, pk), form, status=problem.status)
    messages.success(request, "Decided. Everybody concerned can read why, and may appeal.")
    return redirect("decision", decision.pk)


def _asked(form: DecisionForm) -> dict[str, Any]:
    return {key: form.cleaned_data[key] for key in ("outcome", "ground", "rule_ids", "facts_text", "explanation")}


def _preview(request: HttpRequest, case: Case, form: DecisionForm) -> HttpResponse:
    """The statements as the verb will write them, from a decision that is not saved."""
    draft = decisions.draft(case, signed_in(request), **_asked(form))
    recipients = OUTCOMES[draft.outcome].notify()
    previews = [(role.label, statements.prose(statements.structure(draft, role, None))) for role in recipients]
    return render(request, "review/preview.html", {"case": case, "form": form, "previews": previews})
