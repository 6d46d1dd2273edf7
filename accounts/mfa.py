"""Whoever sees other people's data or decides about it proves who they are with a second factor."""

from collections.abc import Callable

from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import resolve
from django.urls.exceptions import Resolver404
from django.utils.translation import gettext as _

from accounts.models import SECOND_FACTOR_ROLES, User
from core.http import problem_response, wants_json
from core.problems import Forbidden

# What a person needs in order to set a second factor up: the pages that do it, proving a password, leaving.
OPEN_NAMES = frozenset({"account_logout", "account_reauthenticate", "account_email", "account_confirm_email"})
OPEN_PREFIX = "mfa_"


def lacks_second_factor(user: object) -> bool:
    """Whether this person must set up a second factor before anything else. Never in demo mode."""
    if settings.DEMO or not isinstance(user, User) or not user.has_role(*SECOND_FACTOR_ROLES):
        return False
    return not is_mfa_enabled(user)


class RequireSecondFactorMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated or _is_open(request) or not lacks_second_factor(request.user):
            return self.get_response(request)
        if wants_json(request):
            problem = Forbidden(
                "Your role needs a second factor, and your account has none yet.",
                code="auth.second_factor",
                next_step="Sign in in the browser and set one up under “Sign-in and security”.",
            )
            return problem_response(request, problem)
        messages.warning(request, _("Your role needs a second factor. Set one up here to go on."))
        return redirect("mfa_index")


def _is_open(request: HttpRequest) -> bool:
    try:
        name = resolve(request.path_info).url_name or ""
    except Resolver404:
        return True  # a 404 tells nothing
    return name in OPEN_NAMES or name.startswith(OPEN_PREFIX)
