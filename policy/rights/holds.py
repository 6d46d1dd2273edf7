"""Legal holds (I11): what an erasure must wait for, on which ground, and until when somebody looks at it again.

A person's data has one key, so a hold on them, or on a case or work they have to do with, keeps all that is sealed for
them. Their erasure is done as far as it can be (`rights.data_rights`), and completed when the last such hold ends.
"""

import datetime as dt
import uuid
from typing import Any

from django.db import models, transaction
from django.db.models import Q

from accounts.models import User
from accounts.people import leading_role
from core import jobs
from core.clock import now
from core.problems import Conflict, NotFound, invalid
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority, parties
from policy.law import rules
from policy.models import Case, DataRequest, Hold, Person
from policy.rights.holdings import Who
from provenance.models import Asset

# The job that completes a waiting erasure; its handler is in `policy.rights.data_rights`.
COMPLETE = "data.complete"
_MAY = authority.ACTS[authority.Act.PLACE_HOLD].roles
_KINDS: dict[str, type[models.Model]] = {"person": Person, "user": User, "case": Case, "asset": Asset}


def place_hold(by: User, *, on: str, basis: str, review_date: dt.date) -> Hold:
    """Keep what concerns `on` ("person:<id>", "user:<id>", "case:<id>" or "asset:<id>") until the hold is released.

    basis: the id of the rule that asks for it. Raises Forbidden (also for a party), NotFound (subject or rule), Problem
    with `errors`.
    """
    authority.may(by, authority.Act.PLACE_HOLD)
    rule = rules.rule(basis)
    if review_date <= now().date():
        raise invalid({"review_date": ["A hold is looked at again on a day to come."]})
    kind, _, pk = on.partition(":")
    with transaction.atomic():
        subject = locked(kind, pk)
        parties.refuse_party(by, subject)
        hold = Hold(**{kind: subject}, basis=rule.id, review_date=review_date)
        hold.entry = log.append(
            EventType.HOLD_PLACED,
            actor=by.actor,
            role=leading_role(by, *_MAY),
            object=f"hold:{hold.pk}",
            refs=[subject.entry] if getattr(subject, "entry", None) else [],
            facts={"basis": rule.id, "review_date": review_date.isoformat(), **_public(kind, on)},
            sealed=_sealed(on, subject),
        )
        hold.save(force_insert=True)
    return hold


def release_hold(hold: Hold, by: User) -> None:
    """What waited for it is erased soon after, by a job. Raises Forbidden; Conflict when it was released before."""
    authority.may(by, authority.Act.PLACE_HOLD)
    parties.refuse_party(by, hold)
    with transaction.atomic():
        if not Hold.objects.filter(pk=hold.pk, released_at=None).update(released_at=now()):
            raise Conflict("This hold was released before.", code="hold.released")
        log.append(
            EventType.HOLD_RELEASED,
            actor=by.actor,
            role=leading_role(by, *_MAY),
            object=f"hold:{hold.pk}",
            refs=[hold.entry] if hold.entry else [],
        )
        for request in DataRequest.objects.filter(state=DataRequest.State.PARTLY_DONE):
            jobs.enqueue(COMPLETE, request=str(request.pk))
    hold.refresh_from_db()


def review_hold(hold: Hold, by: User, *, review_date: dt.date) -> None:
    """It is still needed, and looked at again on a later day; who no longer needs it releases it.

    Raises Forbidden, Problem with `errors`, Conflict when it was released or reviewed by somebody else meanwhile.
    """
    authority.may(by, authority.Act.PLACE_HOLD)
    parties.refuse_party(by, hold)
    if review_date <= now().date():
        raise invalid({"review_date": ["A hold is looked at again on a day to come."]})
    with transaction.atomic():
        unchanged = Hold.objects.filter(pk=hold.pk, released_at=None, review_date=hold.review_date)
        if not unchanged.update(review_date=review_date):
            raise Conflict("This hold was released, or reviewed by somebody else.", code="hold.changed")
        log.append(
            EventType.HOLD_REVIEWED,
            actor=by.actor,
            role=leading_role(by, *_MAY),
            object=f"hold:{hold.pk}",
            refs=[hold.entry] if hold.entry else [],
            facts={"basis": hold.basis, "review_date": review_date.isoformat()},
        )
    hold.refresh_from_db()


