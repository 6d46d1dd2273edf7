"""Certificates: issuing this office's own, reading those that others bring, and saying in words what is wrong with one.

Profiles: C2PA 2.4 §14.5 for signers of claims, RFC 3161 §2.3 for time-stamps. Knows no Django, touches no file.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from core.clock import now
from core.problems import Problem

# For C2PA claims (C2PA 2.4 §14.5.1.1). Readers before 2.2 know only emailProtection, so our leaf has both.
CLAIM_SIGNING: Final = ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING: Final = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
SIGNING: Final = frozenset({CLAIM_SIGNING, DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION})
ROOT_LIFE: Final = dt.timedelta(days=20 * 365)
# A time-stamp keeps what was signed valid after the certificate has ended; so a key need not live long.
LEAF_LIFE: Final = dt.timedelta(days=2 * 365)
TIME_LIFE: Final = dt.timedelta(days=10 * 365)

MAX_TEXT: Final = 4 << 20
MAX_CERTIFICATES: Final = 1000
BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.{1,40000}?-----END CERTIFICATE-----", re.DOTALL)
_CURVES: Final = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_DIGESTS: Final[dict[str, hashes.HashAlgorithm]] = {
    "es256": hashes.SHA256(),
    "es384": hashes.SHA384(),
    "es512": hashes.SHA512(),
}

EllipticKey = ec.EllipticCurvePrivateKey
PrivateKey = EllipticKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Issued:
    """A fresh pair."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def pem(self) -> str:
        return pem_of(self.certificate)


# --- Issuing -------------------------------------------------------------------------------------------------------


def new_root(office: str) -> Issued:
    """A self-signed root that may issue certificates for ends and for one authority between."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(office, f"{office} root")
    built = _builder(name, name, key.public_key(), now() + ROOT_LIFE, _usage(ca=True))
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    return Issued(key, built.sign(key, hashes.SHA256()))


def new_leaf(office: str, root: Issued, life: dt.timedelta = LEAF_LIFE) -> Issued:
    """A certificate that signs media, directly under the root."""
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION, CLAIM_SIGNING])
    return _issue(_name(office, f"{office} signing"), root, life, purposes, critical=False)


def new_time_leaf(office: str, root: Issued, life: dt.timedelta = TIME_LIFE) -> Issued:
    """A certificate that signs time-stamps and nothing else (critical, RFC 3161 §2.3), directly under the root."""
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return _issue(_name(office, f"{office[:48]} time stamping"), root, life, purposes, critical=True)


def _issue(
    subject: x509.Name, root: Issued, life: dt.timedelta, purposes: x509.ExtendedKeyUsage, *, critical: bool
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now() + life, root.certificate.not_valid_after_utc - dt.timedelta(seconds=1))
    built = _builder(subject, root.certificate.subject, key.public_key(), until, _usage(ca=False))
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    built = built.add_extension(purposes, critical=critical)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    return Issued(key, built.add_extension(above, critical=False).sign(root.key, hashes.SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: dt.datetime, usage: x509.KeyUsage
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - dt.timedelta(minutes=5))
        .not_valid_after(until)
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


# --- Reading -------------------------------------------------------------------------------------------------------


def read_all(text: str, *, code: str) -> list[x509.Certificate]:
    """Every certificate (PEM) in `text`, each once, in order; what stands between them is a remark.

    Raises Problem `code`: no certificate, one that cannot be read, a private key, too much.
    """
    if len(text) > MAX_TEXT:
        raise _bad(code, f"The text is longer than {MAX_TEXT >> 20} MiB.")
    if "PRIVATE KEY-----" in text:
        raise _bad(code, "There is a private key in it. Whoever could read this file has it: make a new one.")
    blocks = BLOCK.findall(text)
    if text.count("-----BEGIN CERTIFICATE-----") != len(blocks):
        raise _bad(code, f"After certificate {len(blocks)} there is one that is cut off or too long.")
    if not blocks:
        raise _bad(code, "There is no certificate in it (PEM, “-----BEGIN CERTIFICATE-----”).")
    if len(blocks) > MAX_CERTIFICATES:
        raise _bad(code, f"There are {len(blocks)} certificates in it, more than {MAX_CERTIFICATES}.")
    return list(dict.fromkeys(_read(number, block, code) for number, block in enumerate(blocks, 1)))


def _read(number: int, block: str, code: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
        certificate.extensions  # noqa: B018 - they are only decoded when asked for
    except (ValueError, TypeError, x509.DuplicateExtension) as error:
        raise _bad(code, f"Certificate {number} in it cannot be read.") from error
    return certificate


def as_pem(found: Iterable[x509.Certificate]) -> str:
    """Without remarks."""
    return "".join(pem_of(certificate) for certificate in found)


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(pem: str) -> str:
    """SHA-256 of the text, hex: a version for lists that have none of their own."""
    return hashlib.sha256(pem.encode()).hexdigest()


def name_of(certificate: x509.Certificate) -> str:
    """Common name, or organisation, or what else there is."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in certificate.subject.get_attributes_for_oid(oid):
            return str(attribute.value)[:120]
    return certificate.subject.rfc4514_string()[:120]


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may issue others (RFC 5280 §4.2.1.9); a root of version 1 has no extension that says so."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return certificate.version is x509.Version.v1 and certificate.subject == certificate.issuer


