"""Coming back with number and PIN: the page where the filer follows what happens, adds, withdraws and contests."""

import datetime as dt
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.clock import now
from core.http import one_file
from core.problems import NotFound, Problem
from ledger import vault
from policy.filing import (
    attachments,
    counter_notices,
    court_actions,
    guided,
    misuse,
    notice_ends,
    notice_pins,
    notices,
)
from policy.models import Attachment, Clock, CounterNotice, Misuse, Notice
from provenance.models import Asset
from provenance.restriction import nameable
from web import appellants, filed
from web.forms_notices import ActionForm, CompleteForm, DocumentForm, details_in, sworn_in
from web.forms_process import GroundsForm, PinForm, onto
from web.privacy import limit, open_private

# How long a browser that gave the right PIN may see the notice without giving it again, since it last looked.
OPEN_FOR = dt.timedelta(minutes=30)
_OPEN: Final = "open_notices"
_AGAIN: Final = "again"


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def notice_entry(request: HttpRequest) -> HttpResponse:
    """Number and PIN open the status page."""
    form = PinForm(request.POST or None, initial={"number": request.GET.get("number", "")})
    if request.method == "POST" and form.is_valid():
        try:
            notice = notice_by_pin(request, form)
        except Problem as problem:
            onto(form, problem)
        else:
            return redirect("notice_status", notice.number)
    context = {"form": form, "open": last_opened(request)}
    return render(request, "notices/enter.html", context, status=422 if form.errors else 200)


def notice_by_pin(request: HttpRequest, form: PinForm) -> Notice:
    """The notice, open for this browser from now on. Raises Problem for a wrong pair, and 429 for too many tries."""
    limit(request, "pin")
    notice = notice_pins.notice_by_pin(form.cleaned_data["number"], form.cleaned_data["pin"])
    open_here(request, notice)
    return notice


def open_here(request: HttpRequest, notice: Notice) -> None:
    """This browser may see the notice for a while."""
    _keep_open(request, notice.number)


def _keep_open(request: HttpRequest, number: str) -> None:
    until = (now() + OPEN_FOR).timestamp()
    request.session[_OPEN] = {**request.session.get(_OPEN, {}), number: until}


def opened(request: HttpRequest, number: str) -> Notice:
    """The notice whose PIN this browser gave within the half hour. Raises NotFound, whatever the reason."""
    if request.session.get(_OPEN, {}).get(number, 0) < now().timestamp():
        raise NotFound("open notice")
    rows = Notice.objects.select_related("case__asset", "asset", "filer", "account", "flag", "entry", "flagger")
    return rows.get(number=number)


def last_opened(request: HttpRequest) -> list[str]:
    """Numbers of the notices this browser may see now."""
    return [number for number, until in request.session.get(_OPEN, {}).items() if until > now().timestamp()]


