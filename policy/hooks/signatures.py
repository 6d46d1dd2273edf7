"""What proves to a receiver that a delivery is this office's, unchanged, and of now: Standard Webhooks 1.0.0
(github.com/standard-webhooks/standard-webhooks).

Signed is `<id>.<POSIX seconds>.<body>`. HMAC-SHA256 with a secret of the web hook's own (`v1,<base64>`), or Ed25519
with the office's key (`v1a,<base64>`): a file of its own, `hooks.key`, and its public half `hooks.vkey`. A receiver
refuses what is older than five minutes and an id that it has seen: that ends a replay.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from core.canonical import canonical_json
from core.clock import now
from ledger import durable, keys, vault
from policy.models import Webhook

SECRET_BYTES: Final = 32
# After a new secret was made, both sign for so long: the receiver is changed in between.
OVERLAP: Final = dt.timedelta(days=1)
# The office cannot sign: no fault of the receiver's.
FAILURES: Final = (keys.KeyMissing, keys.BadKey, vault.VaultError, vault.Erased)
_CONTEXT: Final = "policy.webhook.secret"


def headers(hook: Webhook, id: str, body: bytes) -> dict[str, str]:
    """Of one try to deliver `body`. Raises one of FAILURES."""
    at = int(now().timestamp())
    signed = f"{id}.{at}.".encode() + body
    if hook.signing == Webhook.Signing.ED25519:
        signatures = [f"v1a,{_b64(_signer(create=False).sign(signed))}"]
    else:
        signatures = [f"v1,{_b64(hmac.digest(secret, signed, hashlib.sha256))}" for secret in _secrets(hook)]
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
        "User-Agent": "Assay-Webhooks/1",
    }


# --- The office's key ------------------------------------------------------------------------------------------------


def ready() -> None:
    """Make the office's key where there is none and nobody relies on one yet. Raises keys.KeyMissing, keys.BadKey."""
    relied_on = Webhook.objects.filter(signing=Webhook.Signing.ED25519).exists()
    vkey = _signer(create=not relied_on).verifier.vkey
    if _vkey() != vkey:
        durable.replace(_path(".vkey"), vkey + "\n", 0o644)


def public_key() -> str:
    """The office's public key as receivers' libraries take it, `whpk_<base64>`; empty while there is none."""
    vkey = _vkey()
    return f"whpk_{_b64(keys.parse_vkey(vkey).public_key)}" if vkey else ""


def _vkey() -> str:
    try:
        return _path(".vkey").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _signer(*, create: bool) -> keys.LogSigner:
    return keys.log_signer(_path(".key"), f"{settings.ASSAY_LOG_ORIGIN}/hooks", create=create)


def _path(suffix: str) -> Path:
    return Path(settings.ASSAY_KEYS) / f"hooks{suffix}"


# --- Secrets of their own --------------------------------------------------------------------------------------------


def new_secret(hook: Webhook) -> str:
    """Seal a new secret into the row, which the caller saves; the one before signs for a day too. Told once."""
    before, fresh = _opened(hook).get("now"), secrets.token_bytes(SECRET_BYTES)
    kept = {"now": _b64(fresh), "before": before or "", "until": (now() + OVERLAP).isoformat() if before else ""}
    hook.sealed_secret = vault.seal(_owner(hook), canonical_json(kept), _CONTEXT)
    return f"whsec_{kept['now']}"


def _secrets(hook: Webhook) -> list[bytes]:
    kept = _opened(hook)
    still = kept["before"] if kept["until"] and dt.datetime.fromisoformat(kept["until"]) > now() else ""
    return [base64.b64decode(secret) for secret in (kept["now"], still) if secret]


def _opened(hook: Webhook) -> dict[str, Any]:
    if not hook.sealed_secret:
        return {}
    opened: dict[str, Any] = json.loads(vault.unseal(_owner(hook), bytes(hook.sealed_secret), _CONTEXT))
    return opened


def _owner(hook: Webhook) -> str:
    return f"organisation:{hook.organisation_id}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
