"""The creator asks, the person answers through a link; what is held can be seen and erased."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from detection import examination, registry
from policy.consents import bases
from policy.consents import consent as consents
from policy.deciding import hashlist
from policy.models import Consent, DataRequest, Flag, Signal
from provenance.models import Asset
from tests.web import stage
from web.consent import people_shown
from web.qr import qr

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def link(alice: User, work: Asset) -> str:
    """Dana's link."""
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish", "train"]}
    return consents.ask_consent(work, alice, **said)[1]  # type: ignore[arg-type]


def test_alice_asks_and_sees_the_link_and_its_code_once(alice: User, work: Asset) -> None:
    browser, page = stage.browser(alice), f"/studio/{work.pk}/consent/"
    answer = browser.post(page, {"name": "Dana Hill", "contact": "", "purposes": ["publish"]})
    assert answer.status_code == 302
    first = browser.get(page).content.decode()
    found = re.search(r'id="consent-link">(http://testserver/consent/[^<]+)<', first)
    assert found
    assert '<div class="qr" role="img"' in first and "<svg viewBox" in first and "style=" not in first
    assert "Dana Hill, do you agree?" in stage.browser().get(found[1]).content.decode()
    again = browser.get(page).content.decode()
    assert "/consent/" not in again.replace(page, "")
    assert "Dana Hill" in again and 'class="qr"' not in again


def test_the_code_is_the_link() -> None:
    drawn = str(qr("https://office.example/consent/abc/", "The link"))
    assert (
        drawn == str(qr("https://office.example/consent/abc/", "The link")) != str(qr("https://x.example/", "The link"))
    )
    assert "office.example" not in drawn


def test_asking_without_a_purpose_is_refused_beside_the_question(alice: User, work: Asset) -> None:
    answer = stage.browser(alice).post(f"/studio/{work.pk}/consent/", {"name": "Dana"})
    assert answer.status_code == 422
    assert not Consent.objects.exists()


def test_nobody_asks_about_the_work_of_another(bob: User, rita: User, work: Asset) -> None:
    page = f"/studio/{work.pk}/consent/"
    assert stage.browser(bob).get(page).status_code == 404
    assert stage.browser(rita).get(page).status_code == 403
    assert stage.browser().get(page).status_code == 302


def test_dana_answers_each_purpose_and_withdraws_without_an_account(link: str, work: Asset) -> None:
    browser = stage.browser()
    page = browser.get(link)
    text = page.content.decode()
    assert "Train software with it" in text and "checked" not in text, "nothing is ticked for anybody"
    assert text.count('class="button" type="submit" name="answer"') == 2, "no is as easy as yes"
    assert page["Referrer-Policy"] == "same-origin"
    assert "noindex" in page["X-Robots-Tag"]
    assert "no-store" in page["Cache-Control"]
    assert browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 302
    row = Consent.objects.get()
    assert (row.state, row.granted) == ("given", ["publish"])
    assert "Withdraw everything" in browser.get(link).content.decode()
    browser.post(f"{link}answer/", {"answer": "withdraw"})
    assert Consent.objects.get().state == "withdrawn"
    assert Flag.objects.get().asset == work


def test_i9_dana_withdraws_her_digests_too_and_who_knows_only_the_link_does_not(link: str) -> None:
    notice, pin = stage.notice(None, url_or_text="elsewhere")
    [entry] = hashlist.submit(notice, [("sha256", "a" * 64)])
    hers, alices = stage.browser(), stage.browser()
    hers.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    hers.post(f"{link}pin/", {"pin": stage.mailed_pin()})
    withdrawal = {"answer": "withdraw", "digests_of": notice.number}
    assert notice.number not in alices.get(link).content.decode()
    alices.post(f"{link}answer/", withdrawal)
    entry.refresh_from_db()
    assert (Consent.objects.get().state, entry.state) == ("withdrawn", "active")
    hers.post("/notice/", {"number": notice.number, "pin": pin})
    assert f"with notice {notice.number}" in hers.get(link).content.decode()
    hers.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    hers.post(f"{link}answer/", withdrawal)
    entry.refresh_from_db()
    assert (Consent.objects.get().state, entry.state) == ("withdrawn", "withdrawn")


