"""Legal holds: what is kept although its erasure may be asked for, why, and when somebody looks at it again."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import role_required, signed_in
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.models import Hold
from policy.rights import holds
from web.forms_data import HoldForm, ReviewForm
from web.forms_process import onto

keepers = role_required(*ACTS[Act.PLACE_HOLD].roles)


@keepers
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """Those in force, the next to be reviewed first; POST places one."""
    form = HoldForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            holds.place_hold(signed_in(request), **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "The hold is in force.")
            return redirect("holds")
    return _page(request, form, 422 if form.errors else 200)


@keepers
@never_cache
@require_POST
def change(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """`do=release` ends a hold; otherwise it was reviewed and is still needed, until another day."""
    hold, by = Hold.objects.filter(pk=pk).first(), signed_in(request)
    if hold is None:
        raise NotFound("hold")
    if request.POST.get("do") == "release":
        holds.release_hold(hold, by)
        messages.success(request, "Released. What waited for it is erased now, unless another hold keeps it.")
        return redirect("holds")
    form = ReviewForm(request.POST, auto_id=_ids(hold))
    if not form.is_valid():
        return _page(request, HoldForm(), 422, {hold.pk: form})
    holds.review_hold(hold, by, review_date=form.cleaned_data["review_date"])
    messages.success(request, "Reviewed.")
    return redirect("holds")


def _page(
    request: HttpRequest, form: HoldForm, status: int, reviewed: dict[uuid.UUID, ReviewForm] | None = None
) -> HttpResponse:
    reviewed = reviewed or {}
    rows = [
        {
            "hold": hold,
            "subject": holds.subject_of(hold),
            "overdue": holds.overdue(hold),
            "form": reviewed.get(hold.pk) or ReviewForm(auto_id=_ids(hold)),
        }
        for hold in holds.in_force()[:500]
    ]
    return render(request, "data/holds.html", {"rows": rows, "form": form}, status=status)


def _ids(hold: Hold) -> str:
    """Of the fields of its own form: the page has one for each hold."""
    return f"id_{hold.pk}_%s"
