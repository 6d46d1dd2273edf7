"""Looking again without the first answer, and what came of it for leads (R31)."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.desk import cases, quality
from policy.models import Category, SecondReview
from web.forms_process import onto
from web.forms_review import SecondReviewForm
from web.review import look, rule_choices

reviewing = role_required(*ACTS[Act.REVIEW].roles)


@reviewing
@require_POST
def next_again(request: HttpRequest) -> HttpResponse:
    """The second look that waits longest, or the one already taken."""
    user = signed_in(request)
    for review in quality.waiting(user)[:25]:
        try:
            taken = quality.take(review, user)
        except Problem:
            continue  # somebody else took it a moment ago
        return redirect("review_again", taken.decision.case_id)
    messages.info(request, "No second look waits for you.")
    return redirect("review")


@reviewing
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def again(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The case as it was before it was decided: what the first reviewer said is not shown, nor what it changed."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    review = quality.in_hand(case, user)
    if review is None:
        raise NotFound("second look of yours")
    form = SecondReviewForm(request.POST or None, rules=rule_choices(case))
    if request.method == "POST" and form.is_valid():
        try:
            quality.answer(review, user, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Thank you. Your answer changes nothing in the case; it tells us if we agree.")
            return redirect("review")
    context = {**look(case, user, request.GET.get("step", "")), "form": form, "refusal": ""}
    return render(request, "review/again.html", context, status=422 if form.errors else 200)


@role_required(*ACTS[Act.SEE_QUALITY].roles)
@never_cache
@require_safe
def quality_page(request: HttpRequest) -> HttpResponse:
    """Agreement by category and language, and where reviewers differ. Nobody is counted by name."""
    user = signed_in(request)
    rows = [(Category(one.category).label if one.category else "", one) for one in quality.agreement()]
    waiting = SecondReview.objects.filter(done_at=None).count()
    context = {"rows": rows, "differ": quality.disagreements(user)[:50], "waiting": waiting}
    return render(request, "review/quality.html", context)
