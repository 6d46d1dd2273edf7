"""Registering: a real credential in every format, everything or nothing."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from PIL import Image

from accounts.models import User
from core import jobs, storage
from core.guard import Limits
from core.models import Job
from core.problems import Conflict, Problem
from ledger import sequencer
from ledger.receipts import disclosures_for, receipt_for
from provenance import guarded, registration
from tests.provenance import media_made, reading
from tests.provenance.conftest import Register, what_is_kept

Read = Callable[..., bytes]

AT_ONCE = dt.timedelta(0)
# Fillers of Hangul, an empty cell of Braille, marks without a letter; a letter under a tower of marks.
UNSEEN = ("\u115f\u3164", "\u1160 \uffa0", "\u2800", "\u0301\u0301", "A" + "\u0301" * 9)


def test_a_registered_file_opens_as_valid_in_the_librarys_own_reader(
    photo: bytes, alice: User, register: Register, signed_bytes: Read
) -> None:
    """Every other format: test_signing."""
    asset = register(alice, photo, filename="photo.jpg")
    store = reading.read(signed_bytes(asset), "image/jpeg")
    assert store["validation_state"] == "Trusted"
    manifest = store["manifests"][store["active_manifest"]]
    assert manifest["label"] == asset.manifests.get(form="embedded").label
    assert manifest["claim_version"] == 2
    assert all(one["created"] for one in manifest["assertions"])
    said = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert said["c2pa.actions.v2"]["allActionsIncluded"] is True
    assert said["c2pa.actions.v2"]["actions"][0] == {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    assert said["cawg.training-mining"]["entries"]["cawg.ai_training"] == {"use": "notAllowed"}
    assert said["org.assay.ledger"]["asset"] == f"asset:{asset.pk}"
    assert said["org.assay.ledger"]["origin"] == django_settings.ASSAY_LOG_ORIGIN


def test_what_is_recorded_about_a_work(photo: bytes, alice: User, register: Register) -> None:
    asset = register(alice, photo, title="Rocket", training="allowed", source_type="negativeFilm")
    assert (asset.kind, asset.media_type, asset.owner, asset.organisation) == (
        "image",
        "image/jpeg",
        alice,
        alice.organisation,
    )
    files = {one.role: one for one in asset.renditions.all()}
    assert set(files) == {"original", "signed", "preview"}
    assert files["original"].sha256 == hashlib.sha256(photo).hexdigest()
    assert (files["signed"].width, files["signed"].height) == (640, 427)
    for file in files.values():
        with storage.open_file(file.key) as stored:
            assert hashlib.sha256(stored.read()).hexdigest() == file.sha256
    assert {one.algorithm: len(one.value) for one in asset.fingerprints.all()} == {"iscc-image-256": 32, "dhash-64": 8}
    assert Job.objects.filter(name="asset.process", key=f"asset.process:{asset.pk}").count() == 1


def test_the_ledger_entry_names_the_work_and_hides_its_owner(photo: bytes, alice: User, register: Register) -> None:
    asset = register(alice, photo, title="Rocket")
    sequencer.tick()
    receipt = receipt_for(asset.entry)
    assert receipt is not None
    leaf = json.loads(receipt.leaf)
    assert leaf["type"] == "asset:registered"
    assert leaf["object"] == f"asset:{asset.pk}"
    assert leaf["facts"] == {
        "media_type": "image/jpeg",
        "manifest": f"sha256:{asset.manifests.get(form='embedded').sha256}",
        "detached": f"sha256:{asset.manifests.get(form='detached').sha256}",
        "source_type": "digitalCapture",
        "training": "notAllowed",
    }
    signed, original = (asset.rendition(role).sha256 for role in ("signed", "original"))
    for secret in ("Rocket", "user:", signed, original):
        assert secret not in receipt.leaf.decode()
    opened = {one.name: one.value for one in disclosures_for(asset.entry)}
    assert opened == {"actor": alice.actor, "files": {"original": original, "signed": signed}, "title": "Rocket"}


def test_an_upload_with_a_credential_becomes_the_ingredient_of_the_new_one(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read
) -> None:
    first = register(alice, photo)
    second = register(bob, signed_bytes(first))
    store = reading.read(signed_bytes(second), "image/jpeg")
    manifest = store["manifests"][store["active_manifest"]]
    assert [one["relationship"] for one in manifest["ingredients"]] == ["parentOf"]
    assert manifest["ingredients"][0]["active_manifest"] == first.manifests.get(form="embedded").label
    action = manifest["assertions"][0]["data"]["actions"][0]
    assert action["action"] == "c2pa.opened"
    assert "digitalSourceType" not in action
    assert action["parameters"]["ingredients"][0]["url"].endswith("c2pa.ingredient.v3")


def test_the_preview_is_small_upright_and_holds_no_metadata(
    photo: bytes, alice: User, register: Register, signed_bytes: Read
) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Alice’s camera"
    big = Image.open(io.BytesIO(photo)).resize((1600, 1000))
    out = io.BytesIO()
    big.save(out, "JPEG", exif=exif)
    asset = register(alice, out.getvalue())
    preview = Image.open(io.BytesIO(signed_bytes(asset, "preview")))
    assert preview.size == (600, 960)
    assert (asset.rendition("signed").width, asset.rendition("signed").height) == (1000, 1600)
    assert not preview.getexif()
    assert "icc_profile" not in preview.info


def test_the_same_file_twice_is_refused_with_a_link_to_the_first(
    photo: bytes, alice: User, register: Register, signed_bytes: Read
) -> None:
    first = register(alice, photo)
    kept = what_is_kept()
    for again in (photo, signed_bytes(first)):
        with pytest.raises(Conflict) as refusal:
            register(alice, again)
        assert refusal.value.code == "asset.exists"
        assert refusal.value.extra["asset_id"] == str(first.pk)
    assert what_is_kept() == kept


def test_another_owner_may_register_the_same_file_and_the_likeness_is_recorded(
    photo: bytes, alice: User, bob: User, register: Register
) -> None:
    first, second = register(alice, photo), register(bob, photo)
    assert second.near_duplicates == [{"asset_id": str(first.pk), "distance": "0.000", "tier": "re_encoded"}]
    assert first.rendition("original").key == second.rendition("original").key


def test_of_two_requests_with_the_same_file_at_once_one_is_refused(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look for a twin came before the twin's commit; the database still holds the line."""
    first = register(alice, photo)
    kept, really_refuse, looks = what_is_kept(), registration._refuse_twice, []

    def look_too_early(owner: User, sha256: str) -> None:
        looks.append(sha256)
        if len(looks) > 1:
            really_refuse(owner, sha256)

    monkeypatch.setattr(registration, "_refuse_twice", look_too_early)
    with pytest.raises(Conflict) as refusal:
        register(alice, photo)
    assert refusal.value.extra["asset_id"] == str(first.pk)
    storage.sweep_orphans(older_than=AT_ONCE)
    assert what_is_kept() == kept


