"""The PIN of a person shown: given once, with their first answer through a link.

Who asked for the consent knows the link too, and can have it made again. So the link alone opens the question, and
takes a “no”; what is held about the person, the decisions about them, and a changed “yes” ask for the PIN.
"""

import re
from collections.abc import Callable

from django.contrib.auth.hashers import check_password
from django.db import transaction
from django.db.models import F

from core.clock import now
from core.problems import Problem
from policy.filing.notice_pins import LOCKED_FOR, MAX_WRONG_PINS, new_pin
from policy.models import Consent, Person


class PinNeeded(Problem):
    """The link alone does not open this; the same words for a wrong PIN, a missing one and one that rests."""

    def __init__(self) -> None:
        super().__init__(
            "consent.pin",
            "This asks for your PIN",
            status=403,
            detail="Who asked you knows this link too, so it alone opens only the question and takes a no.",
            next_step="Give the PIN that you were shown with your first answer. "
            f"After {MAX_WRONG_PINS} wrong tries it rests for 15 minutes.",
        )


def answer(consent: Consent, act: Callable[[], str], *, yes: bool, shown: bool) -> tuple[str, str]:
    """Carry out a yes or a no through the link. Returns what `act` did, and the PIN if this was the first answer, else
    "": it is told once. shown: the person's PIN was given. Raises PinNeeded, and as `act`.
    """
    person = consent.depiction.person
    if yes and person.pin_hash and not shown:
        raise PinNeeded
    pin, pin_hash = ("", "") if person.pin_hash else new_pin()  # slow, so before the transaction
    with transaction.atomic():
        done = act()
        first = Person.objects.filter(pk=person.pk, pin_hash="")
        if pin and not first.update(pin_hash=pin_hash):  # somebody else answered first, a moment ago
            if yes:
                raise PinNeeded
            pin = ""
    return done, pin


def check(person: Person, pin: str) -> None:
    """Raises PinNeeded unless it is the PIN of this person; wrong ones are counted, as those of a notice."""
    if not person.pin_hash:
        raise PinNeeded
    resting = person.locked_until is not None and person.locked_until > now()
    fits = check_password(re.sub(r"[\s-]", "", pin)[:32], person.pin_hash)
    if resting:
        raise PinNeeded
    rows = Person.objects.filter(pk=person.pk)
    if not fits:
        rows.update(wrong_pins=F("wrong_pins") + 1)  # the database adds, so that tries in parallel all count
        rows.filter(wrong_pins__gte=MAX_WRONG_PINS).update(wrong_pins=0, locked_until=now() + LOCKED_FOR)
        raise PinNeeded
    if person.wrong_pins:
        rows.update(wrong_pins=0, locked_until=None)
