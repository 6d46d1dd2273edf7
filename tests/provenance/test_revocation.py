"""Certificates that do not count any more: by serial, from a date on, in words."""

import datetime as dt
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from core.clock import now
from core.problems import Problem
from ledger.models import Entry
from provenance import authority, revocation, rotation, trust
from provenance.models import Revocation
from tests.provenance import certificates_made as made
from tests.provenance.asking import reported

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _keys(settings: Any, tmp_path: Path) -> None:
    settings.ASSAY_KEYS = tmp_path / "keys"


@pytest.fixture
def danas() -> made.Made:
    """Dana's certificate, under an authority that is on a list."""
    root = made.root()
    past = now() - dt.timedelta(days=30)
    trust.add_list(trust.NewList("urn:example:studios", "Studios", "1", "manifest", root.pem, past))
    return made.under(root)


def test_a_revoked_signer_is_told_and_trusted_no_more(danas: made.Made, photo_path: Path, tmp_path: Path) -> None:
    path = made.signed(photo_path, tmp_path / "photo.jpg", danas)
    assert reported(path).verdicts["revocation"].state == "unknown"  # nobody was asked
    revocation.revoke(danas.serial, reason="The key was stolen", revoked_at=now() - HOUR)
    report = reported(path)
    assert report.verdicts["revocation"].state == "revoked"
    assert report.verdicts["signer"].state == "invalid"
    assert report.verdicts["integrity"].state == "intact"
    assert reported(path, as_of=now() - 2 * HOUR).verdicts["revocation"].state == "unknown"


def test_what_a_stamp_shows_to_be_older_than_the_theft_goes_on_counting(
    danas: made.Made, photo_path: Path, tmp_path: Path
) -> None:
    own = authority.time_authority()
    anchors = trust.policy().anchors
    path = made.signed(photo_path, tmp_path / "photo.jpg", danas, stamp=own.respond, anchors=anchors)
    with time_machine.travel(now() + HOUR):
        revocation.revoke(danas.serial, reason="The key was stolen")
        report = reported(path)
    assert report.verdicts["signer"].state == "trusted"
    assert report.credential.state == "valid"


def test_no_stamp_of_a_stolen_authority_of_time_counts(danas: made.Made, photo_path: Path, tmp_path: Path) -> None:
    own = authority.time_authority()
    anchors = trust.policy().anchors
    path = made.signed(photo_path, tmp_path / "photo.jpg", danas, stamp=own.respond, anchors=anchors)
    assert reported(path).verdicts["time"].state == "stamped"
    rotation.rotate_time()
    revocation.revoke(str(own.certificate.serial_number), reason="The key was stolen")
    assert reported(path).verdicts["time"].state == "untrusted_stamp"
    assert reported(path, as_of=now() - HOUR).verdicts["time"].state != "stamped"  # the stamp is younger than that


@pytest.mark.parametrize(
    ("told", "serial"),
    [
        ("255", "255"),
        ("0255", "255"),
        ("0xff", "255"),
        ("0xFF", "255"),
        ("AB:CD", "43981"),
        ("1:00", "256"),
        (" 7 ", "7"),
        (f"0x{2**159:x}", str(2**159)),
    ],
)
def test_serials_are_read_as_tools_print_them(told: str, serial: str) -> None:
    assert revocation.read_serial(told) == serial


@pytest.mark.parametrize("told", ["", "ff", "0x", "AB:C", "-1", "1.5", "٣", "0x" + "f" * 60, "1" * 61, "12 34"])
def test_what_is_no_serial_is_refused(told: str) -> None:
    with pytest.raises(Problem) as refusal:
        revocation.revoke(told, reason="The key was stolen")
    assert refusal.value.code == "certificate.serial"
    assert (Revocation.objects.count(), Entry.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reason": " "}, "certificate.reason"),
        ({"reason": "x" * 301}, "certificate.reason"),
        ({"issuer": "ca@example.org"}, "certificate.issuer"),
        ({"issuer": "x" * 201}, "certificate.issuer"),
        ({"revoked_at": dt.datetime(2300, 1, 1, tzinfo=dt.UTC)}, "certificate.dates"),
        ({"revoked_at": dt.datetime(2025, 1, 1)}, "certificate.dates"),  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_bad_revocation_is_refused_and_nothing_is_kept(change: dict[str, Any], code: str) -> None:
    with pytest.raises(Problem) as refusal:
        revocation.revoke("255", **{"reason": "The key was stolen", **change})
    assert refusal.value.code == code
    assert (Revocation.objects.count(), Entry.objects.count()) == (0, 0)


def test_a_revocation_is_an_entry_and_comes_once() -> None:
    row = revocation.revoke("255", reason="Dana’s laptop was stolen", issuer="Studios")
    leaf = json.loads(bytes(Entry.objects.get(pk=row.entry_id).leaf))
    assert (leaf["type"], leaf["facts"]["serial"]) == ("certificate:revoked", "255")
    assert "laptop" not in json.dumps(leaf)
    with pytest.raises(Problem) as refusal:
        revocation.revoke("0xff", reason="again", issuer="Studios")
    assert refusal.value.code == "certificate.revoked"
    assert Entry.objects.count() == 1


def test_an_issuer_narrows_a_revocation_and_a_missing_name_excuses_nobody() -> None:
    revocation.revoke("255", reason="x", issuer="Studios")
    assert revocation.of("255", ("Studios", "Studios, Ltd")) is not None
    assert revocation.of("255", "Somebody else") is None
    assert revocation.of("255", "") is not None
    assert revocation.of("256", "Studios") is None


def test_certificates_in_use_are_not_revoked(tmp_path: Path) -> None:
    office, own = authority.this_office(), authority.time_authority()
    for serial, command in ((office.serial, "rotate`"), (str(own.certificate.serial_number), "rotate --time`")):
        with pytest.raises(Problem) as refusal:
            revocation.revoke(serial, reason="x")
        assert (refusal.value.code, refusal.value.status) == ("certificate.in_use", 409)
        assert command in refusal.value.next_step
    assert Entry.objects.count() == 0


def test_the_doctor_sees_a_revoked_certificate_sign() -> None:
    """As after restoring an old copy of the keys' folder."""
    old = authority.this_office()
    rotation.rotate()
    revocation.revoke(old.serial, reason="x")
    (old.folder / "chain-2.pem").unlink()
    assert not rotation.check().ok
    assert "revoked" in rotation.check().detail


def test_the_command_revokes_and_lists() -> None:
    out = StringIO()
    call_command("revoke_certificate", "0xff", "--reason", "Stolen", "--at", "2026-01-02", stdout=out)
    call_command("revoke_certificate", "--list", stdout=out)
    assert out.getvalue().splitlines() == [
        "255: its signatures do not count from 2026-01-02 00:00 UTC on.",
        "255  -  2026-01-02 00:00 UTC  Stolen",
    ]
    for words in (["0xff", "--reason", "Again"], ["xyz", "--reason", "x"], ["256"], [], ["1", "--list"]):
        with pytest.raises(CommandError):
            call_command("revoke_certificate", *words)
