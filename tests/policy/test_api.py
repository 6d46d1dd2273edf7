import io
import uuid
import zipfile
from collections.abc import Callable
from typing import Any, cast

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from ledger.models import Entry
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Appeal, Case, Notice
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
NOTICE = {
    "category": "likeness",
    "jurisdiction": "EU",
    "statement": "This shows me and I never agreed to it.",
    "name": "Dana Hill",
    "email": "dana@example.org",
    "good_faith": True,
    "as_depicted": True,
}
WHY = "The owner showed the negatives of the work."


def test_the_whole_story_over_the_api(
    api: Api, asset: Asset, alice: User, rita: User, ravi: User, greta: User, settle: Callable[[], None]
) -> None:
    filed = api().post("/api/v1/notices", {**NOTICE, "asset": str(asset.pk)})
    assert filed.status_code == 201
    number, pin = filed.data["number"], filed.data["pin"]
    (waiting,) = api(rita).get("/api/v1/cases").data
    case = waiting["case"]["id"]
    assert waiting["why"]
    taken = api(rita).put(f"/api/v1/cases/{case}/assignment")
    assert taken.status_code == 200
    unseen = api(rita).post(f"/api/v1/cases/{case}/decisions", {"outcome": "label", **TERMS})
    assert (unseen.status_code, list(unseen.json()["errors"])) == (400, ["version"])
    said = {"outcome": "label", **TERMS, "version": taken.data["version"]}
    decided = api(rita).post(f"/api/v1/cases/{case}/decisions", said)
    assert decided.status_code == 201
    asset.refresh_from_db()
    assert asset.restriction == "labelled"
    status = api().get(f"/api/v1/notices/{number}", headers={"Assay-Pin": pin})
    assert status.data["statements"][0]["structured"]["outcome"] == "label"
    appealed = api(alice).post(
        f"/api/v1/decisions/{decided.data['id']}/appeals", {"grounds": "It is a photograph of my own harbour."}
    )
    assert appealed.status_code == 201
    appeal = f"/api/v1/appeals/{appealed.data['id']}/decision"
    refused = api(rita).post(appeal, {"outcome": "overturn", "reasons": WHY})
    assert (refused.status_code, refused.json()["code"]) == (403, "appeal.conflict")
    assert api(ravi).post(appeal, {"outcome": "overturn", "reasons": WHY}).status_code == 201
    asset.refresh_from_db()
    assert asset.restriction == ""
    settle()
    made = api(greta).post("/api/v1/exports", {"purpose": "Supervision, file 12/2026"})
    assert (made.status_code, made.data["state"]) == (202, "requested")
    settle()
    assert api(greta).get(f"/api/v1/exports/{made.data['id']}").data["state"] == "built"
    file = api(greta).get(f"/api/v1/exports/{made.data['id']}/file")
    assert zipfile.ZipFile(io.BytesIO(b"".join(cast(Any, file).streaming_content))).testzip() is None
    page = api(greta).get("/api/v1/log/entries", {"type": "decision:made", "purpose": "Supervision, file 12/2026"})
    assert [row["entry"]["type"] for row in page.data["entries"]] == ["decision:made"]


