"""The PIN of a person shown proves an address: this office mails it there with their first answer, and shows it nobody.

Who asked for the consent knows the link too, and can have it made again. So the link alone opens the question, and
takes a first yes, a “no” and a “not me”; what is held about the person, the decisions about them, and a changed “yes”
ask for the PIN. Where no address is known there is none, and the link takes no yes. It has so many digits that wrong
tries need not lock it, by which anybody with the link could keep the person out; they are slowed by address.
"""

import base64
import re
import secrets
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Problem
from ledger import log
from ledger.events import EventType
from policy.consents.consent_record import mailed_token
from policy.models import Consent, DataRequest, Person
from policy.rights import data_letters, data_requests, people

DIGITS: Final = 12
SEND: Final = "consent.pin"
_CONTEXT: Final = "policy.person.pin"
# In the language in which the person was asked. Mail is open: it names nobody, and neither the work nor the answer.
MAIL: Final = {
    "en": (
        "your PIN",
        "Somebody answered a question about consent that was meant for you. This is your PIN: {pin}\n\nWith it you see "
        "what was answered, change it, see and erase your data, and appeal, here:\n{link}\n\nWho asked you has another "
        "link to the same question, but not this PIN. Give it to nobody, and use it once soon: then we know that it "
        "reached you. If it was not you who answered, say so on that page.\n\nThis office is {office}.\n",
    ),
    "de": (
        "Ihre PIN",
        "Jemand hat eine Frage nach Einwilligung beantwortet, die für Sie bestimmt war. Das ist Ihre PIN: {pin}\n\nMit "
        "ihr sehen und ändern Sie die Antwort, sehen und löschen Sie Ihre Daten und legen Beschwerde ein, hier:\n"
        "{link}\n\nWer Sie gefragt hat, hat einen anderen Link zu derselben Frage, aber nicht diese PIN. Geben Sie sie "
        "niemandem, und benutzen Sie sie bald einmal: Dann wissen wir, dass sie angekommen ist. Haben nicht Sie "
        "geantwortet, sagen Sie es auf jener Seite.\n\nDieses Büro ist {office}.\n",
    ),
}


class PinNeeded(Problem):
    """The link alone does not open this; the same words for a wrong PIN and a missing one."""

    def __init__(self) -> None:
        super().__init__(
            "consent.pin",
            "This asks for your PIN",
            status=403,
            detail="Who asked you knows this link too, so it alone opens only the question and takes a no.",
            next_step="Give the PIN that this office mailed to you when the question was first answered. If you have "
            "none, or it went to somebody else, write to this office.",
        )


class NoAddress(Problem):
    """Nobody could be told that a yes was given in their name."""

    def __init__(self) -> None:
        super().__init__(
            "consent.no_address",
            "The link alone takes no yes here",
            status=403,
            detail="No e-mail address of yours was given to this office, so it could not tell you of a yes that "
            "somebody else gives in your name.",
            next_step="Ask who sent you the link to ask again with your e-mail address. To say no you need none.",
        )


# --- Answering -------------------------------------------------------------------------------------------------------


def needs_pin(consent: Consent, how: str) -> bool:
    """Whether an answer asks for the PIN. how: “yes”, “not_me” or anything else, which the link alone may say.

    “Not me” takes the PIN away from who has it; once it was used by who reads the mail of the address, only with it:
    else whoever has the link could keep them out.
    """
    person = consent.depiction.person
    return bool(person.pin_hash) and (how == "yes" or (how == "not_me" and person.pin_used_at is not None))


def answer(consent: Consent, act: Callable[[], str], *, yes: bool, shown: bool) -> str:
    """Carry out a yes or a no through the link, and have a PIN mailed with the first one. Returns what `act` did.

    shown: the person's PIN was given. Raises PinNeeded, NoAddress, Conflict after a “not me”, and as `act`.
    """
    person = consent.depiction.person
    if yes and not shown and person.pin_hash:
        raise PinNeeded
    refuse_disowned(person)
    if yes and not shown and not address_of(consent):
        raise NoAddress
    new = new_pin() if not person.pin_hash and address_of(consent) else None
    with transaction.atomic():
        done = act()
        # Else somebody else answered first, a moment ago.
        if new and not issue(consent, new, Person.objects.filter(pk=person.pk, pin_hash="")) and yes:
            raise PinNeeded
    return done


def not_me(consent: Consent, act: Callable[[], str], *, shown: bool) -> str:
    """Carry out that somebody else answered (`consent.invalidate`). Raises PinNeeded, and as `act`."""
    if needs_pin(consent, "not_me") and not shown:
        raise PinNeeded
    return act()


