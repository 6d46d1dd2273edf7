"""A person's rights over their own data: see it, and have it erased while the log stays provable (I12).

Erasing destroys the person's key and the openings of what is sealed for them, empties their columns, and stops their
consent. Leaves, proofs, exports and the root stay as they are; the receipt shows the root before and after.
"""

from collections.abc import Sequence
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction

from accounts.models import LoginLink, MachineToken, Membership, Organisation, User
from core.clock import now
from core.problems import Conflict
from core.states import move
from ledger import log, merkle, proofs, reading, vault
from ledger.events import EventType
from ledger.log import Sealed
from policy import clocks, consent, holdings
from policy.holdings import Who
from policy.models import Appeal, Clock, Consent, DataRequest, MediaView, Notice, Person
from policy.personal_fields import ELSEWHERE

GROUND = "eu.gdpr.17"  # erasure; the clock for answering is eu.gdpr.12.3
RECEIPT = "assay-erasure/1"


class AlreadyErased(Conflict):
    def __init__(self) -> None:
        super().__init__("This was erased before; there is nothing left to erase.", code="data.erased")


def what_we_hold(who: Who) -> dict[str, Any]:
    """Everything held about a person or an account: by registered field, sealed in the log, and where else to ask."""
    return {"fields": list(holdings.by_field(who)), "log": holdings.in_log(who.actor), "elsewhere": ELSEWHERE}


def access(who: Who) -> tuple[DataRequest, dict[str, Any]]:
    """Answer a request for access at once, and record that it was answered."""
    with transaction.atomic():
        request = _request(who, DataRequest.Kind.ACCESS, EventType.DATA_ACCESSED)
        _done(request, {})
    return request, what_we_hold(who)


def erase(who: Who, *, by: User | None = None) -> DataRequest:
    """Erase a person (from their link, or number and PIN) or an account. Irrevocable once it returns.

    by: the operator who carries it out for them; None when they do it themselves. The request's `receipt` has the keys
    destroyed, the rows emptied, what a hold kept (none yet), and the log's root before and after at the same size.

    Who appealed or was told something after an erasure has a key again, and can be erased again, with a receipt of its
    own. Raises AlreadyErased when nothing is left; of two at once the second gets it.
    """
    with transaction.atomic():
        who = _locked(who)
        if is_erased(who):
            raise AlreadyErased
        request = _request(who, DataRequest.Kind.ERASE, EventType.ERASURE_REQUESTED, by=by)
        held_back = _holds(who)
        _stop_consent(who)
        size = reading.signed_size()
        before = _root(size)
        rows = _empty_account(who) if isinstance(who, User) else _empty_person(who)
        indices = vault.destroy(who.actor)
        _record(request, indices, by)
        receipt = {
            "format": RECEIPT,
            "request": str(request.pk),
            "ground": GROUND,
            "key_destroyed": not vault.has_key(who.actor),
            "indices": indices,
            "rows": rows,
            "held_back": held_back,
            "log": {"size": size, "root_before": before, "root_after": _root(size)},
            "erased_at": now().isoformat(),
        }
        _done(request, receipt)
    return request


def is_erased(who: Who) -> bool:
    """Whether this person or account was erased before, and nothing was sealed for them since."""
    if vault.has_key(who.actor):
        return False
    if isinstance(who, User):
        return who.data_requests.filter(kind=DataRequest.Kind.ERASE, state=DataRequest.State.DONE).exists()
    return Person.objects.filter(pk=who.pk).exclude(erased_at=None).exists()


def _locked(who: Who) -> Who:
    """The row as it is now, held until the transaction ends (SQLite has one writer from BEGIN on)."""
    if isinstance(who, User):
        return User.objects.select_for_update().get(pk=who.pk)
    return Person.objects.select_for_update().get(pk=who.pk)


def _holds(who: Who) -> list[dict[str, Any]]:
    """Rows a legal hold keeps, with basis and review date (I11). There is no model of holds yet, so nothing is kept."""
    return []


def _root(size: int) -> str:
    """The root over the first `size` leaves, computed from the stored tree, hex."""
    return merkle.root(proofs.nodes(), size).hex()


