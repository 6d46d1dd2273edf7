"""The office's side of requests about personal data: what waits, by due date; taking, carrying out, refusing one."""

import re
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access import role_required, signed_in
from accounts.models import User
from core.problems import NotFound, Problem
from ledger import vault
from policy.authority import ACTS, Act
from policy.consents import consent as consents
from policy.consents import consent_pins
from policy.models import DataRequest, Notice, Person
from policy.rights import data_answers, data_letters, data_requests, data_rights, people
from policy.rights.data_requests import Kind, State
from policy.rights.holdings import Who
from web import access_package
from web.forms_data import CorrectForm, ExtendForm, ProvedForm, ReceiveForm, RefuseForm
from web.forms_process import EraseForm, onto
from web.forms_review import TakeBackForm

operators = role_required(*ACTS[Act.ANSWER_DATA_REQUEST].roles)
PAGE = 50
MOST_SHOWN = 500
_LINK = re.compile(r"/consent/([^/\s]+)")
_WORK = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@operators
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def desk(request: HttpRequest) -> HttpResponse:
    """Open requests, what is due first first; POST writes down one that came by letter."""
    form = ReceiveForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = _receive(signed_in(request), form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("data_request", made.pk)
    page = Paginator(data_requests.for_desk(), PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form}
    return render(request, "data/desk.html", context, status=422 if form.errors else 200)


def _receive(by: User, said: dict[str, Any]) -> DataRequest:
    return data_letters.receive(by, _who(said["whose"].strip()), said["kind"], text=said["text"])


def _who(whose: str) -> Who:
    """Whom a case number, an account's address, the link of a consent, or a work and a name mean. Raises NotFound."""
    if link := _LINK.search(whose):
        return consents.consent_by_token(link[1]).depiction.person
    notice = Notice.objects.filter(number=whose.upper()).select_related("filer").first()
    account = User.objects.filter(email__iexact=whose, is_active=True).first()
    who = notice.filer if notice else account or _shown(whose)
    if who is None:
        raise NotFound("case number, account, link, or person shown")
    return who


def _shown(whose: str) -> Person | None:
    """Of a work's address, or its id, and a name: the one person of that name who is said to be shown there."""
    work = _WORK.search(whose)
    if work is None:
        return None
    name = " ".join(whose[work.end() :].strip("/ ,").split()).casefold()
    shown = Person.objects.filter(depictions__asset=uuid.UUID(work[0]), erased_at=None).distinct()[:MOST_SHOWN]
    known = vault.keys_of(bytes(one.sealed_contact) for one in shown)
    named = [one for one in shown if " ".join(people.name_and_contact(one, known)[0].split()).casefold() == name]
    return named[0] if len(named) == 1 and name else None


@operators
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def request_page(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One request; POST `do=…` takes, proves, extends, refuses or carries it out."""
    row = _find(pk)
    forms = _forms(row)
    if request.method == "POST":
        done = _do(request, row, forms)
        if done is not None:
            return done
    by = signed_in(request)
    mine = row.state == State.PLANNED and row.handled_by_id == by.pk
    context = {
        "row": row,
        "forms": forms,
        "mine": mine,
        "shown_proof": row.proved_by_id == by.pk,
        "stuck": "take_back" in forms and not mine and by.has_role(*ACTS[Act.TAKE_BACK].roles),
        # What was asked is read by who has taken it, which is on record (I20).
        "text": data_requests.text_of(row) if mine else "",
        "plan": data_rights.plan(data_requests.who_asks(row)) if mine and row.kind == Kind.ERASE else row.plan,
        "clocks": row.clocks.order_by("due_at"),
        "how": _HOW.get(Kind(row.kind), ""),
        "pin": mine and row.kind == Kind.ACCESS and row.person is not None and _may_have_pin(row.person),
    }
    wrong = any(form.errors for form in forms.values())
    return render(request, "data/request.html", context, status=422 if wrong else 200)


def _may_have_pin(person: Person) -> bool:
    asked = consent_pins.question_of(person)
    return asked is not None and bool(consent_pins.address_of(asked))


def _find(pk: uuid.UUID) -> DataRequest:
    row = DataRequest.objects.select_related("person", "user", "handled_by").filter(pk=pk).first()
    if row is None:
        raise NotFound("request")
    return row


def _forms(row: DataRequest) -> dict[str, Form]:
    """By the value of `do`; unbound."""
    forms: dict[str, Form] = {"extend": ExtendForm(), "refuse": RefuseForm(), "proved": ProvedForm()}
    if data_requests.in_hand(row):
        forms["take_back"] = TakeBackForm()
    if row.kind == Kind.RECTIFY:
        forms["carry_out"] = CorrectForm(works=data_answers.works_of(data_requests.who_asks(row)))
    if row.kind == Kind.ERASE:
        forms["carry_out"] = EraseForm()
    return forms


def _do(request: HttpRequest, row: DataRequest, forms: dict[str, Form]) -> HttpResponse | None:
    """None when what was typed cannot be used."""
    do = request.POST.get("do", "")
    if do not in _VERBS:
        raise Problem("data.request", "Nothing was chosen", next_step="Go back and choose what to do with it.")
    form = forms.get(do)
    if isinstance(form, CorrectForm):
        form = forms[do] = CorrectForm(request.POST, works=data_answers.works_of(data_requests.who_asks(row)))
    elif form is not None:
        form = forms[do] = type(form)(request.POST)
    if form is not None and not form.is_valid():
        return None
    try:
        answer = _VERBS[do](row, signed_in(request), form)
    except Problem as problem:
        if form is None or problem.status != 400:
            raise
        onto(form, problem)
        return None
    messages.success(request, "Recorded.")
    return answer or redirect("data_request", row.pk)


def _extend(row: DataRequest, by: User, form: Any) -> None:
    data_requests.extend(row, by, form.cleaned_data["reason"])


def _refuse(row: DataRequest, by: User, form: Any) -> None:
    data_requests.refuse(row, by, form.cleaned_data["ground"])


def _take_back(row: DataRequest, by: User, form: Any) -> None:
    data_requests.take_back(row, by, form.cleaned_data["why"] if form else "")


def _carry_out(row: DataRequest, by: User, form: Any) -> HttpResponse | None:
    match row.kind:
        case Kind.RECTIFY:
            said = form.cleaned_data
            data_answers.correct(row, by, name=said["name"], contact=said["contact"], titles=form.titles())
        case Kind.RESTRICT:
            data_answers.restrict(row, by)
        case Kind.OBJECT:
            data_answers.uphold(row, by)
        case Kind.ERASE:
            data_rights.carry_out(row, by)
        case Kind.ACCESS | Kind.PORT:
            return _hand_out(row, by)
        case Kind.HUMAN:
            data_answers.look_at_all(row, by)
    return None


def _hand_out(row: DataRequest, by: User) -> HttpResponse:
    """The package, once, for the letter that answers a letter."""
    content = access_package.hand_out(row, by)
    response = HttpResponse(content, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="assay-data-request.zip"'
    return response


_VERBS: dict[str, Callable[[DataRequest, User, Any], HttpResponse | None]] = {
    "take": lambda row, by, form: data_requests.take(row, by),
    "proved": lambda row, by, form: data_letters.proved(row, by, form.cleaned_data["how"]),
    "take_back": _take_back,
    "extend": _extend,
    "refuse": _refuse,
    "carry_out": _carry_out,
    "pin": lambda row, by, form: consent_pins.instead(row, by, consent_pins.new_pin()),
}
# What the button does, in words.
_HOW = {
    Kind.ACCESS: "Download the package to send to them",
    Kind.PORT: "Download the package to send to them",
    Kind.ERASE: "Erase for ever",
    Kind.RECTIFY: "Correct it",
    Kind.RESTRICT: "Store it only",
    Kind.OBJECT: "Uphold the objection",
    Kind.HUMAN: "Open a case for a reviewer",
}
