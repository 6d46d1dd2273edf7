"""Changes of the office's rules that the public may comment on, between two days, and dated answers (R38).

    draft → open → closed → answered        withdrawn, with the reason, at any time before

A comment needs no account. A person reads it before it is shown, and nobody keeps back what is said about a proposal of
their own. A proposal is answered once every comment was read. The log holds a digest of each text of the office, so
that none is changed afterwards; what commenters write is sealed under a key of the comment's own.
"""

import datetime as dt
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from accounts.models import Role, User
from accounts.people import leading_role
from core import beat
from core.canonical import canonical_json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority
from policy.authority import Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse_fields
from policy.models import Comment, PackVersion, Proposal
from policy.rights import data_rights
from policy.rights.data_rights import Forgotten

# Days that the public has: shorter is no consultation, longer answers nobody.
SHORTEST, LONGEST = 14, 180
# Comments on one proposal that wait to be read: what more is sent has to wait.
MOST_UNREAD: Final = 300
ROLE: Final = "public"
# Names in some scripts are written with these two, which cannot be seen.
_JOINERS: Final = "\u200c\u200d"
_OFFICE: Final = re.compile(r"\b(?:the|this|our|your) office\b")
_LIMITS: Final = {"title": (5, 160), "text": (50, 20_000), "answer": (20, 20_000), "why": (10, 2000)}
_SAID: Final = {"text": (10, 4000), "reply": (3, 4000), "because": (10, 300)}
State = Proposal.State


def public() -> "QuerySet[Proposal]":
    """What everybody may read, newest first, with `comments_shown`: whatever was open for comment once."""
    return _counted(Proposal.objects.filter(opens_at__isnull=False))


def at_desk() -> "QuerySet[Proposal]":
    """All of them, drafts too, with `comments_shown` and `comments_waiting`."""
    return _counted(Proposal.objects.all())


def _counted(rows: "QuerySet[Proposal]") -> "QuerySet[Proposal]":
    shown = Count("comments", filter=Q(comments__state=Comment.State.SHOWN))
    waiting = Count("comments", filter=Q(comments__state=Comment.State.RECEIVED))
    rows = rows.select_related("pack_version", "by", "entry").order_by("-pk")
    return rows.defer("pack_version__content").annotate(comments_shown=shown, comments_waiting=waiting)


def public_one(pk: Any) -> Proposal:
    """Raises NotFound, for a draft too."""
    return _one(public(), pk)


def one_at_desk(pk: Any) -> Proposal:
    """Raises NotFound."""
    return _one(at_desk(), pk)


def _one(rows: "QuerySet[Proposal]", pk: Any) -> Proposal:
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound("proposal")
    return row


# --- The office ------------------------------------------------------------------------------------------------------


def draft(by: User, *, title: str, text: str, pack_version: PackVersion | None = None) -> Proposal:
    """A proposal that only the office reads yet. pack_version: of the rules, that it is about. Raises Forbidden,
    Problem.
    """
    authority.may(by, Act.PROPOSE)
    row = Proposal(title=title.strip(), text=_plain(text), pack_version=pack_version, by=by)
    _check(_LIMITS, title=row.title, text=row.text)
    with transaction.atomic():
        row.entry = _record(EventType.PROPOSAL_DRAFTED, row, by)
        row.save(force_insert=True)
    return row


def change(row: Proposal, by: User, *, title: str, text: str, pack_version: PackVersion | None = None) -> None:
    """While it is a draft. Raises Forbidden, Problem, Conflict."""
    authority.may(by, Act.PROPOSE)
    title, text = title.strip(), _plain(text)
    _check(_LIMITS, title=title, text=text)
    with transaction.atomic():
        said = {"title": title, "text": text, "pack_version": pack_version}
        if Proposal.objects.filter(pk=row.pk, state=State.DRAFT).update(**said) != 1:
            raise Conflict("What is open for comment is not changed any more.", code="proposal.open")
        row.title, row.text, row.pack_version = title, text, pack_version
        _record(EventType.PROPOSAL_DRAFTED, row, by)


