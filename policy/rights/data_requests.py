"""Requests about one's own data: how they arrive, who proves what, by when they are answered, and how they end.

Whoever holds the link, the number and PIN, or the account that the data belongs to has proved who they are (GDPR 12(6)
asks for no more than is needed). The month of Article 12(3) is a clock of a dated rule. What came by letter is in
`rights.data_letters`, what each kind of request does in `rights.data_answers`, erasure in `rights.data_rights`.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from accounts.models import REVIEWERS, Role, User
from accounts.people import leading_role
from core import jobs
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden, invalid
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority, parties
from policy.desk import cases
from policy.law import clocks
from policy.mail import letters
from policy.models import Clock, DataRequest, Person
from policy.rights import people
from provenance.models import Asset

TEXT = "policy.data_request.text"
TELL = "data.tell"
Who = Person | User
Kind = DataRequest.Kind
State = DataRequest.State

COMPLAIN = (
    "You may complain to the data protection authority of the place where you live or work, and you may go to court."
)
# In whose words the office says what it will do; without one the request could not be understood.
NEEDS_TEXT = (Kind.RECTIFY, Kind.OBJECT)
# Nobody has to wait for these, and they may be asked for as often as one likes.
AT_ONCE = (Kind.ACCESS, Kind.PORT, Kind.ERASE)
_EVENTS = {Kind.ACCESS: EventType.DATA_ACCESSED, Kind.ERASE: EventType.ERASURE_REQUESTED}
FACTS = {"channel": "dsr", "jurisdictions": ["EU"]}


# --- Asking --------------------------------------------------------------------------------------------------------


def ask(who: Who, kind: str, *, text: str = "", by: User | None = None, plan: Iterable[Json] = ()) -> DataRequest:
    """Record a request and start its clock. by: the operator who writes it down for somebody; None for themselves.

    Raises Problem with `errors`, Conflict once they were erased, or while the same is asked for already.
    """
    text = text.strip()
    if not (10 if kind in NEEDS_TEXT else 0) <= len(text) <= 5000:
        raise invalid({"text": ["Say in a sentence or two what it is about: 10 to 5,000 characters."]})
    with transaction.atomic():
        _refuse_again(who, kind)
        person, user = (None, who) if isinstance(who, User) else (who, None)
        request = DataRequest(kind=kind, person=person, user=user, plan=list(plan))
        if text:
            request.sealed_text = people.seal(who.actor, {"text": text}, TEXT)
        request.entry = _record_request(request, who, text, by)
        request.save(force_insert=True)
        on: dict[str, Any] = {"data_request": request, "entry": request.entry}
        clocks.start(Clock.Purpose.DATA_REQUEST, FACTS, clocks.DATA_REQUEST, at=request.created_at, **on)
    return request


def _refuse_again(who: Who, kind: str) -> None:
    if kind in AT_ONCE:
        return
    if isinstance(who, Person):
        people.refuse_erased(who)
    if who.data_requests.filter(kind=kind, state__in=DataRequest.OPEN).exists():
        raise Conflict("You asked for this already; it is not answered yet.", code="data.again")


def _record_request(request: DataRequest, who: Who, text: str, by: User | None) -> Entry:
    # For the person themselves no actor is sealed: it would be sealed under the key that an erasure destroys next.
    return log.append(
        _EVENTS.get(Kind(request.kind), EventType.DATA_REQUESTED),
        actor=by.actor if by else "system",
        role=leading_role(by) if by else "person",
        object=f"request:{request.pk}",
        facts={"kind": str(request.kind)},
        sealed={"text": Sealed(text, who.actor)} if text else {},
    )


def may_answer(user: User) -> None:
    """Raises Forbidden, in plain words, for anybody but who answers requests about personal data."""
    authority.may(user, authority.Act.ANSWER_DATA_REQUEST)


def may_answer_for(who: Who, by: User) -> None:
    """Raises Forbidden for who may not answer this person's requests, as `may_answer`; and for a party in a matter of
    theirs (I2), who would read there what the case keeps from them. What reviewers hold is for operators: a lead
    reviewer who erased them could choose who hears an appeal.
    """
    may_answer(by)
    if who == by:
        raise Conflict("This is your own request: somebody else answers it.", code="data.own")
    parties.refuse_party(by, who)
    if isinstance(who, User) and who.has_role(*REVIEWERS) and not by.has_role(Role.OPERATOR):
        raise Forbidden("Requests of reviewers about their data are answered by operators.", code="data.colleague")


def taken_by(request: DataRequest, by: User) -> None:
    """Raises Forbidden unless `by` has the role, Conflict unless they have taken the request."""
    may_answer(by)
    if request.state != State.PLANNED or request.handled_by_id != by.pk:
        raise Conflict("Take the request first: who carries it out is on record.", code="data.not_taken")


# --- Answering -----------------------------------------------------------------------------------------------------


def take(request: DataRequest, by: User) -> None:
    """`by` will carry it out, and from now on reads what was asked; that is recorded. Of what came by letter this is
    not who was shown the proof (R25). Raises Forbidden, Conflict.
    """
    may_answer_for(who_asks(request), by)
    if request.proved_by_id == by.pk:
        raise Conflict("You were shown the proof, so somebody else carries it out.", code="data.two_people")
    with transaction.atomic():
        move(request, DataRequest.MOVES, State.PLANNED, handled_by=by)
        record_look(request, by, "data_request")


def take_back(request: DataRequest, lead: User, why: str) -> None:
    """A lead reviewer puts back on the desk what somebody has taken and does not carry out; its month runs on. The
    reason is sealed under the lead's own key.

    Raises Forbidden, Problem with `errors`, Conflict when nobody has it, or when it waits for the cases it opened.
    """
    authority.may(lead, authority.Act.TAKE_BACK)
    may_answer_for(who_asks(request), lead)
    if not in_hand(request):
        raise Conflict("Nobody has this request in hand: there is nothing to take back.", code="data.nobody")
    why = cases.checked_reason(why, "Say in a few words why the request goes back.")
    with transaction.atomic():
        _put_back(request, lead, why)


def in_hand(request: DataRequest) -> bool:
    """Whether one person has taken it, and nothing goes on before they do something."""
    return request.state == State.PLANNED and request.handled_by_id is not None and not request.receipt.get("cases")


def put_all_back(operator: User) -> None:
    """Every request that `operator`, whose account is closed, had taken. In the caller's transaction."""
    for request in DataRequest.objects.filter(handled_by=operator, state=State.PLANNED).select_related("entry"):
        if in_hand(request):
            _put_back(request, None)


