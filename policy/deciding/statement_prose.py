"""A statement of reasons in plain sentences, from nothing but its structure and the texts of one language. Pure."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = Path(__file__).resolve().parent.parent / "statement_texts"
LANGUAGES: Final = ("en", "de")
DEFAULT: Final = "en"

Texts = Mapping[str, Any]


@functools.cache
def texts(language: str) -> Texts:
    """The texts of a language in LANGUAGES. Raises KeyError for another, ValueError for a table with a gap."""
    if language not in LANGUAGES:
        raise KeyError(language)
    read: dict[str, Any] = yaml.safe_load((FOLDER / f"{language}.yaml").read_text())
    if language != DEFAULT and _keys(read) != _keys(texts(DEFAULT)):
        raise ValueError(f"the texts of {language} differ in {sorted(_keys(read) ^ _keys(texts(DEFAULT)))}")
    return read


def _keys(table: Mapping[str, Any]) -> set[str]:
    nested = {f"{name}.{key}" for name, value in table.items() if isinstance(value, dict) for key in value}
    return nested | set(table)


def language_of(code: str) -> str:
    """The language whose texts are used for somebody who reads `code` (“de-AT” is German); English for others."""
    plain = code.replace("_", "-").split("-")[0].lower()
    return plain if plain in LANGUAGES else DEFAULT


def prose(structured: Mapping[str, Any], language: str = DEFAULT) -> str:
    """The statement, a paragraph each: what was done, on which ground, why, who decided, and what to do against it."""
    said = texts(language)
    lines = [
        said["corrects"] if structured.get("corrects") else "",
        _effect(structured, said),
        _ground(structured["rules"], said),
        said["own_words"],
        said["facts"].format(text=structured["facts"]),
        said["explanation"].format(text=structured["explanation"]),
        _considered(structured["exemptions_considered"], said),
        _how(structured, said),
        _redress(structured["redress"], said),
    ]
    return "\n\n".join(line for line in lines if line)


def _effect(structured: Mapping[str, Any], said: Texts) -> str:
    places = ", ".join(said["places"].get(place, place) for place in structured["territory"])
    outcomes = [structured["outcome"], *structured["also"]]
    lines = [said["effects"][outcome].format(places=places) for outcome in outcomes]
    if structured["removed_at_once"]:
        lines[0] = said["remove_at_once"]
    if structured["interim"]:
        lines.append(said["interim"])
    if structured["ends_at"]:
        lines.append(said["ends"].format(day=structured["ends_at"][:10]))
    return " ".join(lines)


def _ground(rules: list[dict[str, str]], said: Texts) -> str:
    cited = "; ".join(
        f"{rule['instrument']}, {rule['article']} ({said['statuses'].get(rule['status'], rule['status'])})"
        for rule in rules
    )
    drafts = any(rule["status"] == "draft" for rule in rules)
    return " ".join([said["ground"].format(rules=cited), *([said["draft"]] if drafts else [])])


def _considered(values: list[str], said: Texts) -> str:
    words = "; ".join(said["exemptions"][value] for value in values)
    return said["considered"].format(exemptions=words) if words else ""


def _how(structured: Mapping[str, Any], said: Texts) -> str:
    machine = structured["automated_detection"] == "AUTOMATED_DETECTION_YES"
    return f"{said['source'][structured['source']]} {said['machine'] if machine else said['person']}"


def _redress(redress: Mapping[str, Any], said: Texts) -> str:
    until = redress["until"]
    lines = [
        said["appeal_until"].format(day=until[:10]) if until else said["appeal"],
        said["out_of_court"] if redress["out_of_court"] else said["court"],
        said["contact"].format(contact=redress["contact"]) if redress["contact"] else "",
    ]
    return " ".join(line for line in lines if line)
