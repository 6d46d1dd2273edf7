"""What came back from institutions: bytes that anybody may have written, read without a surprise."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from detection.federation import contribution, release, rounds
from detection.federation.contribution import BadContribution
from detection.federation.plan import Plan
from detection.federation.records import Handed
from detection.federation.release import Signed
from detection.federation.rounds import Vector

MOST_BYTES: Final = 1 << 20  # of one field


def opened(answer: Mapping[str, Any], plan: Plan, number: int, model: Vector) -> tuple[Handed, Vector]:
    """The statement and the update of an answer, checked. Raises BadContribution."""
    statement = contribution.read(_bytes(answer, "statement"))
    signature, salt = _bytes(answer, "signature"), _bytes(answer, "salt")
    try:
        update = rounds.from_bytes(_bytes(answer, "update"))
    except ValueError as error:
        raise BadContribution("not_a_statement") from error
    contribution.check(statement, signature, plan=plan, number=number, model=contribution.model_digest(model))
    contribution.check_update(statement, update, salt)
    return Handed(statement, signature, salt), update


def released(told: Iterable[Mapping[str, Any]], plan: Plan, model: Vector) -> dict[str, Signed]:
    """The counts of each institution that signed some under this model: its first answer. The others are left out."""
    digest, found = contribution.model_digest(model), dict[str, Signed]()
    for answer in told:
        try:
            signed = release.read(_bytes(answer, "statement"), _bytes(answer, "signature"))
            release.check(signed, plan, digest)
        except BadContribution:
            continue
        found.setdefault(signed.release.participant, signed)
    return found


def _bytes(answer: Mapping[str, Any], name: str) -> bytes:
    """Raises BadContribution for anything but a few bytes."""
    try:
        value = answer[name]
    except (KeyError, TypeError, IndexError) as error:
        raise BadContribution("not_a_statement") from error
    if not isinstance(value, bytes) or len(value) > MOST_BYTES:
        raise BadContribution("not_a_statement")
    return value
