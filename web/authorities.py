"""For everybody: which authorities may look here, how often they did, at what, and what was talked about with them."""

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from policy.audits import access_counts, consultations
from policy.law import rules
from policy.models import RegulatorAccount

PAGE = 50
_WORDS = {
    "entries": _("Pages of the log read"),
    "count": _("Queries counted"),
    "cases": _("Lists of cases read"),
    "case_file": _("Files of cases opened"),
    "export:requested": _("Bundles asked for"),
    "export:made": _("Bundles built"),
    "export:fetched": _("Bundles downloaded"),
}


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    months = access_counts.counted()
    context = {
        "months": [(month.name, [month.counts.get(kind, 0) for kind in _WORDS]) for month in months],
        "kinds": list(_WORDS.values()),
        "accounts": [(row, _places(row)) for row in access_counts.in_force()],
        "page": Paginator(consultations.published(), PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "regulator/public.html", context)


def _places(row: RegulatorAccount) -> list[str]:
    return [rules.JURISDICTIONS.get(code, code) for code in row.jurisdictions]
