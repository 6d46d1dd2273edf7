"""The pages for authorities and of the office's side: thin doors, closed at once, readable without scripts."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from core.problems import Problem
from ledger import sequencer
from ledger.models import Entry
from policy.audits import consultations, regulators
from policy.models import Case, Consultation, Export, Referral, RegulatorAccount, SavedQuery
from tests.policy.bundles import known
from tests.web import stage

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]
PURPOSE = {"purpose": "Inquiry 2026/17 into deadlines"}


@pytest.fixture
def hidden(alice: User, rita: User, photo: bytes) -> Case:
    """Dana's notice about Alice's work, decided."""
    case: Case = known(stage.notice)(stage.work(alice, photo))[0].case
    stage.decide(case, rita)
    sequencer.tick()
    return case


@pytest.fixture
def portal(greta: User) -> Client:
    """Greta's browser, after she said what for."""
    browser = stage.browser(greta)
    browser.post("/regulator/", PURPOSE)
    return browser


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_before_the_purpose_the_page_says_what_the_access_covers(greta: User) -> None:
    page = text(stage.browser(greta).get("/regulator/"))
    for expected in (
        "The Regulator",
        "EU",
        "DSA Articles 51 and 72",
        "Statements of reasons",
        "Purpose of this access",
    ):
        assert expected in page


def test_the_first_purpose_takes_an_invitation_up(olga: User) -> None:
    operator = stage.browser(olga)
    said = {
        "email": "gus@authority.example",
        "name": "Gus",
        "authority": "Media Authority",
        "jurisdictions": ["EU"],
        "legal_basis": "DSA Article 51",
        "scopes": ["cases"],
        "days": "90",
    }
    assert operator.post("/operations/regulators/", {**said, "jurisdictions": []}).status_code == 422
    page = text(operator.post("/operations/regulators/", said))
    link = re.search(r"/enter/[\w-]+/", page)
    assert link and "Media Authority is invited" in page
    assert link[0] not in text(operator.get("/operations/regulators/")), "it is shown once"
    gus = Client()
    gus.post(link[0])
    assert "you take the invitation up" in text(gus.get("/regulator/"))
    assert gus.get("/regulator/bundles/").status_code == 403
    gus.post("/regulator/", PURPOSE)
    assert RegulatorAccount.objects.get().state == "active"
    assert gus.get("/regulator/bundles/").status_code == 200


def test_a_suspended_account_has_no_page_and_no_download_from_that_moment_on(
    portal: Client, hidden: Case, olga: User, settle: Settle
) -> None:
    portal.post("/regulator/export/", {})
    settle()
    export = Export.objects.get()
    pages = [
        *("/regulator/", "/regulator/cases/", f"/regulator/cases/{hidden.pk}/", "/regulator/bundles/"),
        *("/regulator/messages/", f"/regulator/exports/{export.pk}/"),
    ]
    for page in pages:
        answer = portal.get(page)
        assert answer.status_code == 200, page
        b"".join(getattr(answer, "streaming_content", []))  # to its end, which closes the file
    account = RegulatorAccount.objects.get()
    operator = stage.browser(olga)
    assert operator.post(f"/operations/regulators/{account.pk}/", {"do": "suspend", "why": ""}).status_code == 302
    assert {portal.get(page).status_code for page in pages} == {403}
    assert "suspended" in text(portal.get("/regulator/"))
    operator.post(f"/operations/regulators/{account.pk}/", {"do": "resume"})
    assert portal.get("/regulator/").status_code == 200


def test_an_operator_renews_and_ends_an_account(greta: User, olga: User) -> None:
    address = f"/operations/regulators/{RegulatorAccount.objects.get().pk}/"
    browser = stage.browser(olga)
    assert browser.post(address, {"do": "renew", "days": "9999"}).status_code == 422
    assert browser.post(address, {"do": "renew", "days": "10"}).status_code == 302
    assert browser.post(address, {"do": "nothing"}).status_code == 400
    assert browser.post(address, {"do": "end"}).status_code == 302
    assert "can be invited again" in text(browser.get(address))


def test_the_query_counts_before_anything_is_taken_and_is_kept_for_the_next_time(portal: Client, hidden: Case) -> None:
    page = text(portal.get("/regulator/?category=likeness"))
    assert "about 1 case in your reach" in page and hidden.object in page
    assert not Export.objects.exists()
    assert portal.get("/regulator/?category=gossip").status_code == 422
    assert portal.post("/regulator/saved/", {"category": "likeness", "name": ""}).status_code == 422
    answer = portal.post("/regulator/saved/", {"category": "likeness", "name": "Likenesses"})
    assert answer["Location"] == "/regulator/?category=likeness"
    row = SavedQuery.objects.get()
    assert "Likenesses" in text(portal.get("/regulator/"))
    portal.post(f"/regulator/saved/{row.pk}/forget/")
    assert not SavedQuery.objects.exists()


def test_every_template_of_a_query_is_one_that_can_be_asked(portal: Client, hidden: Case) -> None:
    page = text(portal.get("/regulator/"))
    addresses = re.findall(r'href="/regulator/(\?[^"]+)"', page)
    assert len(addresses) == 4
    for address in addresses:
        assert portal.get("/regulator/" + address.replace("&amp;", "&")).status_code == 200


def test_cases_of_other_places_are_neither_listed_nor_found(portal: Client, hidden: Case) -> None:
    assert f"/regulator/cases/{hidden.pk}/" in text(portal.get("/regulator/cases/"))
    page = text(portal.get(f"/regulator/cases/{hidden.pk}/"))
    assert stage.TERMS["explanation"] in page and "Dana" not in page
    RegulatorAccount.objects.update(jurisdictions=["IN"])
    assert "No case in reach" in text(portal.get("/regulator/cases/"))
    assert portal.get(f"/regulator/cases/{hidden.pk}/").status_code == 404


