"""Certificates change hands: fresh ones, brought ones, ones on a token; what was signed before stays good."""

import datetime as dt
import hashlib
import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.management import CommandError, call_command
from django.db import transaction

from accounts.models import User
from core import health
from core.problems import Problem
from ledger import keystores
from ledger.keys import BadKey, KeyMissing
from ledger.models import Entry
from provenance import authority, certificates, revocation, rotation
from provenance.models import Asset, Manifest
from provenance.verification import Report, verify_file
from tests.provenance import certificates_made as made
from tests.provenance.conftest import Register

pytestmark = pytest.mark.django_db

PIN = "271828"
LIBRARIES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
Signed = Callable[..., bytes]


@pytest.fixture(autouse=True)
def keys(settings: Any, tmp_path: Path) -> Path:
    """Keys of a test's own."""
    settings.ASSAY_KEYS = tmp_path / "keys"
    return tmp_path / "keys" / "c2pa"


@pytest.fixture
def reported(tmp_path: Path, signed_bytes: Signed) -> Callable[[Asset], Report]:
    """The report on a work's signed file."""

    def report(asset: Asset) -> Report:
        data = signed_bytes(asset)
        path = tmp_path / f"{asset.pk}.jpg"
        path.write_bytes(data)
        return verify_file(path, hashlib.sha256(data).hexdigest())

    return report


def checked() -> health.Check:
    return rotation.check()


def run(*words: str) -> str:
    out = StringIO()
    call_command("media_certificate", *words, stdout=out)
    return out.getvalue()


# --- This office's own -------------------------------------------------------------------------------------------


def test_a_fresh_certificate_signs_and_what_the_old_one_signed_stays_good(
    photo: bytes, alice: User, bob: User, register: Register, reported: Callable[[Asset], Report]
) -> None:
    before = register(alice, photo)
    done = rotation.rotate()
    after = register(bob, photo)
    assert done.new != done.old
    serials = {asset.pk: asset.manifests.filter(form=Manifest.Form.EMBEDDED).get().serial for asset in (before, after)}
    assert serials == {before.pk: str(done.old.serial_number), after.pk: str(done.new.serial_number)}
    for asset in (before, after):
        report = reported(asset)
        assert report.verdicts["signer"].state == "this_office"
        assert report.credential.state == "valid"


def test_what_was_signed_stays_good_when_the_old_key_is_destroyed(
    photo: bytes, alice: User, register: Register, keys: Path, reported: Callable[[Asset], Report]
) -> None:
    asset = register(alice, photo)
    rotation.rotate()
    assert [path.name for path in rotation.retired_keys(authority.this_office())] == ["leaf.key"]
    assert "leaf.key signs no longer" in checked().detail
    (keys / "leaf.key").unlink()
    assert reported(asset).verdicts["signer"].state == "this_office"
    assert checked() == health.Check("media certificate", True, "nothing to do")


def test_a_rotation_is_an_entry_in_the_log() -> None:
    first, second = rotation.rotate(), rotation.rotate()
    leaves = [json.loads(bytes(leaf)) for leaf in Entry.objects.order_by("id").values_list("leaf", flat=True)]
    assert [leaf["type"] for leaf in leaves] == ["certificate:rotated"] * 2
    assert leaves[1]["facts"]["old"] == leaves[0]["facts"]["new"] == str(first.new.serial_number)
    assert leaves[1]["facts"]["certificate"] == certificates.fingerprint(certificates.pem_of(second.new))


