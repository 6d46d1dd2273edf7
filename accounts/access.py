"""Who may open which page. `LoginRequiredMiddleware` closes every page; this asks for a role on top."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_cache_control

from accounts.models import Role, User
from core.problems import Forbidden

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)


def signed_in(request: HttpRequest) -> User:
    """The person behind this request. Raises Forbidden when there is none (the page's URL was opened by mistake)."""
    if not isinstance(request.user, User) or not request.user.is_active:
        raise Forbidden("This page is for people who are signed in.", next_step="Sign in and open it again.")
    return request.user


def role_required(
    *roles: Role,
) -> Callable[[Callable[Concatenate[HttpRequest, P], R]], Callable[Concatenate[HttpRequest, P], R | HttpResponse]]:
    """A page for people with one of `roles`. Anonymous: to the login page. Others: 403 in plain words.

    What it answers is about one person, so no cache between may keep it.
    """
    names = " or ".join(role.label.lower() for role in roles)

    def decorate(
        view: Callable[Concatenate[HttpRequest, P], R],
    ) -> Callable[Concatenate[HttpRequest, P], R | HttpResponse]:
        @wraps(view)
        def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> R | HttpResponse:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not signed_in(request).has_role(*roles):
                raise Forbidden(
                    f"This page is for people with the role {names}.",
                    code="role.missing",
                    next_step="If you should have this role, ask the operator of the office.",
                )
            response = view(request, *args, **kwargs)
            patch_cache_control(response, private=True)
            return response

        return checked

    return decorate
