"""Telling people by e-mail that a statement or the answer to an appeal is there, in their language. The message holds
no reasons: mail is read by others. Who left no address reads the same with number and PIN, or through their link.
"""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email

from core import jobs
from core.clock import now
from core.models import Job
from policy.deciding.statement_prose import language_of, texts
from policy.models import Appeal, StatementOfReasons
from policy.rights import people

_RELATED = ("user", "notice__filer", "person")


@jobs.handler("policy.deliver")
def _deliver(job: Job) -> None:
    """Args: statement (id). Sends once; to who left no address nothing is sent, and it is not called delivered."""
    statement = StatementOfReasons.objects.select_related(*_RELATED).get(pk=job.args["statement"])
    if statement.delivered_at is not None:
        return
    if _send(statement, statement.locale, "subject", "sentence"):
        StatementOfReasons.objects.filter(pk=statement.pk).update(delivered_at=now())


@jobs.handler("policy.deliver_appeal")
def _deliver_appeal(job: Job) -> None:
    """Args: appeal (id)."""
    appeal = Appeal.objects.select_related(*_RELATED).get(pk=job.args["appeal"])
    _send(appeal, appeal.language, "appeal_subject", "appeal_sentence")


@jobs.handler("policy.deliver_question")
def _deliver_question(job: Job) -> None:
    """Args: appeal (id). Its hearer asked something."""
    appeal = Appeal.objects.select_related(*_RELATED).get(pk=job.args["appeal"])
    _send(appeal, appeal.language, "question_subject", "question_sentence")


@jobs.handler("policy.deliver_undone")
def _deliver_undone(job: Job) -> None:
    """Args: statement (id). What it explained was undone on somebody else's appeal."""
    statement = StatementOfReasons.objects.select_related(*_RELATED).get(pk=job.args["statement"])
    _send(statement, statement.locale, "undone_subject", "undone_sentence")


def _send(row: StatementOfReasons | Appeal, language: str, subject: str, sentence: str) -> bool:
    """Whether there was an address to send it to."""
    address, path = _address(row)
    if not _is_email(address):
        return False
    read_in = language_of(language)
    said, office = texts(read_in)["mail"], settings.ASSAY_OFFICE_NAME
    where = said["where"].format(url=f"{settings.ASSAY_URL}{path}") if path else said["link"]
    learn = said["learn"].format(url=f"{settings.ASSAY_URL}/learn/{read_in}/how-we-work/")
    body = f"{said[sentence]} {where}\n\n{learn}\n\n{said['office'].format(office=office)}\n"
    send_mail(f"{office}: {said[subject]}", body, None, [address])
    return True


def _address(row: StatementOfReasons | Appeal) -> tuple[str, str]:
    """(address or "", page); no page for who has a link of their own, which only they know."""
    if row.user is not None:
        return (row.user.email if row.user.is_active else ""), "/desk/"
    if row.notice is not None:
        return people.name_and_contact(row.notice.filer)[1], "/notice/"
    assert row.person is not None
    return people.name_and_contact(row.person)[1], ""


def _is_email(address: str) -> bool:
    """A person shown may have left a telephone number instead."""
    try:
        validate_email(address)
    except ValidationError:
        return False
    return True
