"""Number and PIN of what was filed in this browser, for half an hour: kept by the browser alone.

Its cookie holds a seed that PIN and key of the notice follow from (`policy.filing.notice_pins`); this office keeps the
hash of the PIN and the digest of the key, so that nobody who reads its tables, or a copy of them, finds either out.
"""

import datetime as dt
import hashlib
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.clock import now
from policy.filing import notice_pins
from policy.models import Notice

SHOWN_FOR: Final = dt.timedelta(minutes=30)
_COOKIE: Final = "filed_"
_MOST: Final = 20  # notices of one browser in half an hour
_ABOUT_THE_PAGE: Final = ("csrfmiddlewaretoken", "step", "once")


def seed_of(request: HttpRequest, once: str) -> str:
    """64 hex digits of what the form was sent with and all that it says: the same words sent again from the same page
    are the same notice; other words another.
    """
    said = sorted((name, texts) for name, texts in request.POST.lists() if name not in _ABOUT_THE_PAGE)
    return hashlib.sha256(repr((once, request.path, said)).encode()).hexdigest()


def remember(response: HttpResponse, notice: Notice, seed: str) -> HttpResponse:
    """Let this browser show number and PIN for the half hour."""
    response.set_cookie(
        _COOKIE + notice.number,
        seed,
        max_age=SHOWN_FOR,
        path=reverse("report_done"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def forget(response: HttpResponse, number: str) -> HttpResponse:
    if number:
        response.delete_cookie(_COOKIE + number, path=reverse("report_done"), samesite="Lax")
    return response


def filed_here(request: HttpRequest) -> dict[str, str]:
    """{number: PIN} of what this browser filed within the half hour, the last first; of an account's only while that
    account is signed in.
    """
    seeds = [seed for name, seed in request.COOKIES.items() if name.startswith(_COOKIE)][-_MOST:]
    pins = {notice_pins.key_of(seed): notice_pins.pin_of(seed) for seed in seeds}
    rows = Notice.objects.filter(client_key__in=pins, created_at__gt=now() - SHOWN_FOR).order_by("-created_at")
    own = (row for row in rows if row.account_id in (None, request.user.pk))
    return {row.number: pins[row.client_key] for row in own}