def refuse_expired(found: Sequence[x509.Certificate], at: dt.datetime) -> None:
    """Raises Problem trust_list.expired, naming the first certificate that is not in force any more at `at`."""
    for number, certificate in enumerate(found, 1):
        if certificate.not_valid_after_utc < at:
            ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            raise _bad("trust_list.expired", f"Certificate {number} in it, “{name_of(certificate)}”, ended on {ended}.")


def refuse_others_than_authorities(found: Sequence[x509.Certificate]) -> None:
    """Raises Problem trust_list.no_authority: an anchor that may issue nothing would vouch for nobody."""
    for number, certificate in enumerate(found, 1):
        if not is_authority(certificate):
            raise _bad(
                "trust_list.no_authority",
                f"Certificate {number} in it, “{name_of(certificate)}”, is no authority's and can vouch for nobody.",
            )


# --- Certificates that the operator brings -----------------------------------------------------------------------


def check_signer(chain: Sequence[x509.Certificate]) -> str:
    """The algorithm (C2PA's name: es256, …) by which the first certificate of `chain` signs media now.

    chain: leaf first, then those who issued it; a root at the end may be left out. Raises Problem certificate.*.
    """
    leaf = chain[0]
    if is_authority(leaf):
        raise _unfit("The first certificate is an authority's; the one that signs must come first.")
    if not leaf.not_valid_before_utc <= now() <= leaf.not_valid_after_utc:
        raise _unfit(
            f"It is in force from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}."
        )
    for below, above in pairwise(chain):
        _check_issued(below, above)
    check_purposes(leaf)
    return algorithm_of(leaf)


def issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether `above` names and signs `below`. Nothing is said of their dates, nor of what they may do."""
    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _check_issued(below: x509.Certificate, above: x509.Certificate) -> None:
    if not issued(below, above):
        raise _unfit(f"“{name_of(below)}” was not issued by “{name_of(above)}”, which follows it.")
    if not is_authority(above):
        raise _unfit(f"“{name_of(above)}” may not issue certificates.")


def check_purposes(leaf: x509.Certificate) -> None:
    """Raises Problem certificate.unfit for one that may not sign claims."""
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound as error:
        raise _unfit("It does not say what it is for (key usage, extended key usage).") from error
    if not usage.digital_signature or usage.key_cert_sign:
        raise _unfit("Its key usage does not allow digital signatures, or allows more than it may.")
    if not purposes & SIGNING or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        raise _unfit("Its extended key usage has none of C2PA claim signing, document signing, e-mail protection.")


def algorithm_of(certificate: x509.Certificate) -> str:
    """C2PA's name for the signatures of this certificate's key (C2PA 2.4 §13.2.1). Raises Problem."""
    match certificate.public_key():
        case ec.EllipticCurvePublicKey() as key if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case ed25519.Ed25519PublicKey():
            return "ed25519"
        case rsa.RSAPublicKey() as key if key.key_size >= 2048:
            return "ps256"
    raise _unfit("Its key is none of P-256, P-384, P-521, Ed25519, or RSA of at least 2048 bits.")


def sign(key: PrivateKey, algorithm: str, data: bytes) -> bytes:
    """By C2PA's algorithm; ECDSA as DER."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(_DIGESTS[algorithm]))
        case ed25519.Ed25519PrivateKey():
            return key.sign(data)
        case _:
            return key.sign(
                data, padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size), hashes.SHA256()
            )


def verifies(certificate: x509.Certificate, algorithm: str, signature: bytes, data: bytes) -> bool:
    """Whether `sign` made the signature with this certificate's key."""
    try:
        match certificate.public_key():
            case ec.EllipticCurvePublicKey() as key:
                key.verify(signature, data, ec.ECDSA(_DIGESTS[algorithm]))
            case ed25519.Ed25519PublicKey() as edwards:
                edwards.verify(signature, data)
            case rsa.RSAPublicKey() as big:
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
                big.verify(signature, data, pss, hashes.SHA256())
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def read_key(text: str) -> PrivateKey:
    """A private key (PEM, without a passphrase). Raises Problem certificate.key."""
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise _bad(
            "certificate.key", "The private key cannot be read: PEM without a passphrase is asked for."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey):
        raise _bad("certificate.key", "The private key is of a kind that C2PA does not use.")
    return key


def _bad(code: str, detail: str) -> Problem:
    return Problem(
        code,
        "The certificates cannot be used",
        status=422,
        detail=f"{detail} Nothing was kept.",
        next_step="Correct the file, then bring it again.",
    )


def _unfit(detail: str) -> Problem:
    return Problem(
        "certificate.unfit",
        "This certificate cannot sign media",
        status=422,
        detail=f"{detail} Nothing was kept.",
        next_step="Ask whoever issued it for one after C2PA 2.4 §14.5, with the whole chain, the signing one first.",
    )
