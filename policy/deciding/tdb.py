"""The record of the EU's DSA Transparency Database (Article 24(5)), from a structured statement of reasons. Pure.

What a record must be is taken from the published documentation of the database's API and from its validation
(digital-services-act/transparency-database, `resources/markdown/en/api-documentation.md`): names, required fields,
lengths, dates, countries, one call of at most 100 records. On the wire yes and no are the words “Yes” and “No”.
Identifiers of enumerations are in `policy/law/rules/dsa_tdb_enums.yaml`.
"""

import datetime as dt
import functools
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from core.countries import EEA, UNION

ENUMS: Final = Path(__file__).resolve().parent.parent / "rules" / "dsa_tdb_enums.yaml"
# One call of the endpoint for several records takes so many.
MOST: Final = 100
YES, NO = "Yes", "No"
_PUID = re.compile(r"[A-Za-z0-9_-]{1,500}", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LANGUAGE = re.compile(r"[A-Z]{2}", re.ASCII)
# Of a text, the most characters.
LENGTHS: Final = {
    "decision_visibility_other": 500,
    "decision_monetary_other": 500,
    "illegal_content_legal_ground": 500,
    "illegal_content_explanation": 2000,
    "incompatible_content_ground": 500,
    "incompatible_content_explanation": 2000,
    "content_type_other": 500,
    "category_specification_other": 500,
    "source_identity": 500,
    "decision_ground_reference_url": 500,
    "decision_facts": 5000,
}
# The texts of a record that people wrote or that quote what they wrote.
TEXTS: Final = ("decision_facts", "illegal_content_explanation", "incompatible_content_explanation")
_CHOICES: Final = {
    "decision_monetary": "decision_monetaries",
    "decision_provision": "decision_provisions",
    "decision_account": "decision_accounts",
    "account_type": "account_types",
    "decision_ground": "decision_grounds",
    "category": "statement_categories",
    "source_type": "source_types",
    "automated_decision": "automated_decisions",
}
_LISTS: Final = {
    "decision_visibility": "decision_visibilities",
    "content_type": "content_types",
    "category_addition": "statement_categories",
    "category_specification": "keywords",
}
_RESTRICTIONS: Final = ("decision_visibility", "decision_monetary", "decision_provision", "decision_account")
_REQUIRED: Final = (
    *("decision_ground", "content_type", "category", "territorial_scope", "content_date", "application_date"),
    *("decision_facts", "source_type", "automated_detection", "automated_decision", "puid"),
)
# (first day, last day) that the database takes.
_SPANS: Final = {
    "content_date": ("2000-01-01", "2038-01-01"),
    "application_date": ("2020-01-01", "2038-01-01"),
    "end_date_visibility_restriction": ("2020-01-01", "2038-01-01"),
    "end_date_monetary_restriction": ("2020-01-01", "2038-01-01"),
    "end_date_service_restriction": ("2020-01-01", "2038-01-01"),
    "end_date_account_restriction": ("2020-01-01", "2038-01-01"),
}
_GROUNDS: Final = {
    "DECISION_GROUND_ILLEGAL_CONTENT": ("illegal_content_legal_ground", "illegal_content_explanation"),
    "DECISION_GROUND_INCOMPATIBLE_CONTENT": ("incompatible_content_ground", "incompatible_content_explanation"),
}
FIELDS: Final = frozenset(
    {*_REQUIRED, *_RESTRICTIONS, *_LISTS, *_CHOICES, *LENGTHS, *_SPANS, "incompatible_content_illegal"}
    | {"content_language"}
)
_OTHER: Final = (
    ("decision_visibility", "DECISION_VISIBILITY_OTHER", "decision_visibility_other"),
    ("decision_monetary", "DECISION_MONETARY_OTHER", "decision_monetary_other"),
    ("content_type", "CONTENT_TYPE_OTHER", "content_type_other"),
)

Record = dict[str, Any]
Errors = dict[str, list[str]]


@functools.cache
def enums() -> dict[str, list[str]]:
    """The enumerations by name, as carried in ENUMS."""
    values: dict[str, list[str]] = yaml.safe_load(ENUMS.read_text())["enums"]
    return values


# --- Making a record -----------------------------------------------------------------------------------------------


def scope(territory: Collection[str]) -> list[str]:
    """The countries of the EEA in which a restriction holds; none: everywhere, so all of the EU; [] when in none."""
    if not territory or "EU" in territory:
        return sorted(UNION)
    return sorted(EEA & set(territory))


def record(structured: Mapping[str, Any], *, puid: str, content_date: dt.date) -> Record | None:
    """The record of a structured statement; None where the database takes none: nothing was restricted, or nowhere in
    the EEA. content_date: when the work was registered.
    """
    countries = scope(structured["territory"])
    if not countries or not (structured["decision_visibility"] or structured["decision_account"]):
        return None
    made: Record = {
        "decision_visibility": structured["decision_visibility"],
        "decision_account": structured["decision_account"],
        "decision_ground": structured["decision_ground"],
        **_ground(structured),
        "content_type": structured["content_types"],
        "category": structured["category"],
        "category_specification": [structured["keyword"]] if structured["keyword"] else [],
        "territorial_scope": countries,
        "content_date": content_date.isoformat(),
        "application_date": structured["application_date"],
        "end_date_visibility_restriction": _ends(structured, "decision_visibility"),
        "end_date_account_restriction": _ends(structured, "decision_account"),
        "decision_facts": _cut(structured["facts"], LENGTHS["decision_facts"]),
        "source_type": structured["source_type"],
        "automated_detection": YES if structured["automated_detection"].endswith("_YES") else NO,
        "automated_decision": structured["automated_decision"],
        "puid": puid,
    }
    if "DECISION_VISIBILITY_OTHER" in made["decision_visibility"]:
        made["decision_visibility_other"] = "Copies of the file are not taken in again."
    if "CONTENT_TYPE_OTHER" in made["content_type"]:
        made["content_type_other"] = "Another kind of file"
    return {name: value for name, value in made.items() if value not in (None, "", [])}


def _ground(structured: Mapping[str, Any]) -> Record:
    rules, why = structured["rules"], _cut(structured["explanation"], 2000)
    cited = _cut("; ".join(f"{rule['instrument']}, {rule['article']}" for rule in rules), 500)
    if structured["decision_ground"] == "DECISION_GROUND_ILLEGAL_CONTENT":
        return {"illegal_content_legal_ground": cited, "illegal_content_explanation": why}
    illegal = any(not rule["id"].startswith("office.") for rule in rules)
    return {
        "incompatible_content_ground": cited,
        "incompatible_content_explanation": why,
        "incompatible_content_illegal": YES if illegal else NO,
    }


def _ends(structured: Mapping[str, Any], restriction: str) -> str | None:
    return structured["ends_at"][:10] if structured["ends_at"] and structured[restriction] else None


def _cut(text: str, most: int) -> str:
    """At most so many characters, ended at a word."""
    return text if len(text) <= most else f"{text[: most - 1].rsplit(' ', 1)[0]}…"


# --- What the database would refuse ----------------------------------------------------------------------------------


def problems(record: Mapping[str, Any]) -> Errors:
    """{field: [sentence]} of everything for which the database would refuse this record; {} when it would take it."""
    found: Errors = {}
    for check in _CHECKS:
        for field, sentence in check(record):
            found.setdefault(field, []).append(sentence)
    return found


def batch_problems(records: Sequence[Mapping[str, Any]]) -> dict[str, Errors]:
    """{“statement_<n>”: {field: [sentence]}} of one call, as the database itself answers: one wrong record, and it
    takes none of them. A number (PUID) that stands twice is wrong each time but the first.
    """
    if len(records) > MOST:
        return {"statements": {"statements": [f"One call takes at most {MOST} records; these are {len(records)}."]}}
    found, seen = {}, Counter[str]()
    for n, one in enumerate(records):
        errors, puid = problems(one), str(one.get("puid", ""))
        seen[puid] += 1
        if puid and seen[puid] > 1:
            errors.setdefault("puid", []).append("The identifier given is not unique within this platform.")
        if errors:
            found[f"statement_{n}"] = errors
    return found


_Found = list[tuple[str, str]]


def _filled(record: Mapping[str, Any], name: str) -> bool:
    return record.get(name) not in (None, "", [])


def _required(record: Mapping[str, Any]) -> _Found:
    found = [(name, "This is required.") for name in _REQUIRED if not _filled(record, name)]
    if not any(_filled(record, name) for name in _RESTRICTIONS):
        found += [(name, f"One of {', '.join(_RESTRICTIONS)} is required.") for name in _RESTRICTIONS]
    return found


def _known(record: Mapping[str, Any]) -> _Found:
    return [(name, "The database knows no such field.") for name in sorted(set(record) - FIELDS)]


def _choices(record: Mapping[str, Any]) -> _Found:
    words = {
        **{name: enums()[values] for name, values in _CHOICES.items()},
        "automated_detection": [YES, NO],
        "incompatible_content_illegal": [YES, NO],
    }
    return [
        (name, f"“{record[name]}” is none of its values.")
        for name, known in words.items()
        if _filled(record, name) and record[name] not in known
    ]


def _lists(record: Mapping[str, Any]) -> _Found:
    known: dict[str, Collection[str]] = {name: enums()[values] for name, values in _LISTS.items()}
    known["territorial_scope"] = EEA
    return [
        pair for name, values in known.items() if _filled(record, name) for pair in _list(record[name], name, values)
    ]


def _list(value: Any, name: str, known: Collection[str]) -> _Found:
    if not isinstance(value, list):
        return [(name, "This is a list.")]
    return [(name, f"“{one}” is none of its values.") for one in value if one not in known]


def _lengths(record: Mapping[str, Any]) -> _Found:
    texts = ((name, record[name], most) for name, most in LENGTHS.items() if _filled(record, name))
    return [(name, f"At most {most} characters.") for name, text, most in texts if len(str(text)) > most]


def _other(record: Mapping[str, Any]) -> _Found:
    """OTHER needs its text, and the text needs OTHER."""
    found = []
    for name, other, text in _OTHER:
        value = record.get(name) or []
        chosen = other in value if isinstance(value, list) else value == other
        if chosen and not _filled(record, text):
            found.append((text, f"{other} needs its text."))
        if not chosen and _filled(record, text):
            found.append((text, f"This goes with {other} only."))
    keywords = record.get("category_specification") or []
    if _filled(record, "category_specification_other") and "KEYWORD_OTHER" not in keywords:
        found.append(("category_specification_other", "This goes with KEYWORD_OTHER only."))
    return found


def _grounds(record: Mapping[str, Any]) -> _Found:
    """Each ground needs its reference and its explanation, and excludes those of the other."""
    found = []
    for ground, fields in _GROUNDS.items():
        chosen = record.get("decision_ground") == ground
        if chosen:
            found += [(name, f"{ground} needs this.") for name in fields if not _filled(record, name)]
        else:
            found += [(name, f"This goes with {ground} only.") for name in fields if _filled(record, name)]
    illegal = "incompatible_content_illegal"
    if _filled(record, illegal) and record.get("decision_ground") != "DECISION_GROUND_INCOMPATIBLE_CONTENT":
        found.append((illegal, "This goes with DECISION_GROUND_INCOMPATIBLE_CONTENT only."))
    return found


def _dates(record: Mapping[str, Any]) -> _Found:
    found: _Found = []
    days: dict[str, dt.date] = {}
    for name, (first, last) in _SPANS.items():
        if not _filled(record, name):
            continue
        day = _day(record[name])
        if day is None:
            found.append((name, "This is no day like 2026-05-19."))
        elif not dt.date.fromisoformat(first) <= day <= dt.date.fromisoformat(last):
            found.append((name, f"From {first} to {last}."))
        else:
            days[name] = day
    begins = days.get("application_date")
    late = [name for name, day in days.items() if name.startswith("end_date_") and begins and day < begins]
    return found + [(name, "It ends before it begins (application_date).") for name in late]


def _day(value: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(value) if isinstance(value, str) and _DAY.fullmatch(value) else None
    except ValueError:
        return None


def _forms(record: Mapping[str, Any]) -> _Found:
    found = []
    if _filled(record, "puid") and not _PUID.fullmatch(str(record["puid"])):
        found.append(("puid", "Letters, digits, “-” and “_” only, at most 500."))
    if _filled(record, "content_language") and not _LANGUAGE.fullmatch(str(record["content_language"])):
        found.append(("content_language", "Two capital letters (ISO 639-1)."))
    url = "decision_ground_reference_url"
    if _filled(record, url) and not str(record[url]).startswith(("https://", "http://")):
        found.append((url, "This is no web address."))
    return found


_CHECKS: Final[tuple[Callable[[Mapping[str, Any]], _Found], ...]] = (
    *(_required, _known, _choices, _lists, _lengths, _other, _grounds, _dates, _forms),
)