def refuse_disowned(person: Person) -> None:
    """Raises Conflict once somebody said that an answer in this person's name was not theirs."""
    if is_disowned(person):
        raise Conflict(
            "An answer to this was not this person’s own, so the link takes none any more.",
            code="consent.disowned",
            next_step="A lead reviewer of this office may allow that they are asked anew.",
        )


def is_disowned(person: Person) -> bool:
    return disowned().filter(pk=person.pk).exists()


def disowned() -> QuerySet[Person]:
    """Of whom an answer was declared not valid, and whom no PIN has reached since. Nothing more is written to them."""
    return Person.objects.filter(pin_hash="", depictions__consents__state=Consent.State.INVALIDATED)


# --- The PIN ---------------------------------------------------------------------------------------------------------


def new_pin() -> tuple[str, str]:
    """(PIN, its hash). The hash is slow on purpose, so it is made before the transaction."""
    pin = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
    return pin, make_password(pin)


def issue(consent: Consent, new: tuple[str, str], rows: QuerySet[Person]) -> int:
    """Give the person a PIN, if `rows` still has them, and have it mailed; an earlier one opens nothing any more.

    In the caller's transaction, with its entry. Returns how many have one now.
    """
    pin, pin_hash = new
    person = consent.depiction.person
    done = rows.update(pin_hash=pin_hash, pin_used_at=None)
    if done:
        person.pin_hash, person.pin_used_at = pin_hash, None
        sealed = base64.b64encode(people.seal(person.actor, {"pin": pin}, _CONTEXT)).decode()
        jobs.enqueue(SEND, consent=str(consent.pk), sealed=sealed)
    return done


def question_of(person: Person) -> Consent | None:
    """What they were asked last; None for who was asked nothing."""
    rows = Consent.objects.filter(depiction__person=person).select_related("depiction__person", "proxy")
    return rows.order_by("-pk").first()


def instead(request: DataRequest, by: User, new: tuple[str, str]) -> None:
    """Answer a request for access that came by letter, was proved, and was taken by `by`: with a new PIN, mailed to
    the address held. The old one opens nothing any more. Raises Forbidden, Conflict.
    """
    data_requests.taken_by(request, by)
    data_letters.refuse_hasty(request)
    asked = question_of(request.person) if request.person else None
    if request.kind != DataRequest.Kind.ACCESS or asked is None or not address_of(asked):
        raise Conflict("Nobody to mail a PIN to.", code="data.no_pin", next_step="Hand out the package instead.")
    with transaction.atomic():
        people.refuse_erased(asked.depiction.person)
        data_requests.finish(request, {"pin": True}, by=by)
        issue(asked, new, Person.objects.filter(pk=asked.depiction.person_id))


def void(person: Person) -> None:
    """The PIN opens nothing any more, and every door that it opened is closed. In the caller's transaction."""
    Person.objects.filter(pk=person.pk).update(pin_hash="", pin_used_at=None)
    person.pin_hash, person.pin_used_at = "", None


def check(person: Person, pin: str) -> None:
    """Raises PinNeeded unless it is the PIN of this person. The first time it proves the address, which is recorded."""
    if not person.pin_hash or not check_password(re.sub(r"[\s-]", "", pin)[:32], person.pin_hash):
        raise PinNeeded
    if person.pin_used_at is not None:
        return
    asked = question_of(person)
    with transaction.atomic():
        rows = Person.objects.filter(pk=person.pk, pin_hash=person.pin_hash, pin_used_at=None, erased_at=None)
        if asked and rows.update(pin_used_at=now()):
            about = f"asset:{asked.depiction.asset_id}"
            log.append(EventType.CONSENT_PROVED, actor=person.actor, role="depicted", object=about)


# --- The mail --------------------------------------------------------------------------------------------------------


def address_of(consent: Consent) -> str:
    """Where who answers can be written to; "" when nowhere."""
    return data_requests.address_of(consent.proxy or consent.depiction.person)


@jobs.handler(SEND)
def _send(job: Job) -> None:
    """Args: consent (id), sealed (the PIN, under the person's key; emptied once it is sent)."""
    consent = Consent.objects.select_related("depiction__person", "proxy").get(pk=str(job.args["consent"]))
    person = consent.depiction.person
    told = people.unseal(person.actor, base64.b64decode(str(job.args["sealed"])), _CONTEXT)
    address = address_of(consent)
    if told and address and check_password(told["pin"], person.pin_hash):
        office, pin = settings.ASSAY_OFFICE_NAME, told["pin"]
        subject, text = MAIL.get(consent.language, MAIL["en"])
        link = f"{settings.ASSAY_URL}/consent/{mailed_token(consent)}/"
        body = text.format(pin=" ".join(re.findall("....", pin)), link=link, office=office)
        send_mail(f"{office}: {subject}", body, None, [address])
    Job.objects.filter(pk=job.pk).update(args={**job.args, "sealed": ""})
