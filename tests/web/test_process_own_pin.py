"""The link of a consent is known to who asked for it: what is the person's own opens with their PIN (M8)."""

from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from core.models import Job
from policy.consents import consent as consents
from policy.consents import consent_pins
from policy.models import Appeal, Consent, DataRequest, Person
from policy.rights import people
from provenance.models import Asset
from tests.web import stage

pytestmark = pytest.mark.django_db
SECRET = "He threatened me at home."


@pytest.fixture
def work(bob: User, photo: bytes) -> Asset:
    return stage.work(bob, photo)


@pytest.fixture
def link(bob: User, work: Asset) -> str:
    """Of Dana; Bob made it, and has it too."""
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish", "train"]}
    return consents.ask_consent(work, bob, **said)[1]  # type: ignore[arg-type]


def of(work: Asset) -> Person:
    return Person.objects.get(depictions__asset=work)


@pytest.fixture
def dana(link: str) -> Client:
    """Her own browser, in which she has answered yes, and given the PIN that was mailed to her."""
    browser = stage.browser()
    assert browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 302
    assert browser.post(f"{link}pin/", {"pin": stage.mailed_pin()}).status_code == 302
    return browser


def test_the_first_answer_has_a_pin_mailed_to_dana_and_shows_it_to_nobody(
    link: str, mailoutbox: list[EmailMessage]
) -> None:
    browser = stage.browser()
    page = browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}, follow=True).content.decode()
    pin = stage.mailed_pin()
    (told,) = mailoutbox
    assert told.to == ["dana@example.org"] and len(pin.replace(" ", "")) == 12
    assert "Dana" not in told.body and "Harbour" not in told.body and "agree" not in told.body, "mail is open"
    assert pin not in page and pin not in browser.get(link).content.decode()
    assert pin.replace(" ", "") not in str(Job.objects.get(name=consent_pins.SEND).args)
    browser.post(f"{link}answer/", {"answer": "no"})
    assert stage.mailed_pin() == pin and len(mailoutbox) == 1, "there is one, and no second"


def test_the_mail_brings_a_link_of_its_own_since_the_other_one_may_never_have_reached_her(
    link: str, bob: User, work: Asset
) -> None:
    stage.browser(bob).post(f"{link}answer/", {"answer": "no"})
    pin, hers, dana = stage.mailed_pin(), stage.mailed_link(), stage.browser()
    assert hers != link and "do you agree?" in dana.get(hers).content.decode()
    assert dana.post(f"{hers}pin/", {"pin": pin})["Location"] == hers
    assert "dana@example.org" in dana.get(f"/my-data{hers}").content.decode()
    assert stage.browser().get(f"{hers[:-3]}xx/").status_code == 404
    people.keep_contact(of(work), name="Dana Hill", contact="dana@example.com")
    assert dana.get(hers).status_code == 404, "it went to another address"


def test_with_the_link_alone_bob_opens_nothing_of_dana_and_erases_nothing(
    dana: Client, link: str, bob: User, rita: User, work: Asset
) -> None:
    notice, _pin = stage.notice(work)
    decision = stage.decide(notice.case, rita)
    page = f"{link}decisions/{decision.pk}/"
    dana.post(f"{page}appeal/file/", {"grounds": f"It should be removed. {SECRET}"})
    appeal, door = Appeal.objects.get(), stage.browser(bob)
    assert SECRET in dana.get(page).content.decode()
    assert page not in door.get(link).content.decode() and f"/my-data{link}" not in door.get(link).content.decode()
    for address in (f"/my-data{link}", page, f"{page}documents/{work.pk}/"):
        asked = door.get(address)
        assert asked.status_code == 403 and 'name="pin"' in asked.content.decode(), address
    for address, said in (
        (f"{page}appeal/withdraw/", {}),
        (f"{page}appeal/answer/", {"text": "I take it all back."}),
        (f"/my-data{link}", {"do": "correct", "name": "Bob", "contact": "bob@example.org"}),
        (f"/my-data{link}", {"do": "package"}),
        (f"/my-data{link}", {"do": "erase", "confirm": "ERASE"}),
    ):
        assert door.post(address, said).status_code == 403, said
    appeal.refresh_from_db()
    assert appeal.state in Appeal.UNDECIDED and appeal.messages.count() == 0
    assert people.name_and_contact(of(work)) == ("Dana Hill", "dana@example.org")
    assert not DataRequest.objects.exists()


