"""Keys: Ed25519 of logs and witnesses, the vault's XChaCha20-Poly1305. The only importer of nacl; knows no Django.

Key texts are C2SP's (as in Go's x/mod `note`): a public `vkey` `<name>+<key id, 8 hex>+<base64(type || public key)>`, a
private `PRIVATE+KEY+<name>+<key id>+<base64(type || seed)>`. The type is 0x01 for a log's plain Ed25519 signature, 0x04
for a witness's timestamped cosignature. Key files have mode 0600 and appear whole or not at all.
"""

import base64
import binascii
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import nacl.bindings
import nacl.exceptions
import nacl.signing

from ledger.durable import write_once
from ledger.notes import COSIGNATURE, ED25519, BadNote, check_key_name, cosigned_message, key_id

KEY_SIZE = 32
SEED_SIZE = 32
_NONCE_SIZE = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES


class KeyMissing(RuntimeError):
    """A key file that must exist does not. Nothing was done."""


class KeyStoreAway(KeyMissing):
    """The device or service that holds the keys does not answer, or refuses. Nothing was done; try again."""


class BadKey(ValueError):
    """A key text or file that cannot be read."""


class CannotOpen(ValueError):
    """The ciphertext was not made with this key and this context, or it was changed."""


@dataclass(frozen=True)
class LogVerifier:
    """The public half of a log's key (a `notes.Verifier`). Ed25519 with libsodium's strict rules."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> int:
        return key_id(self.name, self.public_key)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id:08x}+{_b64(bytes([ED25519]) + self.public_key)}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the vkey in groups of four, to compare by eye or over the telephone."""
        digits = hashlib.sha256(self.vkey.encode()).hexdigest()
        return " ".join(digits[i : i + 4] for i in range(0, 40, 4))

    def verifies(self, text: bytes, signature: bytes) -> bool:
        return _verifies(self.public_key, text, signature)


class SigningKey(Protocol):
    """A log's key that can sign, wherever its private half is (a `notes.Signer`)."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> int: ...

    @property
    def verifier(self) -> LogVerifier: ...

    def sign(self, text: bytes) -> bytes: ...


@dataclass(frozen=True)
class WitnessVerifier:
    """The public half of a witness's key (a `notes.Verifier` of timestamped Ed25519 cosignatures)."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> int:
        return key_id(self.name, self.public_key, COSIGNATURE)

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id:08x}+{_b64(bytes([COSIGNATURE]) + self.public_key)}"

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """`signature` is the time (8 bytes, big-endian, POSIX seconds) and the Ed25519 signature."""
        timestamp = int.from_bytes(signature[:8], "big")
        if timestamp >= 1 << 63:
            return False
        return _verifies(self.public_key, cosigned_message(text, timestamp).encode(), signature[8:])


@dataclass(frozen=True)
class WitnessSigner:
    """The private half of a witness's key (a `notes.Signer`)."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> WitnessVerifier:
        return WitnessVerifier(self.name, bytes(nacl.signing.SigningKey(self.seed).verify_key))

    @property
    def key_id(self) -> int:
        return self.verifier.key_id

    @property
    def skey(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.key_id:08x}+{_b64(bytes([COSIGNATURE]) + self.seed)}"

    def sign(self, text: bytes) -> bytes:
        timestamp = int(time.time())
        message = cosigned_message(text.decode(), timestamp).encode()
        return timestamp.to_bytes(8, "big") + nacl.signing.SigningKey(self.seed).sign(message).signature


@dataclass(frozen=True)
class LogSigner:
    """The private half of a log's key (a `notes.Signer`)."""

    name: str
    seed: bytes = field(repr=False)

    @property
    def verifier(self) -> LogVerifier:
        return LogVerifier(self.name, bytes(nacl.signing.SigningKey(self.seed).verify_key))

    @property
    def key_id(self) -> int:
        return self.verifier.key_id

    @property
    def skey(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.key_id:08x}+{_b64(bytes([ED25519]) + self.seed)}"

    def sign(self, text: bytes) -> bytes:
        return nacl.signing.SigningKey(self.seed).sign(text).signature


def parse_vkey(text: str) -> LogVerifier:
    """A log's key. Raises BadKey for anything but one canonical Ed25519 vkey."""
    name, key = _vkey_parts(text, ED25519)
    return _same(LogVerifier(name, key), text)


def parse_witness_vkey(text: str) -> WitnessVerifier:
    """A witness's key. Raises BadKey for anything but one canonical vkey of a timestamped Ed25519 cosigner."""
    name, key = _vkey_parts(text, COSIGNATURE)
    return _same(WitnessVerifier(name, key), text)


def _vkey_parts(text: str, algorithm: int) -> tuple[str, bytes]:
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise BadKey("a vkey is <name>+<key id>+<base64>")
    return _name(parts[0]), _key_bytes(parts[2], algorithm)


_V = TypeVar("_V", LogVerifier, WitnessVerifier)


def _same(verifier: _V, text: str) -> _V:
    if verifier.vkey != text:
        raise BadKey("the vkey's key id is not that of its name and key, or it is not in canonical form")
    return verifier


def parse_skey(text: str) -> LogSigner:
    """A log's private key. Raises BadKey; the message never holds the key."""
    signer = LogSigner(*_skey_parts(text, ED25519))
    if signer.skey != text:
        raise BadKey("the private note key is damaged: its key id does not match")
    return signer


