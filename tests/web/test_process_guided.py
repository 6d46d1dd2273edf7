"""The guided form in two steps, one click for a wrong flag and a privacy concern, and what a filer does afterwards."""

import dataclasses
import html
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Organisation, User
from core.clock import now
from detection.models import Finding, Run
from ledger.models import Entry
from policy.desk import cases
from policy.filing import address_proof, flags, notice_ends, notices
from policy.law import rules
from policy.models import Attachment, Case, Flag, Misuse, Notice, TrustedFlagger
from policy.rights import people
from provenance.models import Asset
from tests.web import stage
from web.forms_notices import DetailsForm, languages_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def facts(work: Asset) -> dict[str, str]:
    return {"asset": str(work.pk), "category": "ncii", "shown": "me", "jurisdiction": "US"}


def page_of(answer: Any) -> str:
    assert answer.status_code in (200, 422), answer
    text: str = answer.content.decode()
    return text.replace("\xa0", " ")


def fields(page: str) -> dict[str, str]:
    """Every input that a browser would send back with the page's first form, by name."""
    form = page[page.index('<form class="form"') :]
    form = form[: form.index("</form>")]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        box = 'type="checkbox"' in tag or 'type="radio"' in tag
        if name and 'type="file"' not in tag and (not box or "checked" in tag):
            found[name[1]] = value[1] if value else "on" * box
    for name_, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>\s*([^<]*)', form):
        found[name_] = text
    for name_, options in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name_] = chosen[1] if chosen else ""
    found.pop("csrfmiddlewaretoken", None)
    return {name: html.unescape(value) for name, value in found.items()}


# --- Two steps -----------------------------------------------------------------------------------------------------


def test_the_law_and_its_deadline_are_said_before_anything_is_filed(client: Client, facts: dict[str, str]) -> None:
    page = page_of(client.post("/report/", {**facts, "step": "facts"}))
    for expected in ("47 U.S.C. 223a", "in 1 day", "draft", "What happens next", "was published without the consent"):
        assert expected in page, expected
    assert not Notice.objects.exists()


def test_the_law_follows_from_the_place(client: Client, facts: dict[str, str]) -> None:
    page = page_of(client.post("/report/", {**facts, "jurisdiction": "IN", "step": "facts"}))
    assert "in 1 hour" in page or "in 2 hours" in page
    assert "47 U.S.C. 223a" not in page


def test_what_was_typed_is_not_lost_on_the_way_back_and_forth(client: Client, facts: dict[str, str]) -> None:
    second = fields(page_of(client.post("/report/", {**facts, "step": "facts"})))
    typed = {**second, "statement": "This shows me & never “agreed”.", "name": "Dana Hill", "minor": "no"}
    typed |= {"sworn_tida_not_consensual": "on", "good_faith": "on"}
    first = fields(page_of(client.post("/report/", {**typed, "step": "back"})))
    assert first["jurisdiction"] == "US" and first["shown"] == "me"
    again = page_of(client.post("/report/", {**first, "jurisdiction": "EU", "step": "facts"}))
    assert "This shows me &amp; never “agreed”." in again and 'value="Dana Hill"' in again
    last = fields(page_of(client.post("/report/", {**first, "step": "facts"})))
    assert last["sworn_tida_not_consensual"] == "on" and last["minor"] == "no"
    answer = client.post("/report/", {**last, "email": "dana@example.org", "step": "file"})
    assert answer.status_code == 302
    notice = Notice.objects.get()
    assert (notice.state, notice.answers) == ("valid", {"shown": "me", "minor": "no"})
    assert notices.contents(notice)["statement"] == "This shows me & never “agreed”."


def test_somebody_in_public_life_is_asked_for_where_it_matters(client: Client, facts: dict[str, str]) -> None:
    asked = {**facts, "category": "defamation", "shown": "no", "jurisdiction": "EU"}
    second = fields(page_of(client.post("/report/", {**asked, "step": "facts"})))
    typed = {**second, "statement": "It shows what never happened.", "good_faith": "on", "person": ["public_figure"]}
    typed |= {"name": "Erin Fox", "email": "erin@example.org"}
    assert client.post("/report/", {**typed, "step": "file"}).status_code == 302
    assert Notice.objects.get().answers == {"shown": "no", "how_made": "unknown", "public_figure": "yes"}
    intimate = page_of(client.post("/report/", {**facts, "step": "facts"}))
    assert "public_figure" not in intimate, "an intimate picture waits for nobody’s fame"


