"""Out-of-court bodies (DSA 21): who records what they do, sees decided appeals and nothing sealed."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import role_required, signed_in
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.models import Appeal, OutOfCourt
from policy.redress import appeals, out_of_court
from web.forms_appeals import DisputeForm, DisputeOutcomeForm
from web.forms_process import onto

recorders = role_required(*ACTS[Act.RECORD_OUT_OF_COURT].roles)
PAGE = 25
_OPEN = (Appeal.State.DECIDED, Appeal.State.OUT_OF_COURT)


@recorders
@never_cache
@require_safe
def disputes(request: HttpRequest) -> HttpResponse:
    """Decided appeals that are not final yet, and every dispute before a body."""
    rows = appeals.with_relations(Appeal.objects.filter(state__in=_OPEN)).select_related("out_of_court")
    rows = rows.exclude(decision__case__minor=True).order_by("-state", "decided_at")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    closed = out_of_court.disputes().filter(state=OutOfCourt.State.CLOSED)
    closed = closed.exclude(appeal__decision__case__minor=True)[:PAGE]
    return render(request, "appeals/outside.html", {"page": page, "closed": closed})


@recorders
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def dispute(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One decided appeal: record that a body looks at it, then what it said."""
    appeal = appeals.with_relations(Appeal.objects.filter(pk=pk, decided_at__isnull=False)).first()
    if appeal is None:
        raise NotFound("decided appeal")
    out_of_court.may_record(appeal, signed_in(request))
    row = OutOfCourt.objects.select_related("appeal__decision__case", "entry").filter(appeal=appeal).first()
    if row is not None and "more" in request.POST:
        out_of_court.extend_dispute(row, signed_in(request))
        messages.success(request, "Recorded.")
        return redirect("out_of_court", pk)
    form = _form(row, request)
    if form is not None and request.method == "POST" and _recorded(request, appeal, row, form):
        return redirect("out_of_court", pk)
    context = {"appeal": appeal, "dispute": row, "form": form, "clocks": appeal.clocks.order_by("due_at")}
    failed = form is not None and bool(form.errors)
    return render(request, "appeals/dispute.html", context, status=422 if failed else 200)


def _form(row: OutOfCourt | None, request: HttpRequest) -> DisputeForm | DisputeOutcomeForm | None:
    data = request.POST if request.method == "POST" else None
    if row is None:
        return DisputeForm(data)
    return DisputeOutcomeForm(data, request.FILES) if row.state == OutOfCourt.State.OPEN else None


def _recorded(
    request: HttpRequest, appeal: Appeal, row: OutOfCourt | None, form: DisputeForm | DisputeOutcomeForm
) -> bool:
    if not form.is_valid():
        return False
    try:
        if row is None:
            out_of_court.open_dispute(appeal, signed_in(request), **form.cleaned_data)
        else:
            out_of_court.close_dispute(row, signed_in(request), **form.cleaned_data)
    except Problem as problem:
        onto(form, problem)
        return False
    messages.success(request, "Recorded.")
    return True
