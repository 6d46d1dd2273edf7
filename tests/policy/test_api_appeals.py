"""Appeals over the API: both sides, and who is refused reads why."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Appeal, Decision, Person, StatementOfReasons
from policy.redress import appeals
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice
from tests.web import stage

pytestmark = pytest.mark.django_db
Client = Callable[..., APIClient]
GROUNDS = "It is a photograph of my own harbour."
WHY = "The owner showed the negatives of the work."


@pytest.fixture
def appeal(case: object, rita: User, alice: User, asset: Asset) -> Appeal:
    decision = decisions.decide(asset.cases.get(), rita, outcome="hide", **TERMS)
    return appeals.file_appeal(decision, user=alice, grounds=GROUNDS)


def test_a_dialogue_from_both_sides(api: Client, appeal: Appeal, alice: User, ravi: User, rita: User) -> None:
    hearer, address = api(ravi), f"/api/v1/appeals/{appeal.pk}"
    assert hearer.put(f"{address}/assignment").data["state"] == "assigned"
    asked = hearer.post(f"{address}/questions", {"text": "Do you have the negatives?"}, format="json")
    assert (asked.status_code, asked.data["state"]) == (201, "waiting")
    own = f"/api/v1/decisions/{appeal.decision_id}/appeal"
    assert api(alice).get(own).data["messages"][0]["asks_until"] is not None
    answered = api(alice).post(f"{own}/messages", {"text": "Yes, in my studio."}, format="json")
    assert (answered.status_code, answered.data["state"]) == (201, "assigned")
    document = {"file": SimpleUploadedFile("negatives.txt", b"frames 1 to 12")}
    assert api(alice).post(f"{own}/messages", document, format="multipart").status_code == 201
    read = hearer.get(address).data
    assert [message["by_office"] for message in read["messages"]] == [True, False, False]
    assert read["messages"][2]["documents"][0]["name"] == "negatives.txt"
    refused = api(rita).get(address)
    assert (refused.status_code, refused.json()["code"]) == (403, "appeal.conflict")
    assert "You took the decision" in refused.json()["detail"]
    assert hearer.delete(f"{address}/assignment").data["state"] == "filed"


def test_a_changed_decision_and_one_taken_back(
    api: Client, appeal: Appeal, asset: Asset, ravi: User, alice: User, bob: User
) -> None:
    address = f"/api/v1/appeals/{appeal.pk}/decision"
    said = {"outcome": "modify", "reasons": WHY}
    assert "replacement" in api(ravi).post(address, said, format="json").json()["errors"]
    half = api(ravi).post(address, {**said, "replacement": {"outcome": "label"}}, format="json")
    assert half.status_code == 400
    whole = api(ravi).post(address, {**said, "replacement": {"outcome": "label", **TERMS}}, format="json")
    assert whole.status_code == 201
    assert whole.data["replacement"] == str(Decision.objects.get(state="in_effect").pk)
    own = f"/api/v1/decisions/{appeal.decision_id}/appeal"
    assert api(alice).delete(own).status_code == 409
    assert api(bob).delete(own).status_code == 404
    assert api().get(own).status_code == 401


def test_a_notifier_and_the_person_shown_come_without_an_account(
    api: Client, asset: Asset, file_notice: FileNotice, rita: User, alice: User
) -> None:
    notice, pin = file_notice(asset)
    said: dict[str, Any] = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish"]}
    _, link = consent.ask_consent(asset, alice, **said)
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="label", **TERMS)
    dana = Person.objects.get(depictions__asset=asset)
    StatementOfReasons.objects.get_or_create(
        decision=decision, recipient="depicted", person=dana, defaults={"structured": {}, "text": ""}
    )
    token, address = link.rstrip("/").rpartition("/")[2], f"/api/v1/decisions/{decision.pk}/appeal"
    by_pin: dict[str, Any] = {"HTTP_ASSAY_PIN": pin}
    filed = api().post(f"{address}s", {"grounds": GROUNDS, "notice": notice.number}, format="json", **by_pin)
    assert filed.status_code == 201
    assert api().get(f"{address}?notice={notice.number}", **by_pin).data["role"] == "notifier"
    assert api().get(f"{address}?notice={notice.number}", HTTP_ASSAY_PIN="0").status_code == 404
    assert api().delete(f"{address}?notice={notice.number}", **by_pin).data["state"] == "withdrawn"
    alone: dict[str, Any] = {"HTTP_ASSAY_LINK": token}
    assert api().post(f"/api/v1{link.rstrip('/')}", {"purposes": []}, format="json").status_code == 200
    hers = stage.mailed_pin()
    assert api().post(f"{address}s", {"grounds": GROUNDS}, format="json", **alone).data["code"] == "consent.pin"
    shown = {**alone, "HTTP_ASSAY_PIN": hers}
    assert api().post(f"{address}s", {"grounds": GROUNDS}, format="json", **shown).status_code == 201
    assert api().get(address, **shown).data["role"] == "depicted"


def test_a_body_outside(api: Client, appeal: Appeal, ravi: User, lena: User, rita: User) -> None:
    address = f"/api/v1/appeals/{appeal.pk}/dispute"
    said = {"body": "A certified body", "reference": "D-7"}
    assert api(lena).post(address, said, format="json").status_code == 409
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    assert api(rita).post(address, said, format="json").status_code == 403
    assert api(lena).post(address, said, format="json").status_code == 201
    closed = api(lena).put(address, {"outcome": "settled", "complied": True}, format="json")
    assert (closed.status_code, closed.data["state"]) == (200, "closed")
    assert Appeal.objects.get().state == "final"
