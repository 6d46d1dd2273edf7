"""Decisions as their recipients read them, and appeals that the first decider cannot decide."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role, User
from policy.consents import consent
from policy.models import Appeal, Attachment, Case, Category, Decision, Person, ReviewerProfile
from policy.redress import appeal_dialogue, appeals
from provenance.models import Asset
from tests.conftest import _person
from tests.web import stage

pytestmark = pytest.mark.django_db

GROUNDS = "The work is satire and everybody in it agreed."


@pytest.fixture
def work(alice: User, photo: bytes) -> Asset:
    return stage.work(alice, photo)


@pytest.fixture
def case(work: Asset) -> Case:
    return stage.notice(work)[0].case


@pytest.fixture
def decision(case: Case, rita: User) -> Decision:
    """Rita hides Alice's work."""
    return stage.decide(case, rita)


@pytest.fixture
def appeal(decision: Decision, alice: User) -> Appeal:
    return appeals.file_appeal(decision, user=alice, grounds=GROUNDS)


def test_alice_reads_the_reasons_the_rule_and_until_when_she_may_appeal(alice: User, decision: Decision) -> None:
    page = stage.browser(alice).get(f"/decisions/{decision.pk}/").content.decode()
    for expected in ("Statement of reasons", "now hidden from the public", "Do you disagree?", "Until", "draft"):
        assert expected in page, expected
    assert "Rita" not in page
    assert "Dana" not in page


def test_a_decision_is_not_found_by_those_it_does_not_concern(bob: User, greta: User, decision: Decision) -> None:
    for user in (bob, greta):
        assert stage.browser(user).get(f"/decisions/{decision.pk}/").status_code == 404
    assert "/account/login/" in stage.browser().get(f"/decisions/{decision.pk}/")["Location"]


def test_alice_appeals_once(alice: User, decision: Decision) -> None:
    browser, page = stage.browser(alice), f"/decisions/{decision.pk}/"
    assert browser.post(f"{page}appeal/file/", {"grounds": "No"}).status_code == 422
    assert browser.post(f"{page}appeal/file/", {"grounds": GROUNDS}).status_code == 302
    assert "Your appeal" in browser.get(page).content.decode()
    again = browser.post(f"{page}appeal/file/", {"grounds": GROUNDS})
    assert again.status_code == 422
    assert Appeal.objects.count() == 1


def test_a_reviewer_reads_but_does_not_appeal(ravi: User, decision: Decision) -> None:
    answer = stage.browser(ravi).post(f"/decisions/{decision.pk}/appeal/file/", {"grounds": GROUNDS})
    assert answer.status_code == 404
    assert not Appeal.objects.exists()


def test_an_appeal_needs_the_pages_own_token(alice: User, decision: Decision) -> None:
    answer = stage.browser(alice, csrf=True).post(f"/decisions/{decision.pk}/appeal/file/", {"grounds": GROUNDS})
    assert answer.status_code == 403
    assert not Appeal.objects.exists()


def test_the_desk_lists_ritas_own_decision_as_not_for_her(rita: User, ravi: User, appeal: Appeal) -> None:
    hers = stage.browser(rita).get("/appeals/").content.decode()
    assert ">not for you<" in hers
    assert "You took the decision that is appealed" in hers
    assert f"/appeals/{appeal.pk}/" not in hers
    his = stage.browser(ravi).get("/appeals/").content.decode()
    assert f"/appeals/{appeal.pk}/" in his
    assert ">not for you<" not in his


def test_the_first_decider_gets_a_clear_refusal_for_reading_and_for_deciding(rita: User, appeal: Appeal) -> None:
    page = f"/appeals/{appeal.pk}/"
    tries = (
        stage.browser(rita).get(page),
        stage.browser(rita).post(page, {"outcome": "uphold", "reasons": "It was right."}),
    )
    for answer in tries:
        assert answer.status_code == 403
        text = answer.content.decode()
        assert "This appeal is not yours to decide" in text
        assert "another reviewer decides this appeal" in text
        assert GROUNDS not in text
    appeal.refresh_from_db()
    assert appeal.state == "filed"


