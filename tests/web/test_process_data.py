"""People's data on the pages: what they ask for, what the office does about it, and that an erased name is nowhere."""

import datetime as dt
import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from core.clock import now
from policy.audits import exports
from policy.consents import consent
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import notices
from policy.models import Breach, Case, Consent, DataRequest, Hold, Notice, Person
from policy.redress import appeals
from policy.rights import data_letters, data_requests, data_rights, holds, people
from provenance.models import Asset
from tests.policy.bundles import taken
from tests.web import stage

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]
SAID = ("Dana", "dana@example.org", "never agreed to it")


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def filed(work: Asset) -> tuple[Notice, str]:
    return stage.notice(work)


@pytest.fixture
def dana(filed: tuple[Notice, str]) -> Any:
    """A browser in which Dana's notice is open, and the address of her page."""
    notice, pin = filed
    browser = stage.browser()
    answer = browser.post("/my-data/", {"number": notice.number, "pin": pin})
    return browser, answer["Location"]


# --- What Dana asks for --------------------------------------------------------------------------------------------


def test_everything_is_a_zip_that_opens_without_us_and_without_scripts(
    dana: Any, filed: tuple[Notice, str], settle: Settle
) -> None:
    notices.attach(filed[0], SimpleUploadedFile("letter.txt", b"A letter of Dana."))
    settle()
    browser, page = dana
    answer = browser.post(page, {"do": "package"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        names = archive.namelist()
        readable = archive.read("readable.html").decode()
        data = json.loads(archive.read("data.json"))
        receipts = [name for name in names if name.startswith("receipts/")]
        documents = [archive.read(name) for name in names if name.startswith("documents/")]
    assert {"README.txt", "readable.html", "data.json"} <= set(names) and receipts
    assert documents == [b"A letter of Dana."]
    assert "Dana Hill" in readable and "<script" not in readable and "http" not in readable
    assert data["format"] == "assay-access/1"
    assert DataRequest.objects.get().state == "done"


def test_who_was_asked_for_consent_takes_the_receipts_along(work: Asset, alice: User) -> None:
    said: dict[str, Any] = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish"]}
    asked, link = consent.ask_consent(work, alice, **said)
    answer = stage.answered(link).post(f"/my-data{link}", {"do": "package"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert f"receipts/consent-{asked.pk}.json" in archive.namelist()


def test_what_dana_gave_is_taken_along_as_data(dana: Any) -> None:
    browser, page = dana
    body = json.loads(browser.post(page, {"do": "port"}).content)
    assert body["format"] == "assay-portable/1"
    assert "Dana Hill" in json.dumps(body["given"])


def test_dana_corrects_restricts_objects_and_asks_a_person_to_look(dana: Any, work: Asset) -> None:
    browser, page = dana
    browser.post(page, {"do": "correct", "name": "Dana Hall", "contact": "dana@example.com"})
    assert people.name_and_contact(Person.objects.get()) == ("Dana Hall", "dana@example.com")
    browser.post(page, {"do": "restrict"})
    assert "stored and used only where a law asks" in browser.get(page).content.decode()
    browser.post(page, {"do": "lift"})
    assert browser.post(page, {"do": "object", "object-text": "no"}).status_code == 422
    browser.post(page, {"do": "object", "object-text": "I object to statistics about me."})
    browser.post(page, {"do": "rectify", "rectify-text": "The date in the case is wrong."})
    assert browser.post(page, {"do": "human", "asset": ""}).status_code == 422
    answer = browser.post(page, {"do": "human", "asset": str(work.pk)}, follow=True)
    text = answer.content.decode()
    assert "A person will look at it again." in text and "Answer by" in text
    assert Case.objects.filter(category="privacy", asset=work).exists()
    assert browser.post(page, {"do": "steal"}).status_code == 400
    kinds = dict(DataRequest.objects.values_list("kind", "state"))
    assert kinds == {
        "rectify": "received", "restrict": "done", "object": "received", "human": "planned"
    }  # fmt: skip


def test_the_page_has_as_many_queries_for_many_requests_and_sealed_values_as_for_few(
    dana: Any, filed: tuple[Notice, str]
) -> None:
    browser, page = dana
    for _ in range(2):
        browser.post(page, {"do": "port"})
    with CaptureQueriesContext(connection) as few:
        browser.get(page)
    for number in range(4):
        browser.post(page, {"do": "port"})
        notices.attach(filed[0], SimpleUploadedFile(f"letter{number}.txt", b"A letter of Dana."))
    with CaptureQueriesContext(connection) as many:
        browser.get(page)
    assert len(many) == len(few)


def test_a_lead_puts_a_request_back_that_somebody_else_has_taken(
    filed: tuple[Notice, str], olga: User, ravi: User
) -> None:
    row = data_requests.ask(filed[0].filer, "object", text="I object to statistics.")
    data_requests.take(row, olga)
    page, lead = f"/operations/data/{row.pk}/", stage.browser(ravi)
    assert "Put it back" not in stage.browser(olga).get(page).content.decode()
    assert "Put it back on the desk, away from Olga" in lead.get(page).content.decode()
    assert lead.post(page, {"do": "take_back", "why": ""}).status_code == 422
    assert lead.post(page, {"do": "take_back", "why": "Olga is ill."}).status_code == 302
    row.refresh_from_db()
    assert (row.state, row.handled_by) == ("received", None)


def test_the_register_is_open_to_everybody_and_made_of_the_register(client: Any) -> None:
    page = client.get("/my-data/register/").content.decode()
    for expected in ("key destroyed", "GDPR Art. 6(1)", "contact", "office.terms.keep_contact", "draft"):
        assert expected in page


# --- What the office does ------------------------------------------------------------------------------------------


def test_olga_answers_what_waits_and_reads_it_only_once_she_has_taken_it(dana: Any, olga: User, settle: Settle) -> None:
    browser, page = dana
    browser.post(page, {"do": "rectify", "rectify-text": "My name is Dana Hall, with an a."})
    row, desk = DataRequest.objects.get(), stage.browser(olga)
    address = f"/operations/data/{row.pk}/"
    assert address in desk.get("/operations/data/").content.decode()
    assert "with an a" not in desk.get(address).content.decode()
    desk.post(address, {"do": "take"})
    assert "with an a" in desk.get(address).content.decode()
    assert desk.post(address, {"do": "extend", "reason": "mood"}).status_code == 422
    desk.post(address, {"do": "extend", "reason": "complex"})
    assert "It takes longer: the matter is complex." in browser.get(page).content.decode()
    assert desk.post(address, {"do": "carry_out"}).status_code == 422
    desk.post(address, {"do": "carry_out", "name": "Dana Hall"})
    row.refresh_from_db()
    assert row.state == "done" and "Dana Hall" in browser.get(page).content.decode()


def test_a_refusal_tells_its_ground_and_where_to_complain(dana: Any, olga: User) -> None:
    browser, page = dana
    browser.post(page, {"do": "object", "object-text": "I object to statistics about me."})
    address = f"/operations/data/{DataRequest.objects.get().pk}/"
    stage.browser(olga).post(address, {"do": "refuse", "ground": "duty"})
    text = browser.get(page).content.decode()
    assert "A duty asks for keeping it" in text and "data protection authority" in text


def test_a_letter_is_written_down_proved_and_answered_with_the_package(
    filed: tuple[Notice, str], olga: User, ravi: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = stage.browser(olga)
    assert desk.post("/operations/data/", {"whose": "nobody", "kind": "access"}).status_code == 422
    address = desk.post("/operations/data/", {"whose": filed[0].number, "kind": "access"})["Location"]
    assert "proved who they are" in desk.get(address).content.decode()
    assert desk.post(address, {"do": "proved", "how": "a feeling"}).status_code == 422
    stage.browser(ravi).post(address, {"do": "proved", "how": "code"})
    desk.post(address, {"do": "take"})
    assert desk.post(address, {"do": "carry_out"}).status_code == 409, "she has three days to say that it was not she"
    monkeypatch.setattr(data_letters, "TO_STOP_IT", dt.timedelta(0))
    answer = desk.post(address, {"do": "carry_out"})
    assert answer["Content-Type"] == "application/zip"
    assert desk.post(address, {"do": "carry_out"}).status_code == 409
    desk.post("/operations/data/", {"whose": alice.email, "kind": "erase"})
    assert DataRequest.objects.get(kind="erase").user == alice


def test_ravi_places_reviews_and_releases_a_hold(work: Asset, ravi: User) -> None:
    desk = stage.browser(ravi)
    later = (now() + dt.timedelta(days=300)).date().isoformat()
    wrong = {"on": "asset:1", "basis": "office.terms.consent", "review_date": later}
    assert "no such asset" in desk.post("/operations/holds/", wrong).content.decode()
    desk.post("/operations/holds/", {"on": f"asset:{work.pk}", "basis": "office.terms.consent", "review_date": later})
    hold = Hold.objects.get()
    Hold.objects.update(review_date=now().date())
    assert "The review is due" in desk.get("/operations/holds/").content.decode()
    assert desk.post(f"/operations/holds/{hold.pk}/", {"review_date": "soon"}).status_code == 422
    desk.post(f"/operations/holds/{hold.pk}/", {"review_date": later})
    assert "The review is due" not in desk.get("/operations/holds/").content.decode()
    desk.post(f"/operations/holds/{hold.pk}/", {"do": "release"})
    assert "No hold is in force" in desk.get("/operations/holds/").content.decode()


def test_a_breach_from_the_first_note_to_the_end(dana: Any, olga: User, settle: Settle) -> None:
    desk = stage.browser(olga)
    said = {"kind": "confidentiality", "risk": "unknown", "affected": "filers", "description": "A backup lay open."}
    wrong = desk.post("/operations/breaches/", {**said, "description": "It is of eve@example.org."})
    assert wrong.status_code == 422 and "e-mail addresses" in wrong.content.decode()
    address = desk.post("/operations/breaches/", said)["Location"]
    assert "eu.gdpr.33" in desk.get(address).content.decode()
    desk.post(address, {"do": "assess", "risk": "high", "affected": "nobody", "measures": "It was closed."})
    assert desk.post(address, {"do": "close"}).status_code == 409
    desk.post(address, {"do": "authority", "reference": "DPA-7"})
    desk.post(address, {"do": "people"})
    settle()
    browser, page = dana
    assert "A backup lay open." in browser.get(page).content.decode()
    desk.post(address, {"do": "close"})
    assert Breach.objects.get().state == "closed"
    assert "1 of 1 told" in desk.get("/operations/breaches/").content.decode()


def test_what_is_owed_to_people_is_on_the_desk_with_what_is_due_first(olga: User, alice: User, rita: User) -> None:
    desk = stage.browser(olga)
    assert "The first is due" not in desk.get("/operations/").content.decode()
    data_requests.ask(alice, "object", text="I do not want this to be examined.")
    for page in ("/operations/", "/desk/"):
        shown = desk.get(page).content.decode()
        for room in ("/operations/data/", "/operations/holds/", "/operations/breaches/", "/blocked-copies/"):
            assert f'href="{room}"' in shown
        assert "<strong>1</strong> wait for an answer" in shown
        assert "The first is due" in shown
    assert 'href="/operations/"' in desk.get("/").content.decode()
    assert "/operations/" not in stage.browser(rita).get("/desk/").content.decode()


def test_the_rooms_are_closed_to_others(alice: User, rita: User) -> None:
    for page in ("/operations/", "/operations/data/", "/operations/holds/", "/operations/breaches/"):
        assert stage.browser().get(page).status_code == 302
        assert stage.browser(alice).get(page).status_code == 403
        assert stage.browser(rita).get(page).status_code == 403


# --- Names are gone ------------------------------------------------------------------------------------------------


def addresses(known: dict[str, list[str]]) -> list[str]:
    """Every page of this site that needs nothing, or only what `known` has: {part of the address: values}."""
    found: list[str] = []

    def walk(patterns: Any, prefix: str) -> None:
        for each in patterns:
            route = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(each.url_patterns, route)
            elif isinstance(each, URLPattern):
                found.extend(filled(route, known))

    walk(get_resolver().url_patterns, "/")
    # The API's own description is made of code, and slow.
    return sorted(address for address in set(found) if "schema" not in address)


def filled(route: str, known: dict[str, list[str]]) -> list[str]:
    if "(?P" in route or "^" in route:
        return []
    names = re.findall(r"<(?:\w+:)?(\w+)>", route)
    if not names:
        return [route]
    if len(names) > 1:
        return []
    about = [value for part, values in known.items() if f"/{part}/" in route for value in values]
    return [re.sub(r"<[^>]+>", value, route) for value in about]


def test_the_name_of_who_was_erased_is_on_no_page_in_no_export_and_in_no_value_of_the_log(
    work: Asset, alice: User, rita: User, ravi: User, greta: User, olga: User, settle: Settle
) -> None:
    """In the middle of a case: Dana is shown in the work, filed the notice and appealed; then all of it is erased."""
    asked, link = consent.ask_consent(work, alice, name="Dana Hill", contact="dana@example.org", purposes=["publish"])
    notice, _pin = stage.notice(work)
    data_requests.ask(notice.filer, "object", text="I, Dana, object to statistics.")
    case = cases.assign(notice.case, rita)
    decision = decisions.decide(case, rita, outcome="no_action", **stage.TERMS)
    appeal = appeals.file_appeal(decision, notice=notice, grounds="It is me, Dana Hill, who is shown.")
    settle()
    keys = {
        **{part: [str(work.pk)] for part in ("assets", "studio")},
        **{part: [str(notice.case_id)] for part in ("review", "cases")},
        "decisions": [str(decision.pk)],
        "appeals": [str(appeal.pk)],
        "data": [str(each.pk) for each in DataRequest.objects.all()],
        **{part: [notice.number] for part in ("notice", "notices")},
        "consent": [link.split("/")[2]],
    }
    seen = dict.fromkeys(SAID, 0)

    def look(*users: User | None) -> None:
        for user in users:
            browser = stage.browser(user)
            for address in addresses(keys):
                answer = browser.get(address)
                text = b"".join(answer) if answer.streaming else answer.content
                for said in SAID:
                    if said.encode() in text:
                        seen[said] += 1
                        where[said] = f"{address} as {user}"

    where: dict[str, str] = {}
    look(ravi)
    assert seen["Dana"], "before, there are pages that name her"
    for person in (asked.depiction.person, notice.filer):
        data_rights.erase(person)
    settle()
    seen, where = dict.fromkeys(SAID, 0), {}
    look(alice, ravi, greta, olga)
    assert not any(seen.values()), where
    export = taken(greta, purpose="Inquiry 12 into deadlines")
    with exports.open_export(export, greta) as file, zipfile.ZipFile(io.BytesIO(file.read())) as bundle:
        whole = b"".join(bundle.read(name) for name in bundle.namelist())
    assert not any(said.encode() in whole for said in SAID)
    assert Consent.objects.get().depiction.person.erased_at
    assert holds.reaching(notice.filer) == []