def test_a_link_that_bob_makes_anew_opens_no_more_than_the_first(
    dana: Client, link: str, bob: User, work: Asset
) -> None:
    work.manifests.create(label="urn:c2pa:new", sha256="f" * 64, active={})
    _, again = consents.ask_again(Consent.objects.get(), bob)
    door = stage.browser(bob)
    pin = stage.mailed_pin()
    assert door.post(f"{again}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 403
    assert door.get(f"/my-data{again}").status_code == 403
    assert door.post(f"{again}answer/", {"answer": "no"}).status_code == 302
    assert stage.mailed_pin() == pin, "a no makes no new one"


def test_who_never_answered_opens_the_question_and_nothing_more(link: str) -> None:
    browser = stage.browser()
    page = browser.get(link).content.decode()
    assert "With your first answer this office mails you a PIN" in page and "/my-data/consent/" not in page
    for closed in (f"/my-data{link}", f"{link}pin/"):
        answer = browser.get(closed)
        assert answer.status_code == 403 and "With your first answer" in answer.content.decode()
    assert browser.post(f"{link}pin/", {"pin": ""}).status_code == 422
    assert browser.post(f"{link}pin/", {"pin": "12345678"}).status_code == 422


def test_with_the_link_alone_one_says_no_and_withdraws_and_not_yes(dana: Client, link: str) -> None:
    anybody = stage.browser()
    refused = anybody.post(f"{link}answer/", {"answer": "yes", "purposes": ["train"]})
    assert refused.status_code == 403 and "give your PIN" in refused.content.decode()
    assert Consent.objects.get().granted == ["publish"]
    assert anybody.post(f"{link}answer/", {"answer": "withdraw"}).status_code == 302
    assert Consent.objects.get().state == "withdrawn"
    assert anybody.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 403


def test_dana_comes_back_on_another_day_with_link_and_pin(dana: Client, link: str) -> None:
    pin, later = stage.mailed_pin(), stage.browser()
    assert "Give my PIN" in later.get(link).content.decode()
    assert later.post(f"{link}pin/", {"pin": pin.replace(" ", "-")})["Location"] == link
    assert "dana@example.org" in later.get(f"/my-data{link}").content.decode()
    assert later.post(f"{link}answer/", {"answer": "yes", "purposes": ["train"]}).status_code == 302
    assert Consent.objects.get().granted == ["train"]


def test_n7_wrong_pins_of_bob_are_slowed_and_keep_dana_out_of_nothing(dana: Client, link: str, work: Asset) -> None:
    pin, bob = stage.mailed_pin(), APIClient()
    address = f"/api/v1{link.rstrip('/')}"
    elsewhere: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7"}
    wrong: dict[str, Any] = {"HTTP_ASSAY_PIN": "000000000000", **elsewhere}
    told = [bob.post(address, {"purposes": []}, format="json", **wrong).status_code for _ in range(25)]
    assert told == [403] * 20 + [429] * 5, "one address tries twenty an hour"
    assert bob.get(address, **elsewhere).status_code == 200
    assert dana.get(f"/my-data{link}").status_code == 200, "what is open stays open"
    assert stage.browser().post(f"{link}pin/", {"pin": pin}).status_code == 302
    consent_pins.check(of(work), pin)


def test_a_german_reads_about_the_pin_in_german(bob: User, work: Asset) -> None:
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish"], "language": "de"}
    link = consents.ask_consent(work, bob, **said)[1]  # type: ignore[arg-type]
    stage.answered(link)
    told, page = str(mail.outbox[-1].body), stage.browser().get(f"{link}pin/").content.decode()
    assert "Das ist Ihre PIN: " in told and "Ihre PIN" in page and 'lang="de"' in page and "Your PIN" not in page
