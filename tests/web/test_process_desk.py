"""The desk around the cases: finding, asking, giving back, one's own exposure, the roster, and second looks."""

import re
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from detection.models import Finding, Run
from ledger.models import Entry
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, DeclaredConflict, Notice, Recusal, ReviewerProfile, SecondReview
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def case(work: Asset) -> Case:
    return stage.notice(work)[0].case


@pytest.fixture
def mine(case: Case, rita: User) -> Case:
    return cases.assign(case, rita)


def at(case: Case, what: str = "") -> str:
    return f"/review/{case.pk}/{what}"


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


# --- The queue -----------------------------------------------------------------------------------------------------


def test_a_case_is_found_from_the_queue_page_also_when_it_is_decided(rita: User, ravi: User, case: Case) -> None:
    number = Notice.objects.get().number
    stage.decide(case, ravi)
    page = text(stage.browser(rita).get("/review/", {"q": number}))
    assert "Harbour at noon" in page
    assert "Nothing found" in text(stage.browser(rita).get("/review/", {"q": "Lighthouse"}))


def test_filters_of_the_page_narrow_it_and_nonsense_in_them_is_ignored(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    assert "Harbour" in text(browser.get("/review/", {"place": "EU", "language": "en", "state": "open"}))
    for wanted in ({"place": "IN"}, {"state": "proposed"}, {"overdue": "on"}, {"language": "de"}):
        assert "Harbour" not in text(browser.get("/review/", wanted)), wanted
    assert browser.get("/review/", {"place": "Atlantis", "page": "many", "show": "everything"}).status_code == 200


def test_i24_a_childs_case_is_on_its_own_page_only(rita: User, work: Asset) -> None:
    child = stage.notice(work, category="child_safety")[0].case
    browser = stage.browser(rita)
    assert "Harbour" not in text(browser.get("/review/"))
    assert "Harbour" in text(browser.get("/review/children/"))
    assert browser.post("/review/next/", {"children": "yes"})["Location"] == at(child)
    ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    assert browser.get("/review/children/").status_code == 403
    assert browser.get(at(child)).status_code == 404
    assert "/review/children/" not in text(browser.get("/review/"))


def test_a_lead_puts_back_what_another_has_and_a_proposer_takes_a_proposal_back(
    rita: User, ravi: User, case: Case
) -> None:
    lead, reviewer = stage.browser(ravi), stage.browser(rita)
    cases.assign(case, rita)
    proposal = decisions.decide(case, rita, outcome="remove", **stage.TERMS)
    assert "Take the proposal back" in text(reviewer.get(f"/approvals/{proposal.pk}/"))
    assert "Take the proposal back" not in text(lead.get(f"/approvals/{proposal.pk}/"))
    assert lead.post(f"/approvals/{proposal.pk}/withdraw/").status_code == 403
    assert reviewer.post(f"/approvals/{proposal.pk}/withdraw/")["Location"] == at(case)
    assert "Put it back into the queue" not in text(reviewer.get(at(case)))
    assert "Put it back into the queue, away from Rita" in text(lead.get(at(case)))
    back = f"{at(case)}take-back/"
    assert "Nothing was changed" in text(lead.post(back, {"why": ""}, follow=True))
    assert "back in the queue" in text(lead.post(back, {"why": "Rita is ill."}, follow=True))
    assert Case.objects.get(pk=case.pk).state == "open"


def test_who_was_not_trained_reads_what_to_do(rita: User, case: Case) -> None:
    ReviewerProfile.objects.all().delete()
    browser = stage.browser(rita)
    page = text(browser.get("/review/"))
    assert "Ask a lead reviewer" in page
    assert "Harbour" not in page
    assert "Ask a lead reviewer" in text(browser.post("/review/next/", follow=True))


@pytest.mark.parametrize("address", ["/review/", "/review/?q=likeness", "case"])
def test_pages_of_the_desk_take_the_same_queries_for_5_and_for_60_cases(
    address: str, rita: User, alice: User, work: Asset, case: Case
) -> None:
    """The acceptance of issue 6: the queue page, the case page and search."""
    browser, asked = stage.browser(rita), []
    address = at(case) if address == "case" else address
    for many in (5, 60):
        copies = [
            Case(category="likeness", jurisdictions=["EU"], entry=case.entry, next_rule_id="office.terms.review")
            for _ in range(many - Case.objects.count())
        ]
        Case.objects.bulk_create(copies)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert browser.get(address).status_code == 200
        asked.append(len(queries))
    assert asked[0] == asked[1] > 5, asked


# --- A case --------------------------------------------------------------------------------------------------------


def test_i_should_not_review_this(rita: User, ravi: User, mine: Case) -> None:
    browser = stage.browser(rita)
    assert "I should not review this" in text(browser.get(at(mine)))
    answer = browser.post(at(mine, "recuse/"), {"why": "conflict"}, follow=True)
    assert "does not come to you again" in text(answer)
    assert "Harbour" not in text(answer)
    assert browser.get(at(mine)).status_code == 404
    assert Recusal.objects.get().reviewer == rita
    for page in ("/review/", "/review/roster/", "/review/quality/"):
        assert "knows somebody" not in text(stage.browser(ravi).get(page))
    assert "Harbour" in text(stage.browser(ravi).get("/review/"))


def test_the_filer_is_asked_and_the_case_waits(rita: User, mine: Case) -> None:
    browser, notice = stage.browser(rita), Notice.objects.get()
    assert "Choose what to ask for" in text(browser.post(at(mine, "ask/"), {"notice": notice.pk}, follow=True))
    page = text(browser.post(at(mine, "ask/"), {"notice": notice.pk, "fields_asked": ["place"]}, follow=True))
    assert "Waiting for the filer" in page
    mine.refresh_from_db()
    assert mine.state == "awaiting_info"
    assert "waiting for the filer" in text(browser.get("/review/?show=mine"))


def test_r25_who_filed_is_shown_for_a_reason_once(rita: User, mine: Case) -> None:
    browser, number = stage.browser(rita), Notice.objects.get().number
    assert "Dana Hill" not in text(browser.get(at(mine)))
    assert browser.post(at(mine, f"filer/{number}/"), {"reason": ""}).status_code == 422
    assert "Dana Hill" in text(browser.post(at(mine, f"filer/{number}/"), {"reason": "To write to her"}))
    assert Entry.objects.filter(type="access:audited").count() == 1
    assert browser.get(at(mine, f"filer/{number}/")).status_code == 405
    assert browser.post(at(mine, "filer/AS-2026-0000-0000/"), {"reason": "To write to her"}).status_code == 404


def test_the_case_page_says_what_is_on_record_and_what_others_decided(
    rita: User, ravi: User, mine: Case, bob: User, photo: bytes
) -> None:
    stage.decide(stage.notice(stage.work(bob, photo, "Another"))[0].case, ravi, outcome="label")
    page = text(stage.browser(rita).get(at(mine)))
    assert "notice filed" in page
    assert "The last 1 about the same kind of issue" in page
    assert re.search(r"Label <span class=\"number\">1</span>", page)
    assert "What this case matched" in page
    assert page.index('value="office.terms.review"') < page.index('value="office.terms.consent"')


def test_a_decision_on_an_old_page_is_refused_says_what_is_new_and_keeps_what_was_written(
    rita: User, mine: Case, work: Asset
) -> None:
    browser = stage.browser(rita)
    seen = re.search(r'name="version" value="(\d+)"', browser.get(at(mine)).content.decode())
    assert seen is not None
    stage.notice(work, statement="I am in this picture as well, at the left.")
    choice = {**stage.TERMS, "outcome": "label", "confirm": "yes"}
    answer = browser.post(at(mine, "decide/"), {**choice, "version": seen[1]})
    assert answer.status_code == 409
    assert "This case changed since you opened it" in text(answer)
    assert "The cited clause asks for this outcome.</textarea>" in text(answer)
    again = re.search(r'name="version" value="(\d+)"', answer.content.decode())
    assert again is not None
    assert browser.post(at(mine, "decide/"), {**choice, "version": again[1]}).status_code == 302


def test_every_key_of_the_help_has_something_on_the_page_to_press(rita: User, mine: Case) -> None:
    browser = stage.browser(rita)
    page = browser.get(at(mine)).content.decode()
    for key in ("n", "u-first", "d", "p"):
        assert f'data-key="{key}"' in page, key
    for field in ('name="rule_ids"', 'name="explanation"', 'type="radio" name="outcome"'):
        assert field in page
    listed = browser.get("/review/?show=mine").content.decode()
    assert "data-row" in listed and 'data-key="/"' in listed


def test_where_a_detector_saw_something_is_shown_of_a_hidden_work_once_it_is_seen_clearly(
    rita: User, mine: Case, work: Asset
) -> None:
    key = "heat/of-a-hidden-work.png"
    storages["media"].save(key, ContentFile(b"\x89PNG of the heat map"))
    run = Run.objects.create(asset=work, detector="forensics", version="1", model_digest="sha256:0", state="done")
    said = {"signal": "seam", "strength": "weak", "statement": "A seam.", "answer": "signals"}
    finding = Finding.objects.create(run=run, heatmap_key=key, **said)
    Asset.objects.filter(pk=work.pk).update(restriction="hidden")
    browser, heat = stage.browser(rita), at(mine, f"heat/{finding.pk}/")
    assert browser.get(f"/assets/{work.pk}/heat/{finding.pk}/").status_code == 403
    for step in ("soft", "grey"):
        browser.post(at(mine, "unseal/"), {"reason": "To compare", "step": step})
        assert browser.get(heat).status_code == 404
        assert heat not in text(browser.get(at(mine)))
    browser.post(at(mine, "unseal/"), {"step": "clear"})
    assert heat in text(browser.get(at(mine)))
    answer = browser.get(heat)
    assert b"".join(answer) == b"\x89PNG of the heat map"
    assert "no-store" in answer["Cache-Control"]


# --- People --------------------------------------------------------------------------------------------------------


def test_the_roster_is_for_leads_and_changes_what_comes_to_whom(rita: User, ravi: User, case: Case) -> None:
    entry = f"/review/roster/{rita.pk}/"
    assert stage.browser(rita).get("/review/roster/").status_code == 403
    assert stage.browser(rita).post(entry).status_code == 403
    lead = stage.browser(ravi)
    assert "R-Rita" in text(lead.get("/review/roster/"))
    said = {"trained": ["copyright"], "languages": "en, fr", "budget": "40"}
    assert lead.post(entry, said)["Location"] == "/review/roster/"
    profile = ReviewerProfile.objects.get(user=rita)
    assert (list(profile.trained), profile.languages, profile.budget) == (["copyright"], ["en", "fr"], 40)
    assert "Harbour" not in text(stage.browser(rita).get("/review/"))
    assert lead.post(entry, {**said, "languages": "English"}).status_code == 422
    assert "their own entry" in text(lead.post(f"/review/roster/{ravi.pk}/", said))


def test_my_exposure_says_what_is_left_and_takes_stricter_wishes_only(rita: User, mine: Case) -> None:
    browser = stage.browser(rita)
    browser.post(at(mine, "unseal/"), {"reason": "To compare", "step": "soft"})
    assert "58 of 60 points left" in text(browser.get("/review/exposure/"))
    assert "for more." in text(browser.post("/review/exposure/", {"highest": "soft", "daily": "90"}))
    browser.post("/review/exposure/", {"highest": "soft", "daily": "20"})
    assert ReviewerProfile.objects.get(user=rita).floor == {"highest": "soft", "daily": 20}
    assert "chose not to show you more" in text(browser.get(at(mine)))
    browser.post("/review/exposure/pause/")
    assert "paused" in text(browser.get("/review/"))


def test_a_conflict_is_declared_and_ended_on_its_page(rita: User, alice: User, case: Case) -> None:
    browser = stage.browser(rita)
    assert browser.post("/review/conflicts/", {"email": "nobody@example.org"}).status_code == 422
    browser.post("/review/conflicts/", {"email": alice.email})
    assert browser.get(at(case)).status_code == 404
    row = DeclaredConflict.objects.get()
    assert stage.browser(alice).post(f"/review/conflicts/{row.pk}/end/").status_code == 403
    browser.post(f"/review/conflicts/{row.pk}/end/")
    assert browser.get(at(case)).status_code == 200


# --- Second looks --------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(case: Case, rita: User, settings: Any) -> SecondReview:
    settings.ASSAY_SECOND_REVIEW_PERCENT = 100
    stage.decide(case, rita)
    return SecondReview.objects.get()


def test_r31_the_second_look_shows_nothing_of_the_first_answer(
    drawn: SecondReview, rita: User, ravi: User, case: Case
) -> None:
    assert "Look again" not in text(stage.browser(rita).get("/review/"))
    browser = stage.browser(ravi)
    assert "Look again" in text(browser.get("/review/"))
    address = browser.post("/review/again/")["Location"]
    assert browser.get(at(case))["Location"] == address
    page = text(browser.get(address))
    assert "A second look" in page and "I never agreed to it" in page
    for told in ("Hidden", "confirmed by a decision", "Rita", "/decisions/", f"/assets/{case.asset_id}/"):
        assert told not in page, told
    assert browser.post(address, {"outcome": "label"}).status_code == 422
    browser.post(address, {"outcome": "label", "rule_ids": ["office.terms.consent"]})
    drawn.refresh_from_db()
    assert (drawn.outcome, drawn.reviewer) == ("label", ravi)
    assert browser.get(at(case)).status_code == 200
    assert stage.browser(rita).get("/review/quality/").status_code == 403
    quality_page = text(browser.get("/review/quality/"))
    assert "first Hide, then Label" in quality_page
    assert "Rita" not in quality_page
