"""Decisions as their recipients read them, and appeals that the first decider cannot decide."""

import pytest

from accounts.models import User
from policy import appeals
from policy.models import Appeal, Case, Decision
from provenance.models import Asset
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
    assert browser.post(f"{page}appeal/", {"grounds": "No"}).status_code == 422
    assert browser.post(f"{page}appeal/", {"grounds": GROUNDS}).status_code == 302
    assert "Your appeal" in browser.get(page).content.decode()
    again = browser.post(f"{page}appeal/", {"grounds": GROUNDS})
    assert again.status_code == 422
    assert Appeal.objects.count() == 1


def test_a_reviewer_reads_but_does_not_appeal(ravi: User, decision: Decision) -> None:
    answer = stage.browser(ravi).post(f"/decisions/{decision.pk}/appeal/", {"grounds": GROUNDS})
    assert answer.status_code == 422
    assert not Appeal.objects.exists()


def test_an_appeal_needs_the_pages_own_token(alice: User, decision: Decision) -> None:
    answer = stage.browser(alice, csrf=True).post(f"/decisions/{decision.pk}/appeal/", {"grounds": GROUNDS})
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
    filed = appeals.file_appeal(stage.decide(case, other), user=rita, grounds=GROUNDS)
    appeals.decide_appeal(filed, ravi, outcome="uphold", reasons="The reasons stand as given.")
    assert stage.browser(rita).get(f"/appeals/{filed.pk}/").status_code == 403
    assert stage.browser(rita).get(f"/decisions/{filed.decision_id}/").status_code == 200