def test_dana_appeals_with_number_and_pin_over_the_api(
    api: Api, asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, pin = file_notice(asset)
    cases.assign(notice.case, rita)
    decision = decisions.decide(notice.case, rita, outcome="no_action", **TERMS)
    address = f"/api/v1/decisions/{decision.pk}/appeals"
    body = {"grounds": "It is a picture of the person shown.", "notice": notice.number}
    assert api().post(address, body, headers={"Assay-Pin": "00000000"}).status_code == 404
    assert api().post(address, {"grounds": body["grounds"]}).status_code == 401
    assert api().post(address, body, headers={"Assay-Pin": pin}).status_code == 201
    assert Appeal.objects.get().role == "notifier"


def test_a_notice_can_be_completed_over_the_api(api: Api, asset: Asset) -> None:
    body = {**NOTICE, "asset": str(asset.pk), "category": "ncii", "jurisdiction": "US", "name": "", "email": ""}
    filed = api().post("/api/v1/notices", body)
    assert filed.data["missing"] == ["email", "name", "sworn:tida.not_consensual"]
    done = api().patch(
        f"/api/v1/notices/{filed.data['number']}",
        {"name": "Dana Hill", "email": "dana@example.org", "sworn": ["tida.not_consensual"]},
        headers={"Assay-Pin": filed.data["pin"]},
    )
    assert (done.status_code, done.data["state"]) == (200, "valid")
    assert "us.tida.223a" in {clock["rule_id"] for clock in done.data["clocks"]}


@pytest.mark.parametrize("body", [[], "text", None, {}, {"category": {}}, {**NOTICE, "asset": "\x00"}])
def test_a_malformed_notice_is_a_problem_and_leaves_nothing(api: Api, body: Any) -> None:
    answer = api().post("/api/v1/notices", body)
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert not Notice.objects.exists()


def test_json_that_is_none_is_a_problem(api: Api) -> None:
    answer = api().post("/api/v1/notices", "{", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.unreadable")


def test_notices_are_throttled(api: Api, asset: Asset, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.throttling import ScopedRateThrottle

    monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"notices": "2/hour", "pin": "2/hour"})
    answers = [api().post("/api/v1/notices", {**NOTICE, "asset": str(asset.pk)}).status_code for _ in range(3)]
    assert answers == [201, 201, 429]
    tried = [api().get("/api/v1/notices/AS-2026-2222-2222").status_code for _ in range(3)]
    assert tried == [404, 404, 429]


def test_a_hidden_work_is_not_there_for_strangers(api: Api, asset: Asset, case: Case, rita: User) -> None:
    decisions.decide(case, rita, outcome="hide", **TERMS)
    answer = api().post("/api/v1/notices", {**NOTICE, "asset": str(asset.pk)})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/cases"),
        ("get", "/api/v1/cases/{case}"),
        ("put", "/api/v1/cases/{case}/assignment"),
        ("delete", "/api/v1/cases/{case}/assignment"),
        ("post", "/api/v1/cases/{case}/decisions"),
        ("get", "/api/v1/appeals"),
        ("post", "/api/v1/appeals/{other}/decision"),
        ("get", "/api/v1/exports"),
        ("post", "/api/v1/exports"),
        ("get", "/api/v1/exports/{other}/file"),
        ("get", "/api/v1/log/entries"),
    ],
)
def test_nobody_walks_in(api: Api, case: Case, alice: User, method: str, path: str) -> None:
    address = path.format(case=case.pk, other=uuid.uuid4())
    assert getattr(api(), method)(address).status_code in (401, 403)
    assert getattr(api(alice), method)(address).status_code == 403


def test_what_does_not_exist_is_not_found(api: Api, rita: User, greta: User, alice: User) -> None:
    nothing = uuid.uuid4()
    for user, method, path, body in [
        (rita, "get", f"/api/v1/cases/{nothing}", None),
        (rita, "post", f"/api/v1/cases/{nothing}/decisions", {"outcome": "hide", "version": 0, **TERMS}),
        (rita, "post", f"/api/v1/appeals/{nothing}/decision", {"outcome": "uphold", "reasons": WHY}),
        (alice, "post", f"/api/v1/decisions/{nothing}/appeals", {"grounds": WHY}),
        (alice, "get", f"/api/v1/assets/{nothing}/consents", None),
        (greta, "get", f"/api/v1/exports/{nothing}/file", None),
    ]:
        assert getattr(api(user), method)(path, body).status_code == 404, path


def test_a_reviewer_reads_a_case_without_names(api: Api, case: Case, rita: User) -> None:
    answer = api(rita).get(f"/api/v1/cases/{case.pk}")
    assert answer.status_code == 200
    text = answer.content.decode()
    assert "never agreed" in text
    assert "Dana" not in text
    assert "dana@example.org" not in text
    assert '"legal_status":"draft"' in text


def test_a_creator_asks_for_consent_over_the_api(api: Api, asset: Asset, alice: User, bob: User) -> None:
    path = f"/api/v1/assets/{asset.pk}/consents"
    asked = api(alice).post(path, {"name": "Dana Hill", "purposes": ["publish"]})
    assert asked.status_code == 201
    assert asked.data["link"].startswith("/consent/")
    (listed,) = api(alice).get(path).data
    assert (listed["standing"], "link" in listed) == ("requested", False)
    assert api(bob).get(path).status_code == 404


@pytest.mark.parametrize("query", [{"after": "x"}, {"after": "-5"}, {"limit": "0"}, {"limit": "9" * 30}, {"type": "x"}])
def test_a_wrong_query_of_the_log_is_a_problem(api: Api, greta: User, query: dict[str, str]) -> None:
    before = Entry.objects.count()
    assert api(greta).get("/api/v1/log/entries", query).status_code == 400
    assert Entry.objects.count() == before


@pytest.mark.parametrize(
    ("method", "address", "body", "field"),
    [
        ("get", "/api/v1/log/consistency?old=x&new=1", None, "old"),
        ("post", "/api/v1/notices", {}, "jurisdiction"),
        ("get", "/api/v1/log/entries?type=x", None, "type"),
    ],
)
def test_every_refusal_of_wrong_input_names_each_wrong_field_in_the_same_way(
    api: Api, greta: User, method: str, address: str, body: object, field: str
) -> None:
    answer = getattr(api(greta), method)(address, body, format="json").json()
    assert (answer["code"], answer["title"]) == ("request.invalid", "Some values are missing or wrong")
    assert isinstance(answer["errors"][field], list) and answer["next_step"]
