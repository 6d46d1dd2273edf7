"""Bob answers in Dana's name, before her or after her: her PIN proves her address, and his link opens nothing (N1)."""

import datetime as dt
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from accounts.models import User
from core.clock import now
from core.problems import Conflict, NotFound
from policy.audits import reconciliation, reconciliation_rights
from policy.consents import consent as consents
from policy.consents import consent_pins
from policy.models import Appeal, Consent, DataRequest, Decision, Person
from policy.rights import data_answers, data_letters, data_requests
from provenance.models import Asset
from tests.policy.conftest import leaf_of
from tests.web import stage
from web import data_desk

pytestmark = pytest.mark.django_db
YES = {"answer": "yes", "purposes": ["publish"]}
GROUNDS = "Four hundred words of a frightened person, typed on a telephone."


@pytest.fixture
def work(bob: User, photo: bytes) -> Asset:
    return stage.work(bob, photo)


@pytest.fixture
def link(bob: User, work: Asset) -> str:
    return asked(work, bob)


def asked(work: Asset, by: User, contact: str = "dana@example.org") -> str:
    said = {"name": "Dana Hill", "contact": contact, "purposes": ["publish"]}
    return consents.ask_consent(work, by, **said)[1]  # type: ignore[arg-type]


def dana_of(work: Asset) -> Person:
    return Person.objects.get(depictions__asset=work)


def decided(work: Asset, reviewer: User) -> Decision:
    notice, _ = stage.notice(work)
    return stage.decide(notice.case, reviewer)


def steal(bob: Client, link: str, decision: Decision) -> list[int]:
    """What Bob tries with the link."""
    page = f"{link}decisions/{decision.pk}/"
    return [
        bob.get(page).status_code,
        bob.post(f"{page}appeal/file/", {"grounds": "Bad words of no use here."}).status_code,
        bob.get(f"/my-data{link}").status_code,
        bob.post(f"/my-data{link}", {"do": "erase", "confirm": "ERASE"}).status_code,
    ]


# --- Who answers first ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [YES, {"answer": "no"}])
def test_n1_bob_answers_first_and_has_nothing_of_it(
    link: str, bob: User, rita: User, work: Asset, answer: dict[str, Any]
) -> None:
    his = stage.browser(bob)
    page = his.post(f"{link}answer/", answer, follow=True).content.decode()
    pin, decision = stage.mailed_pin(), decided(work, rita)
    assert pin not in page and steal(his, link, decision) == [403] * 4
    assert not Appeal.objects.exists() and not DataRequest.objects.exists()
    hers = stage.browser()
    assert hers.post(f"{link}pin/", {"pin": pin}).status_code == 302
    assert hers.get(f"{link}decisions/{decision.pk}/").status_code == 200
    assert hers.post(f"{link}answer/", YES).status_code == 302
    assert Consent.objects.get().state in ("given", "renewed")


def test_without_an_address_there_is_no_pin_no_yes_and_nothing_of_hers(bob: User, rita: User, work: Asset) -> None:
    for contact in ("", "+44 20 7946 0000"):
        link, his = asked(work, bob, contact), stage.browser(bob)
        page = his.get(link).content.decode()
        assert 'value="yes"' not in page and 'value="no"' in page and "No e-mail address" in page
        refused = his.post(f"{link}answer/", YES)
        assert refused.status_code == 403 and "takes no yes" in refused.content.decode()
        assert his.post(f"{link}answer/", {"answer": "no"}).status_code == 302
        assert stage.mailed_pin() == "" and his.post(f"{link}pin/", {"pin": "1"}).status_code == 422
        assert steal(his, link, decided(work, rita)) == [403] * 4
        assert his.post(f"{link}answer/", {"answer": "not_me"}).status_code == 302


# --- It was not me ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [YES, {"answer": "no"}, {"answer": "withdraw"}])
def test_not_me_takes_the_pin_away_closes_every_door_and_ends_the_statements(
    link: str, bob: User, rita: User, work: Asset, mailoutbox: list[EmailMessage], answer: dict[str, Any]
) -> None:
    browser = stage.browser()
    if answer["answer"] == "withdraw":
        browser.post(f"{link}answer/", YES)
    browser.post(f"{link}answer/", answer)
    pin = stage.mailed_pin()
    assert "This was not my answer" in browser.get(link).content.decode()
    assert browser.post(f"{link}answer/", {"answer": "not_me"}).status_code == 302
    assert Consent.objects.get().state == "invalidated" and dana_of(work).pin_hash == ""
    assert browser.post(f"{link}pin/", {"pin": pin}).status_code == 422
    assert not decided(work, rita).statements.filter(recipient="depicted").exists()
    for again in (YES, {"answer": "no"}):
        assert browser.post(f"{link}answer/", again).status_code == 409
    assert list(reconciliation.answers()) == []


