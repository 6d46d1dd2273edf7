"""The page of a receipt: the promise first, then the proof, who else confirms it, and every form to take away."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from ledger import alarms, cose, custody, reading, sequencer, timestamping, verify
from provenance.models import Asset
from tests.ledger.cosigners import Witnesses
from tests.web.stage import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def waiting(alice: User, photo: bytes) -> Asset:
    """A work whose entry is not signed yet."""
    return work(alice, photo)


@pytest.fixture
def signed(waiting: Asset) -> Asset:
    sequencer.tick()
    return Asset.objects.get(pk=waiting.pk)


def page(asset: Asset, name: str = "receipt/", by: User | None = None) -> Any:
    client = Client()
    if by:
        client.force_login(by, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client.get(f"/assets/{asset.pk}/{name}")


def test_while_the_receipt_waits_there_is_a_promise_to_take_away(waiting: Asset) -> None:
    shown = page(waiting).content.decode()
    assert "within 1\xa0hour" in shown
    assert f"/assets/{waiting.pk}/acknowledgement.json" in shown
    taken = page(waiting, "acknowledgement.json")
    assert "attachment" in taken["Content-Disposition"]
    assert verify.verify_file(taken.content, custody.log_verifier()).ok


def test_while_signing_is_paused_the_page_does_not_promise_seconds(waiting: Asset) -> None:
    alarms.raise_alarm("key", "The log is frozen.")
    shown = page(waiting).content.decode()
    assert "Signing is paused since" in shown
    assert "usually within seconds" not in shown


def test_every_form_of_the_receipt_verifies(signed: Asset) -> None:
    shown, key = page(signed).content.decode(), custody.log_verifier()
    for name in ("receipt.json", "receipt.tlog-proof", "receipt.cose"):
        assert f"/assets/{signed.pk}/{name}" in shown
    assert verify.verify_file(page(signed, "receipt.json").content, key).ok
    assert cose.verify(page(signed, "receipt.cose").content, bytes(signed.entry.leaf_hash), key).index == 0
    assert " style=" not in shown


def test_an_office_without_witnesses_says_so(signed: Asset) -> None:
    assert "no witness outside of itself" in page(signed).content.decode()


def test_the_page_names_who_confirmed_it_and_gives_out_that_receipt(
    signed: Asset, tmp_path: Path, settings: Any
) -> None:
    witnesses, newest = Witnesses(tmp_path, settings, threshold=2), reading.latest_checkpoint()
    assert newest is not None
    assert "No witness has confirmed" in page(signed).content.decode()
    witnesses.cosign(newest, 0, 1)
    timestamping.stamp()
    shown = page(signed).content.decode()
    for words in ("confirmed by 2 witnesses", "greta.example/witness", "paper.example/witness", "own clock"):
        assert words in shown
    assert "receipt.json?checkpoint=cosigned" in shown
    taken = page(signed, "receipt.json?checkpoint=cosigned").content
    assert verify.verify_file(taken, policy=reading.policy()).ok


def test_only_the_holder_takes_their_own_openings_away(signed: Asset, alice: User, bob: User) -> None:
    def opened(by: User | None) -> list[str]:
        return [one["name"] for one in json.loads(page(signed, "receipt.json", by).content)["disclosures"]]

    assert opened(alice) == ["actor"]
    assert opened(bob) == opened(None) == []
    assert "own key is open" in page(signed, by=alice).content.decode()
    assert "own key is open" not in page(signed).content.decode()


def test_a_damaged_policy_file_does_not_take_the_work_away(signed: Asset, tmp_path: Path, settings: Any) -> None:
    settings.ASSAY_LOG_POLICY = str(tmp_path / "nowhere")
    assert page(signed, "").status_code == 200
    assert page(signed, "receipt.json").status_code == 503
