"""What we hold about a person and what they may ask: by link, by case number and PIN, or by account."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from policy.consents import consent as consents
from policy.law import clocks
from policy.models import DataRequest, Person
from policy.rights import (
    breaches,
    data_answers,
    data_letters,
    data_requests,
    data_rights,
    people,
    personal_fields,
    retained,
    retention,
)
from policy.rights.data_requests import Kind
from policy.rights.holdings import Who
from provenance.models import Asset
from web import access_package, consent_doors
from web.forms_data import ContactForm, LookForm, SayForm
from web.forms_process import EraseForm, PinForm, onto
from web.notices import behind_pin, last_opened, notice_by_pin, opened
from web.privacy import limit, open_private

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
@behind_pin
@require_http_methods(["GET", "HEAD", "POST"])
def by_notice(request: HttpRequest, number: str) -> HttpResponse:
    return _rights(request, opened(request, number).filer, number)


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
@consent_doors.behind_pin
def by_consent(request: HttpRequest, token: str) -> HttpResponse:
    return _rights(request, consents.consent_by_token(token).depiction.person, "")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def by_account(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    return _rights(request, user, user.email)


@login_not_required
@require_safe
def register(request: HttpRequest) -> HttpResponse:
    """Which data this office holds about whom, why and for how long: the register itself, open to everybody (R16)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for name, field in personal_fields.PERSONAL.items():
        _, model, column = name.split(".")
        what = access_package.spaced(column.removeprefix("sealed_"))
        row = {"what": what, "field": field, "given": name in personal_fields.GIVEN}
        groups.setdefault(access_package.spaced(model), []).append(row)
    kept = [(line, retention.rules_of(line.event)) for line in retained.TABLE]
    context = {"groups": sorted(groups.items()), "kept": kept, "elsewhere": personal_fields.ELSEWHERE}
    return render(request, "data/register.html", context)


# --- One page for all three ways in --------------------------------------------------------------------------------


def _forms(who: Who) -> dict[str, Form]:
    """What can be asked, by the value of `do`; unbound."""
    name, contact = _called(who)
    return {
        "correct": ContactForm(initial={"name": name, "contact": contact}),
        Kind.RECTIFY: SayForm(label="What is wrong, and what is correct?", prefix="rectify"),
        Kind.OBJECT: SayForm(label="What do you object to, and why?", prefix="object"),
        Kind.HUMAN: LookForm(works=data_answers.works_of(who, told=True)),
        Kind.ERASE: EraseForm(),
    }


def _called(who: Who) -> tuple[str, str]:
    return (who.name, who.email) if isinstance(who, User) else people.name_and_contact(who)


def _rights(request: HttpRequest, who: Who, name: str) -> HttpResponse:
    """What is held and why, what was asked, and what can be; POST `do=…` asks for it."""
    if data_rights.is_erased(who):
        return render(request, "data/erased.html", {"name": name})
    forms = _forms(who)
    if request.method == "POST":
        limit(request, "notices", who=who.actor)
        done = _asked(request, who, request.POST.get("do", ""), forms)
        if done is not None:
            return done
    wrong = any(form.errors for form in forms.values())
    return render(request, "data/rights.html", _context(who, name, forms), status=422 if wrong else 200)


def _asked(request: HttpRequest, who: Who, do: str, forms: dict[str, Form]) -> HttpResponse | None:
    """None when what was typed cannot be used: the form then says why."""
    if do not in _ANSWERS:
        raise Problem("data.request", "No request was chosen", next_step="Go back and choose what you ask for.")
    form = forms.get(do)
    if form is not None:
        form = forms[do] = _bound(form, request, who)
        if not form.is_valid():
            return None
    try:
        return _ANSWERS[do](request, who, form.cleaned_data if form else {})
    except Problem as problem:
        if form is None or problem.status not in (400, 422):
            raise
        onto(form, problem)
        return None


def _bound(form: Form, request: HttpRequest, who: Who) -> Form:
    match form:
        case SayForm():
            return SayForm(request.POST, label=form.fields["text"].label, prefix=form.prefix)
        case LookForm():
            return LookForm(request.POST, works=data_answers.works_of(who, told=True))
    return type(form)(request.POST)


def _context(who: Who, name: str, forms: dict[str, Form]) -> dict[str, Any]:
    held = data_rights.what_we_hold(who)
    return {
        "name": name,
        "is_account": isinstance(who, User),
        "is_restricted": data_requests.is_restricted(who),
        "fields": [access_package.in_words(field) for field in held["fields"]],
        "log": held["log"],
        "requests": _told(who),
        "breaches": breaches.concerning(who),
        "complain": data_requests.COMPLAIN,
        "forms": forms,
    }


