"""What people without an account may send without end: nothing (M18)."""

from io import BytesIO

import pytest
from django.core.files.base import File
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from core.problems import Conflict
from ledger.models import Entry
from policy.deciding import decisions
from policy.models import Appeal, Case, DataRequest, Person
from policy.redress import appeal_dialogue, appeal_thread, appeals
from policy.rights import data_rights
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice
from tests.web import stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def appeal(case: Case, rita: User, alice: User) -> Appeal:
    decision = decisions.decide(case, rita, outcome="hide", **TERMS)
    return appeals.file_appeal(decision, user=alice, grounds="The label is wrong: this is my own harbour.")


@pytest.fixture
def dana(asset: Asset, file_notice: FileNotice) -> Person:
    return file_notice(asset)[0].filer


def document(size: int) -> "File[bytes]":
    return File(BytesIO(b"a" * size), name="letter.txt")


def test_who_appeals_sends_so_many_messages_and_the_office_can_still_ask(
    appeal: Appeal, alice: User, ravi: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appeal_thread, "MOST_OWN", 2)
    own = appeals.appeal_for(appeal.pk, user=alice)
    for _ in range(2):
        appeal_dialogue.answer(own, "One more thing.")
    with pytest.raises(Conflict, match="which is the most"):
        appeal_dialogue.answer(own, "One more thing.")
    appeals.assign(appeal, ravi)
    appeal_dialogue.ask(appeal, ravi, "Where was it taken?")


def test_the_documents_of_an_appeal_have_a_size_together(
    appeal: Appeal, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appeal_thread, "MOST_BYTES", 1000)
    own = appeals.appeal_for(appeal.pk, user=alice)
    appeal_dialogue.answer(own, "See the letter.", [document(700)])
    with pytest.raises(Conflict, match="together"):
        appeal_dialogue.answer(own, "And this one.", [document(700)])
    appeal_dialogue.answer(own, "Without it, then.")
    assert own.messages.count() == 2


def test_what_is_downloaded_ten_times_a_day_is_one_request_and_one_entry(dana: Person) -> None:
    data_rights.access(dana)
    before = Entry.objects.count()
    for _ in range(3):
        data_rights.access(dana)
    assert (DataRequest.objects.count(), Entry.objects.count()) == (1, before)
    data_rights.port(dana)
    assert DataRequest.objects.count() == 2


def test_every_form_of_ones_own_data_and_of_appeals_counts_its_tries(
    appeal: Appeal, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SimpleRateThrottle, "THROTTLE_RATES", {**SimpleRateThrottle.THROTTLE_RATES, "notices": "2/hour"}
    )
    browser = stage.browser(alice)
    answers = [browser.post("/my-data/account/", {"do": "port"}).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    page = f"/decisions/{appeal.decision_id}/appeal/answer/"
    answers = [browser.post(page, {"text": "One more thing."}).status_code for _ in range(3)]
    assert answers == [302, 302, 429]