@pytest.mark.parametrize(
    "category", ["likeness", "impersonation", "fraud", "election", "other", "unlabelled_synthetic"]
)
def test_i24_whether_a_child_is_shown_is_asked_wherever_a_person_may_be(work: Asset, category: str) -> None:
    draft = Notice(asset=work, category=category, jurisdiction="EU", answers={"shown": "no"})
    form = DetailsForm(notice=draft, laws=[], languages=["en"])
    asked = [form.fields[name] for name in ("minor", "person") if name in form.fields]
    assert any("18" in f"{field.label} {dict(getattr(field, 'choices', ()))}" for field in asked)


def test_i24_a_childs_case_is_one_whatever_the_report_is_about(client: Client, facts: dict[str, str]) -> None:
    asked = {**facts, "category": "likeness", "shown": "no", "jurisdiction": "EU"}
    said = {"statement": "It shows my pupil at sports.", "good_faith": "on", "step": "as_is"}
    assert client.post("/report/", {**asked, **said}).status_code == 302
    assert not Case.objects.get().minor
    assert client.post("/report/", {**asked, **said, "person": ["minor"]}).status_code == 302
    assert Case.objects.get().minor, "the one that was open knows it too"
    concern = {"shown": "no", "jurisdiction": "EU", "minor": "yes"}
    assert client.post(f"/report/privacy/{facts['asset']}/", concern).status_code == 302
    assert Case.objects.get(category="privacy").minor


def test_a_wrong_answer_in_the_second_step_keeps_the_rest(client: Client, facts: dict[str, str]) -> None:
    page = page_of(client.post("/report/", {**facts, "statement": "Short", "name": "Dana Hill", "step": "file"}))
    assert 'value="Dana Hill"' in page and "Please confirm this" in page and "Step 2" in page
    assert not Notice.objects.exists()


def test_a_file_is_found_in_the_first_step_and_not_asked_for_again(
    client: Client, facts: dict[str, str], work: Asset, photo: bytes
) -> None:
    upload = SimpleUploadedFile("found.jpg", photo, "image/jpeg")
    page = page_of(client.post("/report/", {**facts, "age": "no", "asset": "", "file": upload, "step": "facts"}))
    assert fields(page)["asset"] == str(work.pk)
    assert 'type="file"' not in page


def test_an_order_is_asked_for_what_the_dsa_asks_and_for_no_exemption(client: Client, facts: dict[str, str]) -> None:
    said = {**facts, "category": "authority_order", "shown": "no", "jurisdiction": "EU"}
    page = page_of(client.post("/report/", {**said, "step": "facts"}))
    assert "Which court or authority issued it?" in page and 'name="exemptions"' not in page
    filled = {**said, "statement": "Disable access to this work.", "good_faith": "on", "authority": "Tribunal"}
    assert client.post("/report/", {**filled, "step": "as_is"}).status_code == 302
    order = Notice.objects.get()
    assert (order.kind, order.state, "authority" in order.missing) == ("order", "incomplete", False)


@pytest.mark.parametrize(
    ("accepted", "offered"),
    [
        ("", ["en"]),
        ("en-GB,en;q=0.9", ["en"]),
        ("de-AT,de;q=0.9,en;q=0.5", ["de", "en"]),
        ("pt-BR", ["pt-br", "en"]),
        ("tlh, en", ["en"]),
        ("\x00;q=x", ["en"]),
    ],
)
def test_who_reads_another_language_is_asked_which(accepted: str, offered: list[str]) -> None:
    assert languages_of(accepted) == offered


def test_the_language_that_was_chosen_is_kept(client: Client, facts: dict[str, str]) -> None:
    german = {"Accept-Language": "de-DE,de;q=0.9"}
    page = page_of(client.post("/report/", {**facts, "step": "facts"}, headers=german))
    assert ">German<" in page
    said = {**facts, "statement": "Das Bild zeigt mich.", "good_faith": "on", "language": "de", "step": "as_is"}
    assert client.post("/report/", said, headers=german).status_code == 302
    notice = Notice.objects.select_related("case", "filer").get()
    assert notice.language == notice.case.language == notice.filer.language == "de"