def test_ravi_overturns_and_everything_is_restored(ravi: User, alice: User, work: Asset, appeal: Appeal) -> None:
    work.refresh_from_db()
    assert work.restriction == "hidden"
    browser, page = stage.browser(ravi), f"/appeals/{appeal.pk}/"
    assert GROUNDS in browser.get(page).content.decode()
    assert browser.post(page, {"outcome": "", "reasons": "No"}).status_code == 422
    assert browser.post(page, {"outcome": "overturn", "reasons": "The consent is on record."}).status_code == 302
    work.refresh_from_db()
    assert work.restriction == ""
    after = browser.get(page).content.decode()
    assert "The decision is overturned" in after
    assert "hidden: reversed" in after
    told = stage.browser(alice).get(f"/decisions/{appeal.decision_id}/").content.decode()
    assert "The consent is on record." in told


def test_a_decided_appeal_is_not_decided_again(ravi: User, appeal: Appeal) -> None:
    browser, page = stage.browser(ravi), f"/appeals/{appeal.pk}/"
    browser.post(page, {"outcome": "uphold", "reasons": "The reasons stand as given."})
    answer = browser.post(page, {"outcome": "overturn", "reasons": "The consent is on record."})
    assert answer.status_code == 422
    appeal.refresh_from_db()
    assert appeal.outcome == "uphold"


def test_creators_and_strangers_do_not_open_the_desk_of_appeals(alice: User, greta: User, appeal: Appeal) -> None:
    for user in (alice, greta):
        for page in ("/appeals/", f"/appeals/{appeal.pk}/"):
            assert stage.browser(user).get(page).status_code == 403
    assert "/account/login/" in stage.browser().get("/appeals/")["Location"]


def test_a_party_reads_no_decided_appeal_at_the_desk(rita: User, ravi: User, photo: bytes) -> None:
    """Ravi decides the appeal about Rita's own work; she reads it as its owner, not as a reviewer."""
    case = stage.notice(stage.work(rita, photo, "Rita’s own"))[0].case
    other = User.objects.create_user("rosa@example.org", name="Rosa")
    other.memberships.create(organisation=ravi.memberships.get(role="reviewer").organisation, role="reviewer")
    trained = dict.fromkeys(Category.values, "2026-01-05")
    ReviewerProfile.objects.create(user=other, alias="R-Rosa", languages=["en"], trained=trained)
    filed = appeals.file_appeal(stage.decide(case, other), user=rita, grounds=GROUNDS)
    appeals.decide_appeal(filed, ravi, outcome="uphold", reasons="The reasons stand as given.")
    assert stage.browser(rita).get(f"/appeals/{filed.pk}/").status_code == 403
    assert stage.browser(rita).get(f"/decisions/{filed.decision_id}/").status_code == 200


# --- The dialogue, and what comes after ----------------------------------------------------------------------------


