"""Rows of the public register in the shape in which the Lumen database takes notices (R14).

Shape: berkmancenter/lumendatabase, `doc/api_documentation.mkd`, “Create notice”: one JSON object a notice, as the body
of POST /notices; the token is added by who sends it. Only what the public register says: no names, no words of the
notice, no address of a work, and of time the quarter alone, as a tag, because Lumen has dates only.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings

from policy.models import Category, Notice, RegisterEntry
from policy.transparency import register
from policy.transparency.register import Group, Heard, Outcome

# Lumen's types of notices; whatever is not here is “Other”.
_TYPES: Final[Mapping[str, str]] = {
    Category.COPYRIGHT: "DMCA",
    Category.DEFAMATION: "Defamation",
    Category.PRIVACY: "DataProtection",
    Category.NCII: "PrivateInformation",
    Category.NCII_DEEPFAKE: "PrivateInformation",
    Category.LIKENESS: "PrivateInformation",
    Category.AUTHORITY_ORDER: "GovernmentRequest",
    Group.INTIMATE: "PrivateInformation",
    Group.COPYRIGHT: "DMCA",
}
_ACTIONS: Final[Mapping[str, str]] = {
    Outcome.NONE: "No",
    Outcome.LABELLED: "Partial",
    Outcome.LIMITED: "Partial",
    Outcome.NOT_SHOWN: "Yes",
}
_ELSEWHERE: Final = "XX"


def notices(period: str = "") -> Iterator[dict[str, Any]]:
    """`{"notice": {…}}` of each published row, of one quarter (`2026-Q4`) or of all."""
    for row in register.rows(period=period).filter(state=RegisterEntry.State.PUBLISHED).iterator():
        yield {"notice": notice(row)}


def notice(row: RegisterEntry) -> dict[str, Any]:
    """One row as Lumen's API names its parts; what the row does not say is not there."""
    shown = row.shown
    issue = shown.get("category") or shown.get("group") or ""
    told = {
        "title": f"Notice {row.number} to {settings.ASSAY_OFFICE_NAME}",
        "type": _type(shown.get("kind", ""), issue),
        "subject": _label(Category, issue) or _label(Group, issue),
        "body": _body(shown),
        "source": "Online form",
        "action_taken": _ACTIONS.get(shown.get("outcome", ""), ""),
        "jurisdiction_list": "" if shown.get("place") == _ELSEWHERE else shown.get("place", ""),
        "tag_list": ", ".join(tag for tag in (row.number, row.period, issue, shown.get("outcome", "")) if tag).lower(),
        "entity_notice_roles_attributes": [_entity("recipient", settings.ASSAY_OFFICE_NAME, "organization")],
        "works_attributes": [{"kind": "unspecified", "description": "Not told, so that nobody is pointed at."}],
    }
    return {name: value for name, value in told.items() if value}


def _type(kind: str, issue: str) -> str:
    return "GovernmentRequest" if kind == Notice.Kind.ORDER else _TYPES.get(issue, "Other")


def _body(shown: Mapping[str, str]) -> str:
    said = [_label(Outcome, shown.get("outcome", "")), _label(Heard, shown.get("appeal", ""))]
    return " ".join(f"{sentence}." for sentence in said if sentence)


def _label(choices: Any, value: str) -> str:
    return str(choices(value).label) if value in choices.values else ""


def _entity(role: str, name: str, kind: str) -> dict[str, Any]:
    return {"name": role, "entity_attributes": {"name": name, "kind": kind}}