def in_force() -> "models.QuerySet[Hold]":
    """The next to be reviewed first; those whose day has come are overdue (`overdue`)."""
    return Hold.objects.filter(released_at=None).order_by("review_date", "pk")


def overdue(hold: Hold) -> bool:
    return hold.released_at is None and hold.review_date <= now().date()


def subject_of(hold: Hold) -> str:
    """`kind:<id>`, as `place_hold` takes it."""
    keys = {"person": hold.person_id, "user": hold.user_id, "case": hold.case_id, "asset": hold.asset_id}
    return next(f"{kind}:{pk}" for kind, pk in keys.items() if pk)


def kept_people() -> "models.QuerySet[Person]":
    """Everybody whom a hold reaches: the reverse of `reaching`, for all holds at once."""
    live = Hold.objects.filter(released_at=None)
    cases, works = live.exclude(case=None).values("case"), live.exclude(asset=None).values("asset")
    about = Q(pk__in=live.exclude(person=None).values("person"))
    about |= Q(depictions__asset__in=works) | Q(notices__asset__in=works)
    about |= Q(depictions__asset__cases__in=cases) | Q(notices__case__in=cases)
    about |= Q(notices__account__in=live.exclude(user=None).values("user"))
    return Person.objects.filter(pk__in=Person.objects.filter(about).values("pk"))


def reaching(who: Who) -> list[Hold]:
    """The holds that keep what is held about `who`: on them, their works and cases, or a case they reported."""
    if isinstance(who, User):
        theirs = Q(user=who) | Q(asset__owner=who) | Q(case__asset__owner=who)
        # A notice's words are sealed under a key of its filer, which goes with the account that filed it.
        filed = Q(case__notices__account=who) | Q(asset__notices__account=who) | Q(person__notices__account=who)
        about = theirs | filed
    else:
        shown, filed = Q(asset__depictions__person=who), Q(case__notices__filer=who) | Q(asset__notices__filer=who)
        about = Q(person=who) | shown | Q(case__asset__depictions__person=who) | filed | Q(user__notices__filer=who)
    return list(Hold.objects.filter(about, released_at=None).distinct().order_by("review_date", "pk"))


def locked(kind: str, pk: str) -> Any:
    """The row, locked, after everybody whom a hold on it reaches: an erasure of any of them comes before or after,
    never in between. People before things, as an erasure locks them.
    """
    if kind not in _KINDS:
        raise invalid({"on": [f"A hold is on one of: {', '.join(f'{known}:<id>' for known in _KINDS)}."]})
    try:
        known = uuid.UUID(pk)
        for people in _reached(kind, known):
            list(people.select_for_update().values_list("pk", flat=True))
        row = _KINDS[kind]._default_manager.select_for_update().filter(pk=known).first()
    except ValueError:
        row = None
    if row is None:
        raise NotFound(kind)
    return row


def _reached(kind: str, pk: uuid.UUID) -> "list[models.QuerySet[Any]]":
    """The people and accounts whom a hold on this case or work reaches: the reverse of `reaching`."""
    if kind == "asset":
        people, users = Q(depictions__asset=pk) | Q(notices__asset=pk), Q(assets=pk) | Q(notices__asset=pk)
    elif kind == "case":
        people = Q(depictions__asset__cases=pk) | Q(notices__case=pk)
        users = Q(assets__cases=pk) | Q(notices__case=pk)
    elif kind == "person":
        people, users = Q(pk=pk), Q(notices__filer=pk)
    elif kind == "user":
        people, users = Q(notices__account=pk), Q(pk=pk)
    else:
        return []
    # By a subquery: rows that a join names twice cannot be locked. In order, so that two holds never wait in a circle.
    return [
        Person.objects.filter(pk__in=Person.objects.filter(people).values("pk")).order_by("pk"),
        User.objects.filter(pk__in=User.objects.filter(users).values("pk")).order_by("pk"),
    ]


def _public(kind: str, on: str) -> dict[str, str]:
    """A thing is named in the log, a person is not."""
    return {"on": kind} if kind in ("person", "user") else {"on": kind, "subject": on}


def _sealed(on: str, subject: Any) -> dict[str, Sealed]:
    """Who, under their own key: it is erased with them."""
    return {"subject": Sealed(on, subject.actor)} if isinstance(subject, Person | User) else {}
