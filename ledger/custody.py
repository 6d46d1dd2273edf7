"""Where this installation keeps its keys: joins the settings and the database with the pure `ledger.keys`.

A key is made on first use only. When the database shows that a key existed before, a missing file is an error and
never a new key: that would silently fork the log or lose every sealed section.
"""

from pathlib import Path

from django.conf import settings

from ledger import keys
from ledger.models import Checkpoint, PersonKey

MASTER_KEY_VERSION = 1


def log_signer() -> keys.LogSigner:
    """The log's signing key. Raises keys.KeyMissing, keys.BadKey."""
    path = _folder() / "log.key"
    create = not path.exists() and not Checkpoint.objects.exists()
    return keys.log_signer(path, settings.ASSAY_LOG_ORIGIN, create=create)


def log_verifier() -> keys.LogVerifier:
    return log_signer().verifier


def master_key(version: int = MASTER_KEY_VERSION) -> bytes:
    """The vault's master key of this version. Raises keys.KeyMissing, keys.BadKey."""
    path = _folder() / f"vault-{version}.key"
    create = not path.exists() and not PersonKey.objects.filter(version=version).exists()
    return keys.master_key(path, create=create)


def _folder() -> Path:
    return Path(settings.ASSAY_KEYS)
