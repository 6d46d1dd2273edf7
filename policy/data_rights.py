"""A person's rights over their own data: see it, and have it erased while the log stays provable (I12).

Erasing destroys the person's key and the openings of what is sealed for them, empties their columns, and stops their
consent. Leaves, proofs, exports and the root stay as they are; the receipt shows the root before and after. What a
legal hold keeps is erased when the hold is released; what a restore brings back is erased again (`ledger.erasures`).
"""

import uuid
from contextlib import suppress
from typing import Any, TypeVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import LoginLink, MachineToken, Membership, Organisation, User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict
from core.states import move
from ledger import erasures, log, merkle, reading, tiles, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.storedtree import read_tile
from policy import clocks, consent, holdings, holds
from policy.holdings import Who
from policy.models import Appeal, Clock, Consent, DataRequest, Hold, MediaView, Notice, Person
from policy.personal_fields import ELSEWHERE
from provenance.assertions import METADATA, says_more_than_title
from provenance.redaction import REDACT

GROUND = "eu.gdpr.17"  # erasure; the clock for answering is eu.gdpr.12.3
RECEIPT = "assay-erasure/1"

Row = TypeVar("Row", Person, User)


class AlreadyErased(Conflict):
    def __init__(self) -> None:
        super().__init__("This was erased before; there is nothing left to erase.", code="data.erased")


class Held(Conflict):
    def __init__(self, held_back: list[dict[str, str]]) -> None:
        grounds = "; ".join(f"{hold['basis']}, looked at again by {hold['review_date']}" for hold in held_back)
        super().__init__(
            f"Erasure was requested before. A legal hold keeps the rest ({grounds}).",
            code="data.held",
            next_step="Nothing: it is erased as soon as the hold is released.",
        )


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
    destroyed, the rows emptied, what a hold kept with its basis and review date, and the log's root before and after at
    the same size. With a hold the request is partly done, and completed by a job after the hold's release.

    Who appealed or was told something after an erasure has a key again, and can be erased again, with a receipt of its
    own. Raises AlreadyErased when nothing is left, Held while a hold keeps the rest; of two at once the second gets it.
    """
    with transaction.atomic():
        who = _locked(who)
        if is_erased(who):
            raise AlreadyErased
        held_back = [_held(hold) for hold in holds.reaching(who)]
        if held_back and _requests(who).filter(state=DataRequest.State.PARTLY_DONE).exists():
            raise Held(held_back)
        request = _request(who, DataRequest.Kind.ERASE, EventType.ERASURE_REQUESTED, by=by)
        _stop_consent(who)
        if held_back:
            _keep(request, who, held_back)
        else:
            _carry_out(request, who, by)
    return request


@jobs.handler(holds.COMPLETE)
def complete(job: Job) -> None:
    """After a hold's release: erase what it kept, unless another hold keeps it still."""
    with transaction.atomic():
        request = DataRequest.objects.select_for_update().get(pk=uuid.UUID(str(job.args["request"])))
        who = _locked(request.user or request.person or _nobody(request))
        if request.state == DataRequest.State.PARTLY_DONE and not holds.reaching(who):
            _carry_out(request, who, None)


def empty_again(actor: str) -> None:
    """After a restore: empty what the erasure of this person or account had emptied (`ledger.erasures.register`).

    Appends nothing: the log says already what was done, and may not grow before it is recovered.
    """
    person, user = _row(Person, "person", actor), _row(User, "user", actor)
    if person:
        given = Consent.objects.filter(depiction__person=person, state=Consent.State.GIVEN)
        given.update(state=Consent.State.WITHDRAWN, answered_at=now())
        _empty_person(person)
    if user:
        _empty_account(user)


def _row(model: type[Row], kind: str, actor: str) -> Row | None:
    """Whom the log calls `<kind>:<id>`, if it is one of these."""
    with suppress(ValueError):
        if actor.startswith(f"{kind}:"):
            return model._default_manager.filter(pk=uuid.UUID(actor.removeprefix(f"{kind}:"))).first()
    return None


erasures.register(empty_again)


def is_erased(who: Who) -> bool:
    """Whether this person or account was erased before, and nothing was sealed for them since."""
    if vault.has_key(who.actor):
        return False
    if isinstance(who, User):
        return _requests(who).filter(state=DataRequest.State.DONE).exists()
    return Person.objects.filter(pk=who.pk).exclude(erased_at=None).exists()


def _locked(who: Who) -> Who:
    """The row as it is now, held until the transaction ends (SQLite has one writer from BEGIN on)."""
    if isinstance(who, User):
        return User.objects.select_for_update().get(pk=who.pk)
    return Person.objects.select_for_update().get(pk=who.pk)


def _held(hold: Hold) -> dict[str, str]:
    """For the receipt: why the rest is kept, and when somebody asks whether it must be."""
    return {"basis": hold.basis, "review_date": hold.review_date.isoformat()}


def _requests(who: Who) -> "QuerySet[DataRequest]":
    return who.data_requests.filter(kind=DataRequest.Kind.ERASE)


def _nobody(request: DataRequest) -> Who:
    raise RuntimeError(f"{request} is of nobody")