def test_once_the_pin_was_used_who_has_the_link_alone_takes_it_from_nobody(link: str, bob: User, work: Asset) -> None:
    hers = stage.answered(link)
    assert leaf_of("consent:proved")["object"] == f"asset:{work.pk}"
    his = stage.browser(bob)
    refused = his.post(f"{link}answer/", {"answer": "not_me"})
    assert refused.status_code == 403 and 'name="pin"' in refused.content.decode()
    with pytest.raises(consent_pins.PinNeeded):
        consent_pins.not_me(Consent.objects.get(), lambda: "", shown=False)
    assert Consent.objects.get().state == "refused" and hers.get(f"/my-data{link}").status_code == 200


def test_a_lead_declares_it_not_valid_and_an_open_door_is_closed(link: str, ravi: User, work: Asset) -> None:
    thief = stage.answered(link)
    assert thief.get(f"/my-data{link}").status_code == 200
    stage.browser(ravi).post(f"/consents/{Consent.objects.get().pk}/", {"do": "invalidate"})
    assert thief.get(f"/my-data{link}").status_code == 403


def test_a_door_that_an_earlier_pin_opened_is_closed(link: str, work: Asset) -> None:
    thief, row = stage.answered(link), Consent.objects.get()
    consent_pins.issue(row, consent_pins.new_pin(), Person.objects.filter(pk=dana_of(work).pk))
    assert thief.get(f"/my-data{link}").status_code == 403


def test_a_lead_allows_that_dana_is_asked_anew(link: str, bob: User, rita: User, ravi: User, work: Asset) -> None:
    anybody, row = stage.browser(), Consent.objects.get()
    anybody.post(f"{link}answer/", YES)
    old = stage.mailed_pin()
    anybody.post(f"{link}answer/", {"answer": "not_me"})
    row.refresh_from_db()
    with pytest.raises(Conflict, match="own"):
        consents.ask_again(row, bob)
    page = f"/consents/{row.pk}/"
    assert "Let them be asked anew" in stage.browser(ravi).get(page).content.decode()
    assert stage.browser(rita).post(page, {"do": "ask_anew"}).status_code == 403
    assert stage.browser(ravi).post(page, {"do": "ask_anew"}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.answered_at) == ("requested", None)
    again = consents.ask_again(row, bob)[1]
    hers = stage.browser()
    assert hers.post(f"{again}answer/", YES).status_code == 302
    new = stage.mailed_pin()
    assert new != old and hers.post(f"{again}pin/", {"pin": old}).status_code == 422
    assert hers.post(f"{again}pin/", {"pin": new}).status_code == 302
    assert decided(work, rita).statements.filter(recipient="depicted").exists()
    assert list(reconciliation.answers()) == []


def test_with_an_older_link_nobody_answers_past_a_not_me(link: str, bob: User, work: Asset) -> None:
    new = consents.ask_again(Consent.objects.get(), bob)[1]
    anybody = stage.browser()
    anybody.post(f"{new}answer/", {"answer": "no"})
    anybody.post(f"{new}answer/", {"answer": "not_me"})
    assert anybody.post(f"{link}answer/", YES).status_code == 409


