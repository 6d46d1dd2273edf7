"""Canonical JSON (RFC 8785), the only JSON that is ever hashed or signed. `ledger.jcs` is its twin for the offline
verifier, which has nothing but the standard library."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import rfc8785

Json: TypeAlias = "str | int | bool | Sequence[Json] | Mapping[str, Json] | None"


class NotCanonical(ValueError):
    """The value has no exact canonical form here (floats, non-string keys, integers beyond 2**53)."""


def canonical_json(value: Json) -> bytes:
    """Bytes of `value` in RFC 8785 form.

    Floats are refused although RFC 8785 defines them: libraries differ on them, so scores travel as strings.
    Raises NotCanonical.
    """
    _refuse_floats(value)
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise NotCanonical(str(error)) from error


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise NotCanonical("a float has no portable canonical form; write it as a string")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            _refuse_floats(item)