def parse_witness_skey(text: str) -> WitnessSigner:
    """A witness's private key. Raises BadKey; the message never holds the key."""
    signer = WitnessSigner(*_skey_parts(text, COSIGNATURE))
    if signer.skey != text:
        raise BadKey("the private note key is damaged: its key id does not match")
    return signer


def _skey_parts(text: str, algorithm: int) -> tuple[str, bytes]:
    prefix = "PRIVATE+KEY+"
    parts = text.removeprefix(prefix).split("+", 2)
    if not text.startswith(prefix) or len(parts) != 3:
        raise BadKey("not a private note key")
    return _name(parts[0]), _key_bytes(parts[2], algorithm)


def key_type(vkey: str) -> int:
    """The signature type byte of a vkey of any kind. Raises BadKey."""
    try:
        return base64.b64decode(vkey.split("+", 2)[2], validate=True)[0]
    except (IndexError, binascii.Error, ValueError) as error:
        raise BadKey("a vkey is <name>+<key id>+<base64>") from error


def new_log_signer(path: Path, name: str) -> LogSigner:
    """A new key in a new file. If another process was quicker, its key."""
    return log_signer(path, name, create=True)


def read_log_signer(path: Path) -> LogSigner:
    """The key in this file, whatever its name is. Raises KeyMissing, BadKey."""
    return parse_skey(read_text(path).rstrip("\n"))


def log_signer(path: Path, name: str, *, create: bool) -> LogSigner:
    """The log's key in the file at `path`; made on first use if `create`. Raises KeyMissing, BadKey."""
    if create and not path.exists():
        write_once(path, LogSigner(_name(name), secrets.token_bytes(SEED_SIZE)).skey + "\n")
    signer = read_log_signer(path)
    if signer.name != name:
        raise BadKey(f"the key in {path.name} is of the log {signer.name}, but this log's origin is set to {name}")
    return signer


def witness_signer(path: Path, name: str, *, create: bool) -> WitnessSigner:
    """A witness's key in the file at `path`; made on first use if `create`. Raises KeyMissing, BadKey."""
    if create and not path.exists():
        write_once(path, WitnessSigner(_name(name), secrets.token_bytes(SEED_SIZE)).skey + "\n")
    signer = parse_witness_skey(read_text(path).rstrip("\n"))
    if signer.name != name:
        raise BadKey(f"the key in {path.name} is of the witness {signer.name}, not of {name}")
    return signer


def master_key(path: Path, *, create: bool) -> bytes:
    """The vault's master key in the file at `path` (base64 of 32 bytes). Raises KeyMissing, BadKey."""
    if create and not path.exists():
        write_once(path, _b64(secrets.token_bytes(KEY_SIZE)) + "\n")
    return parse_master_key(read_text(path), path.name)


def parse_master_key(text: str, where: str) -> bytes:
    """where: what to call the text in the message, which never holds the key. Raises BadKey."""
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey(f"{where} does not hold a base64 key") from error
    if len(key) != KEY_SIZE:
        raise BadKey(f"{where} does not hold a key of 32 bytes")
    return key


def new_key() -> bytes:
    return secrets.token_bytes(KEY_SIZE)


def encrypt(key: bytes, plaintext: bytes, context: bytes) -> bytes:
    """nonce (24 bytes) || XChaCha20-Poly1305 ciphertext and tag; `context` is authenticated, not stored."""
    nonce = secrets.token_bytes(_NONCE_SIZE)
    return nonce + nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, context, nonce, key)


def decrypt(key: bytes, blob: bytes, context: bytes) -> bytes:
    """Raises CannotOpen."""
    nonce, ciphertext = blob[:_NONCE_SIZE], blob[_NONCE_SIZE:]
    if len(ciphertext) < nacl.bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES:
        raise CannotOpen("the ciphertext is too short")
    try:
        return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, context, nonce, key)
    except nacl.exceptions.CryptoError as error:
        raise CannotOpen("the ciphertext does not belong to this key and context, or was changed") from error


def _name(name: str) -> str:
    try:
        return check_key_name(name)
    except BadNote as error:
        raise BadKey(str(error)) from error


def _key_bytes(text: str, algorithm: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadKey("the key is not base64") from error
    if len(raw) != 1 + KEY_SIZE or raw[0] != algorithm:
        kind = "a log's Ed25519 note key" if algorithm == ED25519 else "a witness's Ed25519 cosignature key"
        raise BadKey(f"not {kind} (type {algorithm:#04x})")
    return raw[1:]


def _verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    if len(signature) != nacl.bindings.crypto_sign_BYTES:
        return False
    try:
        nacl.signing.VerifyKey(public_key).verify(message, signature)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def read_text(path: Path) -> str:
    """The text of a key file. Raises KeyMissing, BadKey."""
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError as error:
        raise KeyMissing(f"the key file {path} is missing: put it back from its backup") from error
    except PermissionError as error:
        raise KeyMissing(
            f"this process may not read the key file {path}: see docs/keys.md, “Who reads what”"
        ) from error
    except UnicodeDecodeError as error:
        raise BadKey(f"{path.name} is not a key file") from error


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
