"""Manners of pages that hold a person's secret: not cached, not indexed, not named to other sites, not guessed fast."""

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from core.problems import Problem

View = Callable[..., HttpResponseBase]


def keep_private(view: View) -> View:
    """For pages behind a link or a PIN.

    `same-origin`, not `no-referrer`: no other site learns the address either way, and under `no-referrer` browsers
    send `Origin: null` with the page's own forms (Fetch standard, “append a request Origin header”), which the CSRF
    protection refuses.
    """

    @wraps(view)
    def kept(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "same-origin"
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return never_cache(kept)


def open_private(view: View) -> View:
    """Open without account, and kept private."""
    return login_not_required(keep_private(view))


# What the session keeps of doors opened with a PIN, in `web.notices` and `web.consent_doors`.
_DOORS: Final = ("open_notices", "open_people")


def close_doors(request: HttpRequest, **_: object) -> None:
    """Somebody signs in: what was opened with a PIN in this browser, on a shared telephone perhaps, is closed."""
    for door in _DOORS:
        request.session.pop(door, None)


class _Guesses(SimpleRateThrottle):
    """The API's own rate for the scope, counted for one address (or any other `who`)."""

    def __init__(self, scope: str, who: str) -> None:
        self.scope, self.who = scope, who
        super().__init__()

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"throttle_{self.scope}_{self.who or self.get_ident(request)}"


def limit(request: HttpRequest, scope: str, who: str = "") -> None:
    """Count one try of `scope` (a rate of REST_FRAMEWORK) for `who`, else the caller's address. Raises Problem 429."""
    throttle = _Guesses(scope, who)
    if throttle.allow_request(Request(request), APIView()):
        return
    wait = int(throttle.wait() or 60) // 60 + 1
    raise Problem(
        "request.throttled",
        "Too many tries",
        status=429,
        detail="This was tried too often in the last hour.",
        next_step=f"Wait about {wait} minute{'s' if wait > 1 else ''}, then try again.",
    )