def behind_pin(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of the notice `number`, for the browser that gave its PIN and looked within the half hour. Any other one
    is asked for the PIN: with the right one it goes on, and nothing that was typed meanwhile is lost.
    """

    @wraps(view)
    def guarded(request: HttpRequest, number: str, *args: Any, **kwargs: Any) -> HttpResponse:
        if number in last_opened(request):
            _keep_open(request, number)
            return view(request, number, *args, **kwargs)
        form = _pin_again(request, number)
        if not form.is_bound or not _pin_is_right(request, form):
            return _ask_again(request, form)
        if f"{_AGAIN}-look" in request.POST:
            return redirect(request.path)
        return view(request, number, *args, **kwargs)

    return guarded


def _pin_again(request: HttpRequest, number: str) -> PinForm:
    given = {f"{_AGAIN}-number": number, f"{_AGAIN}-pin": request.POST.get(f"{_AGAIN}-pin", "")}
    form = PinForm(given if f"{_AGAIN}-pin" in request.POST else None, prefix=_AGAIN, initial={"number": number})
    form.fields["number"].widget = forms.HiddenInput()
    return form


def _pin_is_right(request: HttpRequest, form: PinForm) -> bool:
    if form.is_valid():
        try:
            notice_by_pin(request, form)
        except Problem as problem:
            onto(form, problem)
    return not form.errors


def _ask_again(request: HttpRequest, form: PinForm) -> HttpResponse:
    """404, whether there is such a notice or not: a number alone tells nothing."""
    own = ("csrfmiddlewaretoken", f"{_AGAIN}-pin", f"{_AGAIN}-number", f"{_AGAIN}-look")
    typed = [(name, text) for name, texts in request.POST.lists() if name not in own for text in texts]
    looks = request.method != "POST" or f"{_AGAIN}-look" in request.POST
    context = {"form": form, "carried": typed, "looks": looks, "look": f"{_AGAIN}-look", "file": bool(request.FILES)}
    return render(request, "notices/again.html", context, status=404)


# --- The page ------------------------------------------------------------------------------------------------------


@open_private
@behind_pin
@require_safe
def status(request: HttpRequest, number: str) -> HttpResponse:
    return _status(request, opened(request, number))


def _status(request: HttpRequest, notice: Notice, code: int = 200, **forms_: forms.Form) -> HttpResponse:
    """forms_: one of the page's forms, to show again with its errors."""
    statement = notice.statements.select_related("decision__case").order_by("-pk").first()
    counter = counter_notices.answering(notice)
    context = {
        "notice": notice,
        "work": _work(request, notice),
        "words": _said(notice),
        "missing": [guided.words(ask) for ask in notice.missing],
        "hurry": guided.hurry(notice, notices.contents(notice)) if notice.missing else None,
        "clocks": _clocks(notice),
        "statement": statement,
        "events": _events(notice),
        "documents": _documents(notice),
        "counter": counter,
        "counter_words": counter_notices.shown_to_complainant(counter, notice) if counter else {},
        "counter_sworn": _texts(counter) if counter else [],
        "counter_known": counter_notices.is_known(notice),
        "counter_clocks": counter.clocks.filter(purpose=Clock.Purpose.RESTORE) if counter else [],
        "misuse": _misuse(notice),
        "over": notice.state not in (*Notice.WAITING, Notice.State.ANSWERED),
        "complete_form": CompleteForm(missing=notice.missing),
        "document_form": DocumentForm(),
        "contest_form": GroundsForm(),
        "action_form": ActionForm(),
        **forms_,
    }
    if statement:
        context |= appellants.summary(appellants.notice_door(notice, statement.decision), statement.decision)
    return render(request, "notices/status.html", context, status=code)


def _said(notice: Notice) -> list[tuple[str, str]]:
    """What the filer told us, question by question; nothing once they were erased."""
    words = notices.contents(notice)
    labels = {"statement": "What you wrote", "more": "What you added", "url_or_text": "Where"}
    labels |= {name: question.label for name, question in guided.QUESTIONS.items()}
    labels |= {"action_court": "Court", "action_reference": "Its file number"}
    return [(labels[name], words[name]) for name in labels if words.get(name)]


def _work(request: HttpRequest, notice: Notice) -> Asset | None:
    """The work, if it may be named to who reads this: a digest alone finds works that its filer may not know of."""
    return nameable(request.user).filter(notices=notice).first()


def _clocks(notice: Notice) -> QuerySet[Clock]:
    return notice.clocks.order_by("due_at")


def _texts(row: CounterNotice) -> list[str]:
    return [guided.sworn_text(each["statement"], each["version"]) for each in row.sworn]


def _documents(notice: Notice) -> list[dict[str, Any]]:
    rows = list(notice.attachments.order_by("pk"))
    known = vault.keys_of(bytes(row.sealed_name) for row in rows)
    return [{"row": row, "name": attachments.name_of(row, known)} for row in rows]


def _misuse(notice: Notice) -> dict[str, Any] | None:
    """A warning or suspension that this filer must read, with its reasons (DSA 23)."""
    row = misuse.standing(notice.account or notice.filer, Misuse.Kind.NOTICES)
    if row is None or row.state == Misuse.State.OBSERVED:
        return None
    return {"row": row, "reasons": misuse.reasons(row)}


def _events(notice: Notice) -> list[dict[str, Any]]:
    """What happened, oldest first, in words for the filer. No name of a reviewer is among them."""
    events = [{"when": notice.created_at, "title": "We received your notice", "tone": "ok"}]
    if notice.missing:
        events.append({"when": notice.created_at, "title": "Something is missing", "tone": "warn"})
    for statement in notice.statements.select_related("decision").order_by("pk"):
        title = f"A reviewer decided: {statement.decision.get_outcome_display().lower()}"
        events.append({"when": statement.created_at, "title": title, "tone": "info"})
    for appeal in notice.appeals.order_by("pk"):
        events.append({"when": appeal.created_at, "title": "You appealed", "tone": "info"})
        if appeal.decided_at:
            title = f"Somebody else decided the appeal: {appeal.get_outcome_display().lower()}"
            events.append({"when": appeal.decided_at, "title": title, "tone": "ok"})
    return sorted(events, key=lambda event: event["when"])


# --- What the filer does -------------------------------------------------------------------------------------------


def _tried(
    request: HttpRequest, number: str, name: str, form: forms.Form, verb: Callable[[], object], done: str
) -> HttpResponse:
    """Run the verb if the form is whole; else the page again, with the form and its errors under `name`."""
    if form.is_valid():
        try:
            limit(request, "notices", who=number)
            verb()
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, done)
            return redirect("notice_status", number)
    notice = opened(request, number)  # as it is, whatever the verb had begun
    return _status(request, notice, 422, **{name: form})


