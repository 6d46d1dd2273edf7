"""What reviewers write goes to several people and into exports: it names works and steps, never people (I6)."""

import re
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from ledger import vault
from policy import people
from policy.models import Case, Notice, Person

SHORTEST, LONGEST = 10, 5000
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?<![\w/.-])\+?\d[\d ()/-]{7,}\d(?![\w/.-])")
# Digits that are no telephone number: a day, and the number of a law (“Regulation (EU) 2022/2065”).
_NO_PHONE = re.compile(r"(?<![\d/-])(?:\d{4}-\d{2}-\d{2}|(?:19|20)\d{2}/\d{1,4}|\d{1,4}/(?:19|20)\d{2})(?![\d/-])")
# An address that leads to one person: a name after @ or after a word for accounts, or an id in the query.
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_ACCOUNT = re.compile(r"/(?:@|~|u/|user|users/|profile|people/|in/|account|member)|[?&](?:id|user|uid|profile)=", re.I)
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z0-9_][A-Za-z0-9_.]{2,}")


def objection(text: str, case: Case) -> str:
    """Why this text cannot stand in a statement about `case`; empty when it can."""
    if not SHORTEST <= len(text) <= LONGEST:
        return "Between 10 and 5,000 characters."
    return leak(text, names_in(case))


def leak(text: str, names: Collection[str] = ()) -> str:
    """Which personal data the text carries, in a sentence that says what to write instead; empty when none. Pure."""
    if _EMAIL.search(text) or _PHONE.search(_NO_PHONE.sub("…", text)):
        return "Leave out e-mail addresses and telephone numbers: statements carry no personal data."
    if any(_ACCOUNT.search(url) for url in _URL.findall(text)) or _HANDLE.search(text):
        return "Leave out addresses and names of accounts: statements carry no personal data."
    if any(re.search(rf"\b{re.escape(name)}\b", text) for name in names):
        return "Leave out the names of people: write “the person shown”, “the owner” or “who reported”."
    return ""


def leaks(payload: Mapping[str, Any], names: Collection[str]) -> dict[str, list[str]]:
    """{field: [sentence]} of the texts in a record that carry personal data (I6)."""
    texts = {name: value for name, value in payload.items() if isinstance(value, str)}
    found = {name: leak(text, names) for name, text in texts.items() if name not in _ADDRESSES}
    return {name: [sentence] for name, sentence in found.items() if sentence}


# Ours, made by the office: no person's.
_ADDRESSES = frozenset({"decision_ground_reference_url", "puid"})


def names_in(case: Case) -> set[str]:
    """Names of who is shown, who reported and who owns, whole and in their parts of three letters and more."""
    return names_of([case])[case.pk]


def names_of(cases: Collection[Case]) -> dict[uuid.UUID, set[str]]:
    """The same for many, by case, in a constant number of queries; their works and owners are read already."""
    said = _people_of(cases)
    rows = Person.objects.in_bulk({one for who in said.values() for one in who})
    keys = vault.keys_of(bytes(person.sealed_contact) for person in rows.values())
    names = {pk: _name(person, keys) for pk, person in rows.items()}
    owners = {case.pk: case.asset.owner.name if case.asset else "" for case in cases}
    return {pk: _parts({owners[pk], *(names[one] for one in who)}) for pk, who in said.items()}


def _people_of(cases: Collection[Case]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Who filed notices in each case, and who is shown in its work."""
    said: dict[uuid.UUID, set[uuid.UUID]] = {case.pk: set() for case in cases}
    for case, filer in Notice.objects.filter(case__in=said).values_list("case", "filer"):
        said[case].add(filer)
    shown = Case.objects.filter(pk__in=said, asset__depictions__isnull=False)
    for pk, person in shown.values_list("pk", "asset__depictions__person"):
        said[pk].add(person)
    return said


def _parts(names: Collection[str]) -> set[str]:
    parts = {part for name in names for part in name.split() if len(part) >= 3}
    return {name for name in {*names, *parts} if name.strip()}


def _name(person: Person, keys: vault.Keys) -> str:
    value = people.unseal(person.actor, person.sealed_contact, people.CONTACT, keys)
    return value["name"] if value else ""
