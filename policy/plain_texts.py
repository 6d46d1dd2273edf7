"""What reviewers write goes to several people and into exports: it names works and steps, never people."""

import re

from policy import people
from policy.models import Case, Person

SHORTEST, LONGEST = 10, 5000
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?<![\w/.-])\+?\d[\d ()/-]{7,}\d(?![\w/.-])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def objection(text: str, case: Case) -> str:
    """Why this text cannot stand in a statement about `case`; empty when it can."""
    if not SHORTEST <= len(text) <= LONGEST:
        return "Between 10 and 5,000 characters."
    if _EMAIL.search(text) or any(not _DATE.match(found) for found in _PHONE.findall(text)):
        return "Leave out e-mail addresses and telephone numbers: statements carry no personal data."
    if any(re.search(rf"\b{re.escape(name)}\b", text) for name in _names(case)):
        return "Leave out the names of people: write “the person shown”, “the owner” or “who reported”."
    return ""


def _names(case: Case) -> set[str]:
    """Names of who is shown, who reported and who owns, whole and in their parts of three letters and more."""
    known = Person.objects.filter(notices__case=case)
    if case.asset is not None:
        known = known | Person.objects.filter(depictions__asset=case.asset)
    names = {people.name_and_contact(person)[0] for person in known.distinct()}
    if case.asset is not None:
        names.add(case.asset.owner.name)
    parts = {part for name in names for part in name.split() if len(part) >= 3}
    return {name for name in names | parts if name.strip()}