def open_(row: Proposal, by: User, *, last_day: dt.date) -> None:
    """Let everybody comment, from now to the end of that day (UTC). Raises Forbidden, Problem, Conflict."""
    authority.may(by, Act.PROPOSE)
    days = (last_day - now().date()).days
    if not SHORTEST <= days <= LONGEST:
        refuse_fields({"last_day": f"Give people {SHORTEST} to {LONGEST} days."})
    closes_at = dt.datetime.combine(last_day + dt.timedelta(days=1), dt.time.min, dt.UTC)
    with transaction.atomic():
        move(row, Proposal.MOVES, State.OPEN, opens_at=now(), closes_at=closes_at)
        _record(EventType.PROPOSAL_OPENED, row, by, closes_at=closes_at.isoformat())


def close_due() -> int:
    """What had its last day takes no comment any more. Run by beat; returns how many."""
    due = Proposal.objects.filter(state=State.OPEN, closes_at__lte=now()).select_related("entry")
    return beat.each(due, _close)


def _close(row: Proposal) -> None:
    move(row, Proposal.MOVES, State.CLOSED)
    _record(EventType.PROPOSAL_CLOSED, row, None, comments=row.comments.count())


def answer(row: Proposal, by: User, text: str) -> None:
    """Say what became of it, and why. Raises Forbidden, Problem, Conflict while comments are unread."""
    authority.may(by, Act.PROPOSE)
    text = _plain(text)
    _check(_LIMITS, answer=text)
    with transaction.atomic():
        if unread := row.comments.filter(state=Comment.State.RECEIVED).count():
            raise Conflict(f"Comments that nobody has read yet: {unread}.", code="proposal.unread")
        move(row, Proposal.MOVES, State.ANSWERED, answer=text, answered_at=now())
        _record(EventType.PROPOSAL_ANSWERED, row, by, answer_sha256=_digest(text))


def withdraw(row: Proposal, by: User, why: str) -> None:
    """It is not proposed any more; the reason stands where the answer would. Raises Forbidden, Problem, Conflict."""
    authority.may(by, Act.PROPOSE)
    why = _plain(why)
    _check(_LIMITS, why=why)
    with transaction.atomic():
        move(row, Proposal.MOVES, State.WITHDRAWN, answer=why, answered_at=now())
        _record(EventType.PROPOSAL_WITHDRAWN, row, by, answer_sha256=_digest(why))


# --- Comments --------------------------------------------------------------------------------------------------------


def comment(row: Proposal, *, text: str, alias: str = "") -> Comment:
    """What anybody says; shown once a person has read it. Raises Problem, Conflict."""
    made = Comment(proposal=row, alias=" ".join(alias.split()), text=_plain(text))
    _check(_SAID, text=made.text)
    refuse_fields(_unfit_alias(made.alias))
    with transaction.atomic():
        _refuse_comment(Proposal.objects.select_for_update().get(pk=row.pk), made)
        made.entry = log.append(
            EventType.COMMENT_RECEIVED,
            actor=actor_of(made),
            role=ROLE,
            object=actor_of(made),
            refs=[row.entry] if row.entry else [],
            facts={"proposal": str(row.pk)},
            sealed={"words": Sealed(words_of(made), actor_of(made))},
        )
        made.save(force_insert=True)
    return made


def _unfit_alias(alias: str) -> dict[str, str]:
    plain = unicodedata.normalize("NFKC", alias).casefold()
    if len(alias) > 60 or plain_texts.leak(alias):
        return {"alias": "At most 60 letters, and no address: everybody reads it."}
    if any(unicodedata.category(letter)[0] == "C" and letter not in _JOINERS for letter in alias):
        return {"alias": "Only letters and signs that can be seen."}
    if settings.ASSAY_OFFICE_NAME.casefold() in plain or _OFFICE.search(plain):
        return {"alias": "This reads as if the office said it: choose another name."}
    return {}


def _refuse_comment(row: Proposal, made: Comment) -> None:
    if row.state != State.OPEN or row.closes_at is None or row.closes_at <= now():
        raise Conflict("This proposal takes no comments any more.", code="proposal.closed")
    if row.comments.filter(state=Comment.State.RECEIVED).count() >= MOST_UNREAD:
        raise Conflict(
            "Very many comments wait to be read, so this one cannot be taken now.",
            code="proposal.full",
            next_step="Keep your text, and send it in a day or two.",
        )
    if row.comments.filter(text=made.text).exists():
        raise Conflict("These very words were sent already.", code="proposal.same")


def actor_of(row: Comment) -> str:
    """As the log knows whoever wrote it: under this key their words are sealed."""
    return f"comment:{row.pk}"


