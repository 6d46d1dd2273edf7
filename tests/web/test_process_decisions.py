"""The composer, the second key, and the pages of works that are limited or removed."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from rest_framework.test import APIClient

from accounts.models import Scope, User
from core.clock import now
from policy.deciding import decisions, hashlist, removals, tdb
from policy.deciding.outcomes import PURGE
from policy.desk import cases
from policy.models import Action, Case, Decision, HashEntry, Misuse
from provenance.models import Asset
from tests.provenance.asking import with_token
from tests.web import stage

pytestmark = pytest.mark.django_db
Api = Callable[..., APIClient]
CHOICE: dict[str, Any] = {"outcome": "hide", **stage.TERMS}


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def case(work: Asset, rita: User) -> Case:
    return cases.assign(stage.notice(work)[0].case, rita)


def test_a_decision_for_two_is_previewed_proposed_and_approved(case: Case, rita: User, ravi: User, work: Asset) -> None:
    asked = {**CHOICE, "outcome": "remove", "also": ["hash_block"]}
    preview = stage.browser(rita).post(f"/review/{case.pk}/decide/", asked).content.decode()
    assert "A second person decides with you" in preview
    assert "Propose it" in preview
    assert "deleted when the time to appeal is over" in preview
    assert not Decision.objects.exists()
    answer = stage.browser(rita).post(f"/review/{case.pk}/decide/", {**asked, "confirm": "yes"})
    assert answer["Location"] == f"/review/{case.pk}/"
    held = Decision.objects.get()
    page = stage.browser(rita).get(answer["Location"]).content.decode()
    assert "Waiting for a second person" in page
    assert "Harbour at noon" in stage.browser(ravi).get("/approvals/").content.decode()

    own = stage.browser(rita).get(f"/approvals/{held.pk}/").content.decode()
    assert "You proposed this decision, so a second person approves it." in own
    assert "Agree: it takes effect now" not in own
    said = {"version": Case.objects.get(pk=case.pk).version}
    assert stage.browser(rita).post(f"/approvals/{held.pk}/approve/", said).status_code == 403

    second = stage.browser(ravi)
    assert "Agree: it takes effect now" in second.get(f"/approvals/{held.pk}/").content.decode()
    for old in ({}, {"version": said["version"] - 1}, {"version": "²"}):
        assert second.post(f"/approvals/{held.pk}/approve/", old).status_code == 409, "not what stands on the page"
    assert second.post(f"/approvals/{held.pk}/approve/", said)["Location"] == f"/decisions/{held.pk}/"
    page = second.get(f"/decisions/{held.pk}/").content.decode()
    assert "purge: planned" in page
    assert "Record for the DSA transparency database" in page
    work.refresh_from_db()
    assert work.is_hidden


def test_a_proposal_is_sent_back_with_a_reason(case: Case, rita: User, ravi: User) -> None:
    held = decisions.decide(case, rita, **{**CHOICE, "outcome": "suspend"})
    second = stage.browser(ravi)
    short = second.post(f"/approvals/{held.pk}/back/", {"reason": "no"})
    assert short.status_code == 422
    assert "Ensure this value has at least 10 characters" in short.content.decode()
    second.post(f"/approvals/{held.pk}/back/", {"reason": "A label would be enough here."})
    page = stage.browser(rita).get(f"/approvals/{held.pk}/").content.decode()
    assert "A label would be enough here." in page
    assert "sent your proposal back" in stage.browser(rita).get(f"/review/{held.case_id}/").content.decode()
    assert "Nothing waits for a second person" in second.get("/approvals/").content.decode()


def test_the_second_key_is_for_reviewers(alice: User, case: Case, rita: User) -> None:
    held = decisions.decide(case, rita, **{**CHOICE, "outcome": "remove"})
    assert stage.browser(alice).get("/approvals/").status_code == 403
    assert stage.browser(alice).get(f"/approvals/{held.pk}/").status_code == 403


def test_what_the_verb_refuses_stands_beside_its_field(case: Case, rita: User) -> None:
    answer = stage.browser(rita).post(f"/review/{case.pk}/decide/", {**CHOICE, "outcome": "geo_restrict"})
    assert answer.status_code == 400
    assert "Say in which places it is not shown." in answer.content.decode()


def test_until_when_is_typed_in_utc(case: Case, rita: User) -> None:
    until = (now() + dt.timedelta(days=3)).replace(second=0, microsecond=0)
    asked = {**CHOICE, "ends_at": until.strftime("%Y-%m-%dT%H:%M"), "interim": "on", "confirm": "yes"}
    stage.browser(rita).post(f"/review/{case.pk}/decide/", asked)
    decision = Decision.objects.get()
    assert (decision.ends_at, decision.interim) == (until, True)


def test_a_work_not_shown_somewhere_says_so_and_is_refused_there(
    case: Case, rita: User, work: Asset, settings: Any
) -> None:
    settings.BEHIND_PROXY, settings.ASSAY_COUNTRY_HEADER = True, "X-Country"
    decisions.decide(case, rita, **{**CHOICE, "outcome": "geo_restrict", "territory": ["DK"]})
    for country, status in (("DK", 451), ("DE", 200), ("", 200)):
        browser = stage.browser()
        answer = browser.get(f"/assets/{work.pk}/file/", headers={"X-Country": country})
        if answer.streaming:
            answer.getvalue()
        assert answer.status_code == status, country
        page = browser.get(f"/assets/{work.pk}/", headers={"X-Country": country}).content.decode()
        assert "not shown in: DK" in page
        assert ("This work is not shown where you are." in page) == (country == "DK")


def test_the_pages_of_a_removed_work_still_open(case: Case, rita: User, ravi: User, alice: User, work: Asset) -> None:
    decision = decisions.decide(case, rita, **{**CHOICE, "outcome": "remove"})
    decisions.approve(decision, ravi)
    planned = Action.objects.get(kind=PURGE).planned_for
    assert planned is not None
    with time_machine.travel(planned + dt.timedelta(hours=1), tick=False):
        assert removals.run() == 1
    page = stage.browser(alice).get(f"/assets/{work.pk}/").content.decode()
    assert "deleted for good" in page
    for path in (f"/studio/{work.pk}/", f"/assets/{work.pk}/file/", f"/decisions/{decision.pk}/"):
        assert stage.browser(alice).get(path).status_code in (200, 404), path
    for path in (f"/review/{case.pk}/", f"/review/{case.pk}/media/"):
        assert stage.browser(ravi).get(path).status_code in (200, 403, 404), path


# --- Over the API ----------------------------------------------------------------------------------------------------


def test_two_people_over_the_api(api: Api, case: Case, rita: User, ravi: User, bob: User) -> None:
    asked = {**CHOICE, "outcome": "remove", "version": Case.objects.get(pk=case.pk).version}
    made = api(rita).post(f"/api/v1/cases/{case.pk}/decisions", asked, format="json")
    assert (made.status_code, made.data["state"], made.data["held_for"]) == (201, "held", ["office.terms.two_keys"])
    address = f"/api/v1/decisions/{made.data['id']}"
    agreed = {"version": Case.objects.get(pk=case.pk).version}
    assert api(rita).post(f"{address}/approval", agreed, format="json").status_code == 403
    assert api(bob).post(f"{address}/approval", agreed, format="json").status_code == 403
    assert api(ravi).post(f"{address}/approval", {}, format="json").status_code == 400
    assert api(ravi).post(f"{address}/return", {"reason": "x"}, format="json").status_code == 400
    assert api(ravi).post(f"{address}/approval", agreed, format="json").data["state"] == "in_effect"
    assert api(ravi).post(f"{address}/approval", agreed, format="json").status_code in (403, 409)


def test_an_interim_measure_is_suggested_over_the_api(api: Api, case: Case, rita: User) -> None:
    suggestion = api(rita).get(f"/api/v1/cases/{case.pk}/interim").data
    assert (suggestion["outcome"], suggestion["rule_id"]) == ("label", "office.terms.review")


def test_records_for_the_transparency_database_over_the_api(api: Api, case: Case, rita: User, ravi: User) -> None:
    decision = decisions.decide(case, rita, **CHOICE)
    address = f"/api/v1/decisions/{decision.pk}/dsa-statement"
    assert api(rita).get(address).status_code == 403
    assert api(ravi).get(address).data["puid"], "a look takes nothing out of the bulk"
    assert decision.statements.get(recipient="uploader").exported_at is None
    (one,) = api(ravi).post("/api/v1/dsa-statements").data["statements"]
    assert tdb.problems(one) == {}
    assert api(ravi).post("/api/v1/dsa-statements").data == {"statements": [], "refused": {}}
    assert api(ravi).post(address).status_code == 409
    assert api(ravi).post(f"{address}?again={one['puid']}").data["puid"] == one["puid"]
    reads = with_token(ravi, Scope.CASES_READ)
    assert (reads.get(address).status_code, reads.post(address).status_code) == (200, 403)
    assert api(ravi).post("/api/v1/dsa-statements?since=yesterday").status_code == 400


def test_a_correction_over_the_api(api: Api, case: Case, rita: User) -> None:
    decision = decisions.decide(case, rita, **CHOICE)
    words = {"facts_text": "Corrected: the work shows it.", "explanation": CHOICE["explanation"]}
    made = api(rita).post(f"/api/v1/decisions/{decision.pk}/correction", words, format="json")
    assert made.status_code == 200
    assert all("Corrected: the work shows it." in row["text"] for row in made.data)


# --- Blocked copies --------------------------------------------------------------------------------------------------


def test_leads_take_blocked_copies_off_the_list(case: Case, rita: User, ravi: User, work: Asset) -> None:
    held = decisions.decide(case, rita, **{**CHOICE, "outcome": "hash_block"})
    decisions.approve(held, ravi)
    assert stage.browser(rita).get("/blocked-copies/").status_code == 403
    lead = stage.browser(ravi)
    page = lead.get("/blocked-copies/").content.decode()
    assert "Take off the list" in page
    assert work.original_sha256 not in page
    lead.post(f"/blocked-copies/{held.pk}/withdraw/")
    assert not hashlist.blocked(work.original_sha256)
    assert "Take off the list" not in lead.get("/blocked-copies/").content.decode()
    assert "off the list already" in lead.post(f"/blocked-copies/{held.pk}/withdraw/", follow=True).content.decode()


def test_what_a_notice_put_on_the_list_is_shown_to_leads_and_taken_off(work: Asset, ravi: User) -> None:
    notice, _ = stage.notice(work)
    hashlist.submit(notice, [("pdq-256", "ab" * 32)])
    lead = stage.browser(ravi)
    page = lead.get("/blocked-copies/").content.decode()
    assert notice.number in page
    assert "nothing is refused" in page
    lead.post(f"/blocked-copies/{notice.pk}/withdraw/")
    assert HashEntry.objects.get().state == HashEntry.State.WITHDRAWN
    assert "Take off the list" not in lead.get("/blocked-copies/").content.decode()


def test_dana_keeps_copies_in_sight_without_sending_a_file(api: Api, work: Asset) -> None:
    notice, pin = stage.notice(work)
    address = f"/api/v1/notices/{notice.number}/digests"
    digest = {"algorithm": "pdq-256", "value": "ab" * 32}
    assert api().post(address, {"digests": [digest]}, format="json").status_code == 404
    made = api().post(address, {"digests": [digest]}, format="json", headers={"Assay-Pin": pin})
    assert (made.status_code, made.data[0]["state"]) == (201, "active")
    wrong = {"algorithm": "sha256", "value": "zz"}
    assert api().post(address, {"digests": [wrong]}, format="json", headers={"Assay-Pin": pin}).status_code == 400
    gone = api().delete(address, headers={"Assay-Pin": pin})
    assert [row["state"] for row in gone.data] == ["purged"]
    assert not HashEntry.objects.exclude(value="").exists()


def test_the_desk_says_what_was_decided_and_until_when_an_account_is_suspended(
    case: Case, rita: User, ravi: User, alice: User
) -> None:
    held = decisions.decide(case, rita, **{**CHOICE, "outcome": "suspend"})
    decisions.approve(held, ravi)
    page = stage.browser(alice).get("/desk/").content.decode()
    assert "Suspended for a while" in page
    assert f"/decisions/{held.pk}/" in page
    assert stage.browser(alice).get(f"/decisions/{held.pk}/").status_code == 200


def test_a_warned_uploader_reads_the_reasons_on_the_desk(alice: User) -> None:
    factors = {"absolute": 3, "of": 4, "percent": 75, "gravity": 2, "meant": False}
    row = Misuse.objects.create(kind="uploads", user=alice, factors=factors)
    assert "3 of 4 uploads" not in stage.browser(alice).get("/desk/").content.decode(), "nobody has warned yet"
    Misuse.objects.filter(pk=row.pk).update(state="warned")
    page = stage.browser(alice).get("/desk/").content.decode()
    assert "A warning" in page and "3 of 4 uploads" in page and "You can appeal it" in page
