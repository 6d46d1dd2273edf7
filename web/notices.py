"""Reports from anybody: the form, the case number and PIN, and the page where the filer follows what happens."""

import datetime as dt
import re
import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from core import storage
from core.clock import now
from core.http import one_file
from core.problems import NotFound, Problem
from policy import appeals, notices
from policy.models import Clock, Notice
from provenance.models import Asset
from provenance.verification import verify_file
from web.appeals import window
from web.forms_process import CompleteForm, GroundsForm, PinForm, ReportForm, onto
from web.privacy import limit, open_private

# How long a browser that gave the right PIN may see the notice without giving it again.
OPEN_FOR = dt.timedelta(minutes=30)
_ASKED = ("category", "jurisdiction", "statement", "name", "email", "good_faith", "exemptions")
_OPEN, _FILED = "open_notices", "filed_notice"
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


# --- Reporting -----------------------------------------------------------------------------------------------------


@open_private
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: HttpRequest) -> HttpResponse:
    """The form; a filed notice leads to its case number and PIN, shown once."""
    if request.method != "POST":
        said = request.GET.get("asset", "")
        context = {"form": ReportForm(initial={"asset": said}), "subject": _named(request, said)}
        return render(request, "notices/report.html", context)
    limit(request, "notices")
    form = ReportForm(request.POST, request.FILES)
    near: list[Asset] = []
    if form.is_valid():
        try:
            where, near = _find(request, form)
            if not near:
                return _file(request, form, where)
        except Problem as problem:
            onto(form, problem)
    return render(request, "notices/report.html", {"form": form, "near": near}, status=200 if near else 422)


def _find(request: HttpRequest, form: ReportForm) -> tuple[dict[str, Any], list[Asset]]:
    """What is reported, as arguments of the verb; or the registered works the person must choose among."""
    said, visible = form.cleaned_data["asset"].strip(), Asset.objects.visible_to(_user(request))
    if said or "file" not in request.FILES:
        asset = _named(request, said)
        return ({"asset": asset} if asset else {"url_or_text": said}), []
    with storage.receive(one_file(request.FILES).chunks()) as scratch:
        report = verify_file(scratch.path, scratch.sha256, viewer=_user(request))
    if report.exact is not None:
        return {"asset": report.exact, "file_sha256": scratch.sha256}, []
    near = list(visible.filter(pk__in=[match.asset_id for match in report.matches])[:6])
    return {"file_sha256": scratch.sha256}, near


def _named(request: HttpRequest, said: str) -> Asset | None:
    """The work whose number or address this is, if the viewer may know of it."""
    found = _ID.search(said)
    return Asset.objects.visible_to(_user(request)).filter(pk=uuid.UUID(found[0])).first() if found else None


def _file(request: HttpRequest, form: ReportForm, where: dict[str, Any]) -> HttpResponse:
    data = form.cleaned_data
    notice, pin = notices.file_notice(
        **where,
        **{key: data[key] for key in _ASKED},
        as_depicted=data["shown"] == "yes",
        by=_user(request),
    )
    request.session[_FILED] = [notice.number, pin]
    _open(request, notice)
    return redirect("report_done")


def _user(request: HttpRequest) -> User | None:
    return None if isinstance(request.user, AnonymousUser) else request.user


@open_private
@require_safe
def report_done(request: HttpRequest) -> HttpResponse:
    """Number and PIN: taken out of the session as they are shown, so they are shown once."""
    number, pin = request.session.pop(_FILED, (None, None))
    if number is None:
        return redirect("notice")
    notice = Notice.objects.get(number=number)
    return render(request, "notices/done.html", {"notice": notice, "pin": pin, "clocks": _clocks(notice)})


# --- Following it --------------------------------------------------------------------------------------------------


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
    return render(request, "notices/enter.html", {"form": form}, status=422 if form.errors else 200)


def notice_by_pin(request: HttpRequest, form: PinForm) -> Notice:
    """The notice, open for this browser from now on. Raises Problem for a wrong pair, and 429 for too many tries."""
    limit(request, "pin")
    notice = notices.notice_by_pin(form.cleaned_data["number"], form.cleaned_data["pin"])
    _open(request, notice)
    return notice


