"""People without an account: their sealed names and words. Nothing here is readable once their key is gone."""

import json

from core.canonical import Json, canonical_json
from core.problems import Conflict
from ledger import vault
from policy.models import Person

CONTACT = "policy.person.contact"


def new_person(*, name: str, contact: str) -> Person:
    """A person with name and contact sealed under a key of their own. Run inside a transaction."""
    person = Person()
    person.sealed_contact = seal(person.actor, {"name": name.strip(), "contact": contact.strip()}, CONTACT)
    person.save(force_insert=True)
    return person


def refuse_erased(person: Person) -> None:
    """Raises Conflict once the person was erased: nothing new is held about who was forgotten.

    Run inside the verb's transaction: an erasure that comes meanwhile waits for it, and takes along what it sealed.
    """
    if Person.objects.select_for_update().get(pk=person.pk).erased_at is not None:
        raise Conflict(
            "What was held about you was erased, so nothing can be added here any more.",
            code="data.erased",
            next_step="File a new notice.",
        )


def name_and_contact(person: Person) -> tuple[str, str]:
    """(name, contact); two empty strings once the person was erased."""
    value = unseal(person.actor, person.sealed_contact, CONTACT)
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
