"""A visitor's number and PIN: kept until they are written down, and asked for again without losing a word."""

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from core.clock import now
from policy.filing import counter_notices, court_actions
from policy.models import Attachment, CounterNotice, Notice
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db
FACTS = {"category": "ncii_deepfake", "shown": "me", "jurisdiction": "US"}
WORDS = {"minor": "no", "statement": "This shows me & was never taken.", "good_faith": "on"}


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


def page_of(answer: Any) -> str:
    text: str = answer.content.decode()
    return html.unescape(text).replace("\xa0", " ")


def opened(client: Client, work: Asset) -> tuple[Notice, str]:
    notice, pin = stage.notice(work)
    client.post("/notice/", {"number": notice.number, "pin": pin})
    return notice, pin


def later(monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    at = now() + dt.timedelta(minutes=minutes)
    monkeypatch.setattr("web.notices.now", lambda: at)
    monkeypatch.setattr("web.filed.now", lambda: at)


# --- Number and PIN ------------------------------------------------------------------------------------------------


def test_a_telephone_that_loads_the_page_again_shows_the_pin_for_half_an_hour(
    client: Client, work: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/report/", {**FACTS, **WORDS, "asset": str(work.pk), "step": "as_is"})
    pin = re.search(r'id="case-pin">(\d+)<', page_of(client.get("/report/filed/")))
    assert pin and pin[1] in page_of(client.get("/report/filed/"))
    assert Notice.objects.get().number in page_of(client.get("/notice/"))
    later(monkeypatch, 31)
    assert client.get("/report/filed/")["Location"] == "/notice/"


@pytest.mark.parametrize("way", ["/report/filed/", "/notice/{number}/close/"])
def test_who_has_written_it_down_or_leaves_closes_it(way: str, client: Client, work: Asset) -> None:
    client.post("/report/", {**FACTS, **WORDS, "asset": str(work.pk), "step": "as_is"})
    client.post(way.format(number=Notice.objects.get().number))
    assert client.get("/report/filed/")["Location"] == "/notice/"


def test_looking_keeps_the_notice_open(client: Client, work: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    notice, _ = opened(client, work)
    for minutes in (20, 40, 60):
        later(monkeypatch, minutes)
        assert client.get(f"/notice/{notice.number}/").status_code == 200, minutes
    later(monkeypatch, 91)
    assert client.get(f"/notice/{notice.number}/").status_code == 404


def test_what_was_typed_while_the_half_hour_ran_out_goes_on_with_the_pin(
    client: Client, work: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, pin = opened(client, work)
    later(monkeypatch, 31)
    address, words = f"/notice/{notice.number}/complete/", {"name": "Dana & Hill"}
    asked = client.post(address, words)
    page = asked.content.decode()
    assert asked.status_code == 404 and "Please give your PIN again" in page
    assert '<input type="hidden" name="name" value="Dana &amp; Hill">' in page
    wrong = client.post(address, {**words, "again-pin": "1"})
    assert "No notice answers" in page_of(wrong) and 'value="Dana &amp; Hill"' in wrong.content.decode()
    right = client.post(address, {**words, "again-pin": pin})
    assert right.status_code == 422, "the notice is whole: the page says so, and shows it"
    assert client.get(f"/notice/{notice.number}/").status_code == 200


def test_an_appeal_typed_for_an_hour_is_filed_with_the_pin(
    client: Client, work: Asset, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, pin = opened(client, work)
    decision = stage.decide(notice.case, rita, outcome="no_action")
    later(monkeypatch, 60)
    address = f"/notice/{notice.number}/decisions/{decision.pk}/appeal/file/"
    words = {"grounds": "It does show me; look at the left hand."}
    assert words["grounds"] in page_of(client.post(address, words))
    assert not notice.appeals.exists()
    assert client.post(address, {**words, "again-pin": pin}).status_code == 302
    assert notice.appeals.count() == 1


def test_a_closed_page_and_an_unknown_number_ask_alike_and_the_pin_leads_back(work: Asset) -> None:
    notice, pin = stage.notice(work)
    mallory, dana = Client(), Client()
    strange = "AS-2026-AAAA-AAAA"
    texts = {number: page_of(mallory.get(f"/notice/{number}/")) for number in (notice.number, strange)}
    blank = [re.sub(r'(value=|Token": )"[^"]*"', "", text).replace(number, "") for number, text in texts.items()]
    assert blank[0] == blank[1]
    for address in (f"/notice/{notice.number}/", f"/my-data/notice/{notice.number}/"):
        back = Client().post(address, {"again-look": "on", "again-pin": pin})
        assert (back.status_code, back["Location"]) == (302, address)
    assert dana.post(f"/notice/{strange}/", {"again-look": "on", "again-pin": pin}).status_code == 404


def test_a_file_is_not_carried_along_and_the_page_says_so(client: Client, work: Asset) -> None:
    notice, pin = stage.notice(work)
    file = SimpleUploadedFile("letter.txt", b"a letter", "text/plain")
    assert "Choose it again" in page_of(client.post(f"/notice/{notice.number}/attach/", {"document": file}))
    assert client.post(f"/notice/{notice.number}/attach/", {"again-pin": pin}).status_code == 422
    assert not Attachment.objects.exists()


# --- The 48 hours --------------------------------------------------------------------------------------------------


def test_before_it_is_sent_the_victim_reads_what_is_missing_and_what_it_costs(client: Client, work: Asset) -> None:
    said = {**FACTS, **WORDS, "asset": str(work.pk), "step": "file"}
    page = page_of(client.post("/report/", said))
    assert not Notice.objects.exists()
    assert "3 things are missing" in page and "Send as it is" in page
    assert "TAKE IT DOWN Act" in page and re.search(r"in 4\d hours|in [12] days?", page)
    assert "This shows me & was never taken." in page
    assert client.post("/report/", {**said, "step": "as_is"}).status_code == 302
    done = page_of(client.get("/report/filed/"))
    assert "3 things are missing" in done and "Your time to add what is missing" in done
    assert "Answer our question" not in done
    status = page_of(client.get(f"/notice/{Notice.objects.get().number}/"))
    assert "3 things are missing" in status and "TAKE IT DOWN Act" in status


def test_a_whole_report_is_sent_at_once(client: Client, work: Asset) -> None:
    whole = {"name": "Dana", "email": "dana@example.org", "sworn_tida_not_consensual": "on"}
    answer = client.post("/report/", {**FACTS, **WORDS, **whole, "asset": str(work.pk), "step": "file"})
    assert answer.status_code == 302
    assert "missing" not in page_of(client.get("/report/filed/"))


def test_one_number_is_not_added_to_without_end(client: Client, work: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    notice, _ = opened(client, work)
    monkeypatch.setattr("web.privacy._Guesses.allow_request", lambda *_: False)
    monkeypatch.setattr("web.privacy._Guesses.wait", lambda *_: 60)
    file = SimpleUploadedFile("letter.txt", b"a letter", "text/plain")
    answer = client.post(f"/notice/{notice.number}/attach/", {"document": file})
    assert answer.status_code == 422 and "too often" in page_of(answer)


def test_a_lead_reads_which_action_was_told_and_lifts_it(work: Asset, alice: User, rita: User, ravi: User) -> None:
    notice, _ = stage.notice(work, category="copyright", jurisdiction="US", details={"work": "My photograph"})
    decision = stage.decide(notice.case, rita, outcome="hide")
    words = dict.fromkeys(counter_notices.TEXTS, "4 Elm Street")
    row = counter_notices.file_counter_notice(decision, alice, details=words, sworn=counter_notices.STATEMENTS)
    counter_notices.forward(row)
    court_actions.tell_of_action(row, notice, court="N.D. Cal.", reference="3:26-cv-1", sworn=["dmca.action"])
    address = f"/review/counter-notices/{row.pk}/"
    assert stage.browser(alice).get(address).status_code in (403, 404)
    lead = stage.browser(ravi)
    assert "N.D. Cal., 3:26-cv-1" in page_of(lead.get(address))
    assert lead.post(address, {"reason": ""}).status_code == 422
    assert lead.post(address, {"reason": "Not on the docket today."}).status_code == 302
    assert CounterNotice.objects.get().state == CounterNotice.State.FORWARDED
    assert lead.post(address, {"reason": "Not on the docket today."}).status_code == 422
