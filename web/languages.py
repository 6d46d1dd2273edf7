"""In which languages the learning pages and the frame around them can be read, and how a page is drawn in one.

The rest of the office is in English. So the language is in the address, never in a cookie: a page says the same to
everybody who is sent its link, and nobody lands in half a translation.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header
from django.views.decorators.http import require_safe

from core.problems import NotFound
from policy.deciding.statement_prose import DEFAULT

NAMES: Final = {"en": "English", "de": "Deutsch"}

View = Callable[Concatenate[HttpRequest, str, ...], HttpResponse]


def preferred(request: HttpRequest) -> str:
    """The first language that the browser asks for and that we have; English if it asks for none of them."""
    asked = parse_accept_lang_header(request.headers.get("Accept-Language", ""))
    found = (code.partition("-")[0] for code, _ in asked)
    return next((language for language in found if language in NAMES), DEFAULT)


def spoken(view: View) -> View:
    """A view whose first argument from the address is the language: the page and its frame are drawn in it."""

    @wraps(view)
    def in_it(request: HttpRequest, language: str, *args: Any, **more: Any) -> HttpResponse:
        if language not in NAMES:
            raise NotFound("page")
        with translation.override(language):
            response = view(request, language, *args, **more)
        response.headers["Content-Language"] = language
        return response

    return in_it


def to_preferred(name: str) -> Callable[[HttpRequest], HttpResponse]:
    """A view that leads to the address `name` in the language the browser asks for."""

    @login_not_required
    @require_safe
    def lead(request: HttpRequest) -> HttpResponse:
        response = redirect(reverse(name, args=[preferred(request)]))
        patch_vary_headers(response, ["Accept-Language"])
        return response

    return lead


def switch(name: str, current: str, *args: Any) -> list[dict[str, object]]:
    """For the language switch: each language with the same page's address in it."""
    return [
        {"code": code, "words": words, "current": code == current, "path": reverse(name, args=[code, *args])}
        for code, words in NAMES.items()
    ]
