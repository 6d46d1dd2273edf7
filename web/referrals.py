"""What was handed to an authority about a case, written down by a lead reviewer."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import role_required, signed_in
from core.problems import Problem
from policy.audits import referrals
from policy.authority import ACTS, Act
from policy.desk import cases
from web.forms_regulator import ReferForm
from web.regulator import refused

leads = role_required(*ACTS[Act.REFER].roles)


@leads
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Those of the case, the newest first; POST records one."""
    case = cases.case_for(signed_in(request), pk)
    form = ReferForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = dict(form.cleaned_data)
        try:
            referrals.record(signed_in(request), case, authority_name=said.pop("authority"), **said)
        except Problem as problem:
            refused(form, problem)
        else:
            messages.success(request, _("Recorded."))
            return redirect("review_refer", case.pk)
    context = {"case": case, "rows": referrals.of(case), "form": form}
    return render(request, "regulator/refer.html", context, status=422 if form.errors else 200)
