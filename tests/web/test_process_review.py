"""The review desk: the queue, the seal, the decision."""

import datetime as dt
import io
import uuid
from typing import Any

import pytest
from PIL import Image

from accounts.models import User
from core import storage
from core.clock import now
from ledger.models import Entry
from policy.desk import cases
from policy.models import Case, Decision, MediaView, StatementOfReasons
from provenance.models import Asset
from provenance.registration import register_asset
from tests.provenance import media_made
from tests.web import stage

pytestmark = pytest.mark.django_db

CHOICE = {
    "outcome": "hide",
    "ground": "terms",
    "rule_ids": ["office.terms.consent"],
    "facts_text": "The work shows what the notice describes.",
    "explanation": "The cited clause asks for this outcome.",
}


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def case(work: Asset) -> Case:
    return stage.notice(work)[0].case


def at(case: Case, what: str = "") -> str:
    return f"/review/{case.pk}/{what}"


def test_the_queue_says_why_a_case_is_next_and_when_it_is_due(rita: User, case: Case) -> None:
    page = stage.browser(rita).get("/review/").content.decode()
    assert "Harbour at noon" in page
    assert "Why here:" in page
    assert "office.terms.review" in page
    assert "in 6\xa0days" in page


def test_an_empty_queue_says_so(rita: User) -> None:
    assert "Nothing waits here" in stage.browser(rita).get("/review/").content.decode()