def test_ravi_asks_and_alice_answers_with_a_document_that_only_the_two_can_open(
    ravi: User, rita: User, alice: User, bob: User, appeal: Appeal
) -> None:
    desk, page = stage.browser(ravi), f"/appeals/{appeal.pk}/"
    assert desk.post(f"{page}take/").status_code == 302
    assert desk.post(f"{page}ask/", {"text": ""}).status_code == 422
    assert desk.post(f"{page}ask/", {"text": "Who agreed, and when?"}).status_code == 302
    hers, own = stage.browser(alice), f"/decisions/{appeal.decision_id}/"
    shown = hers.get(own).content.decode()
    for expected in ("A question waits for your answer", "Who agreed, and when?", "An answer is waited for until"):
        assert expected in shown, expected
    assert "Ravi" not in shown
    bad = {"text": "See here.", "document": SimpleUploadedFile("a.exe", b"MZ\x00\x01")}
    refused = hers.post(f"{own}appeal/answer/", bad)
    assert refused.status_code == 422
    assert "Save it as a PDF" in refused.content.decode()
    good = {"text": "Both, in May.", "document": SimpleUploadedFile("letter.txt", b"We agree.")}
    assert hers.post(f"{own}appeal/answer/", good).status_code == 302
    read = desk.get(page).content.decode()
    assert "Both, in May." in read
    assert "letter.txt" in read
    document, reason = f"documents/{Attachment.objects.get().pk}/", {"reason": "To see who agreed"}
    for answer in (hers.get(f"{own}{document}"), desk.post(f"{page}{document}", reason)):
        assert (answer.status_code, answer.content) == (200, b"We agree.")
        assert answer["Content-Disposition"].startswith("attachment")
    assert desk.get(f"{page}{document}").status_code == 405, "i20: nothing opens without a reason"
    assert desk.post(f"{page}{document}", {"reason": " "}).status_code == 400
    assert stage.browser(rita).post(f"{page}{document}", reason).status_code == 403
    assert stage.browser(bob).get(f"{own}{document}").status_code == 404


def test_an_appeal_is_put_back_and_taken_back(ravi: User, alice: User, appeal: Appeal) -> None:
    desk, page = stage.browser(ravi), f"/appeals/{appeal.pk}/"
    desk.post(f"{page}take/")
    assert desk.post(f"{page}release/").status_code == 302
    own = f"/decisions/{appeal.decision_id}/"
    assert stage.browser(alice).post(f"{own}appeal/withdraw/").status_code == 302
    assert "You took it back" in stage.browser(alice).get(own).content.decode()
    assert stage.browser(alice).post(f"{own}appeal/shout/").status_code == 404


def test_a_lead_puts_an_appeal_back_that_somebody_else_hears(ravi: User, rita: User, appeal: Appeal) -> None:
    appeals.assign(appeal, _person("Sam", Role.REVIEWER))
    lead, back = stage.browser(ravi), f"/appeals/{appeal.pk}/take-back/"
    assert "away from" not in stage.browser(rita).get(f"/appeals/{appeal.pk}/").content.decode()
    assert "Put it back on the desk, away from Sam" in lead.get(f"/appeals/{appeal.pk}/").content.decode()
    assert stage.browser(rita).post(back, {"why": "I decided it."}).status_code == 403
    assert "Nothing was changed" in lead.post(back, {"why": ""}, follow=True).content.decode()
    assert "back on the desk" in lead.post(back, {"why": "Sam is ill."}, follow=True).content.decode()
    assert Appeal.objects.get().assigned_to is None


def test_ravi_changes_the_decision_and_says_what_instead(ravi: User, alice: User, work: Asset, appeal: Appeal) -> None:
    desk, page = stage.browser(ravi), f"/appeals/{appeal.pk}/"
    said = {"outcome": "modify", "reasons": "A label is enough for what the clause asks."}
    new = {f"new-{name}": value for name, value in stage.TERMS.items()}
    assert desk.post(page, said).status_code == 422
    assert desk.post(page, {**said, **new, "new-outcome": "remove"}).status_code == 422
    assert desk.post(page, {**said, **new, "new-outcome": "label"}).status_code == 302
    work.refresh_from_db()
    assert work.restriction == "labelled"
    assert "The decision that took its place" in desk.get(page).content.decode()
    told = stage.browser(alice).get(f"/decisions/{appeal.decision_id}/").content.decode()
    assert "The decision is changed" in told


