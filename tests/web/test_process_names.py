"""At the desk: a word that may be a name is asked about, and a tick in a notice about a child is looked at."""

from typing import Any

import pytest

from accounts.models import User
from policy.models import Case, Decision, ReviewerProfile
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db
SAID: dict[str, Any] = {**stage.TERMS, "outcome": "hide", "facts_text": "It shows Hill House, and a road up to it."}
ASKED = "These words are no names here"


@pytest.fixture
def case(alice: User, photo: bytes) -> Case:
    work: Asset = stage.work(alice, photo)
    return stage.notice(work)[0].case


def test_i6_the_composer_asks_about_a_word_and_keeps_the_answer(rita: User, case: Case) -> None:
    browser, decide = stage.browser(rita), f"/review/{case.pk}/decide/"
    browser.post(f"/review/{case.pk}/take/")
    assert ASKED not in browser.get(f"/review/{case.pk}/").content.decode(), "nobody is asked without a reason"
    answer = browser.post(decide, SAID)
    page = answer.content.decode()
    assert (answer.status_code, ASKED in page, "“Hill”" in page) == (400, True, True)
    preview = browser.post(decide, {**SAID, "no_names": "on"}).content.decode()
    assert "Check the statement of reasons" in preview
    assert 'name="no_names" value="True"' in preview
    again = browser.post(decide, {**SAID, "no_names": "True", "edit": "yes"}).content.decode()
    assert ASKED in again
    browser.post(decide, {**SAID, "no_names": "True", "confirm": "yes"})
    assert Decision.objects.get().facts_text == SAID["facts_text"]


def test_i24_the_page_of_a_case_says_how_it_comes_back_from_the_childrens_queue(
    rita: User, ravi: User, case: Case
) -> None:
    page, verb = f"/review/{case.pk}/", f"/review/{case.pk}/no-child/"
    assert "No child is concerned" not in stage.browser(ravi).get(page).content.decode()
    Case.objects.filter(pk=case.pk).update(minor=True)
    assert "No child is concerned" in stage.browser(ravi).get(page).content.decode()
    assert stage.browser(ravi).post(verb, {"why": ""}, follow=True).status_code == 200
    ReviewerProfile.objects.filter(user=rita).update(trained={"likeness": "2026-01-05"})
    assert stage.browser(rita).post(verb, {"why": "Plainly grown up."}).status_code == 404
    assert Case.objects.get(pk=case.pk).minor
    assert stage.browser(ravi).post(verb, {"why": "Plainly grown up."})["Location"] == page
    assert not Case.objects.get(pk=case.pk).minor
