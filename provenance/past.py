"""Who vouched for a signer on a date in the past. Pure; run in guarded children, on certificates of strangers.

The library judges by its own clock and trusts no certificate that has ended since. Here the chain is followed as of the
time-stamp, or the date that is asked for (C2PA 2.4 §14.4, RFC 5280 §6.1). Which certificate really
made the signature is not decided here: the library is asked again, with the certificate found as the only one allowed.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from core.clock import now
from core.problems import Problem
from provenance import certificates, codes, validity
from provenance.manifest_reading import active, mapping, results, status_codes

# Certificates in COSE's x5chain: CBOR byte strings with a length of two bytes, each a DER SEQUENCE as long.
_CERTIFICATE = re.compile(rb"\x59(?=(..)\x30\x82(..))", re.DOTALL)
MAX_CERTIFICATES: Final = 64
MAX_DEPTH: Final = 6
_DIGESTS: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

# {"uri", "pem", "kind"}, as provenance.c2pa.read takes them
Anchor = Mapping[str, str]


def moment(told: Mapping[str, Any], as_of: dt.datetime | None) -> dt.datetime | None:
    """The moment for which the signer of the active manifest is still to be judged; None when the library has done it.

    told: what it said (provenance.c2pa.read). It asks signers' lists by its own clock, unless a stamp that those lists
    vouch for says otherwise: so it trusts nobody whose certificate has ended since.
    """
    store = mapping(told.get("store"))
    said, certificate = status_codes(results(store)), validity.signing_certificate(told)
    ended = certificate.not_after is not None and certificate.not_after < now()
    if codes.UNTRUSTED_CODE not in said or not ended:
        return None
    signed = mapping(active(store).get("signature_info"))
    at = validity.moment_of(signed.get("time")) if codes.STAMP_TRUSTED in said else None
    return min(filter(None, (at, as_of)), default=None)


def vouched_for(store: bytes, anchors: Sequence[Anchor], at: dt.datetime) -> dict[str, str]:
    """The signing certificates in a manifest store (JUMBF) whose chains led to an anchor at `at`: PEM by list's URI."""
    found = list(_certificates(store))
    pool = [one for one in found if certificates.is_authority(one)]
    lists = [(one["uri"], _read(one["pem"])) for one in anchors if one["kind"] == validity.SIGNER and one["pem"]]
    told: dict[str, str] = {}
    for leaf in found:
        if leaf in pool or not _may_sign(leaf):
            continue
        uri = next((uri for uri, roots in lists if _leads(leaf, pool, roots, at)), None)
        if uri is not None:
            told[uri] = told.get(uri, "") + certificates.pem_of(leaf)
    return told


def _certificates(store: bytes) -> Iterator[x509.Certificate]:
    seen: set[bytes] = set()
    for match in _CERTIFICATE.finditer(store):
        length, inner = int.from_bytes(match[1], "big"), int.from_bytes(match[2], "big")
        der = store[match.start() + 3 : match.start() + 3 + length]
        if inner != length - 4 or len(der) != length or der in seen:
            continue
        if len(seen) == MAX_CERTIFICATES:
            return
        seen.add(der)
        try:
            certificate = x509.load_der_x509_certificate(der)
            certificate.extensions  # noqa: B018 - they are only decoded when asked for
        except (ValueError, TypeError, x509.DuplicateExtension):
            continue  # a time-stamp token looks alike
        yield certificate


def _read(pem: str) -> list[x509.Certificate]:
    return certificates.read_all(pem, code="trust_list.pem")


def _may_sign(leaf: x509.Certificate) -> bool:
    """The library leaves these checks out for a certificate that has ended."""
    try:
        certificates.check_purposes(leaf)
        certificates.algorithm_of(leaf)
    except (Problem, ValueError):
        return False
    return leaf.version is x509.Version.v3


def _leads(
    leaf: x509.Certificate, pool: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: dt.datetime
) -> bool:
    """Breadth first, each authority once: hostile ones may all have issued one another."""
    level, unseen = [leaf], list(pool)
    for depth in range(MAX_DEPTH):
        level = [one for one in level if one.not_valid_before_utc <= at <= one.not_valid_after_utc]
        if any(_issued(one, root) for one in level for root in roots):
            return True
        above = [one for one in unseen if _may_issue(one, depth) and any(_issued(below, one) for below in level)]
        unseen = [one for one in unseen if one not in above]
        level = above
    return False


def _may_issue(authority: x509.Certificate, below: int) -> bool:
    """RFC 5280 §6.1.4 (k) to (n). below: authorities between it and the signing certificate."""
    try:
        limit = authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.key_cert_sign and (limit is None or below <= limit)


def _issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    if not certificates.issued(below, above):
        return False
    digest = below.signature_hash_algorithm
    return digest is None or isinstance(digest, _DIGESTS)