def _root(size: int) -> str:
    """The root over the first `size` leaves, computed from the stored tree, hex."""
    # Read again each time, not from the proofs' shared tiles: before and after must be two readings.
    return merkle.root(tiles.Nodes(read_tile), size).hex()


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


def _done(request: DataRequest, receipt: dict[str, Any], state: DataRequest.State = DataRequest.State.DONE) -> None:
    move(request, DataRequest.MOVES, state, receipt=receipt, done_at=now())
    clocks.end(request.clocks.filter(state=Clock.State.RUNNING), Clock.State.MET)


def _carry_out(request: DataRequest, who: Who, by: User | None) -> None:
    """Everything goes, and the log says so."""
    size = reading.signed_size()
    before = _root(size)
    rows = _empty_account(who) if isinstance(who, User) else _empty_person(who)
    if isinstance(who, User):
        _redact_what_they_said(request, who)
    erasure = vault.destroy(who.actor)
    _record(request, erasure, by)
    destroyed = {"key_destroyed": not vault.has_key(who.actor), "indices": erasure.indices, "keys": erasure.keys}
    roots = {"size": size, "root_before": before, "root_after": _root(size)}
    _done(request, {**_receipt(request, rows), **destroyed, "log": roots})


def _keep(request: DataRequest, who: Who, held_back: list[dict[str, str]]) -> None:
    """Under a hold: consent has been stopped, the ways in go, and the receipt says what is kept and why."""
    rows = _close_account(who) if isinstance(who, User) else {}
    size = reading.signed_size()
    root = _root(size)
    kept = {"key_destroyed": False, "indices": [], "keys": [], "held_back": held_back}
    roots = {"size": size, "root_before": root, "root_after": root}
    _done(request, {**_receipt(request, rows), **kept, "log": roots}, DataRequest.State.PARTLY_DONE)


def _receipt(request: DataRequest, rows: dict[str, int]) -> dict[str, Any]:
    return {
        "format": RECEIPT,
        "request": str(request.pk),
        "ground": GROUND,
        "rows": rows,
        "held_back": [],
        "erased_at": now().isoformat(),
    }


def _record(request: DataRequest, erasure: vault.Erasure, by: User | None) -> None:
    """How many entries lost an opening, on which ground and which key went, for everybody; which entries, sealed.

    A public list would tie together, for ever, entries of which nobody else can see that they concern one person; the
    digest of a key is random and used once, and lets a restored database find what must go again (decision 5).
    """
    log.append(
        EventType.ERASURE_PERFORMED,
        actor=by.actor if by else "system",
        role="operator" if by else "system",
        object=f"request:{request.pk}",
        refs=[request.entry] if request.entry else [],
        facts={"ground": GROUND, "count": len(erasure.indices), "keys": erasure.keys},
        sealed={"indices": Sealed(list(erasure.indices), f"request:{request.pk}")},
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


def _close_account(user: User) -> dict[str, int]:
    """The ways in go, at once even under a hold."""
    rows = {
        "tokens": MachineToken.objects.filter(user=user).delete()[0],
        "login_links": LoginLink.objects.filter(user=user).delete()[0],
        "second_factors": Authenticator.objects.filter(user=user).delete()[0],
        "sessions": Session.objects.filter(pk__in=[each.pk for each in holdings.sessions_of(user)]).delete()[0],
    }
    User.objects.filter(pk=user.pk).update(is_active=False, password=make_password(None))
    return rows


def _empty_account(user: User) -> dict[str, int]:
    """Names and ways in go; what was registered stays registered, owned by an account without a name."""
    alone = _organisations_of_one(user)
    rows = {
        **_close_account(user),
        "memberships": Membership.objects.filter(user=user).delete()[0],
        "email_addresses": EmailAddress.objects.filter(user=user).delete()[0],
        "appeals": Appeal.objects.filter(user=user).update(sealed_grounds=b""),
        "views": MediaView.objects.filter(reviewer=user).update(reason=""),
    }
    for organisation in alone:
        Organisation.objects.filter(pk=organisation.pk).update(name=f"Former member {str(organisation.pk)[-12:]}")
    blank = {"email": f"{user.pk.hex}@erased.invalid", "name": "", "last_login": None}
    User.objects.filter(pk=user.pk).update(**blank)
    return {**rows, "account": 1}


def _redact_what_they_said(request: DataRequest, user: User) -> None:
    """What they had put into the credentials of their works besides the title: their name, as a rule."""
    for asset in user.assets.prefetch_related("manifests"):
        if any(says_more_than_title(manifest.active) for manifest in asset.manifests.all()):
            key, ground = f"{REDACT}:{request.pk}:{asset.pk}", f"erasure:{request.pk}"
            jobs.enqueue(REDACT, key=key, asset=str(asset.pk), labels=[METADATA], ground=ground)


def _organisations_of_one(user: User) -> list[Organisation]:
    """Organisations in which nobody else is: their name is likely to be the person's."""
    mine = Organisation.objects.filter(memberships__user=user).distinct()
    return [each for each in mine if not each.memberships.exclude(user=user).exists()]