def test_a_rotation_that_is_rolled_back_leaves_the_old_certificate(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    office = authority.this_office()
    before = sorted(path.name for path in keys.iterdir())

    def fails(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(rotation, "write_once", fails)
    with pytest.raises(OSError, match="full"):
        rotation.rotate()
    assert Entry.objects.count() == 0
    assert sorted(path.name for path in keys.iterdir()) == before
    assert authority.this_office().serial == office.serial


def test_a_rotation_that_was_killed_before_its_entry_is_recorded_by_the_next_run(keys: Path) -> None:
    first = authority.this_office()
    try:
        with transaction.atomic():
            done = rotation.rotate()
            raise KeyboardInterrupt  # killed after the file, before the commit
    except KeyboardInterrupt:
        pass
    assert Entry.objects.count() == 0
    again = rotation.rotate()
    assert again.repeated
    assert (again.old, again.new) == (first.certificate, done.new)
    assert Entry.objects.count() == 1
    assert not rotation.rotate().repeated
    assert authority.chain_numbers(keys) == [1, 2, 3]


def test_an_installation_of_before_goes_on_and_gets_its_authority_of_time(
    photo: bytes, alice: User, register: Register, keys: Path, reported: Callable[[Asset], Report]
) -> None:
    """Four files, the leaf for ten years: as they were made before there were time-stamps."""
    authority.this_office()
    root = authority.own_root(authority.this_office())
    leaf = certificates.new_leaf("Assay", root, life=dt.timedelta(days=3650))
    for name in ("tsa.key", "leaf.key", "chain.pem"):
        (keys / name).unlink()
    (keys / "leaf.key").write_text(leaf.key_pem)
    (keys / "chain.pem").write_text(leaf.pem + root.pem)
    report = reported(register(alice, photo))
    assert report.verdicts["signer"].state == "this_office"
    assert report.verdicts["time"].state == "stamped"
    assert (keys / "tsa.key").stat().st_mode & 0o777 == 0o600


def test_without_the_roots_key_media_is_signed_and_nothing_is_issued(
    photo: bytes, alice: User, register: Register, keys: Path
) -> None:
    authority.this_office()
    (keys / "root.key").unlink()
    assert register(alice, photo).manifests.exists()
    with pytest.raises(KeyMissing, match=r"root\.key is needed"):
        rotation.rotate()
    with pytest.raises(CommandError, match="put it there, run this again, take it away"):
        run("rotate")


def test_the_wrong_roots_key_issues_nothing(keys: Path) -> None:
    authority.this_office()
    (keys / "root.key").write_text(made.root().key_pem)
    with pytest.raises(BadKey, match="not the key of"):
        rotation.rotate()
    assert authority.chain_numbers(keys) == [1]


def test_the_authority_of_time_is_replaced_too(
    photo: bytes, alice: User, bob: User, register: Register, reported: Callable[[Asset], Report], keys: Path
) -> None:
    before = register(alice, photo)
    done = rotation.rotate_time()
    after = register(bob, photo)
    assert authority.time_authority().certificate == done.new
    (keys / "tsa.key").unlink()
    for asset in (before, after):
        assert reported(asset).verdicts["time"].state == "stamped"


def test_the_leaf_lives_two_years_and_never_longer_than_its_root() -> None:
    office = authority.this_office()
    life = office.certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=729) < life <= dt.timedelta(days=730)
    with time_machine.travel(office.roots[0].not_valid_after_utc - dt.timedelta(days=30)):
        rotation.rotate()
    assert authority.this_office().certificate.not_valid_after_utc < office.roots[0].not_valid_after_utc


# --- The doctor ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_left", "ok", "says"),
    [(100, True, "nothing to do"), (89, True, "ends on"), (13, False, "ends on"), (-1, False, "ends on")],
)
def test_the_doctor_reminds_of_a_certificate_that_ends(days_left: int, ok: bool, says: str) -> None:
    end = authority.this_office().certificate.not_valid_after_utc
    with time_machine.travel(end - dt.timedelta(days=days_left)):
        check = checked()
    assert (check.ok, says in check.detail) == (ok, True)
    if says == "ends on":
        assert "media_certificate rotate`" in check.detail


def test_the_doctor_reminds_of_the_authority_of_time() -> None:
    end = authority.time_authority().certificate.not_valid_after_utc
    rotation.rotate()
    with time_machine.travel(end - dt.timedelta(days=10)):
        rotation.rotate()
        assert not checked().ok
        assert "rotate --time" in checked().detail
        rotation.rotate_time()
        assert checked().ok


def test_the_doctor_makes_no_keys_and_asks_nobody(keys: Path, settings: Any) -> None:
    assert checked().ok
    assert not keys.exists()
    authority.this_office()
    settings.ASSAY_TSA_URL, settings.ASSAY_TSA_CA = "http://192.0.2.1:9/", "/nowhere/roots.pem"
    assert not checked().ok
    assert "ASSAY_TSA_CA=/nowhere/roots.pem" in checked().detail
    (keys.parent / "roots.pem").write_text(made.root().pem)
    settings.ASSAY_TSA_CA = str(keys.parent / "roots.pem")
    assert checked().ok
    assert "media certificate" in {check.name for check in health.checks()}


# --- Brought certificates ------------------------------------------------------------------------------------------


@pytest.fixture
def public_ca() -> made.Made:
    """An authority that others trust, with one between."""
    return made.under(made.root("Public root"), "Public issuer", ca=True)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("p256", "es256"), ("p384", "es384"), ("ed25519", "ed25519"), ("rsa", "ps256")],
)
def test_a_brought_certificate_signs_and_is_this_office_to_itself(
    public_ca: made.Made,
    photo: bytes,
    alice: User,
    register: Register,
    reported: Callable[[Asset], Report],
    kind: str,
    algorithm: str,
) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }
    ours = made.under(public_ca, "The Office", key=makers[kind]())
    rotation.bring(ours.chain, ours.key_pem)
    office = authority.this_office()
    assert (office.is_brought, office.algorithm, office.serial) == (True, algorithm, ours.serial)
    report = reported(register(alice, photo))
    assert report.credential.state == "valid"
    assert report.verdicts["signer"].state == "this_office"
    assert report.verdicts["time"].state == "stamped"


