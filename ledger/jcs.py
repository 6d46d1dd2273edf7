"""Canonical JSON (RFC 8785) without floats, from the standard library alone, for the offline verifier. Pure.

The service writes with the rfc8785 package; a property test holds both to the same bytes.
"""

import json
from typing import Any


class NotCanonical(ValueError):
    """Not JSON, or not the one form of its value."""


def encode(value: Any) -> bytes:
    """Canonical bytes of what JSON holds, numbers being integers within ±(2^53-1). Raises NotCanonical."""
    try:
        return _text(value).encode("utf-8")
    except (UnicodeEncodeError, RecursionError) as error:
        raise NotCanonical("a string holds half a surrogate pair, or the value is too deep") from error


def decode(data: bytes) -> Any:
    """The value, if `data` is its canonical form byte for byte. Raises NotCanonical."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise NotCanonical("not JSON in UTF-8") from error
    # Also refuses duplicate keys, floats, spaces and other escapes: none of them encodes to the same bytes.
    if encode(value) != data:
        raise NotCanonical("not in canonical form (RFC 8785)")
    return value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        # RFC 8785 section 3.2.3: keys in the order of their UTF-16 code units.
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_string(key)}:{_text(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) < 1 << 53:
        return str(value)
    raise NotCanonical("a number that is not an exact integer")


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