def _put_back(request: DataRequest, by: User | None, why: str = "") -> None:
    move(request, DataRequest.MOVES, State.RECEIVED, handled_by=None)
    sealed = {"why": Sealed(why, by.actor)} if by and why else {}
    record(EventType.DATA_PUT_BACK, request, by, {"kind": str(request.kind)}, sealed)


def record_look(request: DataRequest, by: User, what: str) -> None:
    """What `by` was shown of who asks (I20). In the caller's transaction."""
    record(EventType.ACCESS_AUDITED, request, by, {"what": what, "kind": str(request.kind)})


def refuse(request: DataRequest, by: User, ground: str) -> None:
    """Refuse on one of the grounds of the law; the person reads it, and where to complain (GDPR 12(4)).

    Raises Forbidden, Problem with `errors`, Conflict when it was answered before.
    """
    may_answer_for(who_asks(request), by)
    if ground not in set(DataRequest.Refusal.values) - {DataRequest.Refusal.NONE}:
        raise invalid({"ground": ["Choose one of the grounds."]})
    with transaction.atomic():
        end_refused(request, ground, by)


def end_refused(request: DataRequest, ground: str, by: User | None) -> None:
    """by: None when no operator refuses it: nobody proved it in time, or they say that it is not theirs. In the
    caller's transaction. Raises Conflict when it was answered before.
    """
    who: dict[str, Any] = {"handled_by": by} if by else {}
    move(request, DataRequest.MOVES, State.REFUSED, refusal=ground, done_at=now(), **who)
    record(EventType.DATA_REFUSED, request, by, {"kind": str(request.kind), "ground": ground})
    _answered(request)