def test_another_customer_of_the_same_issuer_is_not_this_office(
    public_ca: made.Made, photo_path: Path, tmp_path: Path
) -> None:
    ours, mallorys = made.under(public_ca, "The Office"), made.under(public_ca, "The Office")
    rotation.bring(ours.chain, ours.key_pem)
    for leaf, state in ((ours, "this_office"), (mallorys, "unknown")):
        path = made.signed(photo_path, tmp_path / f"{leaf.serial}.jpg", leaf)
        report = verify_file(path, hashlib.sha256(path.read_bytes()).hexdigest())
        assert report.verdicts["signer"].state == state


def test_after_the_brought_one_this_office_may_sign_by_itself_again(
    public_ca: made.Made, photo: bytes, alice: User, register: Register, reported: Callable[[Asset], Report]
) -> None:
    ours = made.under(public_ca, "The Office")
    rotation.bring(ours.chain, ours.key_pem)
    asset = register(alice, photo)
    rotation.rotate()
    assert not authority.this_office().is_brought
    assert reported(asset).verdicts["signer"].state == "this_office"


Bring = tuple[str, str]


def test_what_cannot_sign_media_is_refused_in_words_and_nothing_is_kept(public_ca: made.Made, keys: Path) -> None:
    authority.this_office()
    before = {path.name: path.read_bytes() for path in keys.iterdir()}
    good, other = made.under(public_ca), made.under(public_ca)
    old = made.under(public_ca, ends=-dt.timedelta(days=1))
    server = made.under(public_ca, purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))
    weak = made.under(public_ca, key=rsa.generate_private_key(65537, 1024))
    for chain, key, code, words in (
        ("", good.key_pem, "certificate.pem", "no certificate"),
        (good.chain + good.key_pem, good.key_pem, "certificate.pem", "private key"),
        (good.pem + made.root().pem, good.key_pem, "certificate.unfit", "was not issued by"),
        (good.pem + other.pem, good.key_pem, "certificate.unfit", "was not issued by"),
        (public_ca.pem, public_ca.key_pem, "certificate.unfit", "must come first"),
        (old.chain, old.key_pem, "certificate.unfit", "in force from"),
        (server.chain, server.key_pem, "certificate.unfit", "claim signing"),
        (weak.chain, weak.key_pem, "certificate.unfit", "2048"),
        (good.chain, other.key_pem, "certificate.key", "not this certificate's"),
        (good.chain, "nonsense", "certificate.key", "cannot be read"),
    ):
        with pytest.raises(Problem) as refusal:
            rotation.bring(chain, key)
        assert (refusal.value.code, words in refusal.value.detail) == (code, True), refusal.value.detail
    with pytest.raises(KeyMissing, match="ASSAY_C2PA_KEY"):
        rotation.bring(good.chain)
    assert {path.name: path.read_bytes() for path in keys.iterdir()} == before
    assert Entry.objects.count() == 0


def test_a_certificate_is_brought_once(public_ca: made.Made) -> None:
    ours = made.under(public_ca)
    rotation.bring(ours.chain, ours.key_pem)
    with pytest.raises(Problem) as refusal:
        rotation.bring(ours.chain, ours.key_pem)
    assert refusal.value.code == "certificate.known"


def test_the_key_may_stay_in_the_environment(
    public_ca: made.Made, keys: Path, settings: Any, tmp_path: Path, photo: bytes, alice: User, register: Register
) -> None:
    ours = made.under(public_ca)
    authority.this_office()
    (tmp_path / "chain.pem").write_text(ours.chain)
    settings.ASSAY_C2PA_CHAIN, settings.ASSAY_C2PA_KEY = str(tmp_path / "chain.pem"), ours.key_pem
    assert not checked().ok
    assert "run `manage.py media_certificate bring`" in checked().detail
    assert ours.serial in run("bring")
    assert checked().ok
    assert not (keys / "leaf-2.key").exists()
    assert register(alice, photo).manifests.filter(serial=ours.serial).exists()
    settings.ASSAY_C2PA_KEY = ""
    with pytest.raises(KeyMissing, match=r"leaf-2\.key is missing"):
        authority.this_office().sign(b"x")