# --- Everything or nothing ---------------------------------------------------------------------------------------


def test_when_the_job_cannot_be_recorded_nothing_is(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    monkeypatch.setattr(jobs, "_handlers", {})
    with pytest.raises(RuntimeError, match="no handler"):
        register(alice, photo)
    assert storage.sweep_orphans() == 0, "a young file may belong to a registration that is about to commit"
    assert storage.sweep_orphans(older_than=AT_ONCE) == 5


def test_a_failed_registration_does_not_take_a_file_that_another_work_names(
    photo: bytes, alice: User, bob: User, register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = register(alice, photo)
    kept = what_is_kept()
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "_handlers", {})
        with pytest.raises(RuntimeError):
            register(bob, photo)
    storage.sweep_orphans(older_than=AT_ONCE)
    assert what_is_kept() == kept
    assert storage.exists(first.rendition("original").key)


def test_a_credential_that_does_not_read_back_is_thrown_away(
    photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    def sign_and_spoil(path: Path, target: Path, *args: Any, **options: Any) -> bytes:
        store = really_sign(path, target, *args, **options)
        target.write_bytes(media_made.change_a_pixel(target.read_bytes(), photo))
        return store

    really_sign = guarded.sign
    monkeypatch.setattr(guarded, "sign", sign_and_spoil)
    with pytest.raises(Problem) as refusal:
        register(alice, photo)
    assert (refusal.value.code, refusal.value.status) == ("office.signing_failed", 500)


@pytest.mark.parametrize("limits", [Limits(wall=0.001), Limits(memory=64 << 20), Limits(output=1000)])
def test_an_examiner_that_dies_leaves_nothing(
    limits: Limits, photo: bytes, alice: User, register: Register, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    monkeypatch.setattr(guarded, "LIMITS", limits)
    with pytest.raises(Problem) as refusal:
        register(alice, photo)
    assert refusal.value.code == "media.unparseable"
    assert refusal.value.status == 422


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"source_type": "bogus"}, "asset.source_type"),
        ({"training": "perhaps"}, "asset.training"),
        ({"title": "  "}, "asset.title"),
        ({"title": "x" * 201}, "asset.title"),
        ({"title": "a\x00b"}, "asset.title"),
        *(({"title": title}, "asset.title") for title in UNSEEN),
    ],
)
def test_words_outside_the_vocabulary_are_not_signed(
    options: dict[str, str], code: str, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, photo, **options)
    assert refusal.value.code == code


@pytest.mark.parametrize("title", ["ㄱ", "Ａ", "한국의 사진", "é̂̃", "A" + "\u0301" * 8, "ภาพถ่าย", "⠓⠊", "🚀", "-"])
def test_a_title_in_any_script_is_a_title(title: str) -> None:
    assert registration._checked_title(f" {title} ") == title