def test_dana_says_no(link: str) -> None:
    page = stage.browser().post(f"{link}answer/", {"answer": "no"}, follow=True)
    assert Consent.objects.get().state == "refused"
    assert "You said no." in page.content.decode()


def test_nothing_ticked_is_said_beside_the_question_and_changes_nothing(link: str) -> None:
    answer = stage.browser().post(f"{link}answer/", {"answer": "yes"})
    assert answer.status_code == 422 and "Nothing was ticked" in answer.content.decode()
    assert Consent.objects.get().state == "requested"


@pytest.mark.parametrize("answer", [{"answer": "delete"}, {}, {"answer": "yes", "purposes": ["commercial"]}])
def test_an_answer_to_something_else_changes_nothing(link: str, answer: dict[str, object]) -> None:
    assert stage.browser().post(f"{link}answer/", answer).status_code == 400
    assert Consent.objects.get().state == "requested"


def test_dana_stops_it_for_now_and_says_that_it_was_somebody_else(link: str) -> None:
    browser = stage.browser()
    browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    browser.post(f"{link}answer/", {"answer": "halt"})
    assert Consent.objects.get().state == "halted"
    assert "Agree again to what I ticked" in browser.get(link).content.decode()
    browser.post(f"{link}answer/", {"answer": "not_me"})
    assert Consent.objects.get().state == "invalidated"
    assert 'name="answer"' not in browser.get(link).content.decode()


def test_a_guardian_reads_german_and_says_that_they_may_answer(alice: User, work: Asset) -> None:
    said = {
        "name": "Dana Hill", "contact": "", "purposes": ["publish"], "language": "de",
        "capacity": "guardian", "proxy_name": "Gina Hill", "proxy_contact": "gina@example.org",
        "valid_to": "2060-05-03",
    }  # fmt: skip
    browser = stage.browser(alice)
    browser.post(f"/studio/{work.pk}/consent/", said)
    found = re.search(
        r'id="consent-link">http://testserver([^<]+)<', browser.get(f"/studio/{work.pk}/consent/").content.decode()
    )
    assert found
    page, gina = stage.browser().get(found[1]).content.decode(), stage.browser()
    assert '<div lang="de">' in page and "Sie dürfen zu allem Nein sagen" in page and "Bis wann: 2060-05-03" in page
    assert "Ich bin Elternteil oder Vormund" in page
    yes = {"answer": "yes", "purposes": ["publish"]}
    assert gina.post(f"{found[1]}answer/", yes).status_code == 422
    assert gina.post(f"{found[1]}answer/", {**yes, "entitled": "yes"}).status_code == 302
    assert "Sie haben zugestimmt" in gina.get(found[1]).content.decode()


def test_wrong_terms_are_refused_beside_their_fields(alice: User, work: Asset) -> None:
    said = {"name": "Dana", "purposes": ["publish"], "capacity": "estate", "valid_to": "2001-01-01"}
    answer = stage.browser(alice).post(f"/studio/{work.pk}/consent/", said)
    text = answer.content.decode()
    assert answer.status_code == 422 and "This day is over." in text and "How the person who answers is called" in text
    assert not Consent.objects.exists()


def test_a_browser_with_global_privacy_control_is_told_what_that_is_not(link: str) -> None:
    page = stage.browser().get(link, HTTP_SEC_GPC="1").content.decode()
    assert "It is neither a yes nor a no" in page
    assert not Signal.objects.exists() and Consent.objects.get().state == "requested"


def test_the_page_tells_who_looked_at_the_work_and_on_which_basis(link: str, work: Asset, olga: User) -> None:
    assert "No software has examined this work yet" in stage.browser().get(link).content.decode()
    examination.examine(work, "face")
    page = stage.browser().get(link).content.decode()
    assert "not examined, for want of a basis" in page and registry.detector("face").title in page


