"""Pages about the office itself: its detectors, its refusals explained, its health, and what machines ask for."""

import re

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe

from core.health import checks
from core.problems import NotFound
from detection import cards, versions
from detection.registry import all_detectors, detector
from web.model_cards import as_html
from web.problem_pages import about

# Anybody may ask, as often as they like: what is costly to find out may be so old, in seconds.
_HEALTH_AGE = 30.0
_CODE = re.compile(r"[a-z0-9_]{1,40}(?:\.[a-z0-9_]{1,40})*", re.ASCII)


@login_not_required
@require_safe
def detectors(request: HttpRequest) -> HttpResponse:
    """Every installed detector in a few lines; each has a page with its card."""
    shipped = [info for info in all_detectors() if not info.experimental]
    experimental = [info for info in all_detectors() if info.experimental]
    return render(request, "web/detectors.html", {"shipped": shipped, "experimental": experimental})


@login_not_required
@require_safe
def detector_card(request: HttpRequest, name: str) -> HttpResponse:
    """What one detector measures, what it cannot, and how often it was wrong."""
    info, champion = detector(name), versions.champion(name)
    card = cards.markdown(versions.card_of(champion)) if champion else info.card
    return render(request, "web/detector.html", {"info": info, "champion": champion, "card": as_html(card)})


@login_not_required
@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What a problem's `type` names (RFC 9457 section 3.1.1): what the code means and what helps."""
    group = about(code) if _CODE.fullmatch(code) else None
    if group is None:
        raise NotFound("problem")
    return render(request, "web/problem_about.html", {"code": code, "group": group})


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when every check of `core.health` holds, else 503. Details: `manage.py doctor`."""
    results = checks(at_most=_HEALTH_AGE)
    well = all(result.ok for result in results)
    body = {"status": "ok" if well else "failing", "checks": {result.name: result.ok for result in results}}
    return JsonResponse(body, status=200 if well else 503)


@login_not_required
@require_safe
@cache_control(public=True, max_age=3600)
def robots(request: HttpRequest) -> HttpResponse:
    closed = (
        "account",
        "enter",
        "desk",
        "studio",
        "review",
        "appeals",
        "regulator",
        "consent",
        "notice",
        "my-data",
        "operations",
        "tokens",
        "verify",  # each report reads the file again
    )
    lines = ["User-agent: *", *(f"Disallow: /{path}/" for path in closed), "Allow: /"]
    if settings.DEMO:
        lines = ["User-agent: *", "Disallow: /"]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain")


@login_not_required
@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return redirect(static("web/mark.svg"))
