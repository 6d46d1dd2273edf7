"""The creator asks, the person answers through a link; what is held can be seen and erased."""

import json
import re

import pytest

from accounts.models import User
from core.clock import now
from policy import consent as consents
from policy.models import Consent, DataRequest, Flag
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def link(alice: User, work: Asset) -> str:
    """Dana's link."""
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish", "train"]}
    return consents.ask_consent(work, alice, **said)[1]  # type: ignore[arg-type]


def test_alice_asks_and_sees_the_link_once(alice: User, work: Asset) -> None:
    browser, page = stage.browser(alice), f"/studio/{work.pk}/consent/"
    answer = browser.post(page, {"name": "Dana Hill", "contact": "", "purposes": ["publish"]})
    assert answer.status_code == 302
    first = browser.get(page).content.decode()
    found = re.search(r'id="consent-link">(http://testserver/consent/[^<]+)<', first)
    assert found
    assert "Dana, do you agree?" in stage.browser().get(found[1]).content.decode().replace("Dana Hill", "Dana")
    again = browser.get(page).content.decode()
    assert "/consent/" not in again.replace(page, "")
    assert "Dana Hill" in again


def test_asking_without_a_purpose_is_refused_beside_the_question(alice: User, work: Asset) -> None:
    answer = stage.browser(alice).post(f"/studio/{work.pk}/consent/", {"name": "Dana"})
    assert answer.status_code == 422
    assert not Consent.objects.exists()


def test_nobody_asks_about_the_work_of_another(bob: User, rita: User, work: Asset) -> None:
    page = f"/studio/{work.pk}/consent/"
    assert stage.browser(bob).get(page).status_code == 404
    assert stage.browser(rita).get(page).status_code == 403
    assert stage.browser().get(page).status_code == 302


def test_dana_grants_and_withdraws_without_an_account(link: str, work: Asset) -> None:
    browser = stage.browser()
    page = browser.get(link)
    assert "Train models with it" in page.content.decode()
    assert page["Referrer-Policy"] == "same-origin"
    assert "noindex" in page["X-Robots-Tag"]
    assert "no-store" in page["Cache-Control"]
    assert browser.post(f"{link}answer/", {"answer": "grant"}).status_code == 302
    assert Consent.objects.get().state == "given"
    assert "Withdraw my consent" in browser.get(link).content.decode()
    browser.post(f"{link}answer/", {"answer": "withdraw"})
    assert Consent.objects.get().state == "withdrawn"
    assert Flag.objects.get().asset == work


def test_dana_refuses(link: str) -> None:
    stage.browser().post(f"{link}answer/", {"answer": "refuse"})
    assert Consent.objects.get().state == "refused"


def test_an_answer_that_is_none_of_the_three_changes_nothing(link: str) -> None:
    assert stage.browser().post(f"{link}answer/", {"answer": "delete"}).status_code == 400
    assert Consent.objects.get().state == "requested"


def test_an_answer_needs_the_pages_own_token(link: str) -> None:
    assert stage.browser(csrf=True).post(f"{link}answer/", {"answer": "grant"}).status_code == 403
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
    browser = stage.browser()
    page = browser.get(f"/my-data{link}").content.decode()
    assert "dana@example.org" in page
    assert "GDPR Art. 6(1)" in page
    package = json.loads(browser.post(f"/my-data{link}", {"do": "access"}).content)
    assert "Dana Hill" in json.dumps(package)
    assert DataRequest.objects.get().kind == "access"


def test_nothing_is_erased_until_the_word_is_typed(link: str) -> None:
    answer = stage.browser().post(f"/my-data{link}", {"do": "erase", "confirm": "yes"})
    assert answer.status_code == 422
    assert "the word does not match" in answer.content.decode()
    assert not DataRequest.objects.exists()


def test_erasing_gives_a_receipt_and_the_link_opens_nothing_more(link: str) -> None:
    browser = stage.browser()
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
    stage.browser().post(f"/my-data{link}", {"do": "erase", "confirm": "ERASE"})
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
    assert 'value="grant"' not in page
    assert stage.browser().post(f"{link}answer/", {"answer": "grant"}).status_code == 409
