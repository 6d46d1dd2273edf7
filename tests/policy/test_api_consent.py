"""Consent and bases over the API: the creator, the person with the link, the office, anybody with a receipt."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from policy.models import Consent, ProcessingBasis
from provenance.models import Asset, Manifest
from tests.web import stage

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
ASK = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish", "train"]}


@pytest.fixture
def link(api: Api, asset: Asset, alice: User) -> str:
    """The address of Dana's question in the API."""
    asked = api(alice).post(f"/api/v1/assets/{asset.pk}/consents", {**ASK, "language": "de", "territory": ["EU"]})
    assert asked.status_code == 201, asked.data
    return f"/api/v1{asked.data['link'].rstrip('/')}"


def test_the_owner_asks_lists_and_asks_again(
    api: Api, link: str, asset: Asset, alice: User, bob: User, django_assert_max_num_queries: Any
) -> None:
    page = f"/api/v1/assets/{asset.pk}/consents"
    for _ in range(4):
        api(alice).post(page, ASK)
    client = api(alice)
    with django_assert_max_num_queries(13):
        rows = client.get(page).data
    assert len(rows) == 5 and rows[0]["territory"] == ["EU"] and rows[0]["standing"] == "requested"
    again = api(alice).post(f"{page}/{rows[0]['id']}/link")
    assert again.status_code == 201 and api().get(link).data["state"] == "expired"
    assert api(bob).get(page).status_code == 404
    assert api(bob).post(f"{page}/{rows[0]['id']}/link").status_code == 404
    assert api(alice).post(page, {**ASK, "language": "xx"}).data["errors"]["language"]
    assert api(alice).post(page, {**ASK, "valid_to": "tomorrow"}).status_code == 400


def test_dana_reads_and_answers_in_their_language_and_takes_the_receipt(
    api: Api, link: str, settle: Callable[[], None]
) -> None:
    page = api().get(link).data
    assert page["asks"]["train"].startswith("Programme damit trainieren") and page["bound"] and page["looked_at"] == []
    first = api().post(link, {"purposes": ["publish"]}).data
    assert first["granted"] == ["publish"] and "pin" not in first, "it goes to the address and to nobody else"
    hers: dict[str, Any] = {"HTTP_ASSAY_PIN": stage.mailed_pin()}
    assert api().post(link, {"purposes": ["detect"]}, **hers).status_code == 400
    assert api().post(link, {}).status_code == 400
    no = api().post(link, {"purposes": []}).data
    assert no["state"] == "withdrawn"
    assert api().post(link, {"purposes": ["publish"]}).status_code == 403, "who asked has the link, and not the PIN"
    assert api().post(link, {"purposes": ["publish"]}, HTTP_ASSAY_PIN="00000000").status_code == 403
    assert api().post(link, {"purposes": ["publish"]}, **hers).data["granted"] == ["publish"]
    api().post(link, {"purposes": []})
    settle()
    receipt = api().get(f"{link}/receipt").data
    assert api().post("/api/v1/consent-receipts/check", receipt).data == {"holds": True, "wrong": []}
    receipt["state"] = "given"
    assert api().post("/api/v1/consent-receipts/check", receipt).data["holds"] is False
    nonsense: list[Any] = [[], {}, {"events": [{"log": {"a": 1}}]}]
    for told in nonsense:
        assert api().post("/api/v1/consent-receipts/check", told).data["holds"] is False


def test_a_changed_work_is_said_and_not_agreed_to(api: Api, link: str, asset: Asset) -> None:
    Manifest.objects.create(asset=asset, label="urn:c2pa:2", sha256="f" * 64, active={})
    assert api().get(link).data["bound"] is False
    assert api().post(link, {"purposes": ["publish"]}).status_code == 409
    assert api().get("/api/v1/consent/nothing").status_code == 404


def test_a_lead_reviewer_stops_a_consent(api: Api, link: str, rita: User, ravi: User, alice: User) -> None:
    api().post(link, {"purposes": ["publish"]})
    page = f"/api/v1/consents/{Consent.objects.get().pk}/stop"
    for other in (rita, alice):
        assert api(other).post(page, {"how": "halt"}).status_code == 403
    assert api(ravi).post(page, {"how": "erase"}).status_code == 400
    assert api(ravi).post(page, {"how": "invalidate"}).data["standing"] == "invalidated"
    assert api(ravi).post(page, {"how": "halt"}).status_code == 409
    assert api().post(link, {"purposes": ["publish"]}).status_code == 409
    assert api(rita).post(page, {"how": "ask_anew"}).status_code == 403
    assert api(ravi).post(page, {"how": "ask_anew"}).data["standing"] == "requested"
    assert api().post(link, {"purposes": ["publish"]}).status_code == 200


def test_the_bases_are_public_and_recorded_by_the_office(api: Api, asset: Asset, olga: User, alice: User) -> None:
    said = {"purpose": "detect", "ground": "gdpr.6.1.f", "reference": "Assessment 7 of the office"}
    assert api(alice).post("/api/v1/bases", said).status_code == 403
    assert api().post("/api/v1/bases", said).status_code in (401, 403)
    assert api(olga).post("/api/v1/bases", said).status_code == 201
    assert api(olga).post("/api/v1/bases", {**said, "asset": str(asset.pk)}).status_code == 201
    assert api(olga).post("/api/v1/bases", {**said, "asset": str(alice.pk)}).status_code == 404
    assert api(olga).post("/api/v1/bases", {**said, "ground": "because"}).status_code == 400
    rows = api().get("/api/v1/bases").data["results"]
    assert [row["reference"] for row in rows] == [said["reference"]], "of single works nothing is told"
    assert ProcessingBasis.objects.count() == 2
