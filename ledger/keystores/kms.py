"""Keys in AWS's Key Management Service (or one that speaks its API), through boto3, whose own settings name region,
endpoint and credentials (`AWS_REGION`, `AWS_ENDPOINT_URL_KMS`, …).

There: Ed25519 keys with the aliases `alias/<prefix>-log-1`, `-2`, …, and symmetric keys
`alias/<prefix>-vault-<version>` that encrypt master keys. None can be taken out. A log's name is the tag
`assay-origin` of its key.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ledger.keys import KEY_SIZE, BadKey, KeyStoreAway, SigningKey
from ledger.keystores import RemoteKeys, RemoteSigner

SPEC: Final = "ECC_NIST_EDWARDS25519"
ALGORITHM: Final = "ED25519_SHA_512"  # pure Ed25519 of RFC 8032, over MessageType RAW
_TAG: Final = "assay-origin"
# RFC 8410: SubjectPublicKeyInfo of id-Ed25519, before the 32 bytes of the key.
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")


class KmsStore(RemoteKeys):
    """A `KeyStore`. prefix: of the aliases, without `alias/`."""

    def __init__(self, prefix: str, folder: Path, client: Any = None) -> None:
        super().__init__(folder)
        self._prefix = f"alias/{prefix.removeprefix('alias/')}"
        self._made = client
        self._signers: dict[str, RemoteSigner] = {}  # by key id, which names one key for ever

    def log_signers(self) -> Sequence[SigningKey]:
        with self._service() as kms:
            found = self._aliases(kms, "log")
            return [self._signer(kms, found[number]) for number in sorted(found)]

    def new_log_signer(self, name: str) -> SigningKey:
        with self._service() as kms:
            found = self._aliases(kms, "log")
            made = kms.create_key(
                KeySpec=SPEC,
                KeyUsage="SIGN_VERIFY",
                Description=f"Signs the log {name}",
                Tags=[{"TagKey": _TAG, "TagValue": name}],
            )["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=f"{self._prefix}-log-{max(found, default=0) + 1}", TargetKeyId=made)
            return self._signer(kms, made)

    def wrapped_new_key(self, version: int) -> bytes:
        with self._service() as kms:
            found = self._aliases(kms, "vault").get(version)
            if found is None:
                found = kms.create_key(Description=f"Wraps the vault's master key {version}")["KeyMetadata"]["KeyId"]
                kms.create_alias(AliasName=f"{self._prefix}-vault-{version}", TargetKeyId=found)
            fresh = kms.generate_random(NumberOfBytes=KEY_SIZE)["Plaintext"]
            made = kms.encrypt(KeyId=found, Plaintext=fresh, EncryptionContext=_context(version))
            return bytes(made["CiphertextBlob"])

    def unwrap(self, version: int, wrapped: bytes) -> bytes:
        with self._service() as kms:
            found = self._aliases(kms, "vault").get(version)
            if found is None:
                raise KeyStoreAway(f"the KMS holds no key {self._prefix}-vault-{version}: restore the alias or the key")
            opened = kms.decrypt(KeyId=found, CiphertextBlob=wrapped, EncryptionContext=_context(version))
            return bytes(opened["Plaintext"])

    def _signer(self, kms: Any, key: str) -> RemoteSigner:
        if key not in self._signers:
            der = bytes(kms.get_public_key(KeyId=key)["PublicKey"])
            if len(der) != len(_SPKI) + KEY_SIZE or not der.startswith(_SPKI):
                raise BadKey(f"the key {key} in the KMS is not an Ed25519 key")
            tags = {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}
            self._signers[key] = RemoteSigner(tags.get(_TAG, ""), key, der[len(_SPKI) :], self._sign)
        return self._signers[key]

    def _sign(self, key: str, text: bytes) -> bytes:
        with self._service() as kms:
            answer = kms.sign(KeyId=key, Message=text, MessageType="RAW", SigningAlgorithm=ALGORITHM)
        return bytes(answer["Signature"])

    def _aliases(self, kms: Any, kind: str) -> dict[int, str]:
        """Number → id of the key that the alias means."""
        form = re.compile(re.escape(f"{self._prefix}-{kind}-") + r"([1-9][0-9]*)", re.ASCII)
        found = {}
        for page in kms.get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                match = form.fullmatch(alias["AliasName"])
                if match and "TargetKeyId" in alias:
                    found[int(match[1])] = str(alias["TargetKeyId"])
        return found

    @contextmanager
    def _service(self) -> Iterator[Any]:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            if self._made is None:
                self._made = boto3.client("kms")
            yield self._made
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            raise KeyStoreAway(
                f"The KMS refused ({error.operation_name}: {code}). Check the credentials, the key's policy and that"
                " the service offers Ed25519 keys in this region; see docs/keys.md."
            ) from None
        except BotoCoreError as error:
            raise KeyStoreAway(
                f"The KMS does not answer ({type(error).__name__}). Check AWS_REGION, AWS_ENDPOINT_URL_KMS and the"
                " credentials."
            ) from None


def _context(version: int) -> dict[str, str]:
    return {"assay": f"vault-{version}"}
