"""What an institution hands in: an update of the shared head, and a signed statement about it.
The statement is canonical JSON: version, federation, plan, round, participant, the digest of the model it started from,
a digest of the update, how many items it rests on and their basis, and the purpose. Its SHA-256 is the *contribution
hash* that the register keeps; the Ed25519 signature is over "assay-federation/1" LF and the statement. So nobody, the
coordinator included, can claim a contribution that an institution did not make. The update's digest is salted: with
secret aggregation the coordinator never sees the update, and must not be able to guess it either; the institution can
open it later.
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from detection.federation.plan import Plan, canonical
from detection.federation.rounds import Vector, as_bytes

VERSION: Final = 1
SALT: Final = 32  # bytes
_CONTEXT: Final = b"assay-federation/1\n"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class BadContribution(ValueError):
    """It cannot count. reason: slug. participant: who signed it; "" where nobody of the plan did."""

    def __init__(self, reason: str, participant: str = "") -> None:
        super().__init__(reason.replace("_", " "))
        self.reason, self.participant = reason, participant


@dataclass(frozen=True)
class Statement:
    """See the module. Digests are hex."""

    federation: str
    plan: str
    round: int
    participant: str
    model: str
    update: str
    items: int
    basis: str
    purpose: str

    def canonical(self) -> bytes:
        return canonical({"v": VERSION, **asdict(self)})

    def digest(self) -> str:
        """The contribution hash."""
        return hashlib.sha256(self.canonical()).hexdigest()


def model_digest(model: Vector) -> str:
    """SHA-256 of the head's little-endian float64 values, hex."""
    return hashlib.sha256(as_bytes(model)).hexdigest()


def update_digest(update: Vector, salt: bytes) -> str:
    """Salted SHA-256 of an update, hex."""
    return hashlib.sha256(salt + as_bytes(update)).hexdigest()


def sign(statement: Statement, key: Ed25519PrivateKey) -> bytes:
    return key.sign(_CONTEXT + statement.canonical())


def read(data: bytes) -> Statement:
    """Raises BadContribution for what is not a statement in canonical form."""
    try:
        told = json.loads(data)
        if told.pop("v") != VERSION:
            raise ValueError
        statement = Statement(**told)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadContribution("not_a_statement") from error
    texts = (statement.federation, statement.participant, statement.purpose)
    digests = (statement.plan, statement.model, statement.update, statement.basis)
    fine = all(isinstance(text, str) for text in texts) and all(map(_is_digest, digests))
    if not (fine and _is_count(statement.round) and _is_count(statement.items)) or statement.canonical() != data:
        raise BadContribution("not_a_statement")
    return statement


def check(statement: Statement, signature: bytes, *, plan: Plan, number: int, model: str) -> None:
    """That an institution of the plan made it, for this round, from this model, for the agreed purpose.

    model: digest of the model that was handed out. Raises BadContribution.
    """
    participant = plan.participant(statement.participant)
    if participant is None:
        raise BadContribution("not_a_participant")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(participant.key))
        public.verify(signature, _CONTEXT + statement.canonical())
    except (InvalidSignature, ValueError) as error:
        raise BadContribution("bad_signature") from error
    if (statement.federation, statement.plan) != (plan.name, plan.digest()):
        raise BadContribution("another_plan", participant.name)
    if (statement.round, statement.model) != (number, model):
        raise BadContribution("another_round", participant.name)
    if statement.purpose != plan.purpose or plan.purpose not in participant.purposes:
        raise BadContribution("no_consent_to_train", participant.name)
    if statement.items < 1:
        raise BadContribution("rests_on_nothing", participant.name)


def check_update(statement: Statement, update: Vector, salt: bytes) -> None:
    """That the update is the one that was signed for. Raises BadContribution."""
    if len(salt) != SALT or update_digest(update, salt) != statement.update:
        raise BadContribution("another_update", statement.participant)


def _is_digest(text: object) -> bool:
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def _is_count(number: object) -> bool:
    return type(number) is int and 0 <= number < 1 << 53
