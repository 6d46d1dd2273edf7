"""People without an account: their sealed names and words. Nothing here is readable once their key is gone."""

import json

from django.utils.crypto import salted_hmac

from core.canonical import Json, canonical_json
from core.problems import Conflict
from ledger import vault
from policy.models import Person

CONTACT = "policy.person.contact"


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


def keep_contact(person: Person, *, name: str, contact: str) -> None:
    """Seal name and contact anew; another contact is not proved. Run inside a transaction, after `refuse_erased`."""
    if mark(contact) != person.contact_mark:
        person.contact_mark, person.contact_proved_at = mark(contact), None
    person.sealed_contact = seal(person.actor, {"name": name, "contact": contact}, CONTACT)
    person.save(update_fields=["sealed_contact", "contact_mark", "contact_proved_at"])


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
