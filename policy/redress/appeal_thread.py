"""The messages of an appeal: sealed under the appellant's key, read by both sides in the order they were written."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.core.files.base import File
from django.db.models import Sum

from accounts.models import Role, User
from accounts.people import leading_role
from core.problems import Conflict
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from policy.filing import attachments
from policy.filing.notices import refuse_fields
from policy.models import Appeal, AppealMessage, Attachment
from policy.rights import people

TEXT = "policy.appeal.message"
SHORTEST, LONGEST = 3, 5000
# Under which role we write: who hears it, or a lawyer who adds what a body outside sent.
_OURS: Final = (Role.LEAD_REVIEWER, Role.REVIEWER, Role.LEGAL)
# Of one appeal: enough for any dialogue, too few to bury somebody under.
MOST_MESSAGES: Final = 60
# Of who appeals: what comes unasked must not bury who hears it, nor fill the disk.
MOST_OWN: Final = 20
MOST_BYTES: Final = 25 * 1024 * 1024


@dataclass(frozen=True)
class Said:
    """One message. ours: from who hears the appeal. text: empty once the appellant was erased, or with documents only.

    documents: (attachment, name).
    """

    message: AppealMessage
    ours: bool
    text: str
    documents: list[tuple[Attachment, str]]


def write(appeal: Appeal, *, by: User | None, text: str, files: "Sequence[File[bytes]]" = ()) -> AppealMessage:
    """One more message, by somebody of the office or (None) by who appeals, in the verb's transaction. Raises Conflict
    when there are too many, Problem with `errors` for a document that is refused.
    """
    if appeal.messages.count() >= MOST_MESSAGES:
        raise Conflict(f"An appeal has at most {MOST_MESSAGES} messages.", code="appeal.too_many")
    if by is None:
        _refuse_flood(appeal, files)
    who = appeal.appellant
    message = AppealMessage(appeal=appeal, by=by, sealed_text=people.seal(who, {"text": text}, TEXT) if text else b"")
    message.entry = log.append(
        EventType.APPEAL_MESSAGED,
        actor=by.actor if by else who,
        role=leading_role(by, *_OURS) if by else appeal.role,
        object=appeal.decision.case.object,
        refs=[appeal.entry] if appeal.entry else [],
        facts={
            "appeal": str(appeal.pk),
            "message": str(message.pk),
            "by": "office" if by else appeal.role,
            "documents": len(files),
        },
        sealed={"text": Sealed(text, who)} if text else {},
    )
    message.save(force_insert=True)
    for file in files:
        attachments.keep(who, file, message=message, entry=message.entry)
    return message


def _refuse_flood(appeal: Appeal, files: "Sequence[File[bytes]]") -> None:
    if appeal.messages.filter(by=None).count() >= MOST_OWN:
        raise Conflict(
            f"You have sent {MOST_OWN} messages in this appeal, which is the most. Who hears it reads them all.",
            code="appeal.too_many",
        )
    kept = Attachment.objects.filter(message__appeal=appeal).aggregate(size=Sum("size"))["size"] or 0
    if files and kept + sum(file.size or 0 for file in files) > MOST_BYTES:
        raise Conflict(
            f"The documents of an appeal have at most {MOST_BYTES // 1024**2} MiB together.", code="appeal.too_much"
        )


def checked(text: str, *, needed: bool) -> str:
    """The text as it is kept. Raises Problem with `errors`. needed: False where documents may stand alone."""
    text = text.strip()
    if (text or needed) and not SHORTEST <= len(text) <= LONGEST:
        refuse_fields({"text": "Between 3 and 5,000 characters."})
    return text


def thread(appeal: Appeal) -> list[Said]:
    """All messages, oldest first, with the names of their documents. A constant number of queries."""
    messages = list(appeal.messages.prefetch_related("attachments").order_by("created_at", "pk"))
    blobs = [bytes(message.sealed_text) for message in messages]
    blobs += [bytes(each.sealed_name) for message in messages for each in message.attachments.all()]
    known = vault.keys_of(blobs)
    return [_said(appeal, message, known) for message in messages]


def _said(appeal: Appeal, message: AppealMessage, known: vault.Keys) -> Said:
    value = people.unseal(appeal.appellant, message.sealed_text, TEXT, known)
    documents = [(each, attachments.name_of(each, known)) for each in message.attachments.all()]
    return Said(message, message.by_id is not None, value["text"] if value else "", documents)
