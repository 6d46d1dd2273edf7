"""This office's own certificate authority: made at first use, one root, one signing certificate.

To the rest of the world its signatures come from an unknown signer until the operator brings a certificate that others
trust; to this office they are its own, because the root below is its trust anchor.

What an attacker who holds a file could do, all in `ASSAY_KEYS/c2pa/`, mode 0600 in a folder 0700:
  root.key   issue certificates that this office trusts: replace the folder, and tell the public
  leaf.key   sign media as this office: the same
  root.pem, chain.pem   nothing; they are public. Changed on disk, they only make signing or trusting fail

The keys never enter the guarded child that builds a credential: it asks this process to sign (`signing_answers`).
"""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from django.conf import settings

from core.clock import now
from core.guard import Unparseable
from ledger.keys import KeyMissing
from provenance.models import Manifest

log = structlog.get_logger()

TRUST_LIST = "urn:assay:this-office"
# For C2PA claims (C2PA 2.4 §14.5.1.1). Readers before 2.2 know only emailProtection, so the leaf has both.
CLAIM_SIGNING = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
ROOT_LIFE = dt.timedelta(days=20 * 365)
# As long as no time-stamp proves when a file was signed, its credential ends with the certificate; hence so long.
LEAF_LIFE = dt.timedelta(days=10 * 365)


@dataclass(frozen=True)
class Authority:
    """root: PEM of the trust anchor. chain: PEM of the signing certificate followed by the root."""

    folder: Path
    root: str
    chain: str

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key((self.folder / "leaf.key").read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    @property
    def anchors(self) -> dict[str, str]:
        """The trust lists of this office: name to PEM."""
        return {TRUST_LIST: self.root}

    def sign(self, data: bytes) -> bytes:
        """An ECDSA P-256 signature (DER) with SHA-256 over `data`."""
        return self._key.sign(data, ec.ECDSA(hashes.SHA256()))

    def signing_answers(self) -> Callable[[bytes], bytes]:
        """A function that signs one COSE structure and no more, to answer a guarded child with.

        A child taken over by a hostile file could ask for anything: it gets one signature over one COSE_Sign1
        `Sig_structure` (RFC 9052 §4.4: a CBOR array of four whose first item is the text "Signature1"), or none.
        """
        signed = 0

        def answer(data: bytes) -> bytes:
            nonlocal signed
            signed += 1
            if signed > 1 or not data.startswith(b"\x84\x6aSignature1") or len(data) > 1 << 20:
                log.error("authority.signature_refused", size=len(data), asked=signed)
                raise Unparseable("asked for a signature that it may not have")
            return self.sign(data)

        return answer


def this_office() -> Authority:
    """The authority of this installation, made now if there never was one. Safe when several processes come first.

    Raises KeyMissing when works were signed before and the folder is gone: a fresh root would disown them all.
    """
    folder = Path(settings.ASSAY_KEYS) / "c2pa"
    if not folder.is_dir():
        if Manifest.objects.exists():
            raise KeyMissing(f"the signing keys in {folder} are missing: put them back from their backup")
        _make(folder)
    return Authority(folder, (folder / "root.pem").read_text(), (folder / "chain.pem").read_text())


def _make(folder: Path) -> None:
    """Write everything into a folder beside, then rename it: whoever comes second finds the first one's, complete."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".c2pa-"))
    try:
        for name, data in _issue().items():
            handle = os.open(draft / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        draft.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _issue() -> dict[str, bytes]:
    """The four files of a fresh authority."""
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = settings.ASSAY_OFFICE_NAME
    root_name, leaf_name = _name(name, f"{name} root"), _name(name, f"{name} signing")
    root = _certificate(root_name, root_name, root_key.public_key(), ROOT_LIFE, _usage(ca=True))
    root = root.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    leaf = _certificate(leaf_name, root_name, leaf_key.public_key(), LEAF_LIFE, _usage(ca=False))
    leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, CLAIM_SIGNING])
    leaf = leaf.add_extension(purposes, critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    leaf = leaf.add_extension(issuer, critical=False)
    signed_root, signed_leaf = root.sign(root_key, hashes.SHA256()), leaf.sign(root_key, hashes.SHA256())
    root_pem, leaf_pem = (one.public_bytes(serialization.Encoding.PEM) for one in (signed_root, signed_leaf))
    return {
        "root.key": _private(root_key),
        "leaf.key": _private(leaf_key),
        "root.pem": root_pem,
        "chain.pem": leaf_pem + root_pem,
    }


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, life: dt.timedelta, usage: x509.KeyUsage
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - dt.timedelta(minutes=5))
        .not_valid_after(now() + life)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(organisation: str, common: str) -> x509.Name:
    # X.520 upper bound: 64 characters each.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