def test_a_bundle_that_failed_says_why_and_is_asked_for_again(
    portal: Client, hidden: Case, settle: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise Problem("export.too_large", "Too much for one export")

    with monkeypatch.context() as patched:
        patched.setattr("policy.audits.exports.write_bundle", refuse)
        portal.post("/regulator/export/", {})
        settle()
    page = text(portal.get("/regulator/bundles/"))
    assert "export.too_large" in page and "Try again" in page
    portal.post(f"/regulator/exports/{Export.objects.get().pk}/again/")
    settle()
    assert "Download" in text(portal.get("/regulator/bundles/"))


def test_a_download_goes_on_where_it_broke_off(portal: Client, hidden: Case, settle: Settle) -> None:
    portal.post("/regulator/export/", {})
    settle()
    export = Export.objects.get()
    answer = portal.get(f"/regulator/exports/{export.pk}/", headers={"Range": "bytes=100-"})
    assert answer.status_code == 206
    assert len(b"".join(answer.streaming_content)) == export.size - 100  # type: ignore[attr-defined]
    assert answer["Cache-Control"] == "private, no-store"
    assert portal.get(f"/regulator/exports/{export.pk}/", headers={"Range": "bytes=9999999-"}).status_code == 416


def test_a_list_of_bundles_costs_the_same_for_many(portal: Client, hidden: Case) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            portal.get("/regulator/bundles/")
        return len(asked)

    portal.post("/regulator/export/", {})
    few = cost()
    for _ in range(2):
        portal.post("/regulator/export/", {})
    assert cost() == few


# --- Talking -------------------------------------------------------------------------------------------------------


def test_authority_and_office_write_to_each_other_and_everybody_reads_the_outcome(
    portal: Client, hidden: Case, lena: User, rita: User
) -> None:
    asked = {"subject": "How copies are recognised", "text": "Which threshold do you use?"}
    assert portal.post("/regulator/messages/", {**asked, "text": "Ask dana@example.org."}).status_code == 422
    portal.post(f"/regulator/messages/?case={hidden.pk}", asked)
    row = Consultation.objects.get()
    assert row.case == hidden
    office = stage.browser(lena)
    assert asked["subject"] in text(office.get("/operations/consultations/"))
    office.post(f"/operations/consultations/{row.pk}/", {"text": "The one on the card of the detector."})
    assert "card of the detector" in text(portal.get(f"/regulator/messages/{row.pk}/"))
    public = Client()
    assert asked["subject"] not in text(public.get("/transparency/authorities/"))
    assert office.post(f"/operations/consultations/{row.pk}/close/", {"outcome": "x"}).status_code == 422
    office.post(f"/operations/consultations/{row.pk}/close/", {"outcome": "The threshold stands on the card."})
    page = text(public.get("/transparency/authorities/"))
    assert asked["subject"] in page and "The threshold stands on the card." in page and "Which threshold" not in page
    for browser in (stage.browser(rita), portal):
        assert browser.get("/operations/consultations/").status_code == 403


def test_the_office_begins_one_too(greta: User, olga: User) -> None:
    account = RegulatorAccount.objects.get()
    said = {"account": str(account.pk), "subject": "A visit in spring", "text": "When would it suit you?"}
    browser = stage.browser(olga)
    assert browser.post("/operations/consultations/", {**said, "account": ""}).status_code == 422
    row_page = browser.post("/operations/consultations/", said)["Location"]
    assert "A visit in spring" in text(browser.get(row_page))
    assert consultations.of_authority(greta).count() == 1


# --- In public, and at the desk ------------------------------------------------------------------------------------


def test_everybody_reads_which_authorities_look_and_how_often(portal: Client, hidden: Case, settle: Settle) -> None:
    portal.get("/regulator/")
    settle()
    page = text(Client().get("/transparency/authorities/"))
    for expected in ("The Regulator", "European Union", "DSA Articles 51 and 72", "Pages of the log read"):
        assert expected in page
    assert "greta" not in page.lower()
    RegulatorAccount.objects.update(state="suspended")
    assert "DSA Articles 51 and 72" not in text(Client().get("/transparency/authorities/"))


def test_a_lead_writes_down_what_was_handed_to_the_police(hidden: Case, ravi: User, rita: User) -> None:
    address = f"/review/{hidden.pk}/refer/"
    browser = stage.browser(ravi)
    assert address in text(browser.get(f"/review/{hidden.pk}/"))
    said = {
        "kind": "threat",
        "authority": "Police of the place",
        "jurisdiction": "EU",
        "rule_id": "eu.dsa.18",
        "reference": "17/2026",
        "what": "The signed file and when it was registered.",
    }
    assert browser.post(address, {**said, "what": "x"}).status_code == 422
    assert browser.post(address, said).status_code == 302
    assert "Police of the place" in text(browser.get(address))
    assert Referral.objects.get().case == hidden
    assert stage.browser(rita).get(address).status_code == 403


def test_each_of_these_pages_is_closed_to_others(alice: User, greta: User, hidden: Case) -> None:
    account = RegulatorAccount.objects.get()
    for page in ("/regulator/bundles/", "/regulator/cases/", "/regulator/messages/", "/operations/consultations/"):
        assert stage.browser(alice).get(page).status_code == 403
        assert "/account/login/" in stage.browser().get(page)["Location"]
    for page in ("/operations/regulators/", f"/operations/regulators/{account.pk}/"):
        assert stage.browser(greta).get(page).status_code == 403
    assert Role.REGULATOR in greta.roles and not Entry.objects.filter(type="regulator:changed").exists()
    assert regulators.entitled(greta) == account
