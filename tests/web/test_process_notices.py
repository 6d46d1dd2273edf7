"""Reporting without an account, and coming back with number and PIN."""

import datetime as dt
import hashlib
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.clock import now
from policy.models import Appeal, Clock, Notice
from provenance.models import Asset
from provenance.registration import register_hash
from provenance.restriction import restrict
from tests.web import stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


REPORT = {
    "category": "ncii_deepfake",
    "shown": "me",
    "minor": "no",
    "sworn_tida_not_consensual": "on",
    "jurisdiction": "US",
    "statement": "This shows me and was never taken.",
    "name": "Dana",
    "email": "dana@example.org",
    "good_faith": "on",
}


def report(client: Client, **changed: Any) -> Any:
    return client.post("/report/", {**REPORT, **changed})


def filed(client: Client, asset: Asset) -> tuple[Notice, str]:
    """A notice of Dana's, filed on the page; its PIN as the page showed it."""
    report(client, asset=str(asset.pk))
    page = client.get("/report/filed/").content.decode()
    pin = re.search(r'id="case-pin">(\d+)<', page)
    assert pin
    return Notice.objects.get(), pin[1]


def asked_on(page: str) -> set[str]:
    """The questions that a page shows; what it carries along is not asked."""
    fields = re.findall(r"<(?:input|select|textarea)[^>]*>", page)
    return {re.findall(r'name="([^"]+)"', each)[0] for each in fields if 'type="hidden"' not in each}


def test_the_simplest_report_asks_at_most_ten_questions(client: Client, work: Asset) -> None:
    first = asked_on(client.get("/report/").content.decode())
    facts = {"asset": str(work.pk), "category": "likeness", "shown": "no", "jurisdiction": "EU", "step": "facts"}
    second = asked_on(client.post("/report/", facts).content.decode())
    assert first == {"asset", "file", "category", "shown", "jurisdiction"}
    assert second == {"statement", "name", "email", "exemptions", "good_faith", "person"}
    assert len((first - {"file"}) | second) <= 10, "which work it is, by its address or a copy, is one question"


def test_the_form_names_the_work_its_address_came_with(client: Client, work: Asset) -> None:
    page = client.get("/report/", {"asset": f"http://testserver/assets/{work.pk}/"}).content.decode()
    assert "You are reporting" in page
    assert work.title in page


def test_a_report_shows_number_pin_deadline_rule_and_trace_until_written_down(client: Client, work: Asset) -> None:
    answer = report(client, asset=f"http://testserver/assets/{work.pk}/")
    assert answer.status_code == 302
    page = client.get(answer["Location"])
    notice = Notice.objects.get()
    assert notice.asset == work
    assert notice.as_depicted
    for expected in (notice.number, "47 U.S.C. 223a", "How this was computed", "plus 48 hours", "draft"):
        assert expected in page.content.decode(), expected
    assert client.head("/report/filed/").status_code == 200
    assert 'id="case-pin"' in client.get("/report/filed/").content.decode(), "a telephone loads its tabs again"
    done = client.post("/report/filed/")
    assert done["Location"] == f"/notice/{notice.number}/"
    assert client.get("/report/filed/")["Location"] == "/notice/"


