"""Who vouched for a signer on a date in the past: chains of strangers, followed strictly."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from core.clock import now
from provenance import certificates, past
from tests.provenance import certificates_made as made
from tests.provenance.certificates_made import YEAR, Made

URI = "urn:example:studios"
LAST_YEAR = -YEAR


def store_of(*chain: Made) -> bytes:
    """As certificates lie in a manifest store: CBOR byte strings, one after the other, among other things."""
    ders = [one.certificate.public_bytes(serialization.Encoding.DER) for one in chain]
    return b"jumbf" + b"".join(b"\x59" + len(der).to_bytes(2, "big") + der for der in ders) + b"\x59\x00\x04\x30\x82"


def vouched(chain: tuple[Made, ...], root: Made, at: dt.timedelta = LAST_YEAR, kind: str = "manifest") -> bool:
    """Whether the first of the chain was."""
    anchors = [{"uri": URI, "pem": root.pem, "kind": kind}]
    found = past.vouched_for(store_of(*chain), anchors, now() + at)
    assert set(found) <= {URI}
    return chain[0].pem in found.get(URI, "")


@pytest.fixture(scope="module")
def root() -> Made:
    return made.root(begins=-5 * YEAR)


OLD: dict[str, Any] = {"begins": -2 * YEAR, "ends": -YEAR / 4}


def test_a_certificate_that_has_ended_was_vouched_for_while_it_was_in_force(root: Made) -> None:
    leaf = made.under(root, **OLD)
    for at, was in ((-3 * YEAR, False), (-YEAR, True), (-YEAR / 8, False)):
        assert vouched((leaf,), root, at) is was
    assert not vouched((leaf,), made.root(begins=-5 * YEAR))
    assert not vouched((leaf,), root, kind="tsa")


def test_authorities_between_count_while_they_were_in_force(root: Made) -> None:
    between = made.under(root, "Between", ca=True, begins=-4 * YEAR, ends=-YEAR / 2)
    leaf = made.under(between, **OLD)
    assert vouched((leaf, between), root)
    assert not vouched((leaf, between), root, -YEAR / 3)
    assert not vouched((leaf,), root)


def test_nobody_issues_who_may_not(root: Made) -> None:
    end = made.under(root, "Mallory", begins=-4 * YEAR)
    assert not vouched((made.under(end, **OLD), end), root)


def test_no_more_authorities_stand_between_than_are_allowed() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    root = made.root(begins=-5 * YEAR)
    narrow = under_with_limit(root, key, limit=0)
    below = made.under(narrow, "Below", ca=True, begins=-4 * YEAR)
    leaf, deep = made.under(narrow, **OLD), made.under(below, **OLD)
    assert vouched((leaf, narrow), root)
    assert not vouched((deep, below, narrow), root)


def under_with_limit(above: Made, key: Any, *, limit: int) -> Made:
    name, issuer = made._name("Narrow"), above.certificate.subject
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - 4 * YEAR)
        .not_valid_after(now() + YEAR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=limit), critical=True)
        .add_extension(certificates._usage(ca=True), critical=True)
    )
    return Made(key, built.sign(above.key, hashes.SHA256()), above)


def test_a_certificate_for_something_else_signs_no_media(root: Made) -> None:
    for purposes in ((ExtendedKeyUsageOID.SERVER_AUTH,), (ExtendedKeyUsageOID.TIME_STAMPING,), ()):
        assert not vouched((made.under(root, purposes=purposes, **OLD),), root)


def test_a_root_of_the_same_name_is_not_the_root(root: Made) -> None:
    forged = made.root(begins=-5 * YEAR)
    assert forged.certificate.subject == root.certificate.subject
    leaf = made.under(forged, **OLD)
    assert not vouched((leaf, forged), root)


def test_authorities_that_all_issued_one_another_are_followed_to_an_end(root: Made) -> None:
    """Mallory's: one key, one name, many certificates. Each is looked at once."""
    first = made.root("Mallory", begins=-5 * YEAR)
    ring = [Made(first.key, made.under(first, "Mallory", ca=True, key=first.key).certificate) for _ in range(40)]
    leaf = made.under(first, **OLD)
    assert not vouched((leaf, *ring), root)


def test_no_more_certificates_are_read_than_anybody_needs(root: Made) -> None:
    leaf = made.under(root, **OLD)
    crowd = [made.under(made.root(f"M{number}"), "Mallory") for number in range(3)]
    many = store_of(*crowd) * 40 + store_of(leaf)  # the same again counts once
    assert past.vouched_for(many, [{"uri": URI, "pem": root.pem, "kind": "manifest"}], now() - YEAR)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:200],
        lambda data: data.replace(b"\x30\x82", b"\x30\x83"),
        lambda data: bytes(len(data)),
        lambda data: b"\x59\xff\xff\x30\x82\xff\xfb" + data[:50],
        lambda data: b"\x59\x00\x10\x30\x82\x00\x0c" + bytes(12),
    ],
)
def test_rubbish_vouches_for_nobody(root: Made, spoil: Callable[[bytes], bytes]) -> None:
    data = spoil(store_of(made.under(root, **OLD)))
    assert past.vouched_for(data, [{"uri": URI, "pem": root.pem, "kind": "manifest"}], now() - YEAR) == {}


CASES: dict[str, tuple[list[str], dt.timedelta, dt.timedelta | None, dt.timedelta | None, dt.timedelta | None]] = {
    # said, end of the certificate, time-stamp, date asked for: the moment that is left to judge (from now)
    "in force": (["signingCredential.untrusted"], YEAR, None, -YEAR, None),
    "trusted anyway": (["signingCredential.trusted"], -YEAR, None, -2 * YEAR, None),
    "ended, nothing asked": (["signingCredential.untrusted"], -YEAR, None, None, None),
    "ended, a date": (["signingCredential.untrusted"], -YEAR, None, -2 * YEAR, -2 * YEAR),
    "ended, stamped": (["signingCredential.untrusted", "timeStamp.trusted"], -YEAR, -2 * YEAR, None, -2 * YEAR),
    "ended, stamped after the date": (
        ["signingCredential.untrusted", "timeStamp.trusted"],
        -YEAR,
        -2 * YEAR,
        -3 * YEAR,
        -3 * YEAR,
    ),
    "ended, a stamp of nobody": (["signingCredential.untrusted", "timeStamp.untrusted"], -YEAR, -2 * YEAR, None, None),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_the_librarys_clock_decided_is_judged_again(case: str) -> None:
    said, end, stamp, as_of, left = CASES[case]
    today = now().replace(microsecond=0)

    def moment(delta: dt.timedelta | None) -> dt.datetime | None:
        return None if delta is None else today + delta

    stamped = moment(stamp)
    manifest = {"signature_info": {"time": stamped.isoformat() if stamped else None}}
    validity = {"notBefore": (today - 4 * YEAR).isoformat(), "notAfter": (today + end).isoformat()}
    told = {
        "store": {
            "active_manifest": "m",
            "manifests": {"m": manifest},
            "validation_results": {"activeManifest": {"failure": [{"code": code} for code in said]}},
        },
        "crjson": {"manifests": [{"label": "m", "signature": {"certificateInfo": {"validity": validity}}}]},
    }
    assert past.moment(told, moment(as_of)) == moment(left)
