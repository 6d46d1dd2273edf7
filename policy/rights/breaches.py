"""Breaches of personal data (GDPR 33 and 34): on record at once, the authority within the rule's 72 hours, the people.

The clock runs from the moment this office became aware. Whom a breach concerns is chosen by a question to the database,
never typed; a mail to them says that something happened and where to read it, and nothing else.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from accounts.models import User
from accounts.people import leading_role
from core import jobs
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import Conflict, NotFound, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy import authority
from policy.deciding import plain_texts
from policy.law import clocks
from policy.mail import letters
from policy.models import Breach, BreachParty, Clock, Person
from policy.rights import data_requests

TELL = "breach.tell"
State, Risk = Breach.State, Breach.Risk
_FACTS: Final = {"channel": "breach", "jurisdictions": ["EU"]}
_BATCH: Final = 500
_TOGETHER: Final = 50
_SENTENCE: Final = (
    "Something happened to data that this office holds about you. What it was, and what you can do, is shown"
)

Affected = tuple["QuerySet[Person]", "QuerySet[User]"]


def _nobody() -> Affected:
    return Person.objects.none(), User.objects.none()


def _filers() -> Affected:
    return Person.objects.filter(notices__isnull=False), User.objects.none()


def _depicted() -> Affected:
    return Person.objects.filter(depictions__isnull=False), User.objects.none()


def _accounts() -> Affected:
    return Person.objects.none(), User.objects.filter(is_active=True)


def _everybody() -> Affected:
    return Person.objects.all(), User.objects.filter(is_active=True)


# Whom it can concern, in the words of the form.
AFFECTED: Final[Mapping[str, tuple[str, Callable[[], Affected]]]] = {
    "nobody": ("Nobody known yet", _nobody),
    "filers": ("Everybody who filed a notice", _filers),
    "depicted": ("Everybody who was asked for consent", _depicted),
    "accounts": ("Everybody with an account", _accounts),
    "everybody": ("Everybody", _everybody),
}


def open_breach(
    by: User,
    *,
    kind: str,
    description: str,
    risk: str = Risk.UNKNOWN,
    measures: str = "",
    affected: str = "nobody",
    aware_at: dt.datetime | None = None,
) -> Breach:
    """Record a breach, whom it concerns, and start the clock. aware_at: when the office learned of it; not later.

    Raises Forbidden, Problem with `errors`.
    """
    authority.may(by, authority.Act.RECORD_BREACH)
    aware = aware_at or now()
    _check(kind=kind, risk=risk, affected=affected, description=description, measures=measures)
    if aware > now():
        raise invalid({"aware_at": ["This is in the future."]})
    with transaction.atomic():
        breach = Breach(
            kind=kind,
            risk=risk,
            description=description.strip(),
            measures=measures.strip(),
            aware_at=aware,
            opened_by=by,
        )
        facts: dict[str, Json] = {"kind": kind, "risk": risk, "aware_at": aware.isoformat(), "affected": affected}
        breach.entry = _record(EventType.BREACH_OPENED, breach, by, facts)
        breach.save(force_insert=True)
        _add(breach, affected)
        clocks.start(Clock.Purpose.BREACH, _FACTS, clocks.BREACH, at=aware, breach=breach, entry=breach.entry)
    return breach


def assess(breach: Breach, by: User, *, risk: str, measures: str = "", affected: str = "nobody") -> None:
    """What is known by now: the risk, what was done, and whom it concerns as well. Raises as `open_breach` does."""
    authority.may(by, authority.Act.RECORD_BREACH)
    _check(risk=risk, affected=affected, measures=measures)
    with transaction.atomic():
        to = {"risk": risk, "measures": measures.strip() or breach.measures}
        if not Breach.objects.filter(pk=breach.pk, state=breach.state).exclude(state=State.CLOSED).update(**to):
            raise Conflict("This breach is closed, or was changed by somebody else.", code="breach.changed")
        _add(breach, affected)
        _record(EventType.BREACH_ASSESSED, breach, by, {"risk": risk, "affected": affected})
    breach.refresh_from_db()


def tell_authority(breach: Breach, by: User, *, reference: str = "", late_because: str = "") -> None:
    """Record that the authority was told, now. After the deadline it asks why so late (GDPR 33(1)).

    Raises Forbidden, Problem with `errors`, Conflict when it was told before.
    """
    authority.may(by, authority.Act.RECORD_BREACH)
    if breach.authority_told_at is not None:
        raise Conflict("The authority was told before.", code="breach.told")
    late = is_late(breach)
    _check(reference=reference, late_because=late_because, late=late)
    with transaction.atomic():
        to: dict[str, Any] = {
            "authority_told_at": now(),
            "reference": reference.strip(),
            "late_because": late_because.strip(),
        }
        move(breach, Breach.MOVES, State.TOLD, **to)
        _record(EventType.BREACH_TOLD, breach, by, {"whom": "authority", "late": late})
        clocks.end(breach.clocks.all(), Clock.State.MET)


def need_not_tell(breach: Breach, by: User) -> None:
    """A risk is unlikely, so the authority need not be told; that it was looked at stays on record (GDPR 33(5)).

    Raises Forbidden, Conflict.
    """
    authority.may(by, authority.Act.RECORD_BREACH)
    if breach.risk != Risk.UNLIKELY:
        raise Conflict("Only a breach that is unlikely to be a risk is not told.", code="breach.risk")
    with transaction.atomic():
        move(breach, Breach.MOVES, State.NOT_TOLD)
        _record(EventType.BREACH_TOLD, breach, by, {"whom": "nobody"})
        clocks.end(breach.clocks.all(), Clock.State.VOID)


def tell_people(breach: Breach, by: User) -> int:
    """Write to everybody whom a breach of high risk concerns and who can be written to (GDPR 34). Returns how many.

    Raises Forbidden, Conflict when the risk is not high or they were told.
    """
    authority.may(by, authority.Act.RECORD_BREACH)
    if breach.risk != Risk.HIGH:
        raise Conflict("People are told of a breach of high risk.", code="breach.risk")
    waiting = breach.parties.filter(told_at=None)
    with transaction.atomic():
        if not waiting.exists():
            raise Conflict("There is nobody who has not been told.", code="breach.told")
        count = waiting.count()
        _record(EventType.BREACH_TOLD, breach, by, {"whom": "people", "count": count})
        Breach.objects.filter(pk=breach.pk).update(people_told_at=now())
        jobs.enqueue(TELL, breach=str(breach.pk))
    breach.refresh_from_db()
    return count


def close(breach: Breach, by: User) -> None:
    """Raises Forbidden, Conflict while the authority, or people at high risk, have not been told."""
    authority.may(by, authority.Act.RECORD_BREACH)
    if breach.risk == Risk.HIGH and breach.parties.filter(told_at=None).exists():
        raise Conflict("People at high risk have not been told yet.", code="breach.people")
    with transaction.atomic():
        move(breach, Breach.MOVES, State.CLOSED)
        _record(EventType.BREACH_CLOSED, breach, by, {"risk": str(breach.risk)})


def is_late(breach: Breach) -> bool:
    """Whether a deadline to tell the authority has passed."""
    return breach.clocks.filter(due_at__lt=now()).exists()


def for_desk() -> "QuerySet[Any]":
    """The open ones first, the newest of each first; with how many people each concerns."""
    told = Count("parties", filter=Q(parties__told_at__isnull=False))
    rows = Breach.objects.annotate(people=Count("parties"), told=told)
    return rows.prefetch_related("clocks").order_by("authority_told_at", "-aware_at")


def find(pk: Any) -> Breach:
    """Raises NotFound."""
    found: Breach | None = for_desk().filter(pk=pk).first()
    if found is None:
        raise NotFound("breach")
    return found


# --- Whom ----------------------------------------------------------------------------------------------------------


def _add(breach: Breach, affected: str) -> None:
    """Everybody of that kind who is not erased and not listed yet."""
    people, users = AFFECTED[affected][1]()
    known = set(breach.parties.values_list("person", flat=True)) | set(breach.parties.values_list("user", flat=True))
    found = [
        BreachParty(breach=breach, person_id=pk, entry=breach.entry) for pk in _keys(people.filter(erased_at=None))
    ]
    found += [BreachParty(breach=breach, user_id=pk, entry=breach.entry) for pk in _keys(users)]
    new = [party for party in found if (party.person_id or party.user_id) not in known]
    BreachParty.objects.bulk_create(new, batch_size=_BATCH)


def _keys(rows: "QuerySet[Any]") -> Iterable[Any]:
    return rows.order_by("pk").values_list("pk", flat=True).distinct()


@jobs.handler(TELL)
def _tell(job: Job) -> None:
    """Some at a time, written to first and ticked off after: after a crash a few are told twice, and none never."""
    breach = Breach.objects.get(pk=str(job.args["breach"]))
    waiting = breach.parties.filter(told_at=None).select_related("person", "user").order_by("pk")
    while some := list(waiting[:_TOGETHER]):
        for party in some:
            letters.send(_address(party), "about your data", _SENTENCE, "/my-data/")
        with transaction.atomic():
            BreachParty.objects.filter(pk__in=[party.pk for party in some]).update(told_at=now())
            _record(EventType.BREACH_TOLD, breach, None, {"whom": "people", "told": len(some)})


def _address(party: BreachParty) -> str:
    """Empty for who cannot be written to: their page tells them."""
    who = party.user or party.person
    return data_requests.address_of(who) if who else ""


def concerning(who: Person | User) -> list[Breach]:
    """The breaches that somebody is told of on their own page: of high risk, and made known."""
    mine = Q(parties__person=who) if isinstance(who, Person) else Q(parties__user=who)
    told = Breach.objects.filter(mine, risk=Risk.HIGH).exclude(people_told_at=None)
    return list(told.distinct().order_by("-aware_at"))


# --- On record -----------------------------------------------------------------------------------------------------


def _check(late: bool = False, **said: str) -> None:
    wrong: dict[str, Any] = {
        "kind": "kind" in said and said["kind"] not in Breach.Kind.values and "Choose one.",
        "risk": "risk" in said and said["risk"] not in Risk.values and "Choose one.",
        "affected": "affected" in said and said["affected"] not in AFFECTED and "Choose one.",
        "description": "description" in said and _bad_text(said["description"], 10, 5000),
        "measures": _bad_text(said.get("measures", ""), 0, 5000),
        "reference": len(said.get("reference", "").strip()) > 60 and "At most 60 characters.",
        "late_because": _bad_text(said.get("late_because", ""), 10 if late else 0, 300),
    }
    errors = {name: [message] for name, message in wrong.items() if message}
    if errors:
        raise invalid(errors)


def _bad_text(text: str, shortest: int, longest: int) -> str:
    if not shortest <= len(text.strip()) <= longest:
        return f"Between {shortest} and {longest:,} characters." if shortest else f"At most {longest:,} characters."
    return plain_texts.leak(text)


def _record(event: EventType, breach: Breach, by: User | None, facts: dict[str, Json]) -> Entry:
    return log.append(
        event,
        actor=by.actor if by else "system",
        role=leading_role(by) if by else "system",
        object=f"breach:{breach.pk}",
        refs=[breach.entry] if breach.entry else [],
        facts=facts,
    )
