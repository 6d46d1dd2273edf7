"""A decision as the people concerned come to it: by account, by number and PIN, by the link of a consent.

Whichever door they use, they read the statement, appeal, follow the dialogue, answer, and take the appeal back.
"""

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.files.base import File
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from accounts.models import User
from core.http import one_file
from core.problems import Conflict, Forbidden, NotFound, Problem
from policy.filing import attachments
from policy.models import Appeal, Attachment, Clock, Decision, Notice, OutOfCourt, Person
from policy.redress import appeal_dialogue, appeal_thread, appeals
from policy.redress.appeals import Who
from web.forms_appeals import AnswerForm, AppealForm
from web.forms_process import onto
from web.privacy import limit


@dataclass(frozen=True)
class Door:
    """page: the address of the page, ending with “/”; appeals are beneath it."""

    who: Who
    page: str


def account_door(user: User, decision: Decision) -> Door:
    return Door({"user": user}, reverse("decision", args=[decision.pk]))


def notice_door(notice: Notice, decision: Decision) -> Door:
    return Door({"notice": notice}, reverse("notice_decision", args=[notice.number, decision.pk]))


def link_door(token: str, person: Person, decision: Decision) -> Door:
    return Door({"person": person}, reverse("consent_decision", args=[token, decision.pk]))


@dataclass(frozen=True)
class Window:
    """Whether somebody may appeal: until when, or why not."""

    open: bool
    until: dt.datetime | None = None
    rule_id: str = ""
    status: str = ""
    why: str = ""


def window(decision: Decision, who: Who) -> Window:
    try:
        clock = appeals.may_appeal(decision, **who)
    except (Forbidden, Conflict) as refusal:
        return Window(False, why=refusal.detail)
    return Window(True, clock.due_at, clock.rule_id, clock.legal_status)


def summary(door: Door, decision: Decision) -> dict[str, Any]:
    """The context of `appeals/_door.html`: that there is an appeal, or until when there can be one."""
    appeal = decision.appeals.filter(**door.who).first()
    return {"door": door, "appeal": appeal, "window": None if appeal else window(decision, door.who)}


def side(
    door: Door, decision: Decision, *, appeal_form: AppealForm | None = None, answer_form: AnswerForm | None = None
) -> dict[str, Any]:
    """The context of `appeals/_mine.html`: this person's side of the decision."""
    told = summary(door, decision)
    appeal: Appeal | None = told["appeal"]
    earlier = Appeal.objects.filter(**door.who, decision__case=decision.case).exclude(decision=decision)
    return {
        **told,
        "thread": appeal_thread.thread(appeal) if appeal else [],
        "grounds": appeals.grounds_of(appeal) if appeal else "",
        "appeal_clocks": _clocks(appeal) if appeal else [],
        "undecided": appeal is not None and appeal.state in Appeal.UNDECIDED,
        "dispute": OutOfCourt.objects.filter(appeal=appeal).first() if appeal else None,
        "earlier_appeals": earlier.exclude(outcome="").select_related("decision").order_by("-pk"),
        "appeal_form": appeal_form or AppealForm(),
        "answer_form": answer_form or AnswerForm(),
    }


def _clocks(appeal: Appeal) -> QuerySet[Clock]:
    return appeal.clocks.filter(state__in=Clock.ALIVE).order_by("due_at")


def decisions_of(person: Person) -> QuerySet[Decision]:
    """The decisions that the person shown got a statement about, newest first."""
    return Decision.objects.filter(statements__person=person).distinct().order_by("-pk")


# --- What they do --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """What came of a form: done, or the forms to show again with their errors."""

    done: bool
    appeal_form: AppealForm | None = None
    answer_form: AnswerForm | None = None


def act(request: HttpRequest, door: Door, decision: Decision, what: str) -> Tried:
    """One of “file”, “answer”, “withdraw”, from its form. Raises NotFound for anything else, 429 for too many."""
    ((_, party),) = door.who.items()
    limit(request, "notices", who=f"appeal:{party.pk}")
    if what == "file":
        return _file(request, door, decision)
    appeal = decision.appeals.filter(**door.who).first()
    if appeal is None or what not in ("answer", "withdraw"):
        raise NotFound("appeal of yours")
    appeal = appeals.appeal_for(appeal.pk, **door.who)
    return _answer(request, appeal) if what == "answer" else _withdraw(request, appeal)


def _file(request: HttpRequest, door: Door, decision: Decision) -> Tried:
    form = AppealForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            grounds = form.cleaned_data["grounds"]
            appeals.file_appeal(decision, **door.who, grounds=grounds, files=_documents(request))
        except Problem as problem:
            _onto(form, problem)
        else:
            messages.success(request, "Your appeal is filed. Somebody who did not take this decision will look at it.")
            return Tried(True)
    return Tried(False, appeal_form=form)


def _answer(request: HttpRequest, appeal: Appeal) -> Tried:
    form = AnswerForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            appeal_dialogue.answer(appeal, form.cleaned_data["text"], _documents(request))
        except Problem as problem:
            _onto(form, problem)
        else:
            messages.success(request, "Sent. Who hears your appeal reads it.")
            return Tried(True)
    return Tried(False, answer_form=form)


def _withdraw(request: HttpRequest, appeal: Appeal) -> Tried:
    appeals.withdraw(appeal)
    messages.success(request, "You took your appeal back. The decision stands.")
    return Tried(True)


def _documents(request: HttpRequest) -> "list[File[bytes]]":
    return [one_file(request.FILES, "document")] if "document" in request.FILES else []


def _onto(form: AppealForm | AnswerForm, problem: Problem) -> None:
    """A refused document is said beside its field."""
    if problem.code.startswith("attachment."):
        form.add_error("document", f"{problem.detail} {problem.next_step}".strip())
    else:
        onto(form, problem)


def document(appeal: Appeal | None, pk: uuid.UUID) -> HttpResponse:
    """A document of one's own appeal, as a download. Raises NotFound."""
    row = document_in(appeal, pk)
    return as_download(row, attachments.open_for(row))


def document_in(appeal: Appeal | None, pk: uuid.UUID) -> Attachment:
    """A document of the appeal's thread. Raises NotFound."""
    rows = Attachment.objects.select_related("message__appeal__decision__case", "entry")
    row = rows.filter(pk=pk, message__appeal=appeal).first() if appeal else None
    if row is None:
        raise NotFound("document")
    return row


def as_download(row: Attachment, data: bytes) -> HttpResponse:
    """Never shown inside a page of this office."""
    answer = HttpResponse(data, content_type=row.media_type)
    name = f"document-{str(row.pk)[-6:]}{attachments.SUFFIX[row.media_type]}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
