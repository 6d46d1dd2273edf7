"""The log's optional second signature line: ML-DSA-44 (FIPS 204), as https://c2sp.org/tlog-cosignature type 0x06.

The timestamp is zero, as the specification allows a cosigner that makes no statement about the time: a checkpoint of
this log has no time of its own; witnesses and time-stamping authorities state it. `cryptography` is loaded when used.
"""

import base64
import binascii
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.durable import write_once
from ledger.keys import BadKey, read_text
from ledger.notes import TreeHead, key_id, parse_tree_head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

ML_DSA_44: Final = 0x06
PUBLIC_SIZE: Final = 1312
SIGNATURE_SIZE: Final = 2420
_SEED_SIZE: Final = 32
_LABEL: Final = b"subtree/v1\n\0"
_NO_TIME: Final = 0
_MAX_TIME: Final = (1 << 63) - 1


@dataclass(frozen=True)
class MlDsaVerifier:
    """The public half (a `notes.Verifier`)."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> int:
        return key_id(self.name, self.public_key, ML_DSA_44)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id:08x}+{_b64(bytes([ML_DSA_44]) + self.public_key)}"

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """`text` is the body of a checkpoint; `signature` the timestamp (8 bytes, big-endian) and ML-DSA-44's."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        timestamp = int.from_bytes(signature[:8], "big")
        if len(signature) != 8 + SIGNATURE_SIZE or timestamp > _MAX_TIME:
            return False
        try:
            message = cosigned_message(self.name, timestamp, parse_tree_head(text.decode()))
            MLDSA44PublicKey.from_public_bytes(self.public_key).verify(signature[8:], message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class MlDsaSigner:
    """The private half (a `notes.Signer`)."""

    name: str
    seed: bytes = field(repr=False)

    @cached_property
    def verifier(self) -> MlDsaVerifier:
        return MlDsaVerifier(self.name, self._private().public_key().public_bytes_raw())

    @property
    def key_id(self) -> int:
        return self.verifier.key_id

    @property
    def skey(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.key_id:08x}+{_b64(bytes([ML_DSA_44]) + self.seed)}"

    def sign(self, text: bytes) -> bytes:
        """`text` is the body of a checkpoint."""
        message = cosigned_message(self.name, _NO_TIME, parse_tree_head(text.decode()))
        return _NO_TIME.to_bytes(8, "big") + self._private().sign(message)

    def _private(self) -> "MLDSA44PrivateKey":
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        return MLDSA44PrivateKey.from_seed_bytes(self.seed)


def cosigned_message(name: str, timestamp: int, tree: TreeHead) -> bytes:
    """`struct cosigned_message` of the specification, for a whole tree: start is 0, end the size."""
    return b"".join(
        (
            _LABEL,
            _opaque(name),
            timestamp.to_bytes(8, "big"),
            _opaque(tree.origin),
            (0).to_bytes(8, "big"),
            tree.size.to_bytes(8, "big"),
            tree.root,
        )
    )


def parse_vkey(text: str) -> MlDsaVerifier:
    """Raises BadKey for anything but one canonical vkey of type 0x06."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise BadKey("a vkey is <name>+<key id>+<base64>")
    verifier = MlDsaVerifier(parts[0], _bytes(parts[2], PUBLIC_SIZE))
    if verifier.vkey != text:
        raise BadKey("the vkey's key id is not that of its name and key, or it is not in canonical form")
    return verifier


def signer(path: Path, name: str, *, create: bool) -> MlDsaSigner:
    """The key in the file at `path`; made on first use if `create`. Raises KeyMissing, BadKey."""
    if create and not path.exists():
        write_once(path, MlDsaSigner(name, secrets.token_bytes(_SEED_SIZE)).skey + "\n")
    text = read_text(path).rstrip("\n")
    parts = text.removeprefix("PRIVATE+KEY+").split("+", 2)
    if not text.startswith("PRIVATE+KEY+") or len(parts) != 3:
        raise BadKey(f"{path.name} does not hold a private note key")
    found = MlDsaSigner(parts[0], _bytes(parts[2], _SEED_SIZE))
    if found.skey != text:
        raise BadKey(f"the private note key in {path.name} is damaged: its key id does not match")
    if found.name != name:
        raise BadKey(f"the key in {path.name} is of the log {found.name}, but this log's origin is set to {name}")
    return found


def _opaque(text: str) -> bytes:
    """`opaque<1..2^8-1>`: a length in one byte, then the bytes."""
    data = text.encode()
    if not 1 <= len(data) <= 255:
        raise BadKey("an ML-DSA-44 cosignature holds names of 1 to 255 bytes")
    return bytes([len(data)]) + data


def _bytes(text: str, size: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey("the key is not base64") from error
    if len(raw) != 1 + size or raw[0] != ML_DSA_44:
        raise BadKey("not an ML-DSA-44 key (type 0x06)")
    return raw[1:]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