def test_the_receipt_page_checks_what_it_shows(link: str, settle: Callable[[], None]) -> None:
    browser = stage.browser()
    browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    assert "has not proved it yet" in browser.get(f"{link}record/").content.decode()
    settle()
    page = browser.get(f"{link}record/").content.decode()
    assert "computed again just now" in page and "ISO/IEC TS 27560" in page and "Dana" not in page


def test_the_owner_sees_each_purpose_and_asks_again_after_a_change(link: str, alice: User, work: Asset) -> None:
    stage.browser().post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    browser, page = stage.browser(alice), f"/studio/{work.pk}/consent/"
    assert "Publish it: <strong>yes</strong>" in browser.get(page).content.decode()
    assert "Train models with it: <strong>no</strong>" in browser.get(page).content.decode()
    row = Consent.objects.get()
    assert browser.post(f"{page}{row.pk}/again/").status_code == 409
    work.manifests.create(label="urn:c2pa:new", sha256="f" * 64, active={}, created_at=now())
    text = browser.get(page).content.decode()
    assert "agreed to an earlier version; ask again" in text and "Make a new link for Dana Hill" in text
    assert browser.post(f"{page}{row.pk}/again/").status_code == 302
    assert "/consent/" in browser.get(page).content.decode().replace(page, "")
    assert stage.browser(alice).post(f"{page}{work.pk}/again/").status_code == 404


def test_the_list_of_people_takes_the_same_queries_for_one_and_for_five(
    alice: User, work: Asset, django_assert_num_queries: Any
) -> None:
    said: dict[str, Any] = {"name": "Dana Hill", "contact": "", "purposes": ["publish"]}
    consents.ask_consent(work, alice, **said)
    with CaptureQueriesContext(connection) as one:
        assert len(people_shown(work, names=True)) == 1
    for _ in range(4):
        consents.ask_consent(work, alice, **said)
    with django_assert_num_queries(len(one)):
        assert [person["name"] for person in people_shown(work, names=True)] == ["Dana Hill"] * 5


def test_a_lead_reviewer_stops_a_consent_and_others_read_why_they_may_not(
    link: str, work: Asset, rita: User, ravi: User, bob: User
) -> None:
    stage.browser().post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]})
    page = f"/consents/{Consent.objects.get().pk}/"
    assert stage.browser(bob).get(page).status_code == 403
    shown = stage.browser(rita).get(page).content.decode()
    assert "Only lead reviewers" in shown and "Dana" not in shown
    assert stage.browser(rita).post(page, {"do": "halt"}).status_code == 403
    assert stage.browser(ravi).post(page, {"do": "erase"}).status_code == 400
    assert stage.browser(ravi).post(page, {"do": "halt"}).status_code == 302
    assert Consent.objects.get().state == "halted"


def test_anybody_reads_the_bases_and_the_notice(olga: User) -> None:
    assert "None is recorded" in stage.browser().get("/bases/").content.decode()
    bases.record(olga, purpose="detect", ground="gdpr.6.1.f", reference="Assessment 7 of the office")
    page = stage.browser().get("/bases/").content.decode()
    assert "Assessment 7 of the office" in page and "in force" in page and "Not legal advice" in page
    notice = stage.browser().get("/consent-notice/1/de/").content.decode()
    assert "Nichts ist für Sie angekreuzt" in notice and 'lang="de"' in notice
    assert stage.browser().get("/consent-notice/1/xx/").status_code == 404


def test_an_answer_needs_the_pages_own_token(link: str) -> None:
    assert (
        stage.browser(csrf=True).post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 403
    )
    assert Consent.objects.get().state == "requested"


def test_a_wrong_link_says_no_more_than_not_found(link: str) -> None:
    wrong = link[:-4] + ("AAA/" if not link.endswith("AAA/") else "BBB/")
    for page in (wrong, f"{wrong}picture/", f"{wrong}receipt/", f"/my-data{wrong}"):
        assert stage.browser().get(page).status_code == 404


