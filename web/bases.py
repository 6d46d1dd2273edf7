"""Public pages about why people are looked at: the recorded bases, and the texts that people agree to."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from detection import registry
from policy.consents import bases
from policy.consents.consent_wording import languages, wording
from policy.models import ProcessingBasis, Purpose

MOST = 200


@login_not_required
@require_safe
def public_list(request: HttpRequest) -> HttpResponse:
    """For every work, by purpose; of single works how many, since a basis about one work says who is shown there."""
    rows = ProcessingBasis.objects.filter(asset=None).order_by("-created_at")[:MOST]
    today = set(bases.in_force_anywhere().filter(asset=None).values_list("pk", flat=True))
    context: dict[str, Any] = {
        "rows": [{"row": row, "holds": row.pk in today} for row in rows],
        "single": bases.in_force_anywhere().exclude(asset=None).count(),
        "detectors": [info for info in registry.all_detectors() if info.biometric],
    }
    return render(request, "consent/bases.html", context)


@login_not_required
@require_safe
def notice(request: HttpRequest, version: str, language: str) -> HttpResponse:
    """The text of the consent notice that receipts name: whole, and unchanged since."""
    shown = wording(version, language)
    purposes = [(str(Purpose(value).label), shown.purpose(value)) for value in Purpose.values]
    context = {"shown": shown, "words": shown.words, "purposes": purposes, "languages": languages()}
    return render(request, "consent/notice.html", context)