def _open(request: HttpRequest, notice: Notice) -> None:
    until = (now() + OPEN_FOR).timestamp()
    request.session[_OPEN] = {**request.session.get(_OPEN, {}), notice.number: until}


def opened(request: HttpRequest, number: str) -> Notice:
    """The notice whose PIN this browser gave within the half hour. Raises NotFound, whatever the reason."""
    if request.session.get(_OPEN, {}).get(number, 0) < now().timestamp():
        raise NotFound("open notice")
    return Notice.objects.select_related("case", "asset", "filer").get(number=number)


def last_opened(request: HttpRequest) -> list[str]:
    """Numbers of the notices this browser may see now."""
    return [number for number, until in request.session.get(_OPEN, {}).items() if until > now().timestamp()]


@open_private
@require_safe
def status(request: HttpRequest, number: str) -> HttpResponse:
    return _status(request, _opened_or_enter(request, number), GroundsForm(), CompleteForm())


def _opened_or_enter(request: HttpRequest, number: str) -> Notice:
    try:
        return opened(request, number)
    except NotFound as closed:
        closed.next_step = "Open “Status of a notice” and give your case number and PIN again."
        raise


def _status(
    request: HttpRequest, notice: Notice, grounds: GroundsForm, complete: CompleteForm, code: int = 200
) -> HttpResponse:
    statement = notice.statements.select_related("decision").order_by("-pk").first()
    context = {
        "notice": notice,
        "words": notices.contents(notice),
        "missing": _missing_words(notice),
        "clocks": _clocks(notice),
        "statement": statement,
        "appeal": notice.appeals.order_by("-pk").first(),
        "window": window(statement.decision, notice=notice) if statement else None,
        "form": grounds,
        "complete_form": complete,
        "events": _events(notice),
    }
    return render(request, "notices/status.html", context, status=code)


def _clocks(notice: Notice) -> QuerySet[Clock]:
    return notice.clocks.order_by("due_at")


def _missing_words(notice: Notice) -> list[str]:
    words = {"name": "your name", "email": "an e-mail address"}
    return [words.get(name, name) for name in notice.missing]


def _events(notice: Notice) -> list[dict[str, Any]]:
    """What happened, oldest first, in words for the filer. No name of a reviewer is among them."""
    events = [{"when": notice.created_at, "title": "We received your report", "tone": "ok"}]
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


@open_private
@require_POST
def notice_complete(request: HttpRequest, number: str) -> HttpResponse:
    """The filer adds what a law asks for and was missing."""
    notice, form = _opened_or_enter(request, number), CompleteForm(request.POST)
    if form.is_valid():
        try:
            notices.complete_notice(notice, **form.cleaned_data)
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Thank you. We added it to your report.")
            return redirect("notice_status", number)
    return _status(request, notice, GroundsForm(), form, 422)


@open_private
@require_POST
def notice_appeal(request: HttpRequest, number: str) -> HttpResponse:
    """The filer appeals a decision about their notice, also a “no action”."""
    notice, form = _opened_or_enter(request, number), GroundsForm(request.POST)
    statement = notice.statements.select_related("decision").order_by("-pk").first()
    if statement is None:
        raise NotFound("decision about this notice")
    if form.is_valid():
        try:
            appeals.file_appeal(statement.decision, notice=notice, grounds=form.cleaned_data["grounds"])
        except Problem as problem:
            onto(form, problem)
        else:
            messages.success(request, "Your appeal is filed. Somebody else than the first reviewer decides it.")
            return redirect("notice_status", number)
    return _status(request, notice, form, CompleteForm(), 422)


@open_private
@require_POST
def notice_close(request: HttpRequest, number: str) -> HttpResponse:
    """Forget in this browser that the PIN was given."""
    request.session[_OPEN] = {n: until for n, until in request.session.get(_OPEN, {}).items() if n != number}
    return redirect("notice")
