"""The one release of an institution's noisy counts, signed: a statement as in `contribution`, so that nobody can report
counts for another. Canonical JSON: version, federation, plan, participant, the digest of the model that the counts are
under, and the counts. The Ed25519 signature is over "assay-federation-release/1" LF and the statement.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from detection.federation.contribution import BadContribution
from detection.federation.plan import Plan, canonical
from detection.federation.privacy import Histogram

VERSION: Final = 1
MOST: Final = 1 << 40  # of a count, noise included
_CONTEXT: Final = b"assay-federation-release/1\n"


@dataclass(frozen=True)
class Release:
    """real, made: noisy counts, one a bin. Digests are hex."""

    federation: str
    plan: str
    participant: str
    model: str
    real: tuple[int, ...]
    made: tuple[int, ...]

    @property
    def counts(self) -> Histogram:
        return Histogram(np.array(self.real, dtype=np.int64), np.array(self.made, dtype=np.int64))

    def canonical(self) -> bytes:
        return canonical({"v": VERSION, **asdict(self)})


@dataclass(frozen=True)
class Signed:
    """A release, and the signature of who made it."""

    release: Release
    signature: bytes


def sign(release: Release, key: Ed25519PrivateKey) -> Signed:
    return Signed(release, key.sign(_CONTEXT + release.canonical()))


def read(data: bytes, signature: bytes) -> Signed:
    """Raises BadContribution for what is not a release in canonical form."""
    try:
        told = json.loads(data)
        if told.pop("v") != VERSION:
            raise ValueError
        fields: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in told.items()}
        release = Release(**fields)
        fine = all(isinstance(one, tuple) and all(map(_is_count, one)) for one in (release.real, release.made))
        if not fine or release.canonical() != data:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BadContribution("not_a_release") from error
    return Signed(release, signature)


def check(signed: Signed, plan: Plan, model: str) -> None:
    """That an institution of the plan made it, under this model (its digest). Raises BadContribution."""
    release = signed.release
    participant = plan.participant(release.participant)
    if participant is None:
        raise BadContribution("not_a_participant")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(participant.key))
        public.verify(signed.signature, _CONTEXT + release.canonical())
    except (InvalidSignature, ValueError) as error:
        raise BadContribution("bad_signature") from error
    if (release.federation, release.plan, release.model) != (plan.name, plan.digest(), model):
        raise BadContribution("another_release", participant.name)
    if len(release.real) != plan.statistics.bins or len(release.made) != plan.statistics.bins:
        raise BadContribution("wrong_shape", participant.name)


def _is_count(value: object) -> bool:
    return type(value) is int and abs(value) < MOST