def extend(request: DataRequest, by: User, reason: str) -> None:
    """Take the further two months of Article 12(3), once, within the first month; the person is told why.

    reason: of `clocks.EXTENSIONS`. Raises Forbidden, Problem with `errors`, Conflict when it cannot be extended.
    """
    may_answer_for(who_asks(request), by)
    with transaction.atomic():
        alive = request.clocks.filter(state__in=(Clock.State.RUNNING, Clock.State.PAUSED)).order_by("pk")
        extendable = [clock for clock in alive if clock.inputs["clock"].get("extension")]
        if request.state not in DataRequest.OPEN or not extendable:
            raise Conflict("There is no running deadline that could be extended.", code="data.not_extendable")
        for clock in extendable:
            clocks.extend(clock, reason, by=by)
        jobs.enqueue(TELL, request=str(request.pk))


def finish(
    request: DataRequest,
    receipt: dict[str, Any],
    *,
    by: User | None = None,
    state: DataRequest.State = State.DONE,
    sealed: dict[str, Sealed] | None = None,
) -> None:
    """The request was carried out. sealed: the new values, under the person's key; the old ones stay as they are.

    Run inside the transaction that did it.
    """
    who: dict[str, Any] = {"handled_by": by} if by else {}
    move(request, DataRequest.MOVES, state, receipt=receipt, done_at=now(), **who)
    record(EventType.DATA_ANSWERED, request, by, {"kind": str(request.kind), "state": str(state)}, sealed or {})
    _answered(request)


def tell_lifted(request: DataRequest, by: User | None) -> None:
    """On record, and told to who is concerned when it was not themselves. In the caller's transaction."""
    record(EventType.DATA_ANSWERED, request, by, {"kind": str(request.kind), "state": "lifted"})
    if by is not None:
        jobs.enqueue(TELL, request=str(request.pk))


def _answered(request: DataRequest) -> None:
    """Its deadlines have been kept, whether they ran or rested; who did not do it themselves is told."""
    clocks.end(request.clocks.all(), Clock.State.MET)
    if request.handled_by_id is not None or request.written_by_id is not None or request.kind == Kind.HUMAN:
        jobs.enqueue(TELL, request=str(request.pk))


def record(
    event: EventType,
    request: DataRequest,
    by: User | None,
    facts: dict[str, Json],
    sealed: dict[str, Sealed] | None = None,
) -> Entry:
    return log.append(
        event,
        actor=by.actor if by else "system",
        role=leading_role(by) if by else "system",
        object=f"request:{request.pk}",
        refs=[request.entry] if request.entry else [],
        facts=facts,
        sealed=sealed,
    )


# --- Reading -------------------------------------------------------------------------------------------------------


def who_asks(request: DataRequest) -> Who:
    """The person or account it is about."""
    who = request.user or request.person
    if who is None:
        raise RuntimeError(f"{request} is of nobody")
    return who


def text_of(request: DataRequest, known: vault.Keys | None = None) -> str:
    """What they wrote; empty once they were erased."""
    value = people.unseal(who_asks(request).actor, request.sealed_text, TEXT, known)
    return value["text"] if value else ""


def for_desk() -> QuerySet[DataRequest]:
    """Requests that wait for the office, what is due first first; those whose clock rests after those."""
    due = Min("clocks__due_at", filter=Q(clocks__state__in=Clock.ALIVE))
    open_ones = DataRequest.objects.filter(state__in=DataRequest.OPEN).annotate(due=due)
    return open_ones.select_related("person", "user", "handled_by").order_by("due", "created_at")


def of(who: Who) -> QuerySet[DataRequest]:
    """What they asked for, the newest first."""
    due = Min("clocks__due_at", filter=Q(clocks__state__in=Clock.ALIVE))
    return who.data_requests.annotate(due=due).order_by("-created_at")


