"""What a filer wrote, for researchers: only after a person has read it and left out what points at anybody.

Reading the words is a look at somebody's letter, so it has a reason and an entry. The words are kept no longer than the
filer's own: whoever is erased, or forgotten when the time to keep what they wrote is over, takes them along.
"""

import re
from typing import Final

from django.db import transaction

from accounts.models import User
from accounts.people import leading_role
from core.problems import Conflict
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding import plain_texts
from policy.deciding.plain_texts import Names
from policy.desk.cases import checked_reason
from policy.filing import notices
from policy.filing.notice_checks import refuse_fields
from policy.models import RegisterEntry
from policy.rights import people

LEFT_OUT: Final = "[…]"
NAME: Final = "[name]"
# Any address leads to the work, and any long number to a file, an account or a telephone.
_POINTS: Final = re.compile(
    r"(?:https?://|www\.)\S+|\S+@\S+|(?<!\w)@\w{3,}|\b[0-9a-f]{12,}\b|\+?\d[\d ()/.-]{5,}\d", re.IGNORECASE
)
_OPEN: Final = RegisterEntry.State.PUBLISHED


def words_of(row: RegisterEntry, by: User, reason: str) -> str:
    """What the filer wrote, for who redacts it; that it was read is recorded, with the reason (R25).

    The entry names the row and not the case, which a watcher of the log could else put side by side. Raises Forbidden
    for a party and who was not trained for it, Conflict once it was erased, Problem with `errors`.
    """
    _may_redact(row, by)
    reason = checked_reason(reason, "Say in a few words why you need to read it.")
    text = _written(row)
    with transaction.atomic():
        log.append(
            EventType.ACCESS_AUDITED,
            actor=by.actor,
            role=leading_role(by, *ACTS[Act.REDACT_REGISTER].roles),
            object=f"register:{row.number}",
            facts={"read": "words"},
            sealed={"purpose": Sealed(reason, by.actor)},
        )
    return text


def proposed(row: RegisterEntry, text: str) -> str:
    """The words with what a program finds left out: a beginning for the person who redacts, never more."""
    return masked(text, plain_texts.names_in(row.notice.case))


def masked(text: str, names: Names) -> str:
    """Pure."""
    text = _POINTS.sub(LEFT_OUT, text)
    for name in sorted({*names.full, *names.parts}, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(name)}\b", NAME, text, flags=re.IGNORECASE)
    return text


def redact(row: RegisterEntry, by: User, text: str, *, no_names: bool = False) -> None:
    """Researchers read this in place of what was filed; "" takes it away again. no_names: as in `plain_texts`.

    Raises Forbidden; Conflict where the row is withheld or the filer was erased; Problem with `errors` for what names
    somebody, or leads to the work.
    """
    _may_redact(row, by)
    text = text.strip()
    if text:
        refuse_fields(_objections(row, text, no_names))
    with transaction.atomic():
        people.refuse_erased(row.notice.filer)
        log.append(
            EventType.REGISTER_REDACTED,
            actor=by.actor,
            role=leading_role(by, *ACTS[Act.REDACT_REGISTER].roles),
            object=f"register:{row.number}",
            facts={"words": "redacted" if text else "none", **plain_texts.said_so(no_names)},
            sealed={"text": Sealed(text, row.notice.filer.actor)},
        )
        row.redacted_text, row.redacted_by = text, by if text else None
        row.save(update_fields=["redacted_text", "redacted_by"])


def _objections(row: RegisterEntry, text: str, no_names: bool) -> dict[str, str]:
    case = row.notice.case
    if _POINTS.search(text):
        return {"text": "Leave out addresses, dates and long numbers: they lead to the work or to somebody."}
    if case.asset is not None and _is_in(case.asset.title, text):
        return {"text": "Leave out the title of the work."}
    return plain_texts.objections({"text": text}, case, no_names=no_names)


def _is_in(title: str, text: str) -> bool:
    """Whether the title stands in the text; one short word alone is a word like others."""
    return (len(title) > 3 and title.casefold() in text.casefold()) if " " in title.strip() else False


def _may_redact(row: RegisterEntry, by: User) -> None:
    authority.may(by, Act.REDACT_REGISTER)
    authority.may_open(row.notice.case, by)
    if row.state != _OPEN:
        raise Conflict("This row is withheld; nobody reads its words.", code="register.withheld")


def _written(row: RegisterEntry) -> str:
    said = notices.contents(row.notice)
    text = "\n\n".join(said[name] for name in ("statement", notices.MORE) if said.get(name))
    if not text:
        raise Conflict("There are no words: none were written, or they were erased.", code="data.erased")
    return text
