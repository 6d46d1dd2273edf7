"""The link in the mail of who filed without an account: one button says that the address is theirs."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from policy.filing import address_proof
from web.privacy import limit, open_private


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Looking at the page proves nothing: mail programs open links by themselves."""
    if request.method != "POST":
        return render(request, "notices/address.html", {"notice": address_proof.notice_of(token)})
    limit(request, "pin")
    address_proof.prove(token)
    messages.success(request, "Thank you. The notice counts as filed from this address.")
    return redirect("notice")
