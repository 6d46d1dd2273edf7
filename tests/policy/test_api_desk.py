"""/api/v1/cases: the queue, finding, giving back, asking."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Recusal, ReviewerProfile
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]


def test_the_queue_says_why_and_is_narrowed(api: Api, asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset)
    queue = api(rita).get("/api/v1/cases").json()
    assert [row["case"]["id"] for row in queue] == [str(notice.case_id)]
    assert queue[0]["why"].startswith("Due in ")
    for query in ("?category=fraud", "?place=IN", "?mine=true", "?overdue=1", "?language=fr", "?offset=5"):
        assert api(rita).get(f"/api/v1/cases{query}").json() == [], query
    for query in ("?category=everything", "?place=Atlantis", "?offset=many", "?state=decided"):
        assert api(rita).get(f"/api/v1/cases{query}").status_code == 400, query


def test_i24_a_childs_case_is_asked_for_by_name_and_by_the_trained(
    api: Api, asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset, category="child_safety")
    assert api(rita).get("/api/v1/cases").json() == []
    assert api(rita).get("/api/v1/cases/search", {"q": notice.number}).json() == []
    assert len(api(rita).get("/api/v1/cases", {"children": "true"}).json()) == 1
    ReviewerProfile.objects.update(trained={"likeness": "2026-01-05"})
    assert api(rita).get("/api/v1/cases", {"children": "true"}).status_code == 403
    assert api(rita).get(f"/api/v1/cases/{notice.case_id}").status_code == 404


def test_a_case_is_found_asked_about_and_given_back(
    api: Api, asset: Asset, file_notice: FileNotice, rita: User, alice: User
) -> None:
    notice, _ = file_notice(asset)
    case = cases.assign(notice.case, rita)
    found = api(rita).get("/api/v1/cases/search", {"q": "harbour"}).json()
    assert [(row["id"], row["mine"]) for row in found] == [(str(case.pk), True)]
    questions, recusal = (f"/api/v1/cases/{case.pk}/{what}" for what in ("questions", "recusal"))
    assert api(rita).post(questions, {"notice": notice.number, "fields_asked": []}).status_code == 400
    assert api(rita).post(questions, {"notice": "AS-2026", "fields_asked": ["place"]}).status_code == 404
    assert api(alice).post(recusal, {}).status_code == 403
    asked = api(rita).post(questions, {"notice": notice.number, "fields_asked": ["place"]})
    assert (asked.status_code, asked.json()["state"]) == (200, "awaiting_info")
    assert api(rita).post(recusal, {"why": "bored"}).status_code == 400
    assert api(rita).post(recusal, {}).status_code == 204
    assert api(rita).post(recusal, {}).status_code == 404
    assert (Case.objects.get().state, Recusal.objects.get().why) == ("open", "")


def test_a_case_of_many_notices_and_decisions_asks_the_database_as_often_as_one_of_one(
    api: Api, asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    case = cases.assign(file_notice(asset)[0].case, rita)
    decisions.decide(case, rita, outcome="label", interim=True, **TERMS)
    page, counts = f"/api/v1/cases/{case.pk}", []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            body = api(rita).get(page).json()
        counts.append(len(queries))
        for n in range(3):
            file_notice(asset, email=f"{n}@example.org")
            decisions.decide(case, rita, outcome="hide", interim=True, **TERMS)
    assert counts[0] == counts[1]
    assert [row["statement"] for row in body["notices"]] == ["This shows me and I never agreed to it."] * 4
    assert "Dana" not in str(body)


def test_a_lead_takes_a_case_back_and_a_proposer_their_proposal(
    api: Api, asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    case = cases.assign(file_notice(asset)[0].case, rita)
    proposal = decisions.decide(case, rita, outcome="remove", **TERMS)
    withdrawal, back = f"/api/v1/decisions/{proposal.pk}/withdrawal", f"/api/v1/cases/{case.pk}/take-back"
    assert api(ravi).post(withdrawal).status_code == 403
    assert api(rita).post(withdrawal).json()["state"] == "withdrawn"
    assert api(rita).post(withdrawal).status_code == 409
    assert api(rita).post(back, {"why": "I am going away."}).status_code == 403
    assert api(ravi).post(back, {"why": ""}).status_code == 400
    assert api(ravi).post(back, {"why": "Rita is ill."}).json()["state"] == "open"
    assert api(ravi).post(back, {"why": "Rita is ill."}).status_code == 409
