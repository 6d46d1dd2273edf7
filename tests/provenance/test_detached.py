"""The manifest beside the file: over all its bytes, for any kind of file, and for files that were never sent."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from core import storage
from core.models import Job
from core.problems import Conflict, Problem
from ledger import sequencer
from ledger.receipts import disclosures_for, receipt_for
from provenance import guarded, manifests, reconciliation, registration
from provenance.models import Asset, Manifest
from provenance.registration import register_hash
from tests.provenance import media_made, reading
from tests.provenance.conftest import Register, what_is_kept

pytestmark = pytest.mark.django_db

Read = Callable[..., bytes]
Write = Callable[[str, bytes], Path]
KINDS = {"application/pdf": "document", "text/plain": "file", "application/zip": "file"}


def _store(asset: Asset, form: str = "detached") -> bytes:
    return manifests.store_of(asset.manifests.get(form=form))


def _by_hash(owner: User, data: bytes, media_type: str = "text/plain", **options: Any) -> Asset:
    said = {"title": "Minutes", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    return register_hash(owner, media_type=media_type, **{**said, **options})


@pytest.mark.only_on("sqlite")  # bytes and the engine are the same on both databases
@pytest.mark.parametrize("media_type", [*media_made.EMBEDDABLE, *media_made.DETACHED])
def test_the_owners_own_copy_of_any_file_is_proved_by_the_manifest_beside_it(
    media_type: str, alice: User, register: Register
) -> None:
    data = media_made.make(media_type)
    asset = register(alice, data)
    store = reading.read(data, media_type, manifest=_store(asset))
    assert store["validation_state"] == "Trusted"
    assert reading.codes(store) == []
    forms = {one.form for one in asset.manifests.all()}
    assert forms == ({"embedded", "detached"} if media_type in media_made.EMBEDDABLE else {"detached"})
    roles = {one.role for one in asset.renditions.all()}
    assert "original" in roles
    assert ("signed" in roles) is ("embedded" in forms)
    assert (asset.media_type, asset.held) == (media_type, True)
    assert asset.kind == KINDS.get(media_type, media_type.partition("/")[0])
    assert ("preview" in roles) is (media_type not in (*KINDS, "image/svg+xml"))
    assert list(reconciliation.works()) == []


@pytest.mark.only_on("sqlite")  # bytes and the engine are the same on both databases
@pytest.mark.parametrize("change", [lambda d: d + b"x", lambda d: d[:-1], lambda d: b"X" + d[1:], lambda d: b""])
def test_any_change_of_the_file_breaks_it(change: Callable[[bytes], bytes], alice: User) -> None:
    data = media_made.make("text/plain")
    store = _store(_by_hash(alice, data))
    assert reading.read(data, "text/plain", manifest=store)["validation_state"] == "Trusted"
    changed = reading.read(change(data), "text/plain", manifest=store)
    assert changed["validation_state"] == "Invalid"
    assert reading.codes(changed) == ["assertion.dataHash.mismatch"]


def test_both_forms_say_the_same_and_are_kept_and_recorded(photo: bytes, alice: User, register: Register) -> None:
    asset = register(alice, photo, title="Rocket")
    sequencer.tick()
    receipt = receipt_for(asset.entry)
    assert receipt is not None
    rows = {one.form: one for one in asset.manifests.all()}
    facts = json.loads(receipt.leaf)["facts"]
    assert facts["manifest"] == f"sha256:{rows['embedded'].sha256}"
    assert facts["detached"] == f"sha256:{rows['detached'].sha256}"
    for form, row in rows.items():
        store = _store(asset, form)
        assert row.key == storage.key_of(row.sha256)
        assert hashlib.sha256(store).hexdigest() == row.sha256
        assert row.serial.isdigit()
        assert row.stamped_at is not None
    inside, beside = (reading.said(rows[form].active) for form in ("embedded", "detached"))
    assert inside["org.assay.ledger"] == beside["org.assay.ledger"]
    assert inside["cawg.metadata"] == beside["cawg.metadata"]


def test_the_credentials_of_an_upload_are_kept_in_both_forms(
    photo: bytes, alice: User, bob: User, register: Register, signed_bytes: Read
) -> None:
    first = register(alice, photo)
    again = signed_bytes(first)
    second = register(bob, again)
    label = first.manifests.get(form="embedded").label
    for store in (
        reading.read(signed_bytes(second), "image/jpeg"),
        reading.read(again, "image/jpeg", manifest=_store(second)),
    ):
        assert store["validation_state"] == "Trusted"
        assert reading.active(store)["ingredients"][0]["active_manifest"] == label


# --- Registered by the hash alone --------------------------------------------------------------------------------


def test_a_file_that_was_never_sent_is_registered_and_proved_later(alice: User, signed_bytes: Read) -> None:
    data = b"Minutes of the meeting.\n" * 100
    asset = _by_hash(alice, data)
    assert (asset.held, asset.kind, asset.size) == (False, "file", len(data))
    assert asset.original_sha256 == hashlib.sha256(data).hexdigest()
    assert not asset.renditions.exists()
    assert not asset.fingerprints.exists()
    assert not Job.objects.filter(name="asset.process").exists(), "there is nothing to examine"
    store = reading.read(data, "text/plain", manifest=_store(asset))
    assert store["validation_state"] == "Trusted"
    assert reading.said(reading.active(store))["org.assay.ledger"]["asset"] == f"asset:{asset.pk}"


def test_no_byte_of_the_file_reaches_this_office(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes to the child is the digest; what comes back binds to it and to nothing else."""
    data, seen = b"The contract.\n" * 50, []
    really_call = guarded._nursery.call

    def call(function: str, arguments: dict[str, Any], **options: Any) -> Any:
        seen.append((function.rpartition(":")[2], arguments.get("sha256")))
        return really_call(function, arguments, **options)

    monkeypatch.setattr(guarded._nursery, "call", call)
    asset = _by_hash(alice, data)
    assert [name for name, _ in seen] == ["sign_detached", "read_credential"]
    assert seen[0][1] == asset.original_sha256


