"""The link of a consent is known to who asked for it: what is the person's own opens with their PIN (M8)."""

import re

import pytest
from django.test import Client

from accounts.models import User
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


def pin_on(page: str) -> str:
    found = re.search(r"This is your PIN: (\d{8})", page)
    return found[1] if found else ""


def of(work: Asset) -> Person:
    return Person.objects.get(depictions__asset=work)


@pytest.fixture
def dana(link: str) -> Client:
    """Her own browser, in which she has answered yes."""
    browser = stage.browser()
    assert browser.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 302
    return browser


def test_the_first_answer_gives_dana_a_pin_that_stays_until_she_has_written_it_down(dana: Client, link: str) -> None:
    pin = pin_on(dana.get(link).content.decode())
    assert pin and pin_on(dana.get(link).content.decode()) == pin, "a reload does not lose it"
    assert not pin_on(stage.browser().get(link).content.decode()), "whoever has the link alone never reads it"
    dana.post(f"{link}pin/", {"do": "written"})
    assert not pin_on(dana.get(link).content.decode())
    dana.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish", "train"]})
    assert not pin_on(dana.get(link).content.decode()), "there is one, and no second"


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
    closed = f"{link}pin/"
    for address in (f"/my-data{link}", page, f"{page}documents/{work.pk}/"):
        assert door.get(address)["Location"] == closed, address
    for address, said in (
        (f"{page}appeal/withdraw/", {}),
        (f"{page}appeal/answer/", {"text": "I take it all back."}),
        (f"/my-data{link}", {"do": "correct", "name": "Bob", "contact": "bob@example.org"}),
        (f"/my-data{link}", {"do": "package"}),
        (f"/my-data{link}", {"do": "erase", "confirm": "ERASE"}),
    ):
        assert door.post(address, said)["Location"] == closed, said
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
    assert door.post(f"{again}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 403
    assert not pin_on(door.get(again).content.decode())
    assert door.get(f"/my-data{again}")["Location"] == f"{again}pin/"
    assert door.post(f"{again}answer/", {"answer": "no"}).status_code == 302
    assert not pin_on(door.get(again).content.decode()), "a no gives nobody her PIN"


def test_who_never_answered_opens_the_question_and_nothing_more(link: str) -> None:
    browser = stage.browser()
    page = browser.get(link).content.decode()
    assert "With your first answer you get a PIN of your own" in page and "/my-data/consent/" not in page
    assert browser.get(f"/my-data{link}")["Location"] == f"{link}pin/"
    assert "With your first answer" in browser.get(f"{link}pin/").content.decode()
    assert browser.post(f"{link}pin/", {"pin": ""}).status_code == 422
    assert browser.post(f"{link}pin/", {"pin": "12345678"}).status_code == 422


def test_with_the_link_alone_one_says_no_and_withdraws_and_not_yes(dana: Client, link: str) -> None:
    anybody = stage.browser()
    refused = anybody.post(f"{link}answer/", {"answer": "yes", "purposes": ["train"]})
    assert refused.status_code == 403 and "asks for your PIN" in refused.content.decode()
    assert Consent.objects.get().granted == ["publish"]
    assert anybody.post(f"{link}answer/", {"answer": "withdraw"}).status_code == 302
    assert Consent.objects.get().state == "withdrawn"
    assert anybody.post(f"{link}answer/", {"answer": "yes", "purposes": ["publish"]}).status_code == 403


def test_dana_comes_back_on_another_day_with_link_and_pin(dana: Client, link: str) -> None:
    pin = pin_on(dana.get(link).content.decode())
    later = stage.browser()
    assert "Give my PIN" in later.get(link).content.decode()
    assert later.post(f"{link}pin/", {"pin": f"{pin[:4]} {pin[4:]}"})["Location"] == link
    assert "dana@example.org" in later.get(f"/my-data{link}").content.decode()
    assert later.post(f"{link}answer/", {"answer": "yes", "purposes": ["train"]}).status_code == 302
    assert Consent.objects.get().granted == ["train"]


def test_the_pin_is_not_guessed(dana: Client, link: str, work: Asset) -> None:
    pin = pin_on(dana.get(link).content.decode())
    wrong = f"{(int(pin) + 1) % 10**8:08}"
    for _ in range(5):
        assert stage.browser().post(f"{link}pin/", {"pin": wrong}).status_code == 422
    assert stage.browser().post(f"{link}pin/", {"pin": pin}).status_code == 422, "it rests now"
    with pytest.raises(consent_pins.PinNeeded):
        consent_pins.check(of(work), pin)


def test_a_german_reads_about_the_pin_in_german(bob: User, work: Asset) -> None:
    said = {"name": "Dana Hill", "contact": "", "purposes": ["publish"], "language": "de"}
    link = consents.ask_consent(work, bob, **said)[1]  # type: ignore[arg-type]
    page = stage.answered(link).get(link).content.decode()
    assert "Das ist Ihre PIN: " in page and "Ich habe sie aufgeschrieben" in page