def words_of(row: Comment) -> dict[str, str]:
    return {"alias": row.alias, "text": row.text}


def comment_for(by: User, pk: Any) -> Comment:
    """Raises Forbidden, NotFound."""
    authority.may(by, Act.READ_COMMENTS)
    row = Comment.objects.select_related("proposal", "entry").filter(pk=pk).first()
    if row is None:
        raise NotFound("comment")
    return row


def show(row: Comment, by: User) -> None:
    """It was read, and everybody may read it. Raises Forbidden, Conflict."""
    authority.may(by, Act.READ_COMMENTS)
    with transaction.atomic():
        move(row, Comment.MOVES, Comment.State.SHOWN)
        _said(EventType.COMMENT_SHOWN, row, by)


def withhold(row: Comment, by: User, because: str) -> None:
    """It is not shown; that there is one, and why not, is. Raises Forbidden for who wrote the proposal, Problem,
    Conflict.
    """
    authority.may(by, Act.READ_COMMENTS)
    if row.proposal.by_id == by.pk:
        raise Forbidden(
            "You wrote this proposal, so somebody else decides which comments are not shown.", code="comment.own"
        )
    because = _plain(because)
    _check(_SAID, because=because)
    with transaction.atomic():
        move(row, Comment.MOVES, Comment.State.WITHHELD, withheld_because=because)
        _said(EventType.COMMENT_WITHHELD, row, by, because_sha256=_digest(because))


def reply(row: Comment, by: User, text: str) -> None:
    """Answer one comment, once, with the day. Raises Forbidden, Problem, Conflict."""
    authority.may(by, Act.READ_COMMENTS)
    text = _plain(text)
    _check(_SAID, reply=text)
    with transaction.atomic():
        unanswered = Comment.objects.filter(pk=row.pk, state=Comment.State.SHOWN, replied_at=None)
        if unanswered.update(reply=text, replied_at=now()) != 1:
            raise Conflict("This comment is not shown, or has its reply.", code="comment.replied")
        _said(EventType.COMMENT_REPLIED, row, by, reply_sha256=_digest(text))


def erase(row: Comment, by: User) -> None:
    """At the wish of whoever wrote it: the words go, here and from the log; what is left is that there was a comment.

    For who answers requests about personal data. Raises Forbidden.
    """
    authority.may(by, Act.ANSWER_DATA_REQUEST)
    gone = {"alias": "", "text": "", "state": Comment.State.WITHHELD, "withheld_because": "Its author took it back."}
    with transaction.atomic():
        Comment.objects.filter(pk=row.pk).update(**gone)
        erasure = vault.destroy(actor_of(row))
        forgotten = Forgotten({"comments": 1}, list(erasure.indices), list(erasure.keys))
        refs = [row.entry] if row.entry else []
        data_rights.record(forgotten, ground=data_rights.GROUND, object=actor_of(row), by=by, refs=refs)


# --- Texts and the log -----------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def _check(limits: Mapping[str, tuple[int, int]], **texts: str) -> None:
    """Raises Problem naming each text that is too short, too long, or carries personal data."""
    wrong = {}
    for name, text in texts.items():
        least, most = limits[name]
        if not least <= len(text) <= most:
            wrong[name] = f"Between {least} and {most:,} characters."
        elif plain_texts.leak(text):
            wrong[name] = "Leave out e-mail addresses, telephone numbers and accounts: everybody reads it."
    refuse_fields(wrong)


def digest(row: Proposal) -> str:
    """SHA-256, hex, of title and text: what was open for comment is what is shown."""
    return hashlib.sha256(canonical_json({"title": row.title, "text": row.text})).hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _record(type: EventType, row: Proposal, by: User | None, **facts: Any) -> Entry:
    return log.append(
        type,
        actor=by.actor if by else "system",
        role=leading_role(by, Role.POLICY_EDITOR, Role.LEGAL) if by else "system",
        object=f"proposal:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"sha256": digest(row), "state": row.state, **facts},
    )


def _said(type: EventType, row: Comment, by: User, **facts: Any) -> None:
    log.append(
        type,
        actor=by.actor,
        role=leading_role(by, Role.POLICY_EDITOR, Role.LEGAL, Role.LEAD_REVIEWER),
        object=actor_of(row),
        refs=[row.entry] if row.entry else [],
        facts={"proposal": str(row.proposal_id), "state": row.state, **facts},
    )
