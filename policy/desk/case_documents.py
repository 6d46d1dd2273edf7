"""Documents of a case and of its appeals, for who has it in hand: opened for a reason, on record (I20, R25)."""

from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core.problems import Forbidden, NotFound
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.filing import attachments
from policy.filing.notice_checks import refuse_fields
from policy.models import Appeal, Attachment, Case


def read(attachment: Attachment, case: Case, reviewer: User, reason: str) -> bytes:
    """The document of a notice of this case, or of a message in an appeal. That it was read is recorded, with the
    reason.

    Raises Forbidden for who does not have the case or the appeal, NotFound for another case's document or after its
    sender was erased, Problem with `errors`.
    """
    if attachment.message is not None:
        _may_read_of(attachment.message.appeal, reviewer)
    else:
        _may_read_in(case, reviewer)
    if _case_of(attachment) != case.pk:
        raise NotFound("document in this case")
    said = reason.strip()
    refuse_fields({} if 3 <= len(said) <= 300 else {"reason": "Between 3 and 300 characters."})
    data = attachments.open_for(attachment)
    with transaction.atomic():
        log.append(
            EventType.ACCESS_AUDITED,
            actor=reviewer.actor,
            role=reviewing_role(reviewer),
            object=case.object,
            refs=[attachment.entry] if attachment.entry else [],
            facts={"read": "document"},
            sealed={"purpose": Sealed(said, reviewer.actor)},
        )
    return data


def _may_read_in(case: Case, reviewer: User) -> None:
    authority.may_review(case, reviewer)
    authority.in_hand(case, reviewer)


def _may_read_of(appeal: Appeal, reviewer: User) -> None:
    """Who hears the appeal; once it is decided, who may open the case."""
    if appeal.state not in Appeal.UNDECIDED:
        authority.may_open(appeal.decision.case, reviewer)
        return
    authority.may_decide_appeal(appeal, reviewer)
    if appeal.assigned_to_id != reviewer.pk:
        raise Forbidden(
            "Take the appeal first: only who hears it reads its documents.",
            code="appeal.not_yours",
            next_step="Assign it to yourself.",
        )


def _case_of(attachment: Attachment) -> object:
    if attachment.message is not None:
        return attachment.message.appeal.decision.case_id
    return attachment.notice.case_id if attachment.notice is not None else None
