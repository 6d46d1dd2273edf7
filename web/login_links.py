"""The page behind a one-time login link: a button, so that link previews cannot use the link up."""

from allauth.account.utils import perform_login
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.links import look_up, use_login_link
from web.privacy import keep_private, limit


@login_not_required
@keep_private
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, secret: str) -> HttpResponse:
    """GET asks, POST signs in. A person with a second factor is still asked for it (allauth's login stages)."""
    if not request.user.is_authenticated:
        limit(request, "anon")
    if request.method != "POST":
        return render(request, "web/enter.html", {"person": look_up(secret)})
    user = use_login_link(secret)
    if request.user.is_authenticated:
        logout(request)
    user.backend = "allauth.account.auth_backends.AuthenticationBackend"
    # Whoever made the link vouched for the address.
    response: HttpResponse = perform_login(request, user, email_verification="none", redirect_url="/desk/")
    return response
