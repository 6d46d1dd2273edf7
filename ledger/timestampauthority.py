"""This office's own time-stamping authority (RFC 3161): one key, one self-signed certificate, made at first use.

To the rest of the world such a stamp is this office's word about its own clock; what it adds is a date in a form that
every court's tools read. An authority of somebody else (`ASSAY_TSA_URL`) proves more.

`ASSAY_KEYS/tsa.key`, mode 0600, holds both, PEM. Who reads it can stamp at any date in this office's name.
"""

import datetime as dt
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings

from core import clock
from ledger.durable import write_once
from ledger.keys import BadKey, KeyMissing, read_text
from ledger.models import Stamp

OWN = "own"
# The authority's policy: a UUID under 2.25 (ITU-T X.667), which needs no registration. It promises no more than the
# seconds of this machine's clock.
POLICY = "2.25.256087327218949204461106911571363467231"
LIFE = dt.timedelta(days=20 * 365)


class BadRequest(ValueError):
    """Not a request that this authority answers."""


@dataclass(frozen=True)
class Authority:
    """pem: the private key (PKCS #8) and the certificate. policy: the OID that goes into each token."""

    pem: str = field(repr=False)
    policy: str = POLICY

    @cached_property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.pem.encode())

    @cached_property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.pem.encode(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key

    def respond(self, request: bytes) -> bytes:
        """The TimeStampResp (DER) to a TimeStampReq (DER) over a SHA-256. Raises BadRequest."""
        asked = _parse(request, self.policy)
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": self.policy,
                "message_imprint": asked["message_imprint"],
                "serial_number": secrets.randbits(128),  # unique, even after a crash (RFC 3161 section 2.4.2)
                "gen_time": clock.now().replace(microsecond=0),
                "accuracy": {"seconds": 1},
                **({"nonce": asked["nonce"]} if asked["nonce"].native is not None else {}),
            }
        )
        signed = self._signed(info.dump(), embed=bool(asked["cert_req"].native))
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
        return bytes(response.dump())

    def _signed(self, content: bytes, *, embed: bool) -> cms.SignedData:
        """embed: whether the certificate goes along, which it must and may only when it was asked for."""
        certificate = asn1_x509.Certificate.load(self.certificate.public_bytes(serialization.Encoding.DER))
        attributes = _attributes(content, certificate)
        signer = {
            "version": "v1",
            "sid": cms.IssuerAndSerialNumber(
                {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
            ),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            # RFC 5652 section 5.4: what is signed is the DER of a SET OF, not of the implicit [0] in the structure.
            "signature": self._key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256())),
        }
        return cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
                **({"certificates": [certificate]} if embed else {}),
                "signer_infos": [signer],
            }
        )


def this_office() -> Authority:
    """The authority of this installation, made now if there never was one. Raises KeyMissing, BadKey."""
    path = key_path()
    if not path.exists():
        if Stamp.objects.filter(authority=OWN).exists():
            raise KeyMissing(f"the key file {path} is missing: put it back from its backup")
        write_once(path, _issue())
    authority = Authority(read_text(path))
    try:
        authority.certificate  # noqa: B018 - a damaged file shows here
    except ValueError as error:
        raise BadKey(f"{path.name} does not hold a key and its certificate") from error
    return authority


def key_path() -> Path:
    return Path(settings.ASSAY_KEYS) / "tsa.key"


def certificate_pem() -> str | None:
    """What others check this office's stamps with; None as long as it never made one."""
    if not key_path().exists():
        return None
    return this_office().certificate.public_bytes(serialization.Encoding.PEM).decode()


def _parse(request: bytes, own_policy: str) -> tsp.TimeStampReq:
    try:
        asked = tsp.TimeStampReq.load(request, strict=True)
        imprint = asked["message_imprint"]
        digest, length = imprint["hash_algorithm"]["algorithm"].native, len(imprint["hashed_message"].native)
        policy, extensions = asked["req_policy"].native, asked["extensions"].native
    except (ValueError, TypeError, KeyError) as error:
        raise BadRequest("not a time-stamp request") from error
    if digest != "sha256" or length != hashes.SHA256.digest_size:
        raise BadRequest("this authority stamps SHA-256 digests only")
    if policy not in (None, own_policy) or extensions:
        raise BadRequest("this authority has one policy and knows no extension")
    return asked


def _attributes(content: bytes, certificate: asn1_x509.Certificate) -> cms.CMSAttributes:
    identifier = {"hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}), "cert_hash": certificate.sha256}
    attributes = [
        {"type": "content_type", "values": ["tst_info"]},
        {"type": "message_digest", "values": [_sha256(content)]},
        {"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": [identifier]})]},
    ]
    return cms.CMSAttributes([cms.CMSAttribute(attribute) for attribute in attributes])


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


def _issue() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    office = settings.ASSAY_OFFICE_NAME
    # X.520 upper bound: 64 characters each.
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, office[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{office[:48]} time stamping"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - dt.timedelta(minutes=5))
        .not_valid_after(clock.now() + LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signature_only(), critical=True)
        # RFC 3161 section 2.3: this one purpose only, and critical.
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + certificate.public_bytes(serialization.Encoding.PEM)).decode()


def _signature_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
