"""What a rule may ask about a case: every fact by name, and the places it knows. No free text is ever a fact (I25)."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any


class RuleError(ValueError):
    """A row, a condition or a pack that must not be loaded. The words name the pack, the row and what is wrong."""


# With the value each has when nobody said anything.
FACTS: Mapping[str, str | bool | tuple[str, ...]] = MappingProxyType(
    {
        "category": "",
        "jurisdictions": (),
        "role": "",
        "channel": "",
        "content_kind": "",
        "synthetic": False,
        "minor": False,
        "intimate": False,
        "decision": "",
        "licensed": False,
        "satire": False,
        "news": False,
        "court_order": False,
        "public_figure": False,
    }
)

JURISDICTIONS: Mapping[str, str] = MappingProxyType(
    {
        "EU": "European Union",
        "US": "United States",
        "GB": "United Kingdom",
        "IN": "India",
        "CN": "China",
        "KR": "South Korea",
        "AU": "Australia",
        "DK": "Denmark",
        "US-IL": "United States, Illinois",
        "US-TN": "United States, Tennessee",
        "XX": "Another country",
    }
)
_WITHIN = {"DK": "EU", "US-IL": "US", "US-TN": "US"}


def complete(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with everything nobody said filled in, and places widened (Denmark is in the EU). Raises RuleError."""
    if unknown := set(facts) - set(FACTS):
        raise RuleError(f"unknown facts {sorted(unknown)}")
    whole: dict[str, Any] = {name: _listed(facts.get(name, value)) for name, value in FACTS.items()}
    for name, value in FACTS.items():
        wanted = list if isinstance(value, tuple) else type(value)
        if not isinstance(whole[name], wanted):
            raise RuleError(f"fact {name} is a {wanted.__name__}")
    if not all(isinstance(place, str) for place in whole["jurisdictions"]):
        raise RuleError("fact jurisdictions is a list of codes")
    whole["jurisdictions"] = widen(whole["jurisdictions"])
    return whole


def read(pairs: Iterable[str]) -> dict[str, Any]:
    """Facts as somebody types them: `category=ncii`, `jurisdictions=US,IN`, `minor=true`. Raises RuleError."""
    facts: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or name not in FACTS:
            raise RuleError(f"{pair!r} is no fact: write name=value with one of {', '.join(FACTS)}")
        facts[name] = _typed(name, value)
    return facts


def _typed(name: str, value: str) -> str | bool | list[str]:
    if isinstance(FACTS[name], tuple):
        return [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(FACTS[name], bool):
        return value
    if value not in ("true", "false"):
        raise RuleError(f"{name} is true or false")
    return value == "true"


def said(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of `complete` without those nobody said anything about: what a clock keeps."""
    return {name: value for name, value in facts.items() if value != _listed(FACTS[name])}


def widen(jurisdictions: Collection[str]) -> list[str]:
    """Each place and what it lies within, sorted."""
    return sorted({*jurisdictions, *(_WITHIN[place] for place in jurisdictions if place in _WITHIN)})


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
