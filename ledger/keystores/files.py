"""Keys in files of mode 0600 (`log.key`, `log-2.key`, …; `vault-1.key`, …), or given as text by the environment.

As text, `ASSAY_LOG_KEY` holds private note keys, a line each, oldest first; `ASSAY_VAULT_KEY` holds lines of
`<version>:<base64>` (the base64 alone is version 1). Such keys are never made here: the environment must change them.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ledger import keys
from ledger.keys import BadKey, KeyMissing, SigningKey

_LOG = re.compile(r"log(?:-([1-9][0-9]*))?\.key", re.ASCII)
_VAULT = re.compile(r"vault-([1-9][0-9]*)\.key", re.ASCII)


class FileStore:
    """A `KeyStore`. folder: `ASSAY_KEYS`."""

    def __init__(self, folder: Path, log_key: str = "", vault_key: str = "") -> None:
        self._folder = folder
        self._log_key = log_key
        self._vault_key = vault_key

    def log_signers(self) -> Sequence[SigningKey]:
        if self._log_key:
            return [keys.parse_skey(line.strip()) for line in self._log_key.splitlines() if line.strip()]
        return [keys.read_log_signer(path) for path in log_key_files(self._folder)]

    def log_signer(self, vkey: str) -> SigningKey | None:
        return next((signer for signer in self.log_signers() if signer.verifier.vkey == vkey), None)

    def new_log_signer(self, name: str) -> SigningKey:
        if self._log_key:
            raise KeyMissing(
                "The log's key is given by ASSAY_LOG_KEY, which holds no further key yet. Make one with `manage.py"
                " rotate_log_key --make FILE`, add its line to ASSAY_LOG_KEY everywhere, and run this again."
            )
        taken = {path.name for path in log_key_files(self._folder)}
        number = next(n for n in range(1, len(taken) + 2) if _log_name(n) not in taken)
        return keys.new_log_signer(self._folder / _log_name(number), name)

    def master_versions(self) -> Sequence[int]:
        if self._vault_key:
            return sorted(self._given())
        found = (_VAULT.fullmatch(path.name) for path in self._folder.glob("vault-*.key"))
        return sorted(int(match[1]) for match in found if match)

    def master_key(self, version: int) -> bytes:
        if not self._vault_key:
            return keys.master_key(self._folder / f"vault-{version}.key", create=False)
        text = self._given().get(version)
        if text is None:
            raise KeyMissing(f"ASSAY_VAULT_KEY holds no version {version}: put that line back from its backup")
        return keys.parse_master_key(text, f"version {version} of ASSAY_VAULT_KEY")

    def new_master_key(self, version: int) -> None:
        if not self._vault_key:
            keys.master_key(self._folder / f"vault-{version}.key", create=True)
        elif version not in self._given():
            raise KeyMissing(
                f"The vault's master key is given by ASSAY_VAULT_KEY. Add a line `{version}:` followed by the base64 of"
                " 32 random bytes (`openssl rand -base64 32`), everywhere, and run this again."
            )

    def _given(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for line in filter(None, map(str.strip, self._vault_key.splitlines())):
            version, colon, text = line.rpartition(":")
            if colon and not re.fullmatch(r"[1-9][0-9]{0,3}", version, re.ASCII):
                raise BadKey("each line of ASSAY_VAULT_KEY is <version>:<base64>, or base64 alone for version 1")
            found[int(version) if colon else 1] = text
        return found


def log_key_files(folder: Path) -> list[Path]:
    """In the order they were made."""
    found = [(path, _LOG.fullmatch(path.name)) for path in folder.glob("log*.key")]
    return [path for _, path in sorted((int(match[1] or 1), path) for path, match in found if match)]


def _log_name(number: int) -> str:
    return "log.key" if number == 1 else f"log-{number}.key"
