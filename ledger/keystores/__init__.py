"""Where the private keys live: in files, on a PKCS#11 token, in AWS's KMS, behind one interface. Knows no Django.

The log's keys sign where they are. A master key of the vault is 32 bytes that this process must hold while it works (a
vault that asked a device for each value would be no faster than the device): on a token or in the KMS lies the key
that wraps it, and only the wrapped one lies in the folder.
"""

import base64
import binascii
import fcntl
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs

from ledger.durable import make_folder, write_once
from ledger.keys import KEY_SIZE, BadKey, LogVerifier, SigningKey, read_text

if TYPE_CHECKING:
    from ledger.keystores.token import TokenStore

_WRAPPED = re.compile(r"vault-([1-9][0-9]*)\.wrapped", re.ASCII)


class KeyStore(Protocol):
    """Every method raises KeyMissing (KeyStoreAway when the device or service does not answer), BadKey."""

    def log_signers(self) -> Sequence[SigningKey]:
        """Every key of a log that is held here, in the order they were made."""

    def log_signer(self, vkey: str) -> SigningKey | None:
        """The private half of this public key, None if it is not held here."""

    def new_log_signer(self, name: str) -> SigningKey:
        """A further key, for the log of this name."""

    def master_versions(self) -> Sequence[int]:
        """Versions of the vault's master key that are held here, ascending."""

    def master_key(self, version: int) -> bytes:
        """32 bytes."""

    def new_master_key(self, version: int) -> None:
        """Make the master key of this version; nothing happens if it is there."""


@dataclass(frozen=True)
class Place:
    """How the settings name a store. spec: `ASSAY_KEY_STORE`; log_key, vault_key: keys given as text."""

    spec: str
    folder: Path
    pin: str = ""
    log_key: str = ""
    vault_key: str = ""

    def __repr__(self) -> str:
        return f"Place({self.spec!r}, {str(self.folder)!r})"


def open_store(place: Place) -> KeyStore:
    """The store named by `spec`: "", `pkcs11:<library>?token=<label>` or `kms:<prefix>`. Raises BadKey."""
    from ledger.keystores.files import FileStore

    files = FileStore(place.folder, place.log_key, place.vault_key)
    return files if not place.spec else Moving(files, _remote(place))


def open_token(place: Place) -> "TokenStore":
    """The PKCS#11 token named by `spec`, for keys of other rooms. Raises BadKey."""
    from ledger.keystores.token import TokenStore

    found = _remote(place)
    if not isinstance(found, TokenStore):
        raise BadKey("a key on a token is named pkcs11:/path/to/library.so?token=LABEL&key=LABEL")
    return found


# Sessions and unwrapped master keys, kept for the life of a process: a fork opens its own.
_opened: dict[tuple[Place, int], KeyStore] = {}


def _remote(place: Place) -> KeyStore:
    at = (place, os.getpid())
    if at not in _opened:
        _opened[at] = _open_remote(place)
    return _opened[at]


def _open_remote(place: Place) -> KeyStore:
    kind, _, rest = place.spec.partition(":")
    if kind == "pkcs11":
        from ledger.keystores.token import TokenStore

        library, _, query = rest.partition("?")
        labels = parse_qs(query).get("token", [])
        if library and len(labels) == 1:
            return TokenStore(library, labels[0], place.pin, place.folder)
    if kind == "kms" and rest:
        from ledger.keystores.kms import KmsStore

        return KmsStore(rest, place.folder)
    raise BadKey(
        "ASSAY_KEY_STORE must be empty (files), pkcs11:/path/to/library.so?token=LABEL, or kms:PREFIX; see docs/keys.md"
    )


class Moving:
    """A `KeyStore` on its way: keys that are still in files go on being used, new ones are made on the device or in the
    service. So rotating the log's key and rewrapping the vault is how an office moves there.
    """

    def __init__(self, files: KeyStore, remote: KeyStore) -> None:
        self._files, self._remote = files, remote

    def log_signers(self) -> Sequence[SigningKey]:
        return [*self._files.log_signers(), *self._remote.log_signers()]

    def log_signer(self, vkey: str) -> SigningKey | None:
        return self._files.log_signer(vkey) or self._remote.log_signer(vkey)

    def new_log_signer(self, name: str) -> SigningKey:
        return self._remote.new_log_signer(name)

    def master_versions(self) -> Sequence[int]:
        return sorted({*self._files.master_versions(), *self._remote.master_versions()})

    def master_key(self, version: int) -> bytes:
        return self._of(version).master_key(version)

    def new_master_key(self, version: int) -> None:
        self._of(version).new_master_key(version)

    def _of(self, version: int) -> KeyStore:
        return self._files if version in self._files.master_versions() else self._remote


@dataclass(frozen=True)
class RemoteSigner:
    """A log's key on a token or in a service (a `keys.SigningKey`). label: what it is called there."""

    name: str
    label: str
    public_key: bytes
    signs: Callable[[str, bytes], bytes]

    @property
    def verifier(self) -> LogVerifier:
        return LogVerifier(self.name, self.public_key)

    @property
    def key_id(self) -> int:
        return self.verifier.key_id

    def sign(self, text: bytes) -> bytes:
        return self.signs(self.label, text)


class RemoteKeys(ABC):
    """What token and KMS share. Master keys are files `vault-<version>.wrapped`, base64, that only they can unwrap."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bytes] = {}
        self._found: dict[str, SigningKey] = {}

    @abstractmethod
    def log_signers(self) -> Sequence[SigningKey]: ...

    def log_signer(self, vkey: str) -> SigningKey | None:
        if vkey not in self._found:  # asking for the list is slow, and a public key never changes
            self._found = {signer.verifier.vkey: signer for signer in self.log_signers()}
        return self._found.get(vkey)

    @abstractmethod
    def wrapped_new_key(self, version: int) -> bytes:
        """A new master key of 32 random bytes, wrapped by the key of this version, which is made if there is none."""

    @abstractmethod
    def unwrap(self, version: int, wrapped: bytes) -> bytes: ...

    def master_versions(self) -> Sequence[int]:
        found = (_WRAPPED.fullmatch(path.name) for path in self._folder.glob("vault-*.wrapped"))
        return sorted(int(match[1]) for match in found if match)

    def master_key(self, version: int) -> bytes:
        text = read_text(self._path(version)).strip()
        # Only what is in the folder now is served from memory: a file taken away is missing at once.
        if text not in self._known:
            try:
                wrapped = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as error:
                raise BadKey(f"{self._path(version).name} does not hold a wrapped key") from error
            key = self.unwrap(version, wrapped)
            if len(key) != KEY_SIZE:
                raise BadKey(f"{self._path(version).name} does not unwrap to a key of 32 bytes")
            self._known[text] = key
        return self._known[text]

    def new_master_key(self, version: int) -> None:
        with self._alone():
            if self._path(version).exists():
                return
            wrapped = self.wrapped_new_key(version)
            # Nothing is sealed with a key before it is known to open again.
            if len(self.unwrap(version, wrapped)) != KEY_SIZE:
                raise BadKey(f"the new master key {version} does not unwrap to {KEY_SIZE} bytes: nothing was kept")
            write_once(self._path(version), base64.b64encode(wrapped).decode() + "\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process, and one thread of it, at a time: two would make two wrapping keys of one name."""
        make_folder(self._folder)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _path(self, version: int) -> Path:
        return self._folder / f"vault-{version}.wrapped"
