"""DSA 21: a certified body outside looks at a decided appeal. It binds nobody; what the office then did is kept."""

from typing import Any, Final

from django.core.files.base import File
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from accounts.people import leading_role
from core import beat
from core.clock import now
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding.decision_checks import facts_of
from policy.filing.notices import refuse_fields
from policy.law import clocks
from policy.models import Appeal, Clock, OutOfCourt
from policy.redress import appeal_effects, appeal_thread, appeals

_ROLES: Final = ACTS[Act.RECORD_OUT_OF_COURT].roles


def may_record(appeal: Appeal, user: User) -> None:
    """Raises Forbidden unless `user` may record what a body does about this appeal: the role, and no part in the case,
    in any decision of it, nor in the hearing (I2). Who appeals could otherwise give themselves what they were refused.
    """
    authority.may(user, Act.RECORD_OUT_OF_COURT)
    heard = authority.Conflict("You heard this appeal", Q(decider=user))
    rows = Appeal.objects.filter(pk=appeal.pk)
    if why := authority.first_conflict(rows, [*authority.taken_part(user), heard]):
        raise Forbidden(f"{why}, so somebody else records what the body does.", code="appeal.conflict")


def open_dispute(appeal: Appeal, by: User, *, body: str, reference: str) -> OutOfCourt:
    """A certified body told us that it looks at this appeal: its 90 days start. Raises Forbidden, Conflict, Problem."""
    may_record(appeal, by)
    body, reference = body.strip(), reference.strip()
    wrong = {
        "body": not 3 <= len(body) <= 120 and "The name of the body, 3 to 120 characters.",
        "reference": not 1 <= len(reference) <= 60 and "Its reference, at most 60 characters.",
    }
    refuse_fields({field: message for field, message in wrong.items() if message})
    with transaction.atomic():
        move(appeal, Appeal.MOVES, Appeal.State.OUT_OF_COURT)
        dispute = OutOfCourt(appeal=appeal, opened_by=by, body=body, reference=reference)
        dispute.entry = _record(EventType.OUT_OF_COURT_OPENED, appeal, by, [appeal.entry], body=body)
        dispute.save(force_insert=True)
        clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.FINAL), Clock.State.MET)
        facts = {**facts_of(appeal.decision), "channel": "out_of_court"}
        on: dict[str, Any] = {"case": appeal.decision.case, "appeal": appeal, "entry": dispute.entry}
        clocks.start(Clock.Purpose.OUT_OF_COURT, facts, clocks.OUT_OF_COURT, **on)
    return dispute


def extend_dispute(dispute: OutOfCourt, by: User) -> None:
    """The body told us that the matter is complex: it takes its further time, once. Raises Forbidden, Conflict."""
    may_record(dispute.appeal, by)
    running = dispute.appeal.clocks.filter(purpose=Clock.Purpose.OUT_OF_COURT, state=Clock.State.RUNNING)
    clock = running.select_related("case", "appeal", "entry").first()
    if clock is None:
        raise Conflict("No deadline of the body runs.", code="appeal.no_clock")
    clocks.extend(clock, "complex", by=by)


def close_dispute(
    dispute: OutOfCourt, by: User, *, outcome: str, complied: bool, document: "File[bytes] | None" = None
) -> None:
    """What the body said, and whether the office did it; the appeal is final.

    Where it was for the appellant and the office complies, that is carried out here, as an overturned appeal is, and by
    a second person (R22), not by who recorded that the body looks at it, and with what the body sent. document: that;
    it is kept in the thread of the appeal, sealed as all of it, where who appeals reads it too.
    Raises Forbidden, Conflict when it was closed before, Problem with `errors`.
    """
    may_record(dispute.appeal, by)
    if outcome not in OutOfCourt.Outcome.values or outcome == OutOfCourt.Outcome.NONE:
        refuse_fields({"outcome": "Choose one of the outcomes."})
    appeal, undone = dispute.appeal, complied and outcome == OutOfCourt.Outcome.APPELLANT
    if undone and dispute.opened_by_id == by.pk:
        raise Forbidden(
            "You recorded that a body looks at this, so a second person records that its decision is followed.",
            code="appeal.second_person",
            next_step="Ask another lead reviewer or lawyer.",
        )
    if undone and document is None:
        refuse_fields({"document": "Add what the body sent: nothing is undone without it."})
    with transaction.atomic():
        move(dispute, OutOfCourt.MOVES, OutOfCourt.State.CLOSED, outcome=outcome, complied=complied, closed_at=now())
        said = _record(EventType.OUT_OF_COURT_CLOSED, appeal, by, [dispute.entry], outcome=outcome, complied=complied)
        clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.OUT_OF_COURT), Clock.State.MET)
        if document is not None:
            text = f"What the body outside sent: {dispute.body}, {dispute.reference}."
            appeal_thread.write(appeal, by=by, text=text, files=[document])
        _finish(appeal, by, said)
        if undone:
            appeal_effects.overturn(appeal, by, said)
        clocks.close_if_quiet(appeal.decision.case)


def finalise() -> int:
    """Decided appeals whose time to go to a body is over are final. Run by beat. Returns how many."""
    window = Clock.objects.filter(appeal=OuterRef("pk"), purpose=Clock.Purpose.FINAL, state=Clock.State.RUNNING)
    over = appeals.with_relations(Appeal.objects.filter(~Exists(window.filter(due_at__gte=now()))))
    return beat.each(over.filter(state=Appeal.State.DECIDED).order_by("pk")[:500], _finalise)


def _finalise(appeal: Appeal) -> None:
    clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.FINAL), Clock.State.VOID)
    _finish(appeal, None, appeal.entry)
    clocks.close_if_quiet(appeal.decision.case)


def _finish(appeal: Appeal, by: User | None, because: Entry | None) -> None:
    move(appeal, Appeal.MOVES, Appeal.State.FINAL)
    _record(EventType.APPEAL_FINAL, appeal, by, [because])


def _record(kind: EventType, appeal: Appeal, by: User | None, refs: list[Entry | None], **facts: str | bool) -> Entry:
    return log.append(
        kind,
        actor=by.actor if by else "system",
        role=leading_role(by, *_ROLES) if by else "system",
        object=appeal.decision.case.object,
        refs=[entry for entry in refs if entry is not None],
        facts={"appeal": str(appeal.pk), **facts},
    )


def disputes() -> QuerySet[OutOfCourt]:
    """All of them, the open ones first."""
    rows = OutOfCourt.objects.select_related("appeal__decision__case__asset", "appeal__entry", "entry")
    return rows.prefetch_related("appeal__clocks").order_by("-state", "-created_at")