def test_the_command_shows_rotates_and_brings(public_ca: made.Made, tmp_path: Path) -> None:
    assert "issued by this office, es256" in run("show")
    assert run("rotate").count("serial ") == 2
    assert "stamping" in run("rotate", "--time")
    ours = made.under(public_ca, "The Office")
    (tmp_path / "ours.pem").write_text(ours.chain)
    (tmp_path / "ours.key").write_text(ours.key_pem)
    said = run("bring", "--chain", str(tmp_path / "ours.pem"), "--key", str(tmp_path / "ours.key"))
    assert "leaf-2.key signs no longer: destroy it" in said
    assert "PRIVATE" not in said
    assert "brought by the operator" in run("show")
    with pytest.raises(CommandError, match="cannot be opened"):
        run("bring", "--chain", "/nowhere")
    with pytest.raises(CommandError, match="ASSAY_C2PA_CHAIN"):
        run("bring")
    with pytest.raises(CommandError, match="Bring a new one"):
        run("bring", "--chain", str(tmp_path / "ours.pem"), "--key", str(tmp_path / "ours.key"))


# --- A key on a token (SoftHSM2, a real one in software) -----------------------------------------------------------


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[str]:
    """`pkcs11:…?token=…`, with room for a key."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        pytest.fail("SoftHSM2 is not installed: `apt-get install softhsm2` (as .ci/run does)")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    label = f"media-{secrets.token_hex(4)}"
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    import pkcs11

    pkcs11.lib(library).reinitialize()  # SoftHSM looks for tokens when it is initialised
    keystores._opened.clear()
    settings.ASSAY_KEY_STORE_PIN = PIN
    yield f"pkcs11:{library}?token={label}"
    keystores._opened.clear()


def pair_on(token: str, label: str, settings: Any) -> ec.EllipticCurvePublicKey:
    """Make a P-256 pair there; its public half is what a certificate is asked for with."""
    from pkcs11 import Attribute, KeyType
    from pkcs11.util.ec import encode_ec_public_key, encode_named_curve_parameters

    place = keystores.Place(token, Path(settings.ASSAY_KEYS), pin=PIN)
    with keystores.open_token(place)._open() as session:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
        public, _private = session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
            store=True, label=label, private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        )
        found = serialization.load_der_public_key(encode_ec_public_key(public))
    assert isinstance(found, ec.EllipticCurvePublicKey)
    return found


class PublicHalf:
    """What `made.under` needs of a key that stays where it is."""

    def __init__(self, public: ec.EllipticCurvePublicKey) -> None:
        self._public = public

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public


def test_a_key_on_a_token_signs_media(
    token: str,
    settings: Any,
    public_ca: made.Made,
    keys: Path,
    photo: bytes,
    alice: User,
    register: Register,
    reported: Callable[[Asset], Report],
) -> None:
    ours = made.under(public_ca, "The Office", key=PublicHalf(pair_on(token, "media", settings)))
    rotation.bring(ours.chain, f"{token}&key=media")
    assert (keys / "leaf-2.key").read_text().strip() == f"{token}&key=media"
    report = reported(register(alice, photo))
    assert report.credential.state == "valid"
    assert report.verdicts["signer"].state == "this_office"
    assert "PRIVATE" not in (keys / "leaf-2.key").read_text()


def test_what_is_wrong_with_the_token_is_said_without_the_pin(
    token: str, settings: Any, public_ca: made.Made, keys: Path
) -> None:
    import pkcs11

    ours = made.under(public_ca, key=PublicHalf(pair_on(token, "media", settings)))
    pair_on(token, "another", settings)
    authority.this_office()
    with pytest.raises(Problem) as refusal:
        rotation.bring(ours.chain, f"{token}&key=another")
    assert refusal.value.code == "certificate.key"
    for uri in (f"{token}&key=nobody", token, "pkcs11:nonsense&key=media", "pkcs11:/nowhere.so?token=x&key=y"):
        with pytest.raises((KeyMissing, BadKey)) as away:
            rotation.bring(ours.chain, uri)
        assert PIN not in str(away.value)
    settings.ASSAY_KEY_STORE_PIN = "314159"
    keystores._opened.clear()
    pkcs11.lib(token.partition("?")[0].removeprefix("pkcs11:")).reinitialize()  # or this process stays logged in
    with pytest.raises(KeyMissing) as away:
        rotation.bring(ours.chain, f"{token}&key=media")
    assert "314159" not in str(away.value)
    assert authority.chain_numbers(keys) == [1]


def test_rotating_makes_the_old_certificate_revocable() -> None:
    office = authority.this_office()
    with pytest.raises(Problem) as refusal:
        revocation.revoke(office.serial, reason="A laptop was stolen")
    assert (refusal.value.code, "rotate" in refusal.value.next_step) == ("certificate.in_use", True)
    rotation.rotate()
    assert revocation.revoke(office.serial, reason="A laptop was stolen").serial == office.serial
    assert isinstance(office.certificate, x509.Certificate)