def test_a_manifest_that_binds_to_other_bytes_is_thrown_away(
    alice: User, monkeypatch: pytest.MonkeyPatch, leaves_nothing: None
) -> None:
    really_sign = guarded.sign_detached
    monkeypatch.setattr(guarded, "sign_detached", lambda sha256, **options: really_sign("ab" * 32, **options))
    with pytest.raises(Problem) as refusal:
        _by_hash(alice, b"The contract.")
    assert refusal.value.code == "office.signing_failed"


def test_the_entry_of_a_hash_has_no_file_in_it(alice: User) -> None:
    asset = _by_hash(alice, b"The contract.", title="Contract")
    sequencer.tick()
    receipt = receipt_for(asset.entry)
    assert receipt is not None
    leaf = json.loads(receipt.leaf)
    assert leaf["facts"] == {
        "media_type": "text/plain",
        "detached": f"sha256:{asset.manifests.get().sha256}",
        "source_type": "digitalCapture",
        "training": "notAllowed",
    }
    assert asset.original_sha256 not in receipt.leaf.decode()
    opened = {one.name: one.value for one in disclosures_for(asset.entry)}
    assert opened["files"] == {"original": asset.original_sha256}
    assert list(reconciliation.works()) == []


def test_a_hash_and_a_file_are_the_same_work_of_one_owner(alice: User, bob: User, register: Register) -> None:
    data = media_made.make("image/png")
    first = _by_hash(alice, data, "image/png")
    kept = what_is_kept()
    for again in (partial(_by_hash, alice, data, "image/png"), partial(register, alice, data)):
        with pytest.raises(Conflict) as refusal:
            again()
        assert refusal.value.code == "asset.exists"
        assert refusal.value.extra["asset_id"] == str(first.pk)
    assert what_is_kept() == kept
    assert _by_hash(bob, data, "image/png").owner == bob


def test_of_two_requests_with_the_same_hash_at_once_one_is_refused(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _by_hash(alice, b"The contract.")
    really_refuse, looks = registration._refuse_twice, []

    def look_too_early(owner: User, sha256: str) -> None:
        looks.append(sha256)
        if len(looks) > 1:
            really_refuse(owner, sha256)

    monkeypatch.setattr(registration, "_refuse_twice", look_too_early)
    with pytest.raises(Conflict) as refusal:
        _by_hash(alice, b"The contract.")
    assert refusal.value.extra["asset_id"] == str(first.pk)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"sha256": "ab"}, "media.sha256"),
        ({"sha256": "g" * 64}, "media.sha256"),
        ({"sha256": hashlib.sha256(b"").hexdigest()}, "media.sha256"),
        ({"size": 0}, "media.size"),
        ({"size": 1 << 60}, "media.size"),
        ({"media_type": "no type"}, "media.type_malformed"),
        ({"media_type": "image/png", "filename": "contract.pdf"}, "media.name_mismatch"),
        ({"title": " "}, "asset.title"),
        ({"source_type": "bogus"}, "asset.source_type"),
        ({"training": "perhaps"}, "asset.training"),
    ],
)
def test_what_cannot_be_a_file_is_not_registered(
    options: dict[str, Any], code: str, alice: User, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        _by_hash(alice, b"The contract.", **options)
    assert refusal.value.code == code


def test_a_lost_or_foreign_manifest_is_noticed_by_reconciliation(alice: User, bob: User) -> None:
    first, second = _by_hash(alice, b"One."), _by_hash(bob, b"Two.")
    Manifest.objects.filter(asset=first).update(sha256="ab" * 32)
    Manifest.objects.filter(asset=second).delete()
    told = "\n".join(reconciliation.works())
    assert f"asset:{first.pk} is “sha256:{'ab' * 32}”" in told
    assert f"the manifest of asset:{second.pk} (detached) is gone" in told
