"""A person's machine tokens: made here, shown once, revoked here."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from accounts.models import User
from accounts.tokens import create_token, revoke_token
from core.clock import now
from core.problems import Problem
from web.forms import TokenForm


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list and the form; after a POST the new secret, this one time."""
    user = signed_in(request)
    form = TokenForm(request.POST or None, user=user)
    secret = ""
    if request.method == "POST" and form.is_valid():
        try:
            _, secret = create_token(user, **form.values())
            form = TokenForm(user=user)
        except Problem as problem:
            form.add_error(None, problem.detail or problem.title)
    context = {"form": form, "secret": secret, "tokens": _listed(user)}
    return render(request, "web/tokens.html", context, status=422 if form.errors else 200)


@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    name = revoke_token(signed_in(request), request.POST.get("digest", ""))
    messages.success(request, _("“%(name)s” was revoked; it stopped working at once.") % {"name": name})
    return redirect("tokens")


def _listed(user: User) -> list[dict[str, object]]:
    here = now()
    return [
        {"row": row, "expired": row.expiry is not None and row.expiry <= here}
        for row in user.auth_token_set.order_by("-created")
    ]
