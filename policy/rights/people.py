"""People without an account: their sealed names and words. Nothing here is readable once their key is gone."""

import datetime as dt
import json
from typing import Final

from django.utils.crypto import salted_hmac

from core.canonical import Json, canonical_json
from core.clock import now
from core.problems import Conflict
from ledger import vault
from policy.models import Person

CONTACT = "policy.person.contact"
# How long who was reached at a contact that a letter changed hears of what is asked for in their name.
STILL_TOLD: Final = dt.timedelta(days=30)


def new_person(*, name: str, contact: str, language: str = "en") -> Person:
    """A person with name and contact sealed under a key of their own. Run inside a transaction."""
    person = Person(contact_mark=mark(contact), language=language)
    person.sealed_contact = seal(person.actor, {"name": name.strip(), "contact": contact.strip()}, CONTACT)
    person.save(force_insert=True)
    return person


def mark(contact: str) -> str:
    """A digest of an address that only this office can make: one who files under many numbers is seen to be one.

    Keyed, because whoever takes the table could else try every address. Hex; "" for no address.
    """
    address = contact.strip().casefold()
    return salted_hmac(CONTACT, address, algorithm="sha256").hexdigest() if address else ""


def keep_contact(person: Person, *, name: str, contact: str, by_letter: bool = False) -> None:
    """Seal name and contact anew; another contact is not proved. Run inside a transaction, after `refuse_erased`.

    by_letter: somebody asked for it who was not here themselves, so the contact before is still told for a while.
    """
    before, last = _before(person), name_and_contact(person)[1]
    if by_letter and last and mark(contact) != person.contact_mark:
        before[last] = (now() + STILL_TOLD).isoformat()
    kept = "\n".join(f"{until} {' '.join(one.split())}" for one, until in before.items())
    if mark(contact) != person.contact_mark:
        person.contact_mark, person.contact_proved_at = mark(contact), None
    said = {"name": name, "contact": contact, **({"before": kept} if kept else {})}
    person.sealed_contact = seal(person.actor, said, CONTACT)
    person.save(update_fields=["sealed_contact", "contact_mark", "contact_proved_at"])


def earlier_contacts(person: Person) -> list[str]:
    """The contacts that a letter changed within the last thirty days, oldest first."""
    return list(_before(person))


def _before(person: Person) -> dict[str, str]:
    """Contact → until when it is told, ISO 8601; those whose time is over are left out."""
    value = unseal(person.actor, person.sealed_contact, CONTACT) or {}
    lines = [line.partition(" ") for line in value.get("before", "").splitlines()]
    return {contact: until for until, _, contact in lines if dt.datetime.fromisoformat(until) > now()}


def refuse_erased(person: Person) -> None:
    """Raises Conflict once the person was erased: nothing new is held about who was forgotten.

    Run inside the verb's transaction: an erasure that comes meanwhile waits for it, and takes along what it sealed.
    Afterwards `person` is as it is now, also where somebody changed it since it was read.
    """
    person.refresh_from_db(from_queryset=Person.objects.select_for_update())
    if person.erased_at is not None:
        raise Conflict(
            "What was held about you was erased, so nothing can be added here any more.",
            code="data.erased",
            next_step="File a new notice.",
        )


def name_and_contact(person: Person, known: vault.Keys | None = None) -> tuple[str, str]:
    """(name, contact); two empty strings once the person was erased. known: `vault.keys_of` when many are read."""
    value = unseal(person.actor, person.sealed_contact, CONTACT, known)
    return (value["name"], value["contact"]) if value else ("", "")


def seal(owner: str, value: Json, context: str) -> bytes:
    """Ciphertext of a JSON value under the key of `owner` ("person:…", "user:…"), bound to `context`."""
    return vault.seal(owner, canonical_json(value), context)


def unseal(
    owner: str, blob: bytes | memoryview, context: str, known: vault.Keys | None = None
) -> dict[str, str] | None:
    """The value, or None when there is none or its owner's key was destroyed."""
    if not blob:
        return None
    try:
        value: dict[str, str] = json.loads(vault.unseal(owner, bytes(blob), context, known))
    except vault.Erased:
        return None
    return value
