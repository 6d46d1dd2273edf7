"""What we hold about a person, to see, to take along and to erase: by link, by case number and PIN, or by account."""

import json
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.models import User
from core.problems import Problem
from policy import consent as consents
from policy import data_rights
from policy.holdings import Who
from policy.models import DataRequest
from web.forms_process import EraseForm, PinForm, onto
from web.notices import last_opened, notice_by_pin, opened
from web.privacy import open_private

_RECEIPT, _NONE = "erasure_receipt", uuid.UUID(int=0)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def my_data(request: HttpRequest) -> HttpResponse:
    """The ways in: an account, a case number and PIN, or the link of a consent request."""
    form = PinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            notice = notice_by_pin(request, form)
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("my_data_notice", notice.number)
    context = {"form": form, "open": last_opened(request)}
    return render(request, "data/ways.html", context, status=422 if form.errors else 200)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def by_notice(request: HttpRequest, number: str) -> HttpResponse:
    return _rights(request, opened(request, number).filer, number)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def by_consent(request: HttpRequest, token: str) -> HttpResponse:
    return _rights(request, consents.consent_by_token(token).depiction.person, "")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def by_account(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    return _rights(request, user, user.email)


def _rights(request: HttpRequest, who: Who, name: str) -> HttpResponse:
    """One page for all three: what is held and why; POST `do=access` downloads it, `do=erase` erases it."""
    if data_rights.is_erased(who):
        return render(request, "data/erased.html", {"name": name})
    form = EraseForm()
    if request.method == "POST":
        answer = {"access": _access, "erase": _erase}.get(request.POST.get("do", ""))
        if answer is None:
            raise Problem("data.request", "No request was chosen", detail="Ask for your data or for its erasure.")
        form = EraseForm(request.POST)
        done = answer(request, who, form)
        if done is not None:
            return done
    held = data_rights.what_we_hold(who)
    context = {
        "name": name,
        "is_account": isinstance(who, User),
        "fields": [_field(field) for field in held["fields"]],
        "log": held["log"],
        "form": form,
    }
    return render(request, "data/rights.html", context, status=422 if form.errors else 200)


def _access(request: HttpRequest, who: Who, form: EraseForm) -> HttpResponse:
    """The access package: JSON, for people and machines; the request and its answer are recorded."""
    made, held = data_rights.access(who)
    body = {"format": "assay-access/1", "request": str(made.pk), "made_at": made.created_at.isoformat(), **held}
    text = json.dumps(body, indent=2, ensure_ascii=False, default=str)
    response = HttpResponse(text, content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="assay-my-data.json"'
    return response


def _erase(request: HttpRequest, who: Who, form: EraseForm) -> HttpResponse | None:
    """None when the word was not typed."""
    if not form.is_valid():
        return None
    made = data_rights.erase(who)
    if isinstance(who, User):
        logout(request)
    request.session[_RECEIPT] = str(made.pk)
    if made.state == DataRequest.State.PARTLY_DONE:
        messages.info(request, "Recorded. A legal hold keeps a part for now; it is erased when the hold ends.")
    else:
        messages.success(request, "Erased. This is your receipt.")
    return redirect("my_data_receipt")


@open_private
@require_safe
def receipt(request: HttpRequest) -> HttpResponse:
    """The receipt of what this browser had erased. It names nobody, so it can be kept and shown."""
    made = DataRequest.objects.filter(pk=request.session.get(_RECEIPT, _NONE)).first()
    if made is None:
        return redirect("my_data")
    text = json.dumps(made.receipt, indent=2, ensure_ascii=False)
    return render(request, "data/receipt.html", {"request_row": made, "receipt": made.receipt, "text": text})


# --- In words ------------------------------------------------------------------------------------------------------


def _field(held: dict[str, Any]) -> dict[str, Any]:
    """A registered field with its name in words and its values as lines of text."""
    _, model, column = str(held["field"]).split(".")
    lines = [line for value in held["values"] for line in _lines(value)]
    return {**held, "name": f"{_words(model)}: {_words(column.removeprefix('sealed_'))}", "lines": lines}


def _words(name: str) -> str:
    """`StatementOfReasons` as “statement of reasons”."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{_words(key)}: {text}" for key, text in value.items() if text]
    return [str(value)]
