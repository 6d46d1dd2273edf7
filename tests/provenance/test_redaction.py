"""Later words about a work: what is added stays beside the file, what is redacted is gone everywhere."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from accounts.models import User
from core import jobs, storage
from core.problems import Conflict, Problem
from ledger.models import Entry
from provenance import guarded, manifests, reconciliation, redaction
from provenance.models import Asset, Manifest
from provenance.registration import register_hash
from provenance.verification import verify_file
from tests.provenance import media_made, reading
from tests.provenance.conftest import Register, what_is_kept

pytestmark = pytest.mark.django_db

Read = Callable[..., bytes]
GRANT, OTHER = "sha256:" + "ab" * 32, "sha256:" + "cd" * 32
SECRET = b"Dana Hill of 4 Elm Street"
SAID = {"dc:creator": "Alice", "Iptc4xmpExt:PersonInImage": SECRET.decode()}
GROUND = "erasure:0192f0c1-0000-7000-8000-000000000000"


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    """Alice’s photograph, whose credential says too much."""
    return register(alice, photo, title="Rocket", metadata=SAID)


def _last() -> dict[str, Any]:
    leaf: dict[str, Any] = json.loads(bytes(Entry.objects.order_by("pk").last().leaf))  # type: ignore[union-attr]
    return leaf


def _original(asset: Asset) -> bytes:
    with storage.open_file(asset.rendition("original").key) as file:
        return file.read()


def _beside(asset: Asset, data: bytes | None = None) -> Any:
    store = manifests.store_of(manifests.in_force(asset)["detached"])
    return reading.read(_original(asset) if data is None else data, asset.media_type, manifest=store)


# --- Redaction ---------------------------------------------------------------------------------------------------


def test_a_redacted_statement_is_gone_from_the_file_and_from_both_manifests(
    work: Asset, signed_bytes: Read, django_capture_on_commit_callbacks: Any
) -> None:
    before = {one.form: one for one in work.manifests.all()}
    old_keys = [before[form].key for form in before] + [work.rendition("signed").key]
    assert SECRET in signed_bytes(work)
    with django_capture_on_commit_callbacks(execute=True):
        updated = redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    work = Asset.objects.get(pk=work.pk)
    assert (updated.form, updated.replaces) == ("update", before["embedded"])
    held = manifests.in_force(work)
    assert set(held) == {"embedded", "detached"}
    for data in (signed_bytes(work), *(manifests.store_of(one) for one in held.values())):
        assert SECRET not in data
    assert not any(storage.exists(key) for key in old_keys)
    assert SECRET.decode() not in json.dumps(list(Manifest.objects.values("active")), ensure_ascii=False)
    signed = work.rendition("signed")
    assert hashlib.sha256(signed_bytes(work)).hexdigest() == signed.sha256
    assert signed.size == len(signed_bytes(work))


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("sqlite")  # PostgreSQL has no write-ahead log beside the database
def test_a_redacted_statement_is_in_no_file_of_the_database_any_more(work: Asset) -> None:
    name = Path(connection.settings_dict["NAME"])
    files = [name, name.with_name(f"{name.name}-wal")]
    assert any(SECRET in file.read_bytes() for file in files if file.exists())
    redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    assert not any(SECRET in file.read_bytes() for file in files if file.exists())


def test_what_is_left_verifies_and_says_that_something_was_redacted(work: Asset, signed_bytes: Read) -> None:
    label = work.manifests.get(form="embedded").label
    redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    work = Asset.objects.get(pk=work.pk)
    for store in (reading.read(signed_bytes(work), "image/jpeg"), _beside(work)):
        assert store["validation_state"] == "Trusted"
        assert reading.codes(store) == []
        actions = reading.said(reading.active(store))["c2pa.actions.v2"]["actions"]
        assert [one["action"] for one in actions] == ["c2pa.opened", "c2pa.redacted"]
        assert actions[1]["reason"] == "c2pa.PII.present"
        assert actions[1]["parameters"]["redacted"].endswith("/c2pa.assertions/cawg.metadata")
        parent = store["manifests"][reading.active(store)["ingredients"][0]["active_manifest"]]
        assert "org.assay.ledger" in reading.said(parent), "the rest of the statement stands"
        assert "cawg.metadata" not in reading.said(parent)
    assert label in {one["label"] for one in reading.read(signed_bytes(work), "image/jpeg")["manifests"].values()}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("media_type", media_made.EMBEDDABLE)
def test_other_formats_are_redacted_too(media_type: str, alice: User, register: Register, signed_bytes: Read) -> None:
    asset = register(alice, media_made.make(media_type), metadata=SAID)
    redaction.redact(asset, ["cawg.metadata"], ground=GROUND)
    asset = Asset.objects.get(pk=asset.pk)
    data = signed_bytes(asset)
    store = reading.read(data, media_type)
    assert store["validation_state"] == "Trusted"
    assert SECRET.decode() not in json.dumps(store)
    assert _beside(asset)["validation_state"] == "Trusted"


def test_a_copy_from_before_the_redaction_is_told_from_a_changed_file(
    work: Asset, signed_bytes: Read, on_disk: Callable[[str, bytes], Path]
) -> None:
    before = signed_bytes(work)
    redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    report = verify_file(on_disk("before.jpg", before), hashlib.sha256(before).hexdigest())
    assert (report.credential.state, report.verdicts["whole_file"].state) == ("valid", "other_bytes")
    assert any("from before that" in note for note in report.notes)
    after = signed_bytes(Asset.objects.get(pk=work.pk))
    report = verify_file(on_disk("after.jpg", after), hashlib.sha256(after).hexdigest())
    assert (report.credential.state, report.verdicts["whole_file"].state) == ("valid", "registered")
    assert not any("from before that" in note for note in report.notes)


def test_the_log_says_what_was_redacted_and_on_which_ground(work: Asset) -> None:
    before = {one.form: one for one in work.manifests.all()}
    redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    leaf, held = _last(), manifests.in_force(Asset.objects.get(pk=work.pk))
    assert (leaf["type"], leaf["object"]) == ("manifest:redacted", f"asset:{work.pk}")
    assert leaf["facts"]["labels"] == ["cawg.metadata"]
    assert leaf["facts"]["ground"] == GROUND
    assert leaf["facts"]["manifest"] == f"sha256:{held['embedded'].sha256}"
    assert leaf["facts"]["detached"] == f"sha256:{held['detached'].sha256}"
    assert leaf["facts"]["replaces"] == {
        "manifest": f"sha256:{before['embedded'].sha256}",
        "detached": f"sha256:{before['detached'].sha256}",
    }
    assert "Dana" not in json.dumps(leaf)
    assert list(reconciliation.works()) == []


def test_a_second_redaction_takes_out_what_the_first_one_left(work: Asset, signed_bytes: Read) -> None:
    redaction.redact(work, ["cawg.metadata"], ground=GROUND)
    redaction.redact(Asset.objects.get(pk=work.pk), ["c2pa.soft-binding"], ground="decision:7")
    work = Asset.objects.get(pk=work.pk)
    for store in (reading.read(signed_bytes(work), "image/jpeg"), _beside(work)):
        assert store["validation_state"] == "Trusted"
        told = {label for one in store["manifests"].values() for label in reading.said(one)}
        assert told.isdisjoint({"cawg.metadata", "c2pa.soft-binding"})
    assert work.manifests.count() == 6
    assert list(reconciliation.works()) == []


@pytest.mark.parametrize("label", ["c2pa.actions.v2", "c2pa.hash.data", "c2pa.hash.bmff.v3", "org.assay.ledger"])
def test_what_was_done_and_what_binds_the_credential_is_never_redacted(label: str, work: Asset) -> None:
    kept = what_is_kept()
    with pytest.raises(Problem) as refusal:
        redaction.redact(work, ["cawg.metadata", label], ground=GROUND)
    assert refusal.value.code == "manifest.not_redactable"
    assert label in refusal.value.detail
    assert what_is_kept() == kept


@pytest.mark.parametrize(
    ("labels", "ground", "code"),
    [
        ([], GROUND, "manifest.not_redactable"),
        (["cawg.metadata"], "because Dana Hill asked", "manifest.ground"),
        (["cawg.metadata"], "", "manifest.ground"),
        (["org.example.nothing"], GROUND, "manifest.no_such_assertion"),
    ],
)
def test_a_redaction_needs_something_to_redact_and_a_ground(
    labels: list[str], ground: str, code: str, work: Asset
) -> None:
    kept = what_is_kept()
    with pytest.raises(Problem) as refusal:
        redaction.redact(work, labels, ground=ground)
    assert refusal.value.code == code
    assert what_is_kept() == kept


def test_a_work_known_by_its_hash_is_redacted_without_the_file(alice: User) -> None:
    data = b"Minutes.\n" * 30
    sha256 = hashlib.sha256(data).hexdigest()
    asset = register_hash(alice, sha256=sha256, size=len(data), media_type="text/plain", title="Minutes")
    redaction.redact(asset, ["cawg.metadata"], ground=GROUND)
    store = _beside(Asset.objects.get(pk=asset.pk), data)
    assert store["validation_state"] == "Trusted"
    assert not any("cawg.metadata" in reading.said(one) for one in store["manifests"].values())
    assert reading.codes(reading.read(data + b"x", "text/plain", manifest=_manifest_of(asset))) == [
        "assertion.dataHash.mismatch"
    ]


def _manifest_of(asset: Asset) -> bytes:
    return manifests.store_of(manifests.in_force(Asset.objects.get(pk=asset.pk))["detached"])


def test_the_job_of_an_erasure_redacts_once(work: Asset) -> None:
    args = {"asset": str(work.pk), "labels": ["cawg.metadata"], "ground": GROUND}
    for _ in range(2):
        job = jobs.enqueue(redaction.REDACT, **args)  # type: ignore[arg-type]
        jobs.run(str(job.pk))
        job.refresh_from_db()
        assert job.state == "done", job.error_detail
    assert Manifest.objects.filter(asset=work, form="update").count() == 2


# --- Additions ---------------------------------------------------------------------------------------------------


def test_an_added_consent_stands_beside_the_file_and_the_signed_file_stays_as_it_is(work: Asset) -> None:
    signed, before = work.rendition("signed").sha256, work.manifests.get(form="detached")
    added = redaction.update(work, consents=[GRANT])
    assert (added.form, added.replaces) == ("update", before)
    work = Asset.objects.get(pk=work.pk)
    assert work.rendition("signed").sha256 == signed
    assert manifests.in_force(work)["detached"] == added
    store = _beside(work)
    assert store["validation_state"] == "Trusted"
    assert reading.said(reading.active(store))["org.assay.consent"]["grants"] == [GRANT]
    ingredient = reading.active(store)["ingredients"][0]
    assert ingredient["active_manifest"] == before.label
    results = ingredient.get("validation_results", {}).get("activeManifest", {})
    assert not results.get("failure")


def test_the_log_names_what_was_added(work: Asset) -> None:
    added = redaction.update(work, consents=[GRANT])
    leaf = _last()
    assert leaf["type"] == "manifest:updated"
    assert leaf["facts"]["labels"] == ["org.assay.consent"]
    assert leaf["facts"]["grants"] == [GRANT]
    assert leaf["facts"]["detached"] == f"sha256:{added.sha256}"
    assert list(reconciliation.works()) == []


def test_one_addition_after_another(work: Asset) -> None:
    for grant in (GRANT, OTHER):
        redaction.update(Asset.objects.get(pk=work.pk), consents=[grant])
    store = _beside(Asset.objects.get(pk=work.pk))
    assert store["validation_state"] == "Trusted"
    told = [reading.said(one).get("org.assay.consent", {}).get("grants") for one in store["manifests"].values()]
    assert [GRANT] in told
    assert [OTHER] in told


def test_a_consent_is_added_to_a_work_known_by_its_hash(alice: User) -> None:
    data = b"Minutes.\n" * 30
    sha256 = hashlib.sha256(data).hexdigest()
    asset = register_hash(alice, sha256=sha256, size=len(data), media_type="text/plain", title="Minutes")
    redaction.update(asset, consents=[GRANT])
    store = _beside(Asset.objects.get(pk=asset.pk), data)
    assert store["validation_state"] == "Trusted"
    assert reading.said(reading.active(store))["org.assay.consent"]["grants"] == [GRANT]


def test_the_job_adds_a_grant_once(work: Asset) -> None:
    for number in range(2):
        job = jobs.enqueue(redaction.ADD_CONSENT, key=f"test:{number}", asset=str(work.pk), grant=GRANT)
        jobs.run(str(job.pk))
        job.refresh_from_db()
        assert job.state == "done", job.error_detail
    assert Manifest.objects.filter(asset=work, form="update").count() == 1


def test_of_two_additions_at_once_the_second_is_refused(work: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    really_sign, grants = guarded.update_detached, [OTHER]

    def somebody_is_quicker(*args: Any, **options: Any) -> bytes:
        if grants:
            redaction.update(Asset.objects.get(pk=work.pk), consents=[grants.pop()])
        return really_sign(*args, **options)

    monkeypatch.setattr(guarded, "update_detached", somebody_is_quicker)
    with pytest.raises(Conflict) as refusal:
        redaction.update(work, consents=[GRANT])
    assert refusal.value.code == "manifest.race"
    assert Manifest.objects.filter(asset=work, form="update").count() == 1
    assert list(reconciliation.works()) == []


def test_nothing_to_add_is_refused(work: Asset) -> None:
    with pytest.raises(Problem) as refusal:
        redaction.update(work)
    assert refusal.value.code == "manifest.nothing"


def test_a_work_from_before_there_were_manifests_beside_files_takes_no_addition(work: Asset) -> None:
    Manifest.objects.filter(asset=work, form="detached").delete()
    with pytest.raises(Conflict) as refusal:
        redaction.update(Asset.objects.get(pk=work.pk), consents=[GRANT])
    assert refusal.value.code == "manifest.none"


def test_an_update_that_nobody_recorded_is_noticed(work: Asset) -> None:
    added = redaction.update(work, consents=[GRANT])
    Manifest.objects.filter(pk=added.pk).update(sha256="ef" * 32)
    told = "\n".join(reconciliation.works())
    assert f"the update sha256:{'ef' * 32} of asset:{work.pk} has no entry" in told
    assert f"the update sha256:{added.sha256} of asset:{work.pk} is gone" in told
