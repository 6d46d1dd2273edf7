"""The register of notices, for who keeps it: rows withheld, words redacted, links for researchers given and ended."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import role_required, signed_in
from core.clock import now
from core.problems import NotFound, Problem
from policy import authority
from policy.models import RegisterEntry, ResearchAccess
from policy.transparency import redaction, register, research
from web.forms_process import onto
from web.forms_public import GrantForm, RedactForm, WithholdForm, WordsForm
from web.public_register import told

keeping = role_required(*authority.ACTS[authority.Act.KEEP_REGISTER].roles)
redacting = role_required(*authority.ACTS[authority.Act.REDACT_REGISTER].roles)
SHOWN = 25
LINKS = 100


@keeping
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """Rows and links; after a POST the new link, this one time."""
    form, secret = GrantForm(request.POST or None), ""
    if request.method == "POST" and form.is_valid():
        try:
            _access, secret = research.grant(signed_in(request), **form.cleaned_data)
            form = GrantForm()
        except Problem as problem:
            onto(form, problem)
    page = Paginator(register.rows(), SHOWN).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "secret": secret,
        "links": [_link(access) for access in ResearchAccess.objects.order_by("-created_at")[:LINKS]],
        "page": page,
        "rows": [{**told(row), "redacted": bool(row.redacted_text)} for row in page],
    }
    return render(request, "register/desk.html", context, status=422 if form.errors else 200)


def _link(access: ResearchAccess) -> dict[str, Any]:
    return {"row": access, "works": access.revoked_at is None and access.expires_at > now()}


@keeping
@never_cache
@require_POST
def revoke(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    access = ResearchAccess.objects.filter(pk=pk).first()
    if access is None:
        raise NotFound("link")
    research.revoke(access, signed_in(request))
    messages.success(request, _("The link stopped working at once."))
    return redirect("register_desk")


@keeping
@never_cache
@require_safe
def row_page(request: HttpRequest, number: str) -> HttpResponse:
    return _page(request, register.entry_for(number))


@keeping
@never_cache
@require_POST
def withhold(request: HttpRequest, number: str) -> HttpResponse:
    """`do=publish` tells it again; otherwise it is withheld, for a reason of the list."""
    row, by = register.entry_for(number), signed_in(request)
    if request.POST.get("do") == "publish":
        register.publish_again(row, by)
        messages.success(request, _("The public reads this row again."))
        return redirect("register_row", number)
    form = WithholdForm(request.POST)
    if not form.is_valid():
        return _page(request, row, 422, withhold=form)
    register.withhold(row, by, form.cleaned_data["why"])
    messages.success(request, _("Withheld: the public reads its number and its quarter."))
    return redirect("register_row", number)


@redacting
@never_cache
@require_POST
def words(request: HttpRequest, number: str) -> HttpResponse:
    """Opens what was written, for a reason; each look is recorded."""
    row, form = register.entry_for(number), WordsForm(request.POST)
    if not form.is_valid():
        return _page(request, row, 422, words=form)
    reason = form.cleaned_data["reason"]
    text = redaction.words_of(row, signed_in(request), reason)
    begun = row.redacted_text or redaction.proposed(row, text)
    return _page(request, row, text=text, redact=RedactForm(initial={"reason": reason, "text": begun}))


@redacting
@never_cache
@require_POST
def redact(request: HttpRequest, number: str) -> HttpResponse:
    row, by, form = register.entry_for(number), signed_in(request), RedactForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            redaction.redact(row, by, said["text"], no_names=said["no_names"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, _("Kept.") if said["text"] else _("Researchers read no words of this notice."))
            return redirect("register_row", number)
    text = redaction.words_of(row, by, form.data.get("reason", ""))
    return _page(request, row, 422, text=text, redact=form)


def _page(request: HttpRequest, row: RegisterEntry, status: int = 200, **shown: Any) -> HttpResponse:
    context = {
        "row": row,
        "told": told(row),
        "why": register.Why(row.withheld_because).label if row.withheld_because else "",
        "child": register.is_childs(row.notice),
        "may_redact": signed_in(request).has_role(*authority.ACTS[authority.Act.REDACT_REGISTER].roles),
        "withhold": WithholdForm(),
        "words": WordsForm(),
        **shown,
    }
    return render(request, "register/row.html", context, status=status)