def _told(who: Who) -> list[dict[str, Any]]:
    """Their requests in words: state, due date, and why it takes longer if it does."""
    rows = data_requests.of(who).prefetch_related("clocks")[:50]
    return [{"request": row, "longer": _longer(row), "by_letter": _by_letter(row)} for row in rows]


def _by_letter(row: DataRequest) -> bool:
    """Whether somebody asked for it in their name and they can still say that it was not they."""
    return row.written_by_id is not None and row.state in DataRequest.OPEN


def _longer(row: DataRequest) -> str:
    reasons = [clock.extension["reason"] for clock in row.clocks.all() if clock.extension]
    return clocks.EXTENSIONS[reasons[0]] if reasons else ""


# --- What each button does -----------------------------------------------------------------------------------------


def _json(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    made, held = data_rights.access(who)
    return _file(
        access_package.as_json(access_package.access_json(made, held)), "application/json", "assay-my-data.json"
    )


def _package(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    return _file(access_package.access(who)[1], "application/zip", "assay-my-data.zip")


def _port(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    return _file(access_package.portable(who)[1], "application/json", "assay-portable.json")


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _correct(request: HttpRequest, who: Who, said: dict[str, Any]) -> HttpResponse:
    if not isinstance(who, Person):
        raise NotFound("request for an account")
    data_answers.correct_own(who, name=said["name"], contact=said["contact"])
    return _again(request, "Corrected.")


def _write_down(kind: str) -> Callable[[HttpRequest, Who, dict[str, Any]], HttpResponse]:
    def write(request: HttpRequest, who: Who, said: dict[str, Any]) -> HttpResponse:
        data_requests.ask(who, kind, text=said.get("text", ""))
        return _again(request, "Your request is recorded. You can follow it here.")

    return write


def _restrict(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    if isinstance(who, User):
        return _write_down(Kind.RESTRICT)(request, who, {})
    data_answers.restrict_own(who)
    return _again(request, "From now on it is stored and not used, but for what a law asks for.")


def _lift(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    data_answers.lift(who)
    return _again(request, "It may be used again.")


def _look(request: HttpRequest, who: Who, said: dict[str, Any]) -> HttpResponse:
    asset = Asset.objects.filter(pk=said["asset"]).first()
    if asset is None:
        raise NotFound("work")
    data_answers.look_again(who, asset)
    return _again(request, "A person will look at it again.")


def _erase(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    made = data_rights.erase(who)
    if isinstance(who, User):
        logout(request)
    request.session[_RECEIPT] = str(made.pk)
    if made.state == DataRequest.State.PARTLY_DONE:
        messages.info(request, "Recorded. A legal hold keeps a part for now; it is erased when the hold ends.")
    else:
        messages.success(request, "Erased. This is your receipt.")
    return redirect("my_data_receipt")


def _not_mine(request: HttpRequest, who: Who, _: dict[str, Any]) -> HttpResponse:
    data_letters.disown(who, request.POST.get("request", ""))
    return _again(request, "Stopped. Nothing is done that was asked for by letter.")


def _again(request: HttpRequest, words: str) -> HttpResponse:
    messages.success(request, words)
    return redirect(f"{request.path}#requests")


_ANSWERS: dict[str, Callable[[HttpRequest, Who, dict[str, Any]], HttpResponse]] = {
    Kind.ACCESS: _json,
    "package": _package,
    Kind.PORT: _port,
    "correct": _correct,
    Kind.RECTIFY: _write_down(Kind.RECTIFY),
    Kind.OBJECT: _write_down(Kind.OBJECT),
    Kind.RESTRICT: _restrict,
    "lift": _lift,
    Kind.HUMAN: _look,
    Kind.ERASE: _erase,
    "not_mine": _not_mine,
}


@open_private
@require_safe
def receipt(request: HttpRequest) -> HttpResponse:
    """The receipt of what this browser had erased. It names nobody, so it can be kept and shown."""
    made = DataRequest.objects.filter(pk=request.session.get(_RECEIPT, _NONE)).first()
    if made is None:
        return redirect("my_data")
    whole = data_rights.whole_receipt(made)
    text = json.dumps(whole, indent=2, ensure_ascii=False)
    return render(request, "data/receipt.html", {"request_row": made, "receipt": whole, "text": text})
