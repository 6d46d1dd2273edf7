"""What reviewers write goes to several people and into exports: it names works and steps, never people (I6)."""

import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ledger import vault
from policy.deciding.tdb import TEXTS
from policy.law import rules
from policy.models import Case, Notice, Person
from policy.rights import people

SHORTEST, LONGEST = 10, 5000
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?<![\w/.-])\+?\d[\d ()/-]{7,}\d(?![\w/.-])")
# Digits that are no telephone number: a day, and the number of a law (“Regulation (EU) 2022/2065”).
_NO_PHONE = re.compile(r"(?<![\d/-])(?:\d{4}-\d{2}-\d{2}|(?:19|20)\d{2}/\d{1,4}|\d{1,4}/(?:19|20)\d{2})(?![\d/-])")
# An address that leads to one person: a name after @ or after a word for accounts, or an id in the query.
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_ACCOUNT = re.compile(r"/(?:@|~|u/|user|users/|profile|people/|in/|account|member)|[?&](?:id|user|uid|profile)=", re.I)
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z0-9_][A-Za-z0-9_.]{2,}")


# Words of our languages that a name may be made of and that no text can do without.
_ENGLISH: Final = (
    "a about above after again against all also although an and any are as at away be because been before being "
    "below between both but by can cannot could did do does done down due during each either else every few first "
    "for from had has have he her here him his how if in into is it its just last made many may might more most "
    "must my neither never new no nor not now of off on once one only or other our out over own said same second "
    "see seen shall she should shown since so some still such than that the their them then there these they this "
    "those through to too two under until up upon us very was we were what when where whether which while who "
    "whom whose why will with within without would yet you your "
)
_GERMAN: Final = (
    "aber alle als also am an auch auf aus bei beim bin bis da damit dann das dass dem den der des deshalb die "
    "dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas euch "
    "für gegen hat hatte hier hinter ich ihm ihn ihr ihre im in ist ja jede jeder jedes kann kein keine können "
    "man mehr mein mit muss nach nicht noch nun nur ob oder ohne sehr seit sich sie sind so soll sollte über um "
    "und uns unser unter vom von vor war waren was weil weiter wenn wer werden wie wieder wir wird wo worden "
    "wurde wurden zu zum zur zwei zwischen "
)
_MONTHS: Final = (
    "January February March April May June July August September October November December "
    "Januar Februar März Mai Juni Juli Oktober Dezember"
)
COMMON: Final = frozenset((_ENGLISH + _GERMAN).split())
MOST_PARTS: Final = 6  # of one name: nobody needs more, and a sentence is no name


class Names(NamedTuple):
    """full: of two words or more that are none of COMMON; they are refused. parts: single words that somebody may be
    called and that may as well be a word; about them we ask.
    """

    full: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()


def objections(texts: Mapping[str, str], case: Case, *, no_names: bool = False) -> dict[str, str]:
    """{field: why it cannot stand in a statement about `case`} of what cannot; `doubt` about the others under
    "no_names". no_names: whoever writes it says that these words are no names here.
    """
    names = names_in(case)
    wrong = {name: sentence for name, text in texts.items() if (sentence := bad(text, names))}
    return wrong or ({} if no_names else {"no_names": doubt(texts.values(), names)})


def said_so(no_names: bool) -> dict[str, Any]:
    """For the log: that whoever wrote it says so."""
    return {"no_names": True} if no_names else {}


def bad(text: str, names: Names) -> str:
    """Why it is refused; empty when it is not."""
    if not SHORTEST <= len(text) <= LONGEST:
        return "Between 10 and 5,000 characters."
    return leak(text, names.full)


def doubt(texts: Iterable[str], names: Names) -> str:
    """About which words we ask, because somebody in the case may be called so, and anybody can choose to be called like
    a word that a decision needs; empty when about none.
    """
    words = sorted({word for text in texts for word in _doubted(text, names)})
    if not words:
        return ""
    named = ", ".join(f"“{word}”" for word in words[:MOST_PARTS])
    return (
        f"This may be a name in this case: {named}. Leave names out: write “the person shown”, “the owner” or “who "
        "reported”. If it is an ordinary word here, say so: these words are no names here."
    )


def _doubted(text: str, names: Names) -> Iterator[str]:
    for part in names.parts:
        # A word in small letters is a word, unless the name is written so.
        yield from (word for word in _found(text, part) if not word[:1].islower() or word == part)
    for name in names.full:
        yield from _found(text, name)


def _found(text: str, name: str) -> Iterator[str]:
    words = r"\s+".join(re.escape(word) for word in name.split())
    return (match.group() for match in re.finditer(rf"\b{words}\b", text, re.IGNORECASE))


