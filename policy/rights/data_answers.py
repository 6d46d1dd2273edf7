"""What each kind of request about one's own data does when it is carried out. Erasure and access: `rights.data_rights`.

Restriction of a person without an account, and a new address, take effect at once. What needs judgement, an account's
restriction, an objection, the correction of something else, is carried out by an operator. That somebody looks at a
work again is a case like any other, for a reviewer, and so is answered when the case is.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q

from accounts.models import User
from core import beat
from core.clock import now
from core.problems import Conflict, NotFound, invalid
from core.states import move
from ledger.log import Sealed
from policy.consents import consent_pins
from policy.desk import cases
from policy.law import clocks
from policy.models import Case, Category, Clock, DataRequest, Person
from policy.rights import data_letters, data_requests, people
from policy.rights.data_requests import Kind, State, Who
from provenance.models import Asset
from provenance.restriction import public

NAME, CONTACT = 120, 200  # characters, as where they are asked


# --- Correcting (GDPR 16) ------------------------------------------------------------------------------------------


def correct_own(person: Person, *, name: str, contact: str) -> DataRequest:
    """A person without an account corrects how they are called and reached: at once.

    The log gets the new value, sealed; what was sealed before stays as it was. Raises Problem with `errors`, Conflict.
    """
    _check({"name": (name, NAME), "contact": (contact, CONTACT)})
    with transaction.atomic():
        request = data_requests.ask(person, Kind.RECTIFY, text="Correct my name and how I am reached.")
        _correct(request, person, {"name": name.strip(), "contact": contact.strip()}, {}, None)
    return request


def correct(
    request: DataRequest, by: User, *, name: str = "", contact: str = "", titles: Mapping[str, str] | None = None
) -> None:
    """Carry out a correction that an operator has taken. Empty values stay as they are.

    titles: of their own works, by id. Another contact waits until who is reached at the old one had the time to stop
    it; then a person shown gets a PIN there, and the old one opens nothing. Raises Forbidden, Problem with `errors`,
    Conflict, NotFound for another's work.
    """
    titles = {pk: title.strip() for pk, title in (titles or {}).items() if title.strip()}
    wrong = {"name": (name, NAME), "contact": (contact, CONTACT)}
    _check({**wrong, **{f"title {pk}": (title, 200) for pk, title in titles.items()}})
    if not (name.strip() or contact.strip() or titles):
        raise invalid({"name": ["Say what is correct: a name, an address or a title."]})
    data_requests.taken_by(request, by)
    who, pin = data_requests.who_asks(request), None
    if contact.strip():
        data_letters.refuse_hasty(request)
        pin = consent_pins.new_pin()
    with transaction.atomic():
        _correct(request, who, {"name": name, "contact": contact}, titles, by)
        asked = consent_pins.question_of(who) if pin and isinstance(who, Person) else None
        if pin and asked and consent_pins.address_of(asked):
            consent_pins.issue(asked, pin, Person.objects.filter(pk=who.pk))


def _correct(
    request: DataRequest, who: Who, values: Mapping[str, str], titles: Mapping[str, str], by: User | None
) -> None:
    new = {key: value.strip() for key, value in values.items() if value.strip()}
    if isinstance(who, User):
        _correct_account(who, new, titles)
    elif titles:
        raise invalid({"titles": ["Only an account has works of its own."]})
    elif new:
        people.refuse_erased(who)
        old_name, old_contact = people.name_and_contact(who)
        called, reached = new.get("name", old_name), new.get("contact", old_contact)
        people.keep_contact(who, name=called, contact=reached, by_letter=request.written_by_id is not None)
    said: dict[str, Any] = {**new, **({"titles": dict(titles)} if titles else {})}
    receipt = {"corrected": sorted(said), "titles": sorted(titles)}
    data_requests.finish(request, receipt, by=by, sealed={"new": Sealed(said, who.actor)})


def _correct_account(user: User, new: Mapping[str, str], titles: Mapping[str, str]) -> None:
    if "contact" in new:
        # The address is what one signs in with: it is changed by who proves, by a mail to it, that it is theirs.
        raise invalid({"contact": ["An account's address is changed by its owner, under “E-mail address”."]})
    if "name" in new:
        User.objects.filter(pk=user.pk).update(name=new["name"])
    for pk, title in titles.items():
        if not _is_uuid(pk) or not Asset.objects.filter(pk=pk, owner=user).update(title=title):
            raise NotFound("work of theirs")


def _check(values: Mapping[str, tuple[str, int]]) -> None:
    wrong = {field: [f"At most {most} characters."] for field, (value, most) in values.items() if len(value) > most}
    if wrong:
        raise invalid(wrong)


def _is_uuid(value: str) -> bool:
    try:
        return bool(uuid.UUID(value))
    except ValueError:
        return False


# --- Storing only (GDPR 18) ----------------------------------------------------------------------------------------


def restrict_own(person: Person) -> DataRequest:
    """From now on what is held is stored and not used, but for what a legal duty asks. Raises Conflict."""
    with transaction.atomic():
        request = data_requests.ask(person, Kind.RESTRICT)
        _restrict(request, person, None)
    return request


def restrict(request: DataRequest, by: User) -> None:
    """Carry out a restriction that an operator has taken. Raises Forbidden, Conflict."""
    data_requests.taken_by(request, by)
    with transaction.atomic():
        _restrict(request, data_requests.who_asks(request), by)


def _restrict(request: DataRequest, who: Who, by: User | None) -> None:
    if data_requests.is_restricted(who):
        raise Conflict("This is restricted already.", code="data.again")
    since = now()
    if isinstance(who, Person):
        Person.objects.filter(pk=who.pk).update(restricted_at=since)
        who.restricted_at = since
    # An account's restriction is this request, until it is lifted: `data_requests.is_restricted` looks for it.
    data_requests.finish(request, {"restricted_at": since.isoformat(), "lifted_at": None}, by=by)


def lift(who: Who, *, by: User | None = None) -> None:
    """Use it again: as the person says, or as an operator does, which the person is told of (GDPR 18(3)).

    Raises Forbidden, Conflict when nothing is restricted.
    """
    if by is not None:
        data_requests.may_answer(by)
    with transaction.atomic():
        done = who.data_requests.select_for_update().filter(kind=Kind.RESTRICT, state=State.DONE)
        request = done.filter(receipt__lifted_at=None).order_by("-created_at").first()
        if request is None:
            raise Conflict("Nothing is restricted.", code="data.not_restricted")
        if isinstance(who, Person):
            Person.objects.filter(pk=who.pk).update(restricted_at=None)
            who.restricted_at = None
        request.receipt = {**request.receipt, "lifted_at": now().isoformat()}
        request.save(update_fields=["receipt"])
        data_requests.tell_lifted(request, by)


# --- Objecting (GDPR 21) -------------------------------------------------------------------------------------------


def uphold(request: DataRequest, by: User) -> None:
    """The objection holds for good: what rests on the office's interests is not done with their data any more.

    It has held since it was made; refusing it (`data_requests.refuse`) ends that. Raises Forbidden, Conflict.
    """
    data_requests.taken_by(request, by)
    with transaction.atomic():
        data_requests.finish(request, {"objects_since": request.created_at.isoformat()}, by=by)


# --- A person looks again (GDPR 22(3)) -----------------------------------------------------------------------------


def works_of(who: Who, *, told: bool = False) -> "list[Asset]":
    """The works about which they may ask that a person looks again: their own, those they are shown in or reported.

    told: only those that may be named to them. Who reported a digest is not told which work it belongs to, unless it
    leads anybody there.
    """
    theirs = Q(owner=who) if isinstance(who, User) else Q(depictions__person=who)
    reported = Q(notices__account=who) if isinstance(who, User) else Q(notices__filer=who)
    if told:
        named = Q(notices__file_sha256="", notices__filer__erased_at=None)  # an erasure empties the digest
        reported &= named | Q(pk__in=public().values("pk"))
    found = Asset.objects.filter(theirs | reported)
    return list(Asset.objects.filter(pk__in=found.values("pk")).order_by("pk")[:200])


def look_again(who: Who, asset: Asset) -> DataRequest:
    """A reviewer looks at what this office says or does about a work. Opens or joins a case, due when the answer is.

    Raises NotFound for a work that does not concern them, Conflict while the same is asked for.
    """
    if asset not in works_of(who, told=True):
        raise NotFound("work that concerns you")
    with transaction.atomic():
        request = data_requests.ask(who, Kind.HUMAN)
        case = _case_about(request, asset)
        move(request, DataRequest.MOVES, State.PLANNED, receipt={"cases": [str(case.pk)]})
    return request


def look_at_all(request: DataRequest, by: User) -> None:
    """Carry out the same for a request that came by letter: a case for each work that concerns them.

    Raises Forbidden, Conflict when there is no such work.
    """
    data_requests.taken_by(request, by)
    works = works_of(data_requests.who_asks(request))
    if not works:
        raise Conflict("No work here concerns them.", code="data.no_work", next_step="Refuse it: nothing is held.")
    if request.receipt.get("cases"):
        raise Conflict("The cases are open already.", code="data.again")
    with transaction.atomic():
        data_requests.record_look(request, by, "works")
        opened = [_case_about(request, asset) for asset in works]
        request.receipt = {"cases": [str(case.pk) for case in opened]}
        request.save(update_fields=["receipt"])


def _case_about(request: DataRequest, asset: Asset) -> Case:
    """The queue is ordered by clocks to decide, so the month for the answer is one."""
    case = cases.open_or_join(asset, category=Category.PRIVACY, jurisdictions=["EU"])
    clocks.start(
        Clock.Purpose.DECIDE,
        data_requests.FACTS,
        clocks.DATA_REQUEST,
        at=request.created_at,
        case=case,
        data_request=request,
        entry=request.entry,
    )
    return case


def settle() -> int:
    """Requests that a person looks again are answered once their case is decided. Run by beat; returns how many."""
    waiting = DataRequest.objects.filter(kind=Kind.HUMAN, state=State.PLANNED, receipt__has_key="cases")
    asked = {request: set(request.receipt["cases"]) for request in waiting.order_by("pk")[:500]}
    undecided = Case.objects.filter(pk__in=set().union(*asked.values()), state__in=Case.UNDECIDED)
    open_still = {str(pk) for pk in undecided.values_list("pk", flat=True)}
    done = [request for request, cases_of in asked.items() if not cases_of & open_still]
    return beat.each(done, lambda request: data_requests.finish(request, {**request.receipt, "decided": True}))
