"""What due process does to a work's credential: an answer is added beside the file, an erasure takes statements out."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from core import jobs, storage
from core.models import Job
from ledger.models import Entry
from policy.consents import consent
from policy.rights import data_rights
from provenance import manifests, redaction
from provenance.models import Asset, Manifest
from provenance.registration import register_asset

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    with storage.receive([photo]) as scratch:
        return register_asset(alice, scratch, title="Rocket", metadata={"dc:creator": "Alice Doe of 4 Elm Street"})


def _run(name: str) -> None:
    for job in Job.objects.filter(name=name, state=Job.State.QUEUED):
        jobs.run(str(job.pk))
        job.refresh_from_db()
        assert job.state == "done", job.error_detail


def _grants(asset: Asset) -> list[str]:
    active = manifests.in_force(Asset.objects.get(pk=asset.pk))["detached"].active
    return next((one["data"]["grants"] for one in active["assertions"] if one["label"] == "org.assay.consent"), [])


def test_an_answer_is_told_by_the_credential_beside_the_file_and_stays_bound(work: Asset, alice: User) -> None:
    asked, _ = consent.ask_consent(work, alice, name="Dana Hill", contact="", purposes=["publish"])
    consent.grant(asked)
    entry = Entry.objects.order_by("pk").last()
    assert entry is not None
    _run(redaction.ADD_CONSENT)
    assert _grants(work) == [f"sha256:{bytes(entry.leaf_hash).hex()}"]
    assert consent.standing(asked) == "given", "the addition is about the same bytes"
    told = json.dumps(list(Manifest.objects.filter(asset=work).values("active")))
    assert "Dana" not in told


@pytest.mark.parametrize("answer", [consent.refuse, consent.withdraw])
def test_no_other_answer_is_told(answer: Callable[[Any], Any], work: Asset, alice: User) -> None:
    asked, _ = consent.ask_consent(work, alice, name="Dana Hill", contact="", purposes=["publish"])
    if answer is consent.withdraw:
        consent.grant(asked)
        Job.objects.filter(name=redaction.ADD_CONSENT).delete()
    answer(asked)
    assert not Job.objects.filter(name=redaction.ADD_CONSENT).exists()


def test_when_an_account_is_erased_its_works_credentials_lose_what_was_said_in_them(
    work: Asset, alice: User, signed_bytes_of: Callable[[Asset], bytes]
) -> None:
    assert b"4 Elm Street" in signed_bytes_of(work)
    request = data_rights.erase(alice)
    _run(redaction.REDACT)
    assert b"4 Elm Street" not in signed_bytes_of(Asset.objects.get(pk=work.pk))
    entry = Entry.objects.filter(type="manifest:redacted").get()
    facts = json.loads(bytes(entry.leaf))["facts"]
    assert facts["ground"] == f"erasure:{request.pk}"
    assert data_rights.is_erased(User.objects.get(pk=alice.pk)), "the redaction seals nothing for them"


@pytest.fixture
def signed_bytes_of() -> Callable[[Asset], bytes]:
    def read(asset: Asset) -> bytes:
        with storage.open_file(asset.rendition("signed").key) as file:
            return file.read()

    return read


def test_works_that_say_nothing_more_than_their_title_are_left_alone(alice: User, photo: bytes) -> None:
    with storage.receive([photo]) as scratch:
        register_asset(alice, scratch, title="Rocket")
    data_rights.erase(alice)
    assert not Job.objects.filter(name=redaction.REDACT).exists()
