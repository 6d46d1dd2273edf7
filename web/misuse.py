"""What a lead reviewer does about misuse (DSA 23), and what a reviewer does with one notice: reads its documents, finds
it manifestly unfounded.
"""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import role_required, signed_in
from core.problems import NotFound, Problem
from policy.authority import ACTS, Act
from policy.desk import case_documents, cases
from policy.filing import flaggers, misuse, notice_ends
from policy.models import Attachment, Misuse, TrustedFlagger
from web import review_drafts
from web.forms_notices import UnfoundedForm
from web.notices import download

VERBS = {"warn": misuse.warn, "suspend": misuse.suspend, "end": misuse.end}
DONE = {
    "warn": "Warned. They read the reasons on their page.",
    "suspend": "Suspended, for as long as the office’s terms say.",
    "end": "Ended.",
}


@role_required(*ACTS[Act.JUDGE_MISUSE].roles)
@never_cache
@require_safe
def misuse_page(request: HttpRequest) -> HttpResponse:
    """Who reaches the count of the office's terms, and trusted flaggers with what became of their notices."""
    rows = Misuse.objects.select_related("user", "person").order_by("-pk")
    page = Paginator(rows, 25).get_page(request.GET.get("page"))
    told = [(row, misuse.reasons(row)) for row in page]
    designated = TrustedFlagger.objects.select_related("organisation").order_by("pk")[:100]
    context = {
        "page": page,
        "rows": told,
        "threshold": misuse.threshold(),
        "flaggers": flaggers.with_quality(designated),
    }
    return render(request, "notices/misuse.html", context)


@role_required(*ACTS[Act.JUDGE_MISUSE].roles)
@require_POST
def misuse_act(request: HttpRequest, pk: uuid.UUID, verb: str) -> HttpResponse:
    row = Misuse.objects.select_related("entry", "user", "person").filter(pk=pk).first()
    if row is None or verb not in VERBS:
        raise NotFound("observation")
    try:
        VERBS[verb](row, signed_in(request))
    except Problem as problem:
        messages.error(request, f"{problem.detail} {problem.next_step}".strip())
    else:
        messages.success(request, DONE[verb])
    return redirect("misuse")


@role_required(*ACTS[Act.REVIEW].roles)
@require_POST
def notice_unfounded(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Of one notice of a case, by the reviewer who has it."""
    user = signed_in(request)
    said = review_drafts.about(request.POST, request.POST.get("notice", ""))
    case, form = cases.case_for(user, pk), UnfoundedForm(said)
    if not form.is_valid():
        messages.error(request, "Choose the notice, and why it is manifestly unfounded.")
        return review_drafts.back(request, pk)
    notice = case.notices.select_related("case", "filer", "account", "entry").filter(pk=form.cleaned_data["notice"])
    found = notice.first()
    if found is None:
        raise NotFound("notice in this case")
    try:
        notice_ends.unfounded(found, user, form.cleaned_data["why"])
    except Problem as problem:
        messages.error(request, f"{problem.detail} {problem.next_step}".strip())
    else:
        messages.success(request, "Said, and told to the filer, who may contest it. The case is still to be decided.")
    return review_drafts.back(request, pk)


@role_required(*ACTS[Act.REVIEW].roles)
@never_cache
@require_POST
def case_document(request: HttpRequest, pk: uuid.UUID, document: uuid.UUID) -> HttpResponse:
    """A document of the case, as a download, for a reason that is logged."""
    user = signed_in(request)
    case = cases.case_for(user, pk)
    rows = Attachment.objects.select_related("notice", "entry")
    row = rows.filter(pk=document).first()
    if row is None:
        raise NotFound("document in this case")
    return download(row, case_documents.read(row, case, user, request.POST.get("reason", "")))
