"""Requests about one's own data that come by letter or telephone: anybody can write such a letter.

Whoever it is about is told at the address this office holds, and can stop it. One operator is shown the proof, another
carries it out (R25); what hands out, changes an address or erases waits until they had the time to stop it. An address
that came by letter proves nothing, and the old one is told too. A proof that does not come ends the request.
"""

import datetime as dt
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from core import beat, jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, NotFound, invalid
from core.states import move
from ledger.events import EventType
from policy.law import clocks
from policy.mail import letters
from policy.models import Clock, DataRequest
from policy.rights import data_requests, people
from policy.rights.data_requests import State, Who

TOLD: Final = "data.letter"
IDENTITY: Final = "awaiting_identity"  # of policy.rulebook.rows.PAUSES
# How long who is concerned can stop what somebody asked for in their name.
TO_STOP_IT: Final = dt.timedelta(hours=72)
Proof = DataRequest.Proof


def receive(by: User, who: Who, kind: str, *, text: str = "") -> DataRequest:
    """Write down a request, and ask for proof of who sent it: a clock of our terms runs for that, and the month rests
    until `proved`. Who is concerned is told. Raises Forbidden for a party too, and as `data_requests.ask` does.
    """
    data_requests.may_answer_for(who, by)
    with transaction.atomic():
        request = data_requests.ask(who, kind, text=text, by=by)
        move(request, DataRequest.MOVES, State.VERIFYING, handled_by=by, written_by=by)
        for clock in request.clocks.filter(state=Clock.State.RUNNING):
            if IDENTITY in (clock.inputs["clock"].get("pause") or ()):
                clocks.pause(clock, IDENTITY, by=by)
        on: dict[str, Any] = {"data_request": request, "entry": request.entry}
        clocks.start(Clock.Purpose.ASK, data_requests.FACTS, clocks.ASK, at=request.created_at, **on)
        jobs.enqueue(TOLD, request=str(request.pk))
    return request


def proved(request: DataRequest, by: User, how: str) -> None:
    """Who asks has shown to `by` that they are who they say; the month goes on, and somebody else carries it out.

    how: of Proof. Raises Forbidden, Problem with `errors`, Conflict.
    """
    who = data_requests.who_asks(request)
    data_requests.may_answer_for(who, by)
    if how not in set(Proof.values) - {Proof.NONE}:
        raise invalid({"how": ["Say how they proved it."]})
    if how == Proof.CODE and not isinstance(who, User) and people.earlier_contacts(who):
        raise invalid({"how": ["The address was changed by letter of late, so a code sent there proves nothing."]})
    with transaction.atomic():
        move(request, DataRequest.MOVES, State.RECEIVED, handled_by=None, proved_by=by, proved_how=how)
        data_requests.record(EventType.DATA_PROVED, request, by, {"kind": str(request.kind), "how": how})
        clocks.end(_asked(request), Clock.State.MET)
        for clock in request.clocks.filter(state=Clock.State.PAUSED):
            clocks.resume(clock, by=by)


def refuse_hasty(request: DataRequest) -> None:
    """Raises Conflict while who is concerned can still say that what came by letter was not asked for by them. Called
    for what cannot be taken back: handing out, another address, erasing.
    """
    if request.written_by_id is None:
        return
    until = request.created_at + TO_STOP_IT
    if now() < until and data_requests.addresses_of(data_requests.who_asks(request)):
        raise Conflict(
            "It came by letter, and we wrote to the address we hold: until then they can say that it was not they.",
            code="data.hasty",
            next_step=f"Carry it out from {until:%Y-%m-%d %H:%M} UTC on.",
        )


def disown(who: Who, pk: str) -> None:
    """They say, by account, PIN or link, that this request which came by letter is not theirs: it ends at once.

    Raises NotFound for anything else, Conflict when it was answered before.
    """
    rows = DataRequest.objects.filter(written_by__isnull=False, state__in=DataRequest.OPEN)
    mine = rows.filter(user=who) if isinstance(who, User) else rows.filter(person=who)
    request = next((row for row in mine.select_related("person", "user", "entry") if str(row.pk) == pk), None)
    if request is None:
        raise NotFound("request that came by letter")
    with transaction.atomic():
        data_requests.end_refused(request, DataRequest.Refusal.NOT_IDENTIFIED, None)


def lapse() -> int:
    """Requests for which nobody proved in time who asks: refused, and told. Run by beat; returns how many."""
    late = Clock.objects.filter(purpose=Clock.Purpose.ASK, due_at__lt=now()).values("data_request")
    waiting = DataRequest.objects.filter(state=State.VERIFYING, pk__in=late)
    return beat.each(waiting.select_related("person", "user", "entry").order_by("pk")[:500], _lapse)


def _lapse(request: DataRequest) -> None:
    clocks.end(_asked(request), Clock.State.VOID)
    data_requests.end_refused(request, DataRequest.Refusal.NOT_IDENTIFIED, None)


def _asked(request: DataRequest) -> QuerySet[Clock]:
    return request.clocks.filter(purpose=Clock.Purpose.ASK)


@jobs.handler(TOLD)
def _tell(job: Job) -> None:
    """Mail is open: that there is a request, and not what for."""
    request = DataRequest.objects.select_related("person", "user").get(pk=str(job.args["request"]))
    sentence = (
        "Somebody asked us for something about your own data, by letter or telephone. Before we do it, we ask for "
        "proof that it was you. If it was not you, say so within three days"
    )
    for address in data_requests.addresses_of(data_requests.who_asks(request)):
        letters.send(address, "a request in your name", sentence, "/my-data/")
