"""Certificates, authorities of time and signed files for the tests, made as a stranger would make them."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from provenance import c2pa as engine
from provenance import certificates, questions

YEAR = dt.timedelta(days=365)
MANIFEST = {
    "claim_version": 2,
    "claim_generator_info": [{"name": "A camera", "version": "1", "specVersion": "2.4.0"}],
    "title": "A photograph",
    "format": "image/jpeg",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "created": True,
            "data": {
                "actions": [
                    {
                        "action": "c2pa.created",
                        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
                    }
                ],
                "allActionsIncluded": True,
            },
        }
    ],
}


@dataclass(frozen=True)
class Made:
    """A certificate and its key. above: who issued it, None for a root."""

    key: Any
    certificate: x509.Certificate
    above: "Made | None" = None

    @property
    def pem(self) -> str:
        return certificates.pem_of(self.certificate)

    @property
    def chain(self) -> str:
        """This one and those above it, without the root."""
        return self.pem + (self.above.chain if self.above is not None and self.above.above is not None else "")

    @property
    def key_pem(self) -> str:
        secret: bytes = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return secret.decode()

    @property
    def serial(self) -> str:
        return str(self.certificate.serial_number)

    def sign(self, data: bytes) -> bytes:
        return certificates.sign(self.key, certificates.algorithm_of(self.certificate), data)


class Borrowing(Made):
    """A signer who sends somebody else's certificates along."""

    def __init__(self, own: Made, others: str) -> None:
        super().__init__(own.key, own.certificate, own.above)
        object.__setattr__(self, "_others", others)

    @property
    def chain(self) -> str:
        return self.pem + str(self.__dict__["_others"])


def root(name: str = "Dana’s authority", *, ends: dt.timedelta = 10 * YEAR, begins: dt.timedelta = -YEAR) -> Made:
    key = ec.generate_private_key(ec.SECP256R1())
    built = _builder(name, name, key.public_key(), begins, ends, ca=True)
    return Made(key, built.sign(key, hashes.SHA256()))


def under(
    above: Made,
    name: str = "Dana",
    *,
    ends: dt.timedelta = YEAR,
    begins: dt.timedelta = -YEAR / 2,
    ca: bool = False,
    purposes: tuple[x509.ObjectIdentifier, ...] = (
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        certificates.CLAIM_SIGNING,
    ),
    key: Any = None,
    critical: bool = False,
) -> Made:
    """Issued by `above`. begins, ends: from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    built = _builder(name, _common_name(above.certificate), key.public_key(), begins, ends, ca=ca)
    if purposes and not ca:
        built = built.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=critical)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(above.key.public_key())
    signed = built.add_extension(identifier, critical=False).sign(
        above.key, None if isinstance(above.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    )
    return Made(key, signed, above)


def time_stamper(above: Made, name: str = "Dana’s time", **options: Any) -> Made:
    return under(above, name, purposes=(ExtendedKeyUsageOID.TIME_STAMPING,), critical=True, **options)


def _builder(
    name: str, issuer: str, key: Any, begins: dt.timedelta, ends: dt.timedelta, *, ca: bool
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(certificates._usage(ca=ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{name}, Ltd"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def signed(
    source: Path,
    target: Path,
    leaf: Made,
    *,
    stamp: Callable[[bytes], bytes] | None = None,
    anchors: list[dict[str, str]] | None = None,
) -> Path:
    """`source` (a JPEG) signed by `leaf` into `target`. stamp: an authority of time, TimeStampReq to TimeStampResp."""

    def ask(question: bytes) -> bytes:
        if question[:1] == questions.STAMP:
            assert stamp is not None
            return stamp(question[1:])
        return leaf.sign(question[1:])

    engine.sign(
        source,
        target,
        "image/jpeg",
        manifest=MANIFEST,
        parent=None,
        ingredient=None,
        signer={
            "chain": leaf.chain,
            "algorithm": certificates.algorithm_of(leaf.certificate),
            "stamp": stamp is not None,
            "anchors": anchors or [],
        },
        ask=ask,
    )
    return target
