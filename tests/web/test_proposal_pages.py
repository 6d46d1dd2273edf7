"""What the public reads and says about a proposal, and the desk where Paula, Lena and Ravi work."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from core.clock import now
from policy.models import Comment, PackVersion, Proposal
from policy.transparency import proposals
from tests.web import stage

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]

TITLE = "Labels before removals"
TEXT = "Where the law leaves the choice, a work is labelled first.\n\nIt is removed only when a label does not help."
DESK = "/operations/proposals/"


@pytest.fixture
def opened(paula: User) -> Proposal:
    row = proposals.draft(paula, title=TITLE, text=TEXT)
    proposals.open_(row, paula, last_day=now().date() + dt.timedelta(days=30))
    return row


def test_paula_writes_changes_and_opens_a_proposal_at_the_desk(paula: User) -> None:
    browser = stage.browser(paula)
    assert browser.post(DESK, {"title": "x", "text": "too short"}).status_code == 422
    assert browser.post(DESK, {"title": TITLE, "text": TEXT}).status_code == 302
    row = Proposal.objects.get()
    here = f"{DESK}{row.pk}/"
    assert stage.browser().get(f"/proposals/{row.pk}/").status_code == 404
    assert TITLE not in stage.browser().get("/proposals/").content.decode()
    assert browser.post(here, {"title": TITLE, "text": TEXT + "\n\nFor a year."}).status_code == 302
    assert browser.post(f"{here}open/", {"last_day": now().date().isoformat()}).status_code == 422
    assert browser.post(f"{here}open/", {"last_day": now().date() + dt.timedelta(days=30)}).status_code == 302
    page = stage.browser().get(f"/proposals/{row.pk}/").content.decode()
    assert "For a year." in page and "You need no account" in page
    assert TITLE in stage.browser().get("/proposals/").content.decode()
    assert browser.post(here, {"title": TITLE, "text": TEXT}).status_code == 422


def test_anybody_comments_and_reads_it_once_a_person_has(opened: Proposal, lena: User) -> None:
    here, said = f"/proposals/{opened.pk}/", "A label is <b>enough</b> in most cases."
    visitor = stage.browser(csrf=False)
    assert visitor.post(here, {"text": "short"}).status_code == 422
    assert visitor.post(here, {"text": said, "alias": "A reader"}).status_code == 302
    page = visitor.get(here).content.decode()
    assert "A reader" not in page and "1 more waits to be read" in page
    made, desk = Comment.objects.get(), stage.browser(lena)
    assert "A reader" in desk.get(f"{DESK}{opened.pk}/").content.decode()
    assert desk.post(f"/operations/comments/{made.pk}/reply/", {"reply": "Thank you."}).status_code == 422
    desk.post(f"/operations/comments/{made.pk}/show/")
    desk.post(f"/operations/comments/{made.pk}/reply/", {"reply": "Thank you."})
    page = visitor.get(here).content.decode()
    assert "A label is &lt;b&gt;enough&lt;/b&gt;" in page and "A reader" in page
    assert f"The office replied on {now().date():%Y-%m-%d}" in page


def test_what_is_not_shown_says_why_and_its_author_can_have_it_erased(opened: Proposal, ravi: User) -> None:
    made = proposals.comment(opened, text="Something about somebody else.", alias="Mallory")
    desk = stage.browser(ravi)
    assert desk.post(f"/operations/comments/{made.pk}/withhold/", {"because": "short"}).status_code == 422
    desk.post(f"/operations/comments/{made.pk}/withhold/", {"because": "It is about a person."})
    page = stage.browser().get(f"/proposals/{opened.pk}/").content.decode()
    assert "It is about a person." in page and "Mallory" not in page
    desk.post(f"/operations/comments/{made.pk}/erase/")
    assert Comment.objects.get().text == ""
    assert "Its author took it back." in stage.browser().get(f"/proposals/{opened.pk}/").content.decode()


def test_paula_cannot_keep_back_what_is_said_about_her_own(opened: Proposal, paula: User) -> None:
    made, desk = proposals.comment(opened, text="This is a bad idea."), stage.browser(paula)
    page = desk.get(f"{DESK}{opened.pk}/").content.decode()
    assert "You wrote this proposal" in page and "Withhold it" not in page
    refused = desk.post(f"/operations/comments/{made.pk}/withhold/", {"because": "It is rude about me."})
    assert refused.status_code == 422 and Comment.objects.get().state == "received"
    assert desk.post(f"/operations/comments/{made.pk}/erase/", follow=True).status_code == 200
    assert Comment.objects.get().text != ""


def test_an_answer_is_published_with_its_day(opened: Proposal, paula: User) -> None:
    Proposal.objects.filter(pk=opened.pk).update(state="closed")
    desk = stage.browser(paula)
    desk.post(f"{DESK}{opened.pk}/answer/", {"answer": "We label first from March on."})
    page = stage.browser().get(f"/proposals/{opened.pk}/").content.decode()
    assert "We label first from March on." in page and "What became of it" in page and "id_text" not in page
    assert desk.post(f"{DESK}{opened.pk}/withdraw/", {"why": "We changed our minds."}).status_code == 422


def test_a_withdrawn_one_says_why(opened: Proposal, paula: User) -> None:
    stage.browser(paula).post(f"{DESK}{opened.pk}/withdraw/", {"why": "The law was repealed."})
    assert "Why it was withdrawn" in stage.browser().get(f"/proposals/{opened.pk}/").content.decode()


def test_the_rules_that_it_is_about_are_for_everybody_to_read(paula: User) -> None:
    pack = PackVersion.objects.create(name="office", version="9", digest="d" * 64, content="rules: []", origin="office")
    row = proposals.draft(paula, title=TITLE, text=TEXT, pack_version=pack)
    assert stage.browser().get(f"/proposals/{row.pk}/?rules").status_code == 404
    proposals.open_(row, paula, last_day=now().date() + dt.timedelta(days=30))
    assert stage.browser().get(f"/proposals/{row.pk}/?rules").content == b"rules: []"


def test_the_desk_is_for_who_works_there(opened: Proposal, alice: User, olga: User, rita: User) -> None:
    made = proposals.comment(opened, text="A label is enough.")
    for other in (alice, olga, rita):
        browser = stage.browser(other)
        assert browser.get(DESK).status_code == 403
        assert browser.post(f"/operations/comments/{made.pk}/show/").status_code == 403
    assert Comment.objects.get().state == "received"


def test_unknown_steps_are_not_found(opened: Proposal, paula: User) -> None:
    desk = stage.browser(paula)
    for where in (f"{DESK}{opened.pk}/explode/", f"/operations/comments/{opened.pk}/show/"):
        assert desk.post(where).status_code == 404
    assert desk.post(f"/operations/comments/{opened.pk}/explode/").status_code == 404


def test_one_address_comments_so_often_in_an_hour(opened: Proposal, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: dict[str, Any] = {**SimpleRateThrottle.THROTTLE_RATES, "notices": "2/hour"}
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", rates)
    browser = stage.browser()
    said = [browser.post(f"/proposals/{opened.pk}/", {"text": f"Comment number {n}."}).status_code for n in range(3)]
    assert said == [302, 302, 429]


def test_the_pages_cost_the_same_however_much_is_said(opened: Proposal, paula: User, lena: User) -> None:
    desk, visitor = stage.browser(paula), stage.browser()

    def cost() -> list[int]:
        counts = []
        for browser, where in (
            (visitor, "/proposals/"),
            (visitor, f"/proposals/{opened.pk}/"),
            (desk, DESK),
            (desk, f"{DESK}{opened.pk}/"),
        ):
            with CaptureQueriesContext(connection) as seen:
                assert browser.get(where).status_code == 200
            counts.append(len(seen))
        return counts

    proposals.show(proposals.comment(opened, text="The first comment."), lena)
    cost()
    before = cost()
    for n in range(6):
        made = proposals.comment(opened, text=f"Comment number {n}.")
        if n % 2:
            proposals.show(made, lena)
    proposals.open_(
        proposals.draft(paula, title=TITLE, text=TEXT), paula, last_day=now().date() + dt.timedelta(days=30)
    )
    assert cost() == before
