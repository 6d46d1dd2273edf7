"""The key that signs media, on a PKCS#11 token: `pkcs11:/path/to/library.so?token=LABEL&key=LABEL`.

It is the form of ASSAY_KEY_STORE with the key's label, and the PIN is ASSAY_KEY_STORE_PIN. The key is a pair on P-256,
P-384 or P-521 that was made on the token; it signs there (CKM_ECDSA) and never leaves it.
"""

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from django.conf import settings

from ledger import keystores
from ledger.keys import BadKey

_DIGESTS: Final = {"es256": hashlib.sha256, "es384": hashlib.sha384, "es512": hashlib.sha512}


def is_token(text: str) -> bool:
    """Whether the text names a key on a token, rather than being one."""
    return text.strip().startswith("pkcs11:")


def sign(uri: str, algorithm: str, data: bytes) -> bytes:
    """ECDSA over `data` (DER). Raises KeyStoreAway, BadKey."""
    if algorithm not in _DIGESTS:
        raise BadKey("a key on a token signs media by ECDSA (P-256, P-384 or P-521) only")
    label = _label(uri)
    place = keystores.Place(uri.strip(), Path(settings.ASSAY_KEYS), pin=settings.ASSAY_KEY_STORE_PIN)
    return _as_der(keystores.open_token(place).sign_digest(label, _DIGESTS[algorithm](data).digest()))


def _label(uri: str) -> str:
    labels = parse_qs(uri.strip().partition("?")[2]).get("key", [])
    if len(labels) != 1 or not labels[0]:
        raise BadKey("the key on the token must be named: pkcs11:/path/to/library.so?token=LABEL&key=LABEL")
    return labels[0]


def _as_der(signature: bytes) -> bytes:
    """ECDSA's r and s, each as long as the curve, as a DER SEQUENCE (RFC 3279 §2.2.3)."""
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