def _is_written(text: str, name: str) -> bool:
    """Whether the name stands in the text, and two of its words, or its only one, as names are written."""
    found = ([word for word in each.split() if _may_name(word)] for each in _found(text, name))
    return any(sum(not word[:1].islower() for word in words) >= min(2, len(words)) for words in found)


def leak(text: str, names: Collection[str] = ()) -> str:
    """Which personal data the text carries, in a sentence that says what to write instead; empty when none. Pure."""
    if _EMAIL.search(text) or _PHONE.search(_NO_PHONE.sub("…", text)):
        return "Leave out e-mail addresses and telephone numbers: statements carry no personal data."
    if any(_ACCOUNT.search(url) for url in _URL.findall(text)) or _HANDLE.search(text):
        return "Leave out addresses and names of accounts: statements carry no personal data."
    if any(_is_written(text, name) for name in names):
        return "Leave out the names of people: write “the person shown”, “the owner” or “who reported”."
    return ""


def leaks(payload: Mapping[str, Any], names: Collection[str]) -> dict[str, list[str]]:
    """{field: [sentence]} of the texts in a record that people wrote and that carry personal data (I6). What the office
    fills in, such as the name of a law, is nobody's.
    """
    found = {name: leak(payload.get(name, ""), names) for name in TEXTS}
    return {name: [sentence] for name, sentence in found.items() if sentence}


def names_in(case: Case) -> Names:
    """Names of who is shown, who reported and who owns."""
    return names_of([case])[case.pk]


def names_of(cases: Collection[Case]) -> dict[uuid.UUID, Names]:
    """The same for many, by case, in a constant number of queries; their works and owners are read already."""
    said = _people_of(cases)
    rows = Person.objects.in_bulk({one for who in said.values() for one in who})
    keys = vault.keys_of(bytes(person.sealed_contact) for person in rows.values())
    names = {pk: _name(person, keys) for pk, person in rows.items()}
    owners = {case.pk: case.asset.owner.name if case.asset else "" for case in cases}
    law = words_of_law()
    return {pk: names_from({owners[pk], *(names[one] for one in who)}, law) for pk, who in said.items()}


# Whose notice is one: what anybody typed into an incomplete one, or one that is over, is nobody's name.
_COUNTED: Final = (Notice.State.VALID, Notice.State.ANSWERED)


def _people_of(cases: Collection[Case]) -> dict[uuid.UUID, set[uuid.UUID]]:
    """Who filed notices in each case, and who is shown in its work."""
    said: dict[uuid.UUID, set[uuid.UUID]] = {case.pk: set() for case in cases}
    filed = Notice.objects.filter(case__in=said, state__in=_COUNTED)
    for case, filer in filed.values_list("case", "filer"):
        said[case].add(filer)
    shown = Case.objects.filter(pk__in=said, asset__depictions__isnull=False)
    for pk, person in shown.values_list("pk", "asset__depictions__person"):
        said[pk].add(person)
    return said


def names_from(said: Collection[str], law: Collection[str] = ()) -> Names:
    """From names as people typed them. law: words that decisions need; whoever is called like some of them alone is
    asked about. Pure.
    """
    words = [_words(name) for name in said]
    telling = [[word for word in name if _may_name(word)] for name in words]
    full = {
        " ".join(name)
        for name, parts in zip(words, telling, strict=True)
        if len(parts) > 1 and not {one.casefold() for one in parts} <= set(law)
    }
    return Names(frozenset(full), frozenset(part for parts in telling for part in parts[:MOST_PARTS]))


def _words(name: str) -> list[str]:
    return [word.strip(".,;:!?()[]\"'“”‘’") for word in name.split()]


def words_of_law() -> frozenset[str]:
    """The words, in small letters, in which laws, places and months are named."""
    return _words_of_law(rules.pack().digest)


@lru_cache(maxsize=4)
def _words_of_law(digest: str) -> frozenset[str]:
    """digest: of the packs in force, which the words are of."""
    named = [f"{rule.instrument} {rule.article}" for rule in rules.pack().rules]
    texts = (*named, *rules.JURISDICTIONS.values(), _MONTHS)
    return frozenset(word.casefold() for text in texts for word in _words(text))


def _may_name(word: str) -> bool:
    """Short ones are asked about only where a script has short names; what has no letter is no name."""
    return (
        any(letter.isalpha() for letter in word)
        and len(word) >= (3 if word.isascii() else 2)
        and word.casefold() not in COMMON
    )


def _name(person: Person, keys: vault.Keys) -> str:
    value = people.unseal(person.actor, person.sealed_contact, people.CONTACT, keys)
    return value["name"] if value else ""
