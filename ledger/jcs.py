"""Canonical JSON (RFC 8785) without floats, from the standard library alone, for the offline verifier. Pure.

Numbers are integers within ±(2^53-1); values are nested at most 64 deep, so that every reader can follow.
The service writes with the rfc8785 package; a property test holds both to the same bytes.
"""

import json
from typing import Any, NoReturn

MAX_DEPTH = 64
_LARGEST = (1 << 53) - 1


class NotCanonical(ValueError):
    """Not JSON, or not the one form of its value."""


def encode(value: Any) -> bytes:
    """Canonical bytes of what JSON holds. Raises NotCanonical."""
    try:
        return _text(value, MAX_DEPTH).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds half a surrogate pair") from error


def decode(data: bytes) -> Any:
    """The value, if `data` is its canonical form byte for byte. Raises NotCanonical."""
    try:
        value = _READER.decode(data.decode("utf-8"))
    except NotCanonical:
        raise
    except (ValueError, RecursionError) as error:
        raise NotCanonical("not JSON in UTF-8") from error
    # Also refuses duplicate keys, spaces and other escapes: none of them encodes to the same bytes.
    if encode_within(value, data) != data:
        raise NotCanonical("not in canonical form (RFC 8785)")
    return value


def encode_within(value: Any, data: bytes) -> bytes:
    """`encode(value)` of what was read from `data`, or from a part of it. Raises NotCanonical.

    The C encoder does it where its order of keys is ours and no nesting can be too deep.
    """
    beyond_bmp = not data.isascii() and max(data) >= 0xF0  # only such characters are ordered otherwise in UTF-16
    if beyond_bmp or data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        return encode(value)
    try:
        return _WRITER.encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds half a surrogate pair") from error


def _refuse(number: str) -> NoReturn:
    raise NotCanonical("a number that is not an exact integer")


def _exact(number: str) -> int:
    if len(number) > 17 or abs(value := int(number)) > _LARGEST:
        raise NotCanonical("a number that is not an exact integer")
    return value


_READER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, parse_int=_exact)
_WRITER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def _text(value: Any, room: int) -> str:
    if isinstance(value, dict | list):
        if not room:
            raise NotCanonical(f"values are nested more than {MAX_DEPTH} deep")
        return _object(value, room - 1) if isinstance(value, dict) else _array(value, room - 1)
    if isinstance(value, str):
        return _string(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int) and abs(value) <= _LARGEST:
        return str(value)
    raise NotCanonical("a number that is not an exact integer")


def _object(value: dict[str, Any], room: int) -> str:
    # RFC 8785 section 3.2.3: keys in the order of their UTF-16 code units.
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{" + ",".join(f"{_string(key)}:{_text(value[key], room)}" for key in keys) + "}"


def _array(value: list[Any], room: int) -> str:
    return "[" + ",".join(_text(item, room) for item in value) + "]"


def _string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
