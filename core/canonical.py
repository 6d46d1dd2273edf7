"""Canonical JSON (RFC 8785), the only JSON that is ever hashed or signed. `ledger.jcs` is its twin for the offline
verifier, which has nothing but the standard library."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import rfc8785

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"

# RFC 8785's form for everything `_exact` returns, as long as no key is past the surrogates: there the order of code
# points, which this encoder sorts by, and the order of UTF-16 code units part.
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
_LAST_SIMPLE_KEY = "\ud7ff"
_LARGEST = (1 << 53) - 1
# As `ledger.jcs` and the verifier in Go: objects and arrays inside each other.
MAX_DEPTH = 64


class NotCanonical(ValueError):
    """The value has no exact canonical form here (floats, non-string keys, integers beyond 2**53,
    lone surrogates, values nested too deep)."""


class DuplicateKey(NotCanonical):
    """Two keys of one object are spelled the same."""


def canonical_json(value: Json, depth: int = MAX_DEPTH) -> bytes:
    """Bytes of `value` in RFC 8785 form. depth: how many objects and arrays may be inside each other.

    Floats are refused although RFC 8785 defines them: libraries differ on them, so scores travel as strings.
    Raises NotCanonical.
    """
    try:
        simple, exact = _exact(value, depth)
        return _encoder.encode(exact).encode() if simple else rfc8785.dumps(exact)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical("text with half a surrogate pair, or a value nested too deep") from error


def _exact(value: object, room: int) -> tuple[bool, Any]:
    """The value in JSON's own types, whatever a subclass would say of itself; and whether all its keys are simple."""
    if value is None or value is True or value is False:
        return True, value
    if isinstance(value, str):
        return True, str.__str__(value)
    if isinstance(value, int):
        number = int.__int__(value)
        if not -_LARGEST <= number <= _LARGEST:
            raise NotCanonical(f"{number} is beyond the integers that every JSON reader holds exactly (2^53 - 1)")
        return True, number
    if isinstance(value, Mapping | list | tuple):
        return _exact_container(value, room)
    if isinstance(value, float):
        raise NotCanonical("a float has no portable canonical form; write it as a string")
    raise NotCanonical(f"{type(value).__name__} is not a JSON value")


def _exact_container(value: Mapping[object, object] | Sequence[object], room: int) -> tuple[bool, Any]:
    if not room:
        raise NotCanonical("the value is nested too deep for every JSON reader to follow")
    if isinstance(value, Mapping):
        return _exact_object(value, room - 1)
    parts = [_exact(item, room - 1) for item in value]
    return all(simple for simple, _ in parts), [item for _, item in parts]


def _exact_object(value: Mapping[object, object], room: int) -> tuple[bool, dict[str, Any]]:
    simple, exact = True, dict[str, Any]()
    for key, item in value.items():
        if not isinstance(key, str):
            raise NotCanonical("the keys of an object are strings")
        name = str.__str__(key)
        if name in exact:
            raise DuplicateKey(f"the key {name!r} is there twice")
        inner, exact[name] = _exact(item, room)
        simple = simple and inner and (name.isascii() or max(name) <= _LAST_SIMPLE_KEY)
    return simple, exact