# --- What was typed -------------------------------------------------------------------------------------------------


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Half an hour passes in every browser."""
    return lambda: monkeypatch.setattr("web.consent_doors.now", lambda: now() + dt.timedelta(minutes=31))


def test_n15_the_words_of_an_appeal_outlive_the_half_hour(link: str, rita: User, work: Asset, late: Any) -> None:
    hers, decision = stage.answered(link), decided(work, rita)
    late()
    where = f"{link}decisions/{decision.pk}/appeal/file/"
    asks = hers.post(where, {"grounds": GROUNDS})
    page = asks.content.decode()
    assert asks.status_code == 403 and f'name="grounds" value="{GROUNDS}"' in page and "is kept" in page
    wrong = hers.post(where, {"grounds": GROUNDS, "pin": "000000000000"})
    assert wrong.status_code == 422 and GROUNDS in wrong.content.decode() and not Appeal.objects.exists()
    done = hers.post(where, {"grounds": GROUNDS, "pin": stage.mailed_pin()})
    assert done["Location"] == f"{link}decisions/{decision.pk}/" and Appeal.objects.get().role == "depicted"


def test_n15_a_page_that_was_only_looked_at_comes_back(link: str, rita: User, work: Asset, late: Any) -> None:
    hers, decision = stage.answered(link), decided(work, rita)
    late()
    page = f"{link}decisions/{decision.pk}/"
    assert 'name="look" value="on"' in hers.get(page).content.decode()
    assert hers.post(page, {"look": "on", "pin": stage.mailed_pin()})["Location"] == page
    assert hers.get(page).status_code == 200


def test_n15_a_yes_outlives_the_half_hour(link: str, late: Any) -> None:
    hers = stage.answered(link)
    late()
    asks = hers.post(f"{link}answer/", YES)
    assert asks.status_code == 403 and 'name="purposes" value="publish"' in asks.content.decode()
    assert hers.post(f"{link}answer/", {**YES, "pin": stage.mailed_pin()})["Location"] == link
    assert Consent.objects.get().granted == ["publish"]


# --- Who has no PIN, by letter (N10) ----------------------------------------------------------------------------------


def letter(olga: User, whose: str) -> DataRequest:
    answer = stage.browser(olga).post("/operations/data/", {"whose": whose, "kind": "access", "text": ""})
    assert answer.status_code == 302, answer.content.decode()
    return DataRequest.objects.latest("pk")


def test_n10_a_person_shown_is_found_by_link_or_by_work_and_name(link: str, olga: User, work: Asset) -> None:
    dana = dana_of(work)
    for whose in (
        f"http://testserver{link}",
        f"http://testserver/assets/{work.pk}/ dana  HILL",
        f"{work.pk}, Dana Hill",
    ):
        assert data_desk._who(whose) == dana, whose
    assert letter(olga, f"{work.pk} Dana Hill").person == dana
    for nobody in (f"{work.pk}", f"{work.pk} Dana", f"{dana.pk} Dana Hill", "/consent/nothing/", "Dana Hill"):
        with pytest.raises(NotFound):
            data_desk._who(nobody)


def test_n10_two_of_one_name_are_told_apart_by_the_link_alone(link: str, bob: User, work: Asset) -> None:
    asked(work, bob, "other@example.org")
    with pytest.raises(NotFound):
        data_desk._who(f"{work.pk} Dana Hill")
    assert data_desk._who(link) == Person.objects.order_by("pk").first()


def test_n10_an_operator_mails_a_new_pin_after_another_was_shown_the_proof(
    link: str, olga: User, ravi: User, work: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = stage.answered(link)
    old, row, mine = stage.mailed_pin(), letter(olga, f"{work.pk} Dana Hill"), stage.browser(olga)
    page = f"/operations/data/{row.pk}/"
    stage.browser(ravi).post(page, {"do": "proved", "how": "in_person"})
    mine.post(page, {"do": "take"})
    assert "Mail them a new PIN" in mine.get(page).content.decode()
    assert mine.post(page, {"do": "pin"}).status_code == 409, "she could still say that it was not she"
    monkeypatch.setattr(data_letters, "TO_STOP_IT", dt.timedelta(0))
    assert mine.post(page, {"do": "pin"}).status_code == 302
    new, hers = stage.mailed_pin(), stage.browser()
    assert new != old and thief.get(f"/my-data{link}").status_code == 403
    assert hers.post(f"{link}pin/", {"pin": old}).status_code == 422
    assert hers.post(f"{link}pin/", {"pin": new}).status_code == 302
    row.refresh_from_db()
    assert row.state == "done" and list(reconciliation_rights.rights()) == []


def test_n10_with_another_address_by_letter_comes_another_pin(
    link: str, olga: User, ravi: User, work: Asset, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    thief, dana = stage.answered(link), dana_of(work)
    monkeypatch.setattr(data_letters, "TO_STOP_IT", dt.timedelta(0))
    row = data_letters.receive(ravi, dana, "rectify", text="That address was never mine; mine is another.")
    data_letters.proved(row, ravi, "in_person")
    data_requests.take(row, olga)
    data_answers.correct(row, olga, contact="dana@example.com")
    pin = stage.mailed_pin()
    assert mailoutbox[-1].to == ["dana@example.com"] and thief.get(f"/my-data{link}").status_code == 403
    assert stage.browser().post(f"{link}pin/", {"pin": pin}).status_code == 302
