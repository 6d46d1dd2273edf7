"""Keys on a PKCS#11 token (an HSM, a smart card, SoftHSM2), through python-pkcs11, an optional dependency.

On the token: Ed25519 key pairs `assay-log-1`, `assay-log-2`, … and AES-256 keys `assay-vault-<version>`, none of which
can be taken out. The latter wrap master keys by RFC 3394 (CKM_AES_KEY_WRAP).
"""

import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.keys import BadKey, KeyStoreAway, SigningKey
from ledger.keystores import RemoteKeys, RemoteSigner

# The PrintableString "edwards25519" (PKCS#11 3.0, section 2.3.5), the form that SoftHSM2 takes.
_EDWARDS25519 = bytes.fromhex("130c656477617264733235353139")
_LOG = "assay-log-"
_VAULT = "assay-vault-"


class TokenStore(RemoteKeys):
    """A `KeyStore`. library: path of the vendor's module; token: label; pin: the user's."""

    def __init__(self, library: str, token: str, pin: str, folder: Path) -> None:
        super().__init__(folder)
        self._library, self._token, self._pin = library, token, pin
        self._lock = threading.Lock()  # a session is for one thread at a time
        self._session: Any = None

    def log_signers(self) -> Sequence[SigningKey]:
        from pkcs11 import Attribute, ObjectClass

        with self._open() as session:
            found = [
                RemoteSigner(_text(key[Attribute.ID]), key.label, _point(key[Attribute.EC_POINT]), self._sign)
                for key in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY})
                if key.label.startswith(_LOG)
            ]
        return sorted(found, key=lambda signer: _number(signer.label))

    def new_log_signer(self, name: str) -> SigningKey:
        number = max((_number(one.label) for one in self.log_signers() if isinstance(one, RemoteSigner)), default=0) + 1
        with self._open() as session:
            self._make_pair(session, f"{_LOG}{number}", name)
        return next(one for one in self.log_signers() if isinstance(one, RemoteSigner) and _number(one.label) == number)

    def wrapped_new_key(self, version: int) -> bytes:
        from pkcs11 import Attribute, KeyType, Mechanism

        with self._open() as session:
            wrapping = self._wrapping_key(session, version) or self._make_wrapping_key(session, version)
            fresh = session.generate_key(
                KeyType.AES, 256, store=False, template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False}
            )
            return bytes(wrapping.wrap_key(fresh, mechanism=Mechanism.AES_KEY_WRAP))

    def unwrap(self, version: int, wrapped: bytes) -> bytes:
        from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

        with self._open() as session:
            wrapping = self._wrapping_key(session, version)
            if wrapping is None:
                raise KeyStoreAway(f"the token {self._token} holds no key {_VAULT}{version}: restore the token")
            opened = wrapping.unwrap_key(
                ObjectClass.SECRET_KEY,
                KeyType.AES,
                wrapped,
                mechanism=Mechanism.AES_KEY_WRAP,
                store=False,
                template={Attribute.EXTRACTABLE: True, Attribute.SENSITIVE: False},
            )
            return bytes(opened[Attribute.VALUE])

    def sign_digest(self, label: str, digest: bytes) -> bytes:
        """ECDSA over `digest` by the elliptic key pair `label` (CKM_ECDSA): r and s, each as long as the curve."""
        from pkcs11 import KeyType, Mechanism, ObjectClass

        with self._open() as session:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, key_type=KeyType.EC, label=label)
            return bytes(key.sign(digest, mechanism=Mechanism.ECDSA))

    def _sign(self, label: str, text: bytes) -> bytes:
        from pkcs11 import Mechanism, ObjectClass

        with self._open() as session:
            key = session.get_key(object_class=ObjectClass.PRIVATE_KEY, label=label)
            return bytes(key.sign(text, mechanism=Mechanism.EDDSA))

    def _make_pair(self, session: Any, label: str, name: str) -> None:
        from pkcs11 import Attribute, KeyType, Mechanism

        parameters = session.create_domain_parameters(
            KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _EDWARDS25519}, local=True
        )
        parameters.generate_keypair(
            mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=label,
            id=name.encode(),
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )

    def _wrapping_key(self, session: Any, version: int) -> Any:
        from pkcs11 import Attribute, ObjectClass

        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: f"{_VAULT}{version}"}
        return next(iter(list(session.get_objects(wanted))), None)

    def _make_wrapping_key(self, session: Any, version: int) -> Any:
        from pkcs11 import Attribute, KeyType

        return session.generate_key(
            KeyType.AES,
            256,
            store=True,
            label=f"{_VAULT}{version}",
            template={
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: False,
                Attribute.WRAP: True,
                Attribute.UNWRAP: True,
            },
        )

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """The session, for this thread. What goes wrong is KeyStoreAway, and the next call logs in afresh."""
        pkcs11 = _module()
        with self._lock:
            try:
                if self._session is None:
                    self._session = self._patient_login(pkcs11)
                yield self._session
            except pkcs11.exceptions.PKCS11Error as error:
                self._session = None
                # The exception's own text may hold what was passed to the device.
                raise KeyStoreAway(
                    f"The PKCS#11 token {self._token} does not do as asked ({type(error).__name__}). Is it there, is"
                    " the token's label in ASSAY_KEY_STORE right, and ASSAY_KEY_STORE_PIN its PIN?"
                ) from None

    def _patient_login(self, pkcs11: Any) -> Any:
        """A token says “general error” while another process writes to it (SoftHSM2: when two start at once)."""
        for pause in _PAUSES:
            try:
                return self._login(pkcs11)
            except pkcs11.exceptions.GeneralError:
                time.sleep(pause)
                _loaded_in[self._library] = 0  # initialise again
        return self._login(pkcs11)

    def _login(self, pkcs11: Any) -> Any:
        try:
            library = pkcs11.lib(self._library)
        except (RuntimeError, OSError) as error:
            raise KeyStoreAway(f"The PKCS#11 library {self._library} cannot be loaded: install it") from error
        if _loaded_in.setdefault(self._library, os.getpid()) != os.getpid():
            library.reinitialize()  # PKCS#11 2.40, section 5.4: a child process must initialise again
            _loaded_in[self._library] = os.getpid()
        token = library.get_token(token_label=self._token)
        try:
            return token.open(rw=True, user_pin=self._pin or None)
        except pkcs11.exceptions.UserAlreadyLoggedIn:
            return token.open(rw=True)


_loaded_in: dict[str, int] = {}  # by library, the process that initialised it
_PAUSES = (0.05, 0.1, 0.2, 0.4)  # seconds


def _module() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise KeyStoreAway("ASSAY_KEY_STORE names a PKCS#11 token: install python-pkcs11") from error
    return pkcs11


def _point(value: bytes) -> bytes:
    """CKA_EC_POINT: the 32 bytes, as they are or as a DER OCTET STRING. Raises BadKey."""
    if len(value) == 34 and value[:2] == b"\x04\x20":
        value = value[2:]
    if len(value) != 32:
        raise BadKey("a log's key on the token is not an Ed25519 key")
    return bytes(value)


def _text(value: bytes) -> str:
    return bytes(value).decode("utf-8", "replace")


def _number(label: str) -> int:
    digits = label.removeprefix(_LOG)
    return int(digits) if digits.isascii() and digits.isdigit() else 0
