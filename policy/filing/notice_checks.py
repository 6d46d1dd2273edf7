"""What is wrong with a notice as it was sent: its shape, field by field. What a law misses is `filing.guided`."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from django.conf.global_settings import LANGUAGES
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from core.problems import Conflict, Problem, invalid
from policy.filing import guided
from policy.law import rules
from policy.models import Category, Exemption, Notice

# Codes that a person may say they write in; which reviewers read them is the roster's.
LANGUAGE_CODES: Final = frozenset(code for code, _ in LANGUAGES)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIST = "Choose from the list."
_WRITE = "Fill in what is missing, or leave the notice as it is."
MOST_MORE: Final = 20_000  # characters
MOST_ADDITIONS: Final = 20
TIMES: Final = "additions"  # how often something was added, kept among the words


def refuse_fields(errors: Mapping[str, Any]) -> None:
    """Raises Problem `request.invalid` when there are errors: {field: message}."""
    if errors:
        raise invalid({field: [message] for field, message in errors.items()})


def refuse(*checks: Mapping[str, str | bool]) -> None:
    """Raises Problem naming each field whose check says something."""
    refuse_fields({field: said for check in checks for field, said in check.items() if said})


def notice(row: Notice, texts: Mapping[str, str]) -> dict[str, str | bool]:
    """Of a notice before it is filed. texts: all that was typed, by question."""
    return {
        "kind": row.kind not in Notice.Kind.values and _LIST,
        "category": row.category not in Category.values and "Choose one of the categories.",
        "jurisdiction": row.jurisdiction not in rules.JURISDICTIONS and "Choose one of the places.",
        "language": language(row.language),
        "statement": _bad_statement(row, texts["statement"]),
        "url_or_text": _bad_place(row, texts["url_or_text"]),
        "file_sha256": bool(row.file_sha256) and not _SHA256.fullmatch(row.file_sha256) and "64 lower-case hex digits.",
        "good_faith": not row.good_faith and "A notice needs your statement of good faith.",
        "exemptions": bool(set(row.exemptions) - set(Exemption.values)) and _LIST,
        "answers": _bad_answers(row.answers),
        "asset": row.kind == Notice.Kind.FALSE_POSITIVE
        and row.asset is None
        and "Say which flag or finding is wrong: it belongs to a work registered here.",
    }


def sworn(ids: Collection[str]) -> dict[str, str | bool]:
    unknown = sorted(set(ids) - set(guided.statements()))
    return {"sworn": bool(unknown) and f"There is no such statement: {', '.join(unknown)}."}


def details(texts: Mapping[str, str]) -> dict[str, str | bool]:
    """Of the answers in words that laws ask for."""
    unknown = {name: "This is not asked." for name in texts if name not in guided.QUESTIONS}
    known = ((name, guided.QUESTIONS[name].most) for name in texts if name in guided.QUESTIONS)
    long = {name: f"At most {most:,} characters." for name, most in known if len(texts[name]) > most}
    mail = {"email": email(texts["email"])} if texts.get("email") and "email" not in long else {}
    return {**unknown, **mail, **long}


def addition(before: Mapping[str, str], given: Mapping[str, str], *, fresh: bool) -> None:
    """Of what a filer adds to a notice: all that they said before, and with it. fresh: a statement was sworn. Raises
    Problem, Conflict: whoever decides must look again each time, so nothing, too much and too often are refused.
    """
    if not fresh and all(text == before.get(name, "") for name, text in given.items() if name != TIMES):
        raise Problem("notice.nothing", "You added nothing", detail="You added nothing new.", next_step=_WRITE)
    long = len(given["more"]) > MOST_MORE
    refuse({"more": long and f"At most {MOST_MORE:,} characters with what you added before."})
    if int(before.get(TIMES, 0)) >= MOST_ADDITIONS:
        raise Conflict(
            f"Something was added {MOST_ADDITIONS} times, and that is the most.",
            code="notice.additions",
            next_step="A reviewer reads what is there, and asks if more is needed.",
        )


def language(code: str) -> str:
    return "" if code in LANGUAGE_CODES else f"“{code[:20]}” is not a language code like “en” or “pt-br”."


def email(address: str) -> str:
    """What is wrong with an address that somebody typed; empty when nothing is."""
    try:
        validate_email(address)
    except ValidationError:
        return "This is not an e-mail address."
    return ""


def stripped(texts: Mapping[str, str], names: Iterable[str] = ()) -> dict[str, str]:
    """Without blanks around them; every one of `names` is there."""
    return {name: texts.get(name, "").strip() for name in (*names, *texts)}


def _bad_statement(row: Notice, text: str) -> str:
    # A privacy concern is one click: that somebody has one is enough to look.
    least = 0 if row.kind == Notice.Kind.PRIVACY else 10
    return "" if least <= len(text) <= 5000 else f"Between {least} and 5,000 characters."


def _bad_place(row: Notice, place: str) -> str:
    if len(place) > 2000:
        return "At most 2,000 characters."
    if row.asset is None and not place and not row.file_sha256:
        return "Say what you report: a work registered here, a file, or an address or description."
    return ""


def _bad_answers(answers: Any) -> str:
    if not isinstance(answers, dict):
        return "Answers are given by question."
    for name, value in answers.items():
        choice = guided.CHOICES.get(name)
        if choice is None:
            return f"“{str(name)[:40]}” is not asked."
        if not isinstance(value, str) or value not in choice.options:
            return f"“{name}” is one of: {', '.join(choice.options)}."
    return ""
