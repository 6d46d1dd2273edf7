"""Links for researchers: a link reads the register with the redacted words, until a day, and is recorded when it does.

What it adds to the public rows is the words alone. The link is a secret of which only a hash is kept; it is told once.
"""

import datetime as dt
import hashlib
import secrets
from typing import Final

from django.core.cache import cache
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import User
from accounts.people import leading_role
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Problem
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse_fields
from policy.models import RegisterEntry, ResearchAccess
from policy.transparency import register

LONGEST: Final = 366  # days
# Pages that are turned within the hour are one reading.
_READING: Final = 3600


class LinkEnded(Problem):
    """Unknown, ended and revoked links get the same words: a guesser learns nothing."""

    def __init__(self) -> None:
        super().__init__(
            "research.ended",
            "This link does not work any more",
            status=410,
            detail="A researcher’s link works until the day that it was given for, and ends sooner when it is revoked.",
            next_step="Ask the office for a new one. The register itself is open to everybody.",
        )


def grant(by: User, *, institution: str, purpose: str, days: int) -> tuple[ResearchAccess, str]:
    """A new link, and its secret, the only time it is seen. Raises Forbidden, Problem with `errors`."""
    authority.may(by, Act.GRANT_RESEARCH)
    institution, purpose = institution.strip(), purpose.strip()
    refuse_fields(_wrong(institution, purpose, days))
    secret = secrets.token_urlsafe(32)
    access = ResearchAccess(institution=institution, purpose=purpose, token_hash=_hash(secret), granted_by=by)
    access.expires_at = now() + dt.timedelta(days=days)
    with transaction.atomic():
        access.entry = log.append(
            EventType.RESEARCH_GRANTED,
            actor=by.actor,
            role=_role(by),
            object=_object(access),
            facts={"expires_at": access.expires_at.isoformat()},
            sealed={"about": Sealed(about(access), _object(access))},
        )
        access.save(force_insert=True)
    return access, secret


def about(access: ResearchAccess) -> dict[str, Json]:
    """What its entry says under seal."""
    return {"institution": access.institution, "purpose": access.purpose}


def _wrong(institution: str, purpose: str, days: int) -> dict[str, str]:
    texts = {"institution": (institution, 3, 120), "purpose": (purpose, 10, 300)}
    wrong = {
        name: f"Between {shortest} and {longest} characters."
        for name, (text, shortest, longest) in texts.items()
        if not shortest <= len(text) <= longest
    }
    wrong |= {name: why for name, (text, _, _) in texts.items() if (why := plain_texts.leak(text))}
    return wrong | ({} if 1 <= days <= LONGEST else {"days": f"Between 1 and {LONGEST} days."})


def revoke(access: ResearchAccess, by: User) -> None:
    """The link opens nothing from now on. Raises Forbidden, Conflict when it did not anyway."""
    authority.may(by, Act.GRANT_RESEARCH)
    with transaction.atomic():
        working = _working().filter(pk=access.pk)
        if not working.update(revoked_at=now()):
            raise Conflict("This link does not work any more anyway.", code="research.ended")
        log.append(EventType.RESEARCH_REVOKED, actor=by.actor, role=_role(by), object=_object(access))


def opened(secret: str) -> ResearchAccess:
    """The access behind a link. That it is read is recorded, once an hour. Raises LinkEnded."""
    access = _working().filter(token_hash=_hash(secret)).first()
    if access is None:
        raise LinkEnded
    if cache.add(f"research.reading.{access.pk}", True, timeout=_READING):
        with transaction.atomic():
            ResearchAccess.objects.filter(pk=access.pk).update(opened=F("opened") + 1)
            log.append(EventType.RESEARCH_READ, actor="system", role="researcher", object=_object(access))
    return access


def rows() -> QuerySet[RegisterEntry]:
    """What a researcher reads: the public rows, each with its redacted words, if a person has redacted them."""
    return register.rows().filter(state=RegisterEntry.State.PUBLISHED)


def _working() -> QuerySet[ResearchAccess]:
    return ResearchAccess.objects.filter(revoked_at=None, expires_at__gt=now())


def _object(access: ResearchAccess) -> str:
    return f"research:{access.pk}"


def _role(by: User) -> str:
    return leading_role(by, *ACTS[Act.GRANT_RESEARCH].roles)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