def test_the_link_shows_the_picture_and_the_receipt(link: str, work: Asset) -> None:
    picture = stage.browser().get(f"{link}picture/")
    assert picture["Content-Type"] == "image/jpeg"
    assert b"".join(picture.streaming_content).startswith(b"\xff\xd8")  # type: ignore[attr-defined]
    receipt = json.loads(stage.browser().get(f"{link}receipt/").content)
    assert receipt["processing"]["asset"] == str(work.pk)
    assert "Dana" not in json.dumps(receipt)


def test_dana_sees_and_takes_along_what_is_held(link: str) -> None:
    browser = stage.answered(link)
    page = browser.get(f"/my-data{link}").content.decode()
    assert "dana@example.org" in page
    assert "GDPR Art. 6(1)" in page
    package = json.loads(browser.post(f"/my-data{link}", {"do": "access"}).content)
    assert "Dana Hill" in json.dumps(package)
    assert DataRequest.objects.get().kind == "access"


def test_nothing_is_erased_until_the_word_is_typed(link: str) -> None:
    answer = stage.answered(link).post(f"/my-data{link}", {"do": "erase", "confirm": "yes"})
    assert answer.status_code == 422
    assert "the word does not match" in answer.content.decode()
    assert not DataRequest.objects.exists()


def test_erasing_gives_a_receipt_and_the_link_opens_nothing_more(link: str) -> None:
    browser = stage.answered(link)
    answer = browser.post(f"/my-data{link}", {"do": "erase", "confirm": "erase"})
    assert answer.status_code == 302
    receipt = browser.get(answer["Location"]).content.decode()
    request = DataRequest.objects.get()
    assert request.receipt["request"] in receipt
    assert "destroyed" in receipt
    assert "Dana" not in receipt
    assert request.receipt["log"]["root_before"] == request.receipt["log"]["root_after"]
    assert browser.get(link).status_code == 404


def test_the_receipt_is_for_the_browser_that_asked(link: str) -> None:
    stage.answered(link).post(f"/my-data{link}", {"do": "erase", "confirm": "ERASE"})
    answer = stage.browser().get("/my-data/receipt/")
    assert answer.status_code == 302
    assert answer["Location"] == "/my-data/"


def test_a_filer_erases_with_number_and_pin(work: Asset) -> None:
    notice, pin = stage.notice(work)
    browser = stage.browser()
    page = f"/my-data/notice/{notice.number}/"
    assert browser.get(page).status_code == 404
    assert browser.post("/my-data/", {"number": notice.number, "pin": "1"}).status_code == 422
    assert browser.post("/my-data/", {"number": notice.number, "pin": pin})["Location"] == page
    assert "I never agreed to it" in browser.get(page).content.decode()
    browser.post(page, {"do": "erase", "confirm": "ERASE"})
    assert "This was erased" in browser.get(page).content.decode()
    assert "I never agreed to it" not in browser.get(f"/notice/{notice.number}/").content.decode()


def test_an_account_erases_itself_and_is_signed_out(mallory: User) -> None:
    browser = stage.browser(mallory)
    assert "mallory@example.org" in browser.get("/my-data/account/").content.decode()
    answer = browser.post("/my-data/account/", {"do": "erase", "confirm": "ERASE"})
    assert browser.get(answer["Location"]).status_code == 200
    assert browser.get("/my-data/account/").status_code == 302
    mallory.refresh_from_db()
    assert not mallory.is_active
    assert mallory.name == ""


def test_the_account_page_is_for_who_is_signed_in() -> None:
    answer = stage.browser().get("/my-data/account/")
    assert answer.status_code == 302
    assert "/account/login/" in answer["Location"]


def test_a_changed_work_asks_for_a_new_link(link: str, work: Asset) -> None:
    work.manifests.create(label="urn:c2pa:new", sha256="f" * 64, active={}, created_at=now())
    page = stage.browser().get(link).content.decode()
    assert "The work was changed since you were asked" in page
    assert 'value="yes"' not in page
    yes = {"answer": "yes", "purposes": ["publish"]}
    assert stage.browser().post(f"{link}answer/", yes).status_code == 409