# --- One click -----------------------------------------------------------------------------------------------------


def test_a_privacy_concern_is_one_click_from_the_page_of_a_work(client: Client, work: Asset) -> None:
    address = f"/report/privacy/{work.pk}/"
    assert address in page_of(client.get(f"/assets/{work.pk}/"))
    assert client.get(address).status_code == 200
    assert client.post(address, {"shown": "me", "jurisdiction": "EU"})["Location"] == "/report/filed/"
    page = page_of(client.get("/report/filed/"))
    notice = Notice.objects.get()
    assert notice.kind == "privacy" and notice.number in page
    assert "/api/v1/log/acknowledgements/" in page


def test_an_owner_says_on_their_page_that_a_flag_is_wrong(work: Asset, alice: User, client: Client) -> None:
    flag = flags.raise_flag(work, Flag.Origin.DECLARED_SYNTHETIC)
    browser, address = stage.browser(alice), f"/report/flag/{flag.pk}/"
    assert address in page_of(browser.get(f"/studio/{work.pk}/"))
    said = {"statement": "I took it myself.", "shown": "no", "jurisdiction": "EU", "good_faith": "on"}
    assert browser.post(address, said).status_code == 302
    notice = Notice.objects.get()
    assert (notice.flag, notice.account, notice.kind) == (flag, alice, "false_positive")
    assert client.get(address).status_code == 200, "and anybody may"
    assert client.get(f"/report/flag/{work.pk}/").status_code == 404


def test_what_a_detector_found_can_be_said_to_be_wrong_by_anybody(work: Asset, client: Client) -> None:
    run = Run.objects.create(asset=work, detector="declared", version="1", state=Run.State.DONE)
    finding = Finding.objects.create(
        run=run, signal="declared_synthetic", strength="strong", statement="The file declares synthetic media."
    )
    address = f"/report/finding/{finding.pk}/"
    assert address in page_of(client.get(f"/assets/{work.pk}/"))
    said = {"statement": "It is a scan of a print.", "shown": "no", "jurisdiction": "US", "good_faith": "on"}
    assert client.post(address, said).status_code == 302
    assert Notice.objects.get().finding == finding
    Asset.objects.filter(pk=work.pk).update(restriction="hidden")
    assert client.get(address).status_code == 404


# --- Afterwards ----------------------------------------------------------------------------------------------------


@pytest.fixture
def filed(client: Client, work: Asset) -> Notice:
    """Dana's notice, open in her browser."""
    stage_notice, pin = stage.notice(work)
    client.post("/notice/", {"number": stage_notice.number, "pin": pin})
    return Notice.objects.select_related("case", "filer").get(pk=stage_notice.pk)


def test_a_document_is_added_and_read_back_by_its_sender_alone(client: Client, filed: Notice) -> None:
    address = f"/notice/{filed.number}/attach/"
    bad = SimpleUploadedFile("a.pdf", b"MZ\x90\x00\x03")
    refused = client.post(address, {"document": bad})
    assert refused.status_code == 422 and "none of them, whatever its name says" in refused.content.decode()
    assert client.post(address, {"document": SimpleUploadedFile("a.pdf", b"%PDF-1.7 letter")}).status_code == 302
    row = Attachment.objects.get()
    page = page_of(client.get(f"/notice/{filed.number}/"))
    assert "a.pdf" in page
    own = client.get(f"/notice/{filed.number}/documents/{row.pk}/")
    assert own.content == b"%PDF-1.7 letter" and own["Content-Disposition"].startswith("attachment")
    assert Client().get(f"/notice/{filed.number}/documents/{row.pk}/").status_code == 404


def test_a_reviewer_reads_a_document_for_a_reason_that_is_logged(
    client: Client, filed: Notice, rita: User, ravi: User
) -> None:
    client.post(f"/notice/{filed.number}/attach/", {"document": SimpleUploadedFile("a.pdf", b"%PDF-1.7 letter")})
    cases.assign(filed.case, rita)
    desk, row = stage.browser(rita), Attachment.objects.get()
    address = f"/review/{filed.case_id}/documents/{row.pk}/"
    assert address in page_of(desk.get(f"/review/{filed.case_id}/"))
    before = Entry.objects.filter(type="access:audited").count()
    assert desk.post(address, {"reason": ""}).status_code == 400
    assert stage.browser(ravi).post(address, {"reason": "I am curious."}).status_code == 403
    assert desk.post(address, {"reason": "It may show the contract."}).content == b"%PDF-1.7 letter"
    assert Entry.objects.filter(type="access:audited").count() == before + 1