def test_a_reported_file_is_found_in_the_register_and_not_kept(client: Client, work: Asset, photo: bytes) -> None:
    before = stage.stored_files()
    answer = report(client, asset="", age="no", file=SimpleUploadedFile("found.jpg", photo, "image/jpeg"))
    assert answer.status_code == 302
    assert Notice.objects.get().asset == work
    assert stage.stored_files() == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"asset": ""}, "Give the address of the picture, or a copy of the file."),
        ({"asset": "x", "statement": ""}, "Write a sentence or two."),
        ({"asset": "x", "good_faith": ""}, "Please confirm this"),
        ({"asset": "x", "email": "nobody"}, "Enter a valid email address."),
        ({"asset": "x", "statement": "Short"}, "Between 10 and 5,000 characters."),
        ({"asset": "x", "category": "no-such"}, "Select a valid choice."),
    ],
)
def test_a_wrong_answer_is_named_beside_its_question_and_nothing_is_filed(
    client: Client, changed: dict[str, str], said: str
) -> None:
    answer = report(client, **changed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert 'class="error-summary"' in answer.content.decode()
    assert not Notice.objects.exists()


def test_an_empty_file_and_half_a_picture_are_refused_in_words(client: Client, photo: bytes) -> None:
    for data in (b"", photo[:5000]):
        answer = report(client, asset="", file=SimpleUploadedFile("a.jpg", data, "image/jpeg"))
        assert answer.status_code == 422
        assert 'class="error-summary"' in answer.content.decode()
    assert not Notice.objects.exists()


def test_a_report_on_a_text_is_filed_under_its_hash_by_which_it_may_be_registered(client: Client, alice: User) -> None:
    """Any kind of file may be reported; of those that are not pictures the office can say by the hash alone."""
    letter = b"I, Dana, agree to everything.\n"
    sha256 = hashlib.sha256(letter).hexdigest()

    def reported() -> Asset | None:
        answer = report(client, asset="", age="no", file=SimpleUploadedFile("a.txt", letter, "text/plain"))
        assert answer.status_code == 302
        return Notice.objects.filter(file_sha256=sha256).latest("created_at").asset

    assert reported() is None
    work = register_hash(alice, sha256=sha256, size=len(letter), media_type="text/plain", title="A letter")
    assert reported() == work


def test_a_digest_alone_does_not_tell_which_work_it_belongs_to(client: Client, work: Asset, photo: bytes) -> None:
    sha256 = hashlib.sha256(photo).hexdigest()
    report(client, asset="", file_sha256=sha256)
    notice = Notice.objects.get()
    assert notice.asset == work
    page = client.get(f"/notice/{notice.number}/").content.decode()
    assert work.title in page, "the same file leads anybody to it"
    restrict(work, "hidden")
    page = client.get(f"/notice/{notice.number}/").content.decode()
    assert work.title not in page and str(work.pk) not in page and "hidden by" not in page


def test_a_missed_deadline_of_a_notice_taken_back_is_not_said_to_be_kept(client: Client, work: Asset) -> None:
    report(client, asset=str(work.pk))
    notice = Notice.objects.get()
    Clock.objects.filter(notice=notice, due_at__isnull=False).update(state="breached")
    assert "waits no more" not in client.get(f"/notice/{notice.number}/").content.decode()
    client.post(f"/notice/{notice.number}/withdraw/")
    page = client.get(f"/notice/{notice.number}/").content.decode()
    assert "waits no more since" in page and "; done" not in page


def test_a_report_needs_the_forms_own_token(work: Asset) -> None:
    client = Client(enforce_csrf_checks=True)
    assert report(client, asset=str(work.pk)).status_code == 403
    assert not Notice.objects.exists()


def test_number_and_pin_open_the_notice_even_with_spaces_and_small_letters(client: Client, work: Asset) -> None:
    notice, pin = filed(client, work)
    other = Client()
    answer = other.post("/notice/", {"number": f" {notice.number.lower()} ", "pin": f"{pin[:4]} {pin[4:]}"})
    assert answer.status_code == 302
    page = other.get(answer["Location"])
    assert "This shows me and was never taken." in page.content.decode()
    assert page["Cache-Control"].startswith("max-age=0")
    assert "noindex" in page["X-Robots-Tag"]


def test_a_wrong_pin_opens_nothing_and_says_the_same_as_a_wrong_number(client: Client, work: Asset) -> None:
    notice, pin = filed(client, work)
    mallory = Client()
    wrong = mallory.post("/notice/", {"number": notice.number, "pin": "00000000" if pin != "00000000" else "1"})
    unknown = mallory.post("/notice/", {"number": "AS-2026-AAAA-AAAA", "pin": pin})
    assert wrong.status_code == unknown.status_code == 422
    for answer in (wrong, unknown):
        assert "No notice answers to this number and PIN." in answer.content.decode()
    assert mallory.get(f"/notice/{notice.number}/").status_code == 404


def test_guessing_is_stopped_by_the_hour(client: Client) -> None:
    for _ in range(20):
        client.post("/notice/", {"number": "AS-2026-AAAA-AAAA", "pin": "1"})
    answer = client.post("/notice/", {"number": "AS-2026-AAAA-AAAA", "pin": "1"})
    assert "Wait about" in answer.content.decode()


def test_leaving_the_page_closes_it_in_this_browser(client: Client, work: Asset) -> None:
    notice, _ = filed(client, work)
    assert client.get(f"/notice/{notice.number}/").status_code == 200
    client.post(f"/notice/{notice.number}/close/")
    assert client.get(f"/notice/{notice.number}/").status_code == 404


def test_the_page_forgets_the_pin_after_half_an_hour(client: Client, work: Asset, monkeypatch: Any) -> None:
    notice, _ = filed(client, work)
    later = now() + dt.timedelta(minutes=31)
    monkeypatch.setattr("web.notices.now", lambda: later)
    assert client.get(f"/notice/{notice.number}/").status_code == 404


def test_what_was_missing_can_be_added_and_starts_the_clock(client: Client, work: Asset) -> None:
    report(client, asset=str(work.pk), name="", email="", step="as_is")
    notice = Notice.objects.get()
    page = client.get(f"/notice/{notice.number}/").content.decode()
    assert "Something is missing" in page
    assert not notice.clocks.filter(rule_id="us.tida.223a").exists()
    added = {"name": "Dana", "email": "dana@example.org"}
    client.post(f"/notice/{notice.number}/complete/", added)
    assert notice.clocks.filter(rule_id="us.tida.223a").exists()


def test_a_no_action_can_be_appealed_with_the_pin(client: Client, work: Asset, rita: User) -> None:
    notice, _ = filed(client, work)
    stage.decide(notice.case, rita, outcome="no_action")
    page = client.get(f"/notice/{notice.number}/").content.decode()
    assert "Statement of reasons" in page
    assert "Do you disagree?" in page
    assert "Outcome of your notice: declined" in page
    decision = notice.case.decisions.get()
    address = f"/notice/{notice.number}/decisions/{decision.pk}/appeal/file/"
    assert address.removesuffix("appeal/file/") in page
    assert client.post(address, {"grounds": "No"}).status_code == 422
    assert client.post(address, {"grounds": "It does show me; look at the left hand."}).status_code == 302
    assert Appeal.objects.get().notice == notice
    assert "You appealed" in client.get(f"/notice/{notice.number}/").content.decode()


def test_text_in_a_report_cannot_become_markup(client: Client, work: Asset) -> None:
    report(client, asset=str(work.pk), statement="<script>alert(1)</script> is what it says")
    notice = Notice.objects.get()
    assert "<script>alert" not in client.get(f"/notice/{notice.number}/").content.decode()


@pytest.mark.parametrize("page", ["/report/", "/notice/", "/my-data/", "/rules/"])
def test_public_pages_answer_head_and_file_nothing(client: Client, page: str) -> None:
    assert client.head(page).status_code == 200
    assert not Notice.objects.exists()