@open_private
@behind_pin
@require_POST
def notice_complete(request: HttpRequest, number: str) -> HttpResponse:
    """The filer adds what a law or a reviewer asks for and was missing."""
    notice = opened(request, number)
    form = CompleteForm(request.POST, missing=notice.missing)

    def add() -> None:
        data = form.cleaned_data
        more = {name: data.get(name, "") for name in ("name", "email", "more")}
        notices.complete_notice(notice, **more, details=details_in(data), sworn=sworn_in(data))

    return _tried(request, number, "complete_form", form, add, "Thank you. We added it to your notice.")


@open_private
@behind_pin
@require_POST
def notice_attach(request: HttpRequest, number: str) -> HttpResponse:
    notice, form = opened(request, number), DocumentForm(request.POST, request.FILES)

    def add() -> None:
        notices.attach(notice, one_file(request.FILES, "document"))

    return _tried(request, number, "document_form", form, add, "The document is with your notice.")


@open_private
@behind_pin
@require_safe
def notice_document(request: HttpRequest, number: str, pk: uuid.UUID) -> HttpResponse:
    """One's own document, as a download."""
    notice = opened(request, number)
    row = Attachment.objects.filter(pk=pk, notice=notice).first()
    if row is None:
        raise NotFound("document")
    return download(row, attachments.open_for(row))


def download(row: Attachment, data: bytes) -> HttpResponse:
    """The document, never shown inside a page of this office."""
    response = HttpResponse(data, content_type=row.media_type)
    response["Content-Disposition"] = content_disposition_header(True, attachments.name_of(row)) or "attachment"
    return response


@open_private
@behind_pin
@require_POST
def notice_withdraw(request: HttpRequest, number: str) -> HttpResponse:
    notice_ends.withdraw(opened(request, number))
    messages.success(request, "You took your notice back. A reviewer may still look at the work.")
    return redirect("notice_status", number)


@open_private
@behind_pin
@require_POST
def notice_contest(request: HttpRequest, number: str) -> HttpResponse:
    """The filer says that the notice is not unfounded."""
    notice, form = opened(request, number), GroundsForm(request.POST)

    def contest() -> None:
        notice_ends.contest(notice, form.cleaned_data["grounds"])

    return _tried(request, number, "contest_form", form, contest, "Thank you. It counts again, and a reviewer decides.")


@open_private
@behind_pin
@require_POST
def notice_action(request: HttpRequest, number: str) -> HttpResponse:
    """Who complained tells of an action in court, so that the work does not come back by itself (512(g)(2)(C))."""
    notice, form = opened(request, number), ActionForm(request.POST)
    counter = counter_notices.answering(notice)
    if counter is None:
        raise NotFound("counter-notice to this notice")

    def tell() -> None:
        assert counter is not None
        said = {name: form.cleaned_data[name] for name in ("court", "reference")}
        court_actions.tell_of_action(counter, notice, **said, sworn=sworn_in(form.cleaned_data))

    return _tried(request, number, "action_form", form, tell, "We have it on record. The work stays as it is.")


@open_private
@require_POST
def notice_close(request: HttpRequest, number: str) -> HttpResponse:
    """Forget in this browser that the PIN was given, and which it is."""
    request.session[_OPEN] = {n: until for n, until in request.session.get(_OPEN, {}).items() if n != number}
    return filed.forget(redirect("notice"), number)
