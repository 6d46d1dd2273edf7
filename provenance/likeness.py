"""Whether the content of a file is the one that its credential's soft bindings describe (C2PA 2.4 §18.10)."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from provenance import softbinding
from provenance.judgement import Likeness
from provenance.matching import CANDIDATE, distance

MAX_VALUE = 4096  # bytes


def declared_likeness(soft_bindings: Iterable[Mapping[str, Any]], codes: Mapping[str, bytes]) -> Likeness:
    """soft_bindings: {alg, value} as the credential has them. codes: of the file, by algorithm, as computed here.

    matched: one declared code is as near as the register's own tier *candidate*. mismatched: some were compared and
    none is. unknown: there are some, and none could be compared. none: there are none.
    """
    declared = list(soft_bindings)
    compared = [
        distance(code, codes[name]) for one in declared for name, code in _codes_of(one).items() if name in codes
    ]
    if compared:
        return Likeness("matched" if min(compared) <= CANDIDATE else "mismatched", "credential")
    return Likeness("unknown", "credential") if declared else Likeness()


def _codes_of(soft_binding: Mapping[str, Any]) -> dict[str, bytes]:
    if soft_binding.get("alg") != softbinding.ALG:
        return {}
    try:
        return softbinding.codes_in(bytes_of(soft_binding.get("value")))
    except ValueError:
        return {}


def bytes_of(value: object) -> bytes:
    """A byte string as readers write it in JSON: a list of numbers, or base64.

    Raises ValueError for anything else: a stranger wrote it.
    """
    if isinstance(value, list) and len(value) <= MAX_VALUE:
        try:
            return bytes(value)
        except TypeError as error:
            raise ValueError("no byte string") from error
    if isinstance(value, str) and len(value) <= 2 * MAX_VALUE:
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise ValueError("no byte string") from error
    raise ValueError("no byte string")