# --- What others must heed -----------------------------------------------------------------------------------------


def objects(about: Who | Asset, *, shown_before: dt.datetime | None = None) -> bool:
    """Whether somebody objects to what rests on the office's own interests: this person, or anybody a work shows.

    An objection holds from the moment it is made until it is refused (GDPR 18(1)(d), 21(1)); a further one of somebody
    whose objection was refused holds once it is upheld. What an owner says about their own data is not about the faces
    in their works. shown_before: only people who were said to be shown by then.
    """
    refused = DataRequest.objects.filter(kind=Kind.OBJECT, state=State.REFUSED)
    again = Exists(refused.filter(person=OuterRef("person"))) | Exists(refused.filter(user=OuterRef("user")))
    made = DataRequest.objects.filter(kind=Kind.OBJECT).exclude(state=State.REFUSED)
    return made.filter(~again | ~Q(state__in=DataRequest.OPEN), _concerned(about, shown_before)).exists()


def is_restricted(about: Who | Asset, *, shown_before: dt.datetime | None = None, owner: bool = True) -> bool:
    """Whether what is held is to be stored and not used (GDPR 18), for this person or anybody a work shows.

    What a legal duty asks for goes on: answering notices and appeals, statements of reasons, holds. shown_before: as
    in `objects`. owner: whether it counts for a work that its owner has their own data restricted, which is not about
    the faces in it.
    """
    match about:
        case Person():
            return Person.objects.filter(pk=about.pk).exclude(restricted_at=None).exists()
        case User():
            return _restricted_accounts().filter(user=about).exists()
    shown = about.depictions.exclude(person__restricted_at=None)
    if shown_before is not None:
        shown = shown.filter(created_at__lt=shown_before)
    return shown.exists() or (owner and _restricted_accounts().filter(user=about.owner_id).exists())


def refuse_restricted(about: Who | Asset) -> None:
    """Raises Conflict for a use that a restriction forbids."""
    if is_restricted(about):
        raise Conflict(
            "Somebody whom this concerns asked that their data be stored and not used. So it is not used for this.",
            code="data.restricted",
            next_step="Nothing, until the restriction is lifted.",
        )


def _restricted_accounts() -> QuerySet[DataRequest]:
    return DataRequest.objects.filter(kind=Kind.RESTRICT, state=State.DONE, receipt__lifted_at=None)


def _concerned(about: Who | Asset, shown_before: dt.datetime | None) -> Q:
    match about:
        case Person():
            return Q(person=about)
        case User():
            return Q(user=about)
    shown = about.depictions.all() if shown_before is None else about.depictions.filter(created_at__lt=shown_before)
    return Q(person__in=shown.values("person"))


# --- Telling -------------------------------------------------------------------------------------------------------


@jobs.handler(TELL)
def _tell(job: Job) -> None:
    """That there is news, and nothing of what it is about: mail is open."""
    request = DataRequest.objects.select_related("person", "user").get(pk=str(job.args["request"]))
    sentence = (
        "There is news about a request you made about your own data. Your account, link, or number and PIN shows it"
    )
    for address in addresses_of(who_asks(request)):
        letters.send(address, "your request about your data", sentence, "/my-data/")


def addresses_of(who: Who) -> list[str]:
    """Where they are told of requests about their data: their address, and those that a letter changed of late."""
    earlier = [] if isinstance(who, User) else people.earlier_contacts(who)
    return list(dict.fromkeys(one for one in (address_of(who), *map(_as_address, earlier)) if one))


def address_of(who: Who) -> str:
    """Where they can be written to; empty when nowhere."""
    if isinstance(who, User):
        return who.email if who.is_active else ""
    return _as_address(people.name_and_contact(who)[1])


def _as_address(contact: str) -> str:
    """A person may have left a telephone number instead."""
    try:
        validate_email(contact)
    except ValidationError:
        return ""
    return contact