def test_a_filer_takes_a_notice_back(client: Client, filed: Notice) -> None:
    assert "Take this notice back" in page_of(client.get(f"/notice/{filed.number}/"))
    client.post(f"/notice/{filed.number}/withdraw/")
    filed.refresh_from_db()
    assert filed.state == "withdrawn"
    page = page_of(client.get(f"/notice/{filed.number}/"))
    assert "Take this notice back" not in page and "Add the document" not in page
    assert client.post(f"/notice/{filed.number}/withdraw/").status_code == 409


def test_a_reviewer_calls_a_notice_unfounded_and_its_filer_contests_it(
    client: Client, filed: Notice, rita: User
) -> None:
    cases.assign(filed.case, rita)
    desk = stage.browser(rita)
    desk.post(f"/review/{filed.case_id}/unfounded/", {"notice": str(filed.pk), "why": ""})
    filed.refresh_from_db()
    assert filed.state == "valid"
    desk.post(f"/review/{filed.case_id}/unfounded/", {"notice": str(filed.pk), "why": "repeated"})
    page = page_of(client.get(f"/notice/{filed.number}/"))
    assert "manifestly unfounded" in page and "It repeats, word for word" in page
    assert client.post(f"/notice/{filed.number}/contest/", {"grounds": "No"}).status_code == 422
    grounds = {"grounds": "It is the first time that I say it."}
    client.post(f"/notice/{filed.number}/contest/", grounds)
    desk.post(f"/review/{filed.case_id}/unfounded/", {"notice": str(filed.pk), "why": "repeated"})
    filed.refresh_from_db()
    assert filed.state == "valid", "who said so once does not say so again"
    Notice.objects.filter(pk=filed.pk).update(state="unfounded", unfounded_for="repeated")
    page = page_of(client.get(f"/notice/{filed.number}/"))
    assert "You contested this once" in page and "/contest/" not in page
    assert client.post(f"/notice/{filed.number}/contest/", grounds).status_code == 422


def test_a_lead_warns_and_the_filer_reads_why(
    client: Client, filed: Notice, rita: User, ravi: User, alice: User, photo: bytes
) -> None:
    address_proof.prove(address_proof.path(filed).split("/")[-2])
    for n in range(3):
        other, _ = stage.notice(stage.work(alice, photo + bytes([n]), f"Pier {n}"), email="dana@example.org")
        address_proof.prove(address_proof.path(other).split("/")[-2])
        other.filer.refresh_from_db()
        other.case = cases.assign(other.case, rita)
        notice_ends.unfounded(other, rita, "unserious")
    lead = stage.browser(ravi)
    assert stage.browser(rita).get("/review/misuse/").status_code == 403
    page = page_of(lead.get("/review/misuse/"))
    address = re.search(r'action="(/review/misuse/[^"]+/warn/)"', page)
    assert address and "3 of 4 notices" in page
    assert lead.post(address[1].replace("/warn/", "/suspend/")).status_code == 302
    lead.post(address[1])
    own = page_of(client.get(f"/notice/{filed.number}/"))
    assert "A warning about your notices" in own and "3 of 4 notices" in own


def test_the_pages_ask_the_database_as_often_for_many_rows_as_for_one(
    client: Client, filed: Notice, ravi: User, alice: User
) -> None:
    lead = stage.browser(ravi)

    def asked() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as own:
            client.get(f"/notice/{filed.number}/")
        with CaptureQueriesContext(connection) as theirs:
            lead.get("/review/misuse/")
        return len(own), len(theirs)

    def add(n: int) -> None:
        notices.attach(filed, SimpleUploadedFile(f"{n}.txt", b"a note"))
        person = people.new_person(name="", contact=f"{n}@example.org")
        Misuse.objects.create(kind="notices", person=person, factors={"absolute": 3})
        home = Organisation.objects.create(name=f"Watch {n}")
        today = now().date()
        TrustedFlagger.objects.create(organisation=home, authority="A", jurisdiction="EU", areas=[], valid_from=today)

    add(1)
    asked()  # what is asked once a browser
    once = asked()
    for n in (2, 3, 4):
        add(n)
    assert asked() == once


