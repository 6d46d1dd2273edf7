"""The office's key for rule packs and its charter: an Ed25519 file of its own, `packs.key`, and its public half
`packs.vkey`.

Whoever only reads rules needs the public half. The key is made with the first signature and never silently again: a
version that was signed with a key nobody has any more would otherwise look as if it had never been valid.
"""

import datetime as dt
import functools
from pathlib import Path
from typing import Final, Protocol

from django.conf import settings

from ledger import durable, keys
from ledger.events import EventType
from ledger.models import Entry
from policy.models import PackVersion

FORMAT: Final = "assay-pack-signature/1"


class Signed(Protocol):
    """What of a version the signature covers."""

    name: str
    version: str
    digest: str
    effective_from: dt.datetime | None


def sign(row: Signed) -> tuple[bytes, str]:
    """The signature and the public key that verifies it. Raises keys.KeyMissing, keys.BadKey."""
    return sign_text(_text(row))


def sign_text(text: bytes) -> tuple[bytes, str]:
    """The same for a text whose first line names what it is. Raises keys.KeyMissing, keys.BadKey."""
    signer = _signer()
    return signer.sign(text), signer.verifier.vkey


def holds(row: PackVersion) -> bool:
    """Whether this office's key signed this version, with this digest and this first moment."""
    return verifies(row.signer, _text(row), bytes(row.signature))


def verifies(signer: str, text: bytes, signature: bytes) -> bool:
    """Whether `signer` is this office's key, and signed this text."""
    return _verifies(_vkey(), signer, text, signature)


def _text(row: Signed) -> bytes:
    start = row.effective_from.astimezone(dt.UTC).isoformat(timespec="microseconds") if row.effective_from else ""
    return f"{FORMAT}\n{row.name} {row.version}\n{row.digest}\n{start}\n".encode()


@functools.lru_cache(maxsize=64)
def _verifies(ours: str, signer: str, text: bytes, signature: bytes) -> bool:
    return bool(ours) and signer == ours and keys.parse_vkey(ours).verifies(text, signature)


def _signer() -> keys.LogSigner:
    if _path(".key").exists() or _has_signed():
        signer = keys.read_log_signer(_path(".key"))
    else:
        signer = keys.new_log_signer(_path(".key"), f"{settings.ASSAY_LOG_ORIGIN}/packs")
    if _vkey() != signer.verifier.vkey:
        durable.replace(_path(".vkey"), signer.verifier.vkey + "\n", 0o644)
    return signer


def _has_signed() -> bool:
    adopted = Entry.objects.filter(type=EventType.CHARTER_ADOPTED)
    return PackVersion.objects.exclude(signature=b"").exists() or adopted.exists()


def _vkey() -> str:
    try:
        return _path(".vkey").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _path(suffix: str) -> Path:
    return Path(settings.ASSAY_KEYS) / f"packs{suffix}"
