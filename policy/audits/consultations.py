"""Talks with authorities (R12): a thread of messages, and a public log of what was talked about and what came of it.

Either side opens one. While it is open nothing of it is public; when the office closes it, its subject and outcome are,
and neither may carry personal data. A message opens a closed one again; what was published stays, with its day.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Role, User
from accounts.people import leading_role
from core import jobs
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import NotFound
from core.states import move
from ledger import log, reading
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority, parties
from policy.audits import queries, regulators
from policy.authority import ACTS, Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse
from policy.mail import letters
from policy.models import Case, Consultation, ConsultationMessage, RegulatorAccount

State = Consultation.State
SUBJECT: Final = (5, 160)
OUTCOME: Final = (10, 400)
TEXT: Final = (3, 5000)


def for_office(by: User) -> QuerySet[Consultation]:
    """All of them, open ones first. Raises Forbidden."""
    authority.may(by, Act.CONSULT)
    return Consultation.objects.select_related("account__user", "entry").order_by("-state", "-created_at")


def of_authority(user: User) -> QuerySet[Consultation]:
    """Those of this authority's person. Raises Forbidden once the account does not stand."""
    account = regulators.entitled(user)
    return account.consultations.select_related("account__user", "entry").order_by("-state", "-created_at")


def find(user: User, pk: UUID | str) -> Consultation:
    """Raises Forbidden, NotFound."""
    rows = for_office(user) if _is_office(user) else of_authority(user)
    found = rows.filter(pk=pk).first()
    if found is None:
        raise NotFound("consultation")
    return found


@dataclass(frozen=True)
class Closing:
    """What everybody reads of a consultation that was closed. authority: as it was called then."""

    closed_at: dt.datetime
    authority: str
    subject: str
    outcome: str


def published() -> list[Closing]:
    """What was closed, each time, the newest first. As the log has it: no later message or name takes it back."""
    rows = Entry.objects.filter(type=EventType.CONSULTATION_CLOSED).order_by("-pk")
    return [_closing(row.created_at, reading.content(row)["facts"]) for row in rows]


def _closing(at: dt.datetime, facts: Mapping[str, str]) -> Closing:
    return Closing(at, facts["authority"], facts["subject"], facts["outcome"])


# --- Verbs ---------------------------------------------------------------------------------------------------------


def open_consultation(
    by: User, account: RegulatorAccount, *, subject: str, text: str, case: Case | None = None
) -> Consultation:
    """Begin to talk, with a first message. case: one in the account's reach.

    Raises Forbidden, Problem with `errors`, NotFound for a case that is not theirs.
    """
    _may(by, account)
    refuse({"subject": regulators.unfit(subject, *SUBJECT), "text": _unfit(text)})
    if case is not None and not queries.in_reach(account).filter(pk=case.pk).exists():
        raise NotFound("case")
    row = Consultation(account=account, subject=subject.strip(), case=case)
    with transaction.atomic():
        sealed = {"about": Sealed(about(row), f"consultation:{row.pk}")}
        row.entry = _record(EventType.CONSULTATION_OPENED, row, by, {}, sealed)
        row.save(force_insert=True)
        _say(row, by, text)
    return row


def write(consultation: Consultation, by: User, text: str) -> ConsultationMessage:
    """Raises Forbidden, Problem with `errors`."""
    _may(by, consultation.account)
    refuse({"text": _unfit(text)})
    with transaction.atomic():
        if consultation.state == State.CLOSED:
            move(consultation, Consultation.MOVES, State.OPEN, closed_at=None, outcome="")
        return _say(consultation, by, text)


def close(consultation: Consultation, by: User, outcome: str) -> None:
    """By the office: from now on everybody reads with whom it was, about what, and what came of it.

    Raises Forbidden, Problem with `errors`, Conflict when it is closed.
    """
    authority.may(by, Act.CONSULT)
    parties.refuse_party(by, consultation.account.user)
    refuse({"outcome": regulators.unfit(outcome, *OUTCOME)})
    with transaction.atomic():
        move(consultation, Consultation.MOVES, State.CLOSED, outcome=outcome.strip(), closed_at=now())
        facts: dict[str, Json] = {
            "authority": consultation.account.authority,
            "subject": consultation.subject,
            "outcome": consultation.outcome,
        }
        _record(EventType.CONSULTATION_CLOSED, consultation, by, facts)


def _say(row: Consultation, by: User, text: str) -> ConsultationMessage:
    message = ConsultationMessage(consultation=row, by=by, from_office=_is_office(by), text=text.strip())
    facts: dict[str, Json] = {"message": str(message.pk), "from_office": message.from_office}
    sealed = {"text": Sealed(message.text, by.actor)}
    message.entry = _record(EventType.CONSULTATION_MESSAGED, row, by, facts, sealed)
    message.save(force_insert=True)
    if message.from_office:
        jobs.enqueue("policy.tell_authority", consultation=str(row.pk))
    return message


def about(row: Consultation) -> dict[str, Json]:
    """What its entry says under seal, until it is closed."""
    return {"authority": row.account.authority, "subject": row.subject, "case": str(row.case_id or "")}


def _is_office(user: User) -> bool:
    return user.has_role(*ACTS[Act.CONSULT].roles)


def _may(by: User, account: RegulatorAccount) -> None:
    if account.user_id == by.pk:
        regulators.entitled(by)
        return
    authority.may(by, Act.CONSULT)
    parties.refuse_party(by, account.user)


def _unfit(text: str) -> str:
    least, most = TEXT
    if not least <= len(text.strip()) <= most:
        return f"Between {least} and {most:,} characters."
    return plain_texts.leak(text)


def _record(
    type: EventType, row: Consultation, by: User, facts: Mapping[str, Json], sealed: Mapping[str, Sealed] | None = None
) -> Entry:
    return log.append(
        type,
        actor=by.actor,
        role=leading_role(by, *ACTS[Act.CONSULT].roles, Role.REGULATOR),
        object=f"consultation:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts=facts,
        sealed=sealed,
    )


@jobs.handler("policy.tell_authority")
def _tell(job: Job) -> None:
    row = Consultation.objects.select_related("account__user").get(pk=job.args["consultation"])
    sentence = "There is a message for you in a consultation with this office"
    letters.send(row.account.user.email, "A message for you", sentence, f"/regulator/messages/{row.pk}/")