def test_the_queue_filters_by_kind_of_issue(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    assert "Harbour" in browser.get("/review/?category=likeness").content.decode()
    assert "Harbour" not in browser.get("/review/?category=fraud").content.decode()
    assert "Harbour" not in browser.get("/review/?show=mine").content.decode()
    assert browser.get("/review/?show=decided").status_code == 200


@pytest.mark.parametrize("page", ["", "take/", "release/", "unseal/", "media/", "decide/"])
def test_the_desk_is_closed_to_creators_and_strangers(alice: User, greta: User, case: Case, page: str) -> None:
    method = "get" if page in ("", "media/") else "post"
    for user in (alice, greta):
        assert getattr(stage.browser(user), method)(at(case, page)).status_code == 403
    assert "/account/login/" in getattr(stage.browser(), method)(at(case, page))["Location"]


def test_a_reviewer_finds_nothing_of_a_case_in_which_they_are_a_party(rita: User, photo: bytes) -> None:
    own = stage.notice(stage.work(rita, photo, "Rita’s own"))[0].case
    assert stage.browser(rita).get(at(own)).status_code == 404
    assert stage.browser(rita).get(at(own, "media/")).status_code == 404
    assert "Rita’s own" not in stage.browser(rita).get("/review/").content.decode()


def test_next_case_takes_the_first_and_sends_two_reviewers_to_two_cases(
    rita: User, ravi: User, case: Case, work: Asset
) -> None:
    other = stage.notice(work, category="fraud")[0].case
    first = stage.browser(rita).post("/review/next/")["Location"]
    second = stage.browser(ravi).post("/review/next/")["Location"]
    assert {first, second} == {at(case), at(other)}
    assert stage.browser(rita).post("/review/next/")["Location"] == first


def test_next_case_on_a_case_of_ones_own_leads_away_from_it(rita: User, case: Case, work: Asset) -> None:
    other = stage.notice(work, category="fraud")[0].case
    mine = stage.browser(rita).post("/review/next/")["Location"]
    there = stage.browser(rita).post("/review/next/", {"after": mine.split("/")[-2]})["Location"]
    assert {mine, there} == {at(case), at(other)}


def test_draft_stands_beside_each_rule_that_can_be_cited(rita: User, case: Case) -> None:
    stage.browser(rita).post(at(case, "take/"))
    assert "office.terms.consent · draft" in stage.browser(rita).get(at(case)).content.decode()


def test_of_two_who_take_a_case_the_second_is_told(rita: User, ravi: User, case: Case) -> None:
    stage.browser(rita).post(at(case, "take/"))
    answer = stage.browser(ravi).post(at(case, "take/"), follow=True)
    assert "cannot become yours" in answer.content.decode()
    case.refresh_from_db()
    assert case.assigned_to == rita


def test_a_case_is_put_back_without_a_reason(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    browser.post(at(case, "take/"))
    browser.post(at(case, "release/"))
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == ("open", None)


# --- The seal ------------------------------------------------------------------------------------------------------


def body(answer: Any) -> bytes:
    """The bytes; consuming them closes the file behind them."""
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def test_only_a_few_pixels_leave_the_office_until_a_reason_is_logged(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    sealed = browser.get(at(case, "media/"))
    assert sealed["Content-Type"] == "image/png"
    assert len(body(sealed)) < 2_000
    assert "no-store" in sealed["Cache-Control"]
    assert "seal-closed" in browser.get(at(case) + "?step=clear").content.decode()
    assert not MediaView.objects.exists()


def grey(data: bytes) -> bool:
    """Whether the picture has no colour."""
    return Image.open(io.BytesIO(data)).mode == "L"


def test_i20_unsealing_logs_each_step_and_sends_no_more_than_it(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    assert browser.post(at(case, "unseal/"), {"reason": ""}, follow=True).status_code == 200
    assert not MediaView.objects.exists()
    assert body(browser.get(at(case, "media/?step=clear"))).startswith(b"\x89PNG")
    browser.post(at(case, "unseal/"), {"reason": "To compare with the notice", "step": "soft"})
    soft = body(browser.get(at(case, "media/?step=clear")))
    assert "seal-soft" in browser.get(at(case) + "?step=clear").content.decode()
    browser.post(at(case, "unseal/"), {"step": "grey"})
    clearer = body(browser.get(at(case, "media/")))
    assert grey(soft) and grey(clearer) and soft != clearer
    browser.post(at(case, "unseal/"), {"step": "clear"})
    assert body(browser.get(at(case, "media/"))).startswith(b"\xff\xd8")
    assert body(browser.get(at(case, "media/?step=soft"))) == soft
    assert "seal-soft" in browser.get(at(case) + "?step=soft").content.decode()
    views = MediaView.objects.order_by("pk").values_list("reviewer", "step", "reason")
    assert list(views) == [(rita.pk, step, "To compare with the notice") for step in ("soft", "grey", "clear")]
    assert Entry.objects.filter(type="media:viewed").count() == 3


def test_no_step_is_skipped_on_the_page(rita: User, case: Case) -> None:
    page = stage.browser(rita).post(at(case, "unseal/"), {"reason": "At once", "step": "clear"}, follow=True)
    assert "seal-closed" in page.content.decode()
    assert not MediaView.objects.exists()


@pytest.mark.parametrize(
    ("media_type", "words", "disposition", "served_as"),
    [
        ("audio/wav", "<audio ", "inline", "audio/wav"),
        ("audio/ogg", "<audio ", "inline", "audio/ogg"),
        ("video/quicktime", "<video ", "inline", "video/quicktime"),
        ("image/svg+xml", "Download the file under review", "attachment", "image/svg+xml"),
        ("application/pdf", "Download the file under review", "attachment", "application/pdf"),
        ("text/plain", "Download the file under review", "attachment", "application/octet-stream"),
    ],
)
def test_a_reviewer_hears_sees_or_downloads_a_work_of_any_kind(
    media_type: str, words: str, disposition: str, served_as: str, alice: User, rita: User
) -> None:
    with storage.receive([media_made.make(media_type)]) as scratch:
        case = stage.notice(register_asset(alice, scratch, title="A work"))[0].case
    browser = stage.browser(rita)
    assert words not in browser.get(at(case)).content.decode()
    for _ in range(4):  # as many steps as there are for this kind
        browser.post(at(case, "unseal/"), {"reason": "To compare with the notice"})
    assert words in browser.get(at(case)).content.decode()
    answer = browser.get(at(case, "media/?clip"))
    assert (answer["Content-Disposition"].partition(";")[0], answer["Content-Type"]) == (disposition, served_as)
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert len(body(answer)) > 20


def test_the_reason_of_one_reviewer_opens_nothing_for_another(rita: User, ravi: User, case: Case) -> None:
    stage.browser(rita).post(at(case, "unseal/"), {"reason": "To compare with the notice"})
    assert stage.browser(ravi).get(at(case, "media/"))["Content-Type"] == "image/png"


def test_a_reason_holds_for_an_hour(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    browser.post(at(case, "unseal/"), {"reason": "To compare with the notice"})
    MediaView.objects.update(created_at=now() - dt.timedelta(minutes=61))
    assert browser.get(at(case, "media/"))["Content-Type"] == "image/png"


def test_a_case_without_a_file_has_no_media(rita: User) -> None:
    case = stage.notice(None, url_or_text="https://example.net/elsewhere")[0].case
    browser = stage.browser(rita)
    assert "A work we do not hold" in browser.get(at(case)).content.decode()
    assert browser.get(at(case, "media/")).status_code == 404


# --- Deciding ------------------------------------------------------------------------------------------------------


def test_the_case_page_shows_notice_clocks_and_facts(rita: User, case: Case) -> None:
    page = stage.browser(rita).get(at(case)).content.decode()
    for expected in (
        "I never agreed to it",
        "How this was computed",
        "Advice about pixels",
        "People shown",
        "Clocks",
        "draft",
    ):
        assert expected in page, expected
    assert "dana@example.org" not in page


def test_the_statement_is_read_before_anything_is_decided(rita: User, case: Case) -> None:
    browser = stage.browser(rita)
    browser.post(at(case, "take/"))
    preview = browser.post(at(case, "decide/"), CHOICE).content.decode()
    assert "Check the statement of reasons" in preview
    assert "The work is now hidden from the public." in preview
    assert "The cited clause asks for this outcome." in preview
    assert not Decision.objects.exists()
    edited = browser.post(at(case, "decide/"), {**CHOICE, "edit": "yes"}).content.decode()
    assert "The cited clause asks for this outcome.</textarea>" in edited
    answer = browser.post(at(case, "decide/"), {**CHOICE, "confirm": "yes"})
    decision = Decision.objects.get()
    assert answer["Location"] == f"/decisions/{decision.pk}/"
    assert StatementOfReasons.objects.filter(decision=decision).count() == 2
    assert "To the notifier" in browser.get(answer["Location"]).content.decode()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rule_ids": []}, "A decision names at least one rule."),
        ({"ground": "illegal"}, "The ground is a law: cite its article about works."),
        ({"facts_text": "Write to dana@example.org about it."}, "Leave out e-mail addresses"),
        ({"explanation": "Because."}, "at least 10 characters"),
        ({"outcome": "delete"}, "Select a valid choice."),
    ],
)
def test_a_wrong_decision_is_explained_and_not_taken(
    rita: User, case: Case, changed: dict[str, Any], said: str
) -> None:
    browser = stage.browser(rita)
    browser.post(at(case, "take/"))
    answer = browser.post(at(case, "decide/"), {**CHOICE, "confirm": "yes", **changed})
    assert answer.status_code in (400, 422)
    assert said in answer.content.decode()
    assert not Decision.objects.exists()


def test_a_case_in_other_hands_is_not_decided(rita: User, ravi: User, case: Case) -> None:
    cases.assign(case, rita)
    answer = stage.browser(ravi).post(at(case, "decide/"), {**CHOICE, "confirm": "yes"})
    assert answer.status_code == 403
    assert not Decision.objects.exists()


def test_hiding_what_is_not_held_is_refused_on_the_page(rita: User) -> None:
    case = stage.notice(None, url_or_text="https://example.net/elsewhere")[0].case
    browser = stage.browser(rita)
    browser.post(at(case, "take/"))
    answer = browser.post(at(case, "decide/"), CHOICE)
    assert answer.status_code == 409
    assert "nothing this office could restrict" in answer.content.decode()


def test_a_decision_needs_the_pages_own_token(rita: User, case: Case) -> None:
    cases.assign(case, rita)
    answer = stage.browser(rita, csrf=True).post(at(case, "decide/"), {**CHOICE, "confirm": "yes"})
    assert answer.status_code == 403
    assert not Decision.objects.exists()


def test_no_page_of_the_desk_has_an_inline_script_or_style(rita: User, case: Case) -> None:
    for page in ("/review/", at(case)):
        text = stage.browser(rita).get(page).content.decode()
        assert " style=" not in text
        assert "<style" not in text
        assert all("src=" in tag for tag in text.split("<script")[1:])


def test_an_unknown_case_is_not_found(rita: User) -> None:
    assert stage.browser(rita).get(f"/review/{uuid.uuid4()}/").status_code == 404
