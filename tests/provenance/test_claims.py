"""Fingerprints that somebody registered without showing the file: claims, which make no file better or worse."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from provenance import manifests
from provenance.models import Asset
from provenance.registration import register_hash
from provenance.verification import Report, known, verify_file
from tests.provenance import media_made, tampering
from tests.provenance.conftest import Register
from web.verdicts import BROKEN, CLAIMED, OTHER_BYTES, verdict

Read = Callable[..., bytes]
Write = Callable[[str, bytes], Path]
Verify = Callable[..., Report]


@pytest.fixture
def verify(db: None, on_disk: Write) -> Verify:
    def call(data: bytes, **options: Any) -> Report:
        return verify_file(on_disk("brought.bin", data), hashlib.sha256(data).hexdigest(), **options)

    return call


def _claimed(owner: User, data: bytes, title: str, media_type: str = "image/jpeg") -> Asset:
    sha256 = hashlib.sha256(data).hexdigest()
    return register_hash(owner, sha256=sha256, size=len(data), media_type=media_type, title=title)


def test_registering_the_fingerprint_of_a_changed_file_makes_it_no_better(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, on_disk: Write, verify: Verify
) -> None:
    spoiled = media_made.change_a_pixel(signed_bytes(register(alice, photo)), photo)
    claim = _claimed(bob, spoiled, "Laundered")
    by_hash = known(hashlib.sha256(spoiled).hexdigest())
    assert by_hash is not None
    assert by_hash.verdicts["integrity"].state == "unchecked"
    assert verdict(by_hash.as_dict()) is CLAIMED
    assert verify(spoiled).verdicts["integrity"].state == "broken"
    store = on_disk("m.c2pa", manifests.store_of(manifests.of_form(claim, "detached")))
    beside = verify(spoiled, manifest=store)
    assert (beside.verdicts["presence"].state, beside.verdicts["integrity"].state) == ("detached", "broken")
    assert beside.credential.state == "invalid"
    assert "assertion.dataHash.mismatch" in beside.credential.codes
    assert any("inside the file is broken" in note for note in beside.notes)
    assert verdict(beside.as_dict()) is BROKEN


def test_the_manifest_beside_what_was_really_sent_stays_intact(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read, on_disk: Write, verify: Verify
) -> None:
    spoiled = media_made.change_a_pixel(signed_bytes(register(alice, photo)), photo)
    child = register(bob, spoiled)
    store = on_disk("m.c2pa", manifests.store_of(manifests.of_form(child, "detached")))
    assert verify(spoiled, manifest=store).verdicts["integrity"].state == "intact"


def test_bytes_added_to_a_signed_file_stay_other_bytes_whoever_registers_them(
    alice: User, bob: User, register: Register, signed_bytes: Read, verify: Verify
) -> None:
    added = tampering.free_box(signed_bytes(register(alice, media_made.make("video/mp4"), filename="clip.mp4")))
    assert verify(added).verdicts["whole_file"].state == "other_bytes"
    _claimed(bob, added, "Bob’s clip", "video/mp4")
    report = verify(added)
    assert report.verdicts["whole_file"].state == "other_bytes"
    assert any("“Bob’s clip”" in note and "another work" in note for note in report.notes)
    assert verdict(report.as_dict()) is OTHER_BYTES


def test_of_several_claims_on_a_fingerprint_none_is_preferred(
    photo: bytes, alice: User, bob: User, register: Register, verify: Verify
) -> None:
    first, second = _claimed(bob, photo, "Made by a model"), _claimed(alice, photo, "My photograph")
    by_hash = known(hashlib.sha256(photo).hexdigest())
    assert by_hash is not None
    for report in (by_hash, verify(photo)):
        assert (report.exact, report.claims, report.receipt) == (None, [first, second], None)
        told = report.as_dict()["register"]["claims"]
        assert [(one["title"], one["words"]) for one in told] == [
            ("Made by a model", "claimed, file not shown"),
            ("My photograph", "claimed, file not shown"),
        ]
        assert verdict(report.as_dict()) is CLAIMED
    danas = register(User.objects.create_user(email="dana@example.org", name="Dana"), photo)
    sent = verify(photo)
    assert (sent.exact, sent.claims) == (danas, [])
