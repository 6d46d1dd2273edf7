"""Where a viewer is, as far as the office's own proxy says so. Nothing is looked up and nothing is kept.

The proxy writes the country (ISO 3166-1 alpha-2, or with a subdivision: “US-IL”) into the header that
`ASSAY_COUNTRY_HEADER` names, and removes what a visitor wrote there. Without such a setting nobody's place is known.
An unknown place is not taken for a forbidden one: the work's page is shown with its media blurred until the viewer
asks for them, and says where it is not shown. Whoever is known to be in such a place does not get the media.
"""

import re
from collections.abc import Callable, Collection
from contextvars import ContextVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.countries import UNION

_CODE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
# Codes with which services that know no country say so (Cloudflare: XX, T1 for Tor).
_NOWHERE = frozenset({"XX", "T1", "ZZ"})
_here: ContextVar[frozenset[str]] = ContextVar("viewer_place", default=frozenset())


def here() -> frozenset[str]:
    """The place of whoever this request is answered for, and what it lies within; empty: not known."""
    return _here.get()


def read(code: str) -> frozenset[str]:
    """A country's or subdivision's code and the places it lies within; empty for what is none."""
    code = code.strip().upper()
    if not _CODE.fullmatch(code) or code in _NOWHERE:
        return frozenset()
    country = code[:2]
    return frozenset({code, country, "EU"} if country in UNION else {code, country})


def of(request: HttpRequest) -> frozenset[str]:
    """What the proxy's header says. Without a proxy a visitor could write it, so nothing is believed."""
    if not settings.BEHIND_PROXY or not settings.ASSAY_COUNTRY_HEADER:
        return frozenset()
    return read(request.headers.get(settings.ASSAY_COUNTRY_HEADER, ""))


class PlaceMiddleware:
    """Tells the rooms below, for the time of one request, where its viewer is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _here.set(of(request))
        try:
            return self.get_response(request)
        finally:
            _here.reset(token)


def is_among(hidden_in: Collection[str]) -> bool:
    """Whether the viewer is known to be in one of these places."""
    return not here().isdisjoint(hidden_in)


def may_be_among(hidden_in: Collection[str]) -> bool:
    """Whether the viewer is not known to be elsewhere: of a country hidden in one part only, anywhere in it."""
    if not hidden_in:
        return False
    if not here():
        return True
    known_part = any("-" in place for place in here())
    return not known_part and any(place[:2] in here() for place in hidden_in if "-" in place)