def test_dana_appeals_by_number_and_pin_and_reads_that_it_was_undone(
    rita: User, ravi: User, alice: User, work: Asset
) -> None:
    notice, pin = stage.notice(work)
    decision = stage.decide(notice.case, rita, outcome="label")
    dana, page = stage.browser(), f"/notice/{notice.number}/decisions/{decision.pk}/"
    assert dana.get(page).status_code == 404
    dana.post("/notice/", {"number": notice.number, "pin": pin})
    status = dana.get(f"/notice/{notice.number}/").content.decode()
    assert page in status
    assert dana.post(f"{page}appeal/file/", {"grounds": "A label is not enough."}).status_code == 302
    assert "Your appeal" in dana.get(page).content.decode()
    hers = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(hers, ravi, outcome="overturn", reasons="The consent is on record.")
    shown = dana.get(page).content.decode()
    assert "This decision was undone" in shown
    assert "The consent is on record." in shown


def test_the_person_shown_appeals_through_their_link(rita: User, alice: User, work: Asset, case: Case) -> None:
    said = {"name": "Dana Hill", "contact": "dana@example.org", "purposes": ["publish"]}
    _, link = consent.ask_consent(work, alice, **said)  # type: ignore[arg-type]
    decision = stage.decide(case, rita)
    dana = Person.objects.get(depictions__asset=work)
    assert decision.statements.get(recipient="depicted").person == dana
    page, hers = f"{link}decisions/{decision.pk}/", stage.answered(link)
    assert page in hers.get(link).content.decode()
    shown = hers.get(page).content.decode()
    assert "Do you disagree?" in shown
    assert work.title not in shown  # it is hidden from the public
    assert hers.post(f"{page}appeal/file/", {"grounds": "It should be removed."}).status_code == 302
    assert Appeal.objects.get().person == dana


def test_a_lawyer_records_a_body_outside_and_sees_nothing_sealed(
    ravi: User, lena: User, rita: User, appeal: Appeal
) -> None:
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons="The reasons stand as given.")
    browser, page = stage.browser(lena), f"/appeals/{appeal.pk}/outside/"
    assert "Harbour at noon" in browser.get("/appeals/outside/").content.decode()
    assert GROUNDS not in browser.get(page).content.decode()
    assert browser.post(page, {"body": "", "reference": ""}).status_code == 422
    assert browser.post(page, {"body": "A certified body", "reference": "D-7"}).status_code == 302
    assert "out-of-court body decides" in browser.get(page).content.decode()
    assert browser.post(page, {"more": "yes"}).status_code == 302
    clock = appeal.clocks.get(purpose="oods")
    assert clock.due_at is not None
    assert (clock.due_at - clock.started_at).days == 180
    assert browser.post(page, {"more": "yes"}).status_code == 409
    assert browser.post(page, {"outcome": "office"}).status_code == 302
    assert "did not" in browser.get(page).content.decode()
    assert stage.browser(rita).get(page).status_code == 403


def test_i24_a_childs_appeal_is_in_no_general_list(ravi: User, rita: User, alice: User, work: Asset) -> None:
    case = stage.notice(work, category="child_safety")[0].case
    appeals.file_appeal(stage.decide(case, rita), user=alice, grounds=GROUNDS)
    browser = stage.browser(ravi)
    assert "case-row" not in browser.get("/appeals/").content.decode()
    assert "case-row" in browser.get("/appeals/?show=children").content.decode()
    ReviewerProfile.objects.filter(user=ravi).update(trained={"likeness": "2026-01-05"})
    assert "case-row" not in browser.get("/appeals/?show=children").content.decode()


def test_one_appeal_with_many_messages_asks_the_database_as_often_as_one_with_few(
    ravi: User, alice: User, appeal: Appeal
) -> None:
    browser, page, asked = stage.browser(ravi), f"/appeals/{appeal.pk}/", []
    own = appeals.appeal_for(appeal.pk, user=alice)
    for number in range(6):
        appeal_dialogue.answer(own, f"Thing {number}.", [SimpleUploadedFile("a.txt", b"words")])
        if number in (1, 5):
            with CaptureQueriesContext(connection) as queries:
                assert browser.get(page).content.decode().count("a.txt") == number + 1
            asked.append(len(queries))
    assert asked[0] == asked[1]
