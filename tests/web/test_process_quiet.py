"""What the pages do not do: accuse a work in public, ask for what nobody may send, keep a stranger's door open."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import User
from core.clock import now
from ledger.models import Entry
from policy.consents import consent
from policy.desk import cases
from policy.filing import notice_ends, notices
from policy.models import DataRequest, Notice, Signal
from policy.rights import data_requests
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db
FACTS = {"category": "child_safety", "shown": "no", "jurisdiction": "EU", "step": "facts"}


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


def blurred(work: Asset) -> bool:
    return 'class="plate sealed"' in stage.browser().get(f"/assets/{work.pk}/").content.decode()


# --- A work is blurred, and nobody accused -------------------------------------------------------------------------


def test_a_work_is_blurred_without_saying_why(work: Asset) -> None:
    stage.notice(work, category="ncii")
    page = stage.browser().get(f"/assets/{work.pk}/").content.decode()
    assert 'class="plate sealed"' in page and "It is blurred until you ask to see it." in page
    assert "reported" not in page.split('class="plate sealed"')[1].split("</figure>")[0]


def test_a_work_is_clear_again_when_the_notice_is_taken_back(work: Asset) -> None:
    notice, _ = stage.notice(work, category="ncii")
    assert blurred(work)
    notice_ends.withdraw(notice)
    assert not blurred(work), "the case waits for a reviewer, and nothing stands in it"


def test_a_work_is_clear_again_when_the_notice_is_unfounded(work: Asset, rita: User) -> None:
    notice, _ = stage.notice(work, category="ncii")
    cases.assign(notice.case, rita)
    notice_ends.unfounded(notice, rita, "nothing_there")
    assert not blurred(work)


def test_a_notice_with_something_missing_blurs_no_longer_than_the_time_to_decide(work: Asset) -> None:
    notice, _ = stage.notice(work, category="ncii", jurisdiction="US", name="", email="", sworn=[])
    assert notice.state == Notice.State.INCOMPLETE and blurred(work)
    with time_machine.travel(now() + dt.timedelta(days=40)):
        assert not blurred(work)


def test_a_complete_notice_blurs_until_somebody_decides_however_late_we_are(work: Asset) -> None:
    notice, _ = stage.notice(work, category="ncii")
    assert notice.state == Notice.State.VALID
    with time_machine.travel(now() + dt.timedelta(days=40)):
        assert blurred(work)


# --- What nobody is to send ----------------------------------------------------------------------------------------


def test_a_file_about_a_child_is_refused_unread(photo: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr("core.storage.receive", read)
    before = stage.stored_files()
    said = {**FACTS, "asset": "", "file": SimpleUploadedFile("it.jpg", photo)}
    answer = stage.browser().post("/report/", said)
    assert answer.status_code == 422 and "Do not send us the picture; we did not look at it." in answer.content.decode()
    assert stage.stored_files() == before and not Notice.objects.exists()


def test_the_form_says_so_before_it_asks_for_a_file() -> None:
    page = stage.browser().get("/report/").content.decode()
    assert page.index("do not send us the picture") < page.index('type="file"')


# --- Doors ---------------------------------------------------------------------------------------------------------


def test_signing_in_closes_what_was_opened_with_a_pin(work: Asset, bob: User) -> None:
    notice, pin = stage.notice(work)
    telephone = stage.browser()
    telephone.post("/notice/", {"number": notice.number, "pin": pin})
    assert telephone.get(f"/notice/{notice.number}/").status_code == 200
    telephone.force_login(bob, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = telephone.get(f"/notice/{notice.number}/")
    assert "never agreed" not in answer.content.decode() and "open_notices" not in telephone.session


@pytest.fixture
def link(work: Asset, alice: User) -> str:
    return consent.ask_consent(work, alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"])[1]


def test_reading_a_consent_page_writes_nothing_and_an_answer_says_what_the_browser_says(link: str) -> None:
    browser, before = stage.browser(), Entry.objects.count()
    page = browser.get(link, HTTP_SEC_GPC="1").content.decode()
    assert "It is neither a yes nor a no" in page
    assert Entry.objects.count() == before and not Signal.objects.exists()
    browser.post(f"{link}answer/", {"answer": "no"}, HTTP_SEC_GPC="1")
    assert Signal.objects.get().kind == "gpc"


# --- A reviewer's downloads, and one's own data ----------------------------------------------------------------------


def test_a_reviewer_reads_that_a_pdf_comes_as_it_was_sent(work: Asset, rita: User) -> None:
    notice, _ = stage.notice(work)
    notices.attach(notice, SimpleUploadedFile("letter.pdf", b"%PDF-1.7 a letter"))
    cases.assign(notice.case, rita)
    page = stage.browser(rita).get(f"/review/{notice.case_id}/").content.decode()
    assert "a PDF can hold scripts and links" in page


def test_taking_and_erasing_come_first_and_long_lists_are_folded(work: Asset) -> None:
    notice, pin = stage.notice(work)
    browser = stage.browser()
    page: Any = browser.post("/my-data/", {"number": notice.number, "pin": pin})["Location"]
    for _ in range(4):
        data_requests.ask(notice.filer, DataRequest.Kind.ACCESS)
    text = browser.get(page).content.decode()
    assert text.index("Take it with you") < text.index("Erase it") < text.index("In our records")
    assert "entries</summary>" in text