# --- The request ---------------------------------------------------------------------------------------------------


def _request(who: Who, kind: DataRequest.Kind, event: EventType, *, by: User | None = None) -> DataRequest:
    person, user = (None, who) if isinstance(who, User) else (who, None)
    request = DataRequest(kind=kind, person=person, user=user)
    # For the person themselves no actor is sealed: it would be sealed under the key that is destroyed next.
    request.entry = log.append(
        event,
        actor=by.actor if by else "system",
        role="operator" if by else "person",
        object=f"request:{request.pk}",
        facts={"kind": kind.value},
    )
    request.save(force_insert=True)
    facts = {"channel": "dsr", "jurisdictions": ["EU"]}
    clocks.start(Clock.Purpose.DATA_REQUEST, facts, clocks.DATA_REQUEST, at=request.created_at, data_request=request)
    return request


def _done(request: DataRequest, receipt: dict[str, Any]) -> None:
    move(request, DataRequest.MOVES, DataRequest.State.DONE, receipt=receipt, done_at=now())
    clocks.end(request.clocks.all(), Clock.State.MET)


def _record(request: DataRequest, indices: Sequence[int], by: User | None) -> None:
    """How many entries lost an opening and on which ground, for everybody; which ones, sealed.

    A public list would tie together, for ever, entries of which nobody else can see that they concern one person.
    """
    log.append(
        EventType.ERASURE_PERFORMED,
        actor=by.actor if by else "system",
        role="operator" if by else "system",
        object=f"request:{request.pk}",
        refs=[request.entry] if request.entry else [],
        facts={"ground": GROUND, "count": len(indices)},
        sealed={"indices": Sealed(list(indices), f"request:{request.pk}")},
    )


# --- Emptying ------------------------------------------------------------------------------------------------------


def _stop_consent(who: Who) -> None:
    """Erasure withdraws what was agreed to, before the key that signs for the person is gone."""
    if isinstance(who, Person):
        given = Consent.objects.filter(depiction__person=who, state=Consent.State.GIVEN)
        for each in given.select_related("depiction__asset", "depiction__person"):
            consent.withdraw(each)


def _empty_person(person: Person) -> dict[str, int]:
    """The first erasure's moment stays: from then on nothing is added and no link opens."""
    erased_at = person.erased_at or now()
    emptied = Person.objects.filter(pk=person.pk).update(sealed_contact=b"", erased_at=erased_at)
    notices = Notice.objects.filter(filer=person)
    return {
        "notices": notices.update(sealed_text=b"", file_sha256=""),
        "appeals": Appeal.objects.filter(notice__filer=person).update(sealed_grounds=b""),
        "person": emptied,
    }


def _empty_account(user: User) -> dict[str, int]:
    """Names and ways in go; what was registered stays registered, owned by an account without a name."""
    alone = _organisations_of_one(user)
    rows = {
        "memberships": Membership.objects.filter(user=user).delete()[0],
        "tokens": MachineToken.objects.filter(user=user).delete()[0],
        "login_links": LoginLink.objects.filter(user=user).delete()[0],
        "email_addresses": EmailAddress.objects.filter(user=user).delete()[0],
        "second_factors": Authenticator.objects.filter(user=user).delete()[0],
        "sessions": Session.objects.filter(pk__in=[each.pk for each in holdings.sessions_of(user)]).delete()[0],
        "appeals": Appeal.objects.filter(user=user).update(sealed_grounds=b""),
        "views": MediaView.objects.filter(reviewer=user).update(reason=""),
    }
    for organisation in alone:
        Organisation.objects.filter(pk=organisation.pk).update(name=f"Former member {str(organisation.pk)[-12:]}")
    blank = {"email": f"{user.pk.hex}@erased.invalid", "name": "", "password": make_password(None), "last_login": None}
    User.objects.filter(pk=user.pk).update(is_active=False, **blank)
    return {**rows, "account": 1}


def _organisations_of_one(user: User) -> list[Organisation]:
    """Organisations in which nobody else is: their name is likely to be the person's."""
    mine = Organisation.objects.filter(memberships__user=user).distinct()
    return [each for each in mine if not each.memberships.exclude(user=user).exists()]