# --- A counter-notice ----------------------------------------------------------------------------------------------


def test_the_uploader_swears_and_the_complainant_reads_it_and_goes_to_court(
    client: Client, work: Asset, alice: User, rita: User, mallory: User
) -> None:
    notice, pin = stage.notice(work, category="copyright", jurisdiction="US", details={"work": "My photograph"})
    decision = stage.decide(notice.case, rita, outcome="hide")
    studio, address = stage.browser(alice), f"/decisions/{decision.pk}/counter-notice/"
    assert address in page_of(studio.get(f"/decisions/{decision.pk}/"))
    assert stage.browser(mallory).get(address).status_code == 404
    words = {"signature": "Alice Doe", "name": "Alice Doe", "address": "4 Elm Street", "phone": "555 01 99"}
    studio.post(address, {**words, "phone": "", "sworn_dmca_mistake": "on"})
    page = page_of(studio.get(address))
    assert "your telephone number" in page and "Something is missing" in page
    studio.post(address, {"phone": "555 01 99", "sworn_dmca_jurisdiction": "on"})
    _run_jobs()
    assert "It comes back" in page_of(studio.get(address))
    client.post("/notice/", {"number": notice.number, "pin": pin})
    told = page_of(client.get(f"/notice/{notice.number}/"))
    assert "4 Elm Street" not in told and "Confirm your address to read it" in told
    address_proof.prove(address_proof.path(notice).split("/")[-2])
    told = page_of(client.get(f"/notice/{notice.number}/"))
    assert "4 Elm Street" in told and "accept service of process" in told
    assert client.post(f"/notice/{notice.number}/action/", {"court": "N.D. Cal."}).status_code == 422
    action = {"court": "N.D. Cal.", "reference": "3:26-cv-1", "sworn_dmca_action": "on"}
    client.post(f"/notice/{notice.number}/action/", action)
    kept_away = page_of(studio.get(address))
    assert "Not restored: an action was filed" in kept_away and "N.D. Cal., 3:26-cv-1" in kept_away


def test_a_counter_notice_is_asked_for_by_whatever_rule_the_case_has(
    work: Asset, alice: User, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, _ = stage.notice(work, category="copyright", jurisdiction="US", details={"work": "My photograph"})
    decision = stage.decide(notice.case, rita, outcome="hide")
    renamed = dataclasses.replace(rules.rule("us.dmca.512.g"), id="us.dmca.512.g.v2027")
    monkeypatch.setattr(rules, "matching", lambda *_, **__: [renamed])
    monkeypatch.delattr(rules, "rule")
    page = page_of(stage.browser(alice).get(f"/decisions/{decision.pk}/counter-notice/"))
    assert "sworn_dmca_mistake" in page and "Your telephone number" in page


def _run_jobs() -> None:
    from core import jobs
    from core.models import Job

    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(str(job.pk))


# --- Guessing ------------------------------------------------------------------------------------------------------


def test_many_pins_against_one_number_lock_it_on_the_page_and_in_the_api(work: Asset) -> None:
    notice, pin = stage.notice(work)
    answers = set()
    for n in range(5):
        mallory = Client(REMOTE_ADDR=f"192.0.2.{n}")
        answers.add(mallory.get(f"/api/v1/notices/{notice.number}", headers={"Assay-Pin": f"0000000{n}"}).status_code)
    assert answers == {404}
    dana = Client(REMOTE_ADDR="192.0.2.99")
    assert dana.get(f"/api/v1/notices/{notice.number}", headers={"Assay-Pin": pin}).status_code == 404
    page = dana.post("/notice/", {"number": notice.number, "pin": pin})
    assert page.status_code == 422 and "No notice answers to this number and PIN." in page.content.decode()


@pytest.mark.parametrize("verb", ["attach", "withdraw", "contest", "action", "complete", "close"])
def test_nothing_is_done_without_the_pin(work: Asset, verb: str) -> None:
    notice, _ = stage.notice(work)
    before = Entry.objects.count()
    answer = Client().post(f"/notice/{notice.number}/{verb}/", {"grounds": "I only know the number."})
    assert answer.status_code in (302, 404)
    assert Entry.objects.count() == before
