"""The walk through one decided case: what a real office shows, what only a demonstration does, and who may choose."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.problems import Conflict, Forbidden
from ledger import reading
from ledger.models import Entry
from policy.law import clocks
from policy.models import Appeal, Case, Clock, Decision, Hold
from policy.redress import appeals
from policy.transparency import example
from provenance.models import Asset
from tests.web import stage

pytestmark = [pytest.mark.django_db, pytest.mark.only_on("sqlite")]
Settle = Callable[[], None]
# What nobody may read on the page of a real case.
SECRETS = (
    "Harbour at noon",
    "Dana Hill",
    "dana@example.org",
    "never agreed",
    "The work shows what",
    "asks for this outcome",
)


@pytest.fixture
def decided(alice: User, rita: User, photo: bytes, settle: Settle) -> Decision:
    filed, _ = stage.notice(stage.work(alice, photo))
    assert filed.case is not None
    decision = stage.decide(filed.case, rita)
    settle()
    return decision


@pytest.fixture
def left_alone(alice: User, rita: User, photo: bytes, settle: Settle) -> Decision:
    """A case in which nothing was done to the work."""
    filed, _ = stage.notice(stage.work(alice, photo))
    assert filed.case is not None
    decision = stage.decide(filed.case, rita, outcome="no_action")
    settle()
    return decision


@pytest.fixture
def real_office(settings: Any) -> None:
    settings.DEMO = False


def over(decision: Decision) -> Case:
    """The time to appeal is over and the case is closed, as after half a year."""
    clocks.end(decision.clocks.all(), Clock.State.VOID)
    Case.objects.filter(pk=decision.case_id).update(state=Case.State.CLOSED)
    decision.case.refresh_from_db()
    return decision.case


def walk(language: str = "en") -> str:
    answer = Client().get(f"/how-we-decide/{language}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_office_that_has_chosen_nothing_says_so() -> None:
    assert "There is no example yet" in walk()
    assert "Es gibt noch kein Beispiel" in walk("de")


def test_of_real_people_the_page_tells_what_happened_and_no_word_work_or_name(
    left_alone: Decision, lena: User, real_office: None, settle: Settle
) -> None:
    example.choose(over(left_alone), lena)
    settle()
    shown = walk()
    assert "This case was about real people" in shown
    assert "What the case was about stays sealed." in shown
    assert "Use of a person&#x27;s face, voice or body" not in shown
    assert "No action" in shown
    assert "Terms of this office, 1 Consent of people shown" in shown
    assert "Nobody appealed against this decision." in shown
    assert "A decision was made" in shown
    for secret in (*SECRETS, str(left_alone.case.asset_id), str(left_alone.case.notices.get().number)):
        assert secret not in shown, secret
    assert all(clock.rule_id.startswith("office.") for clock in example.clocks(example.shown(), left_alone, None))  # type: ignore[arg-type]


def test_its_entries_are_those_that_the_public_log_has_of_the_case(
    left_alone: Decision, lena: User, real_office: None, settle: Settle
) -> None:
    case = over(left_alone)
    example.choose(case, lena)
    settle()
    chosen = example.shown()
    assert chosen is not None
    told = example.entries(chosen)
    types = [entry.type for entry in told]
    assert types[0] in ("notice:filed", "case:opened")
    assert {"case:assigned", "decision:made"} <= set(types)
    assert all(reading.content(entry)["object"] == case.object for entry in told)
    for entry in told:
        assert f'href="/api/v1/log/entries/{entry.index}"' in walk()
    leaf = reading.content(chosen.entry)
    assert leaf["facts"] == {"words": False, "entries": [entry.index for entry in told]}


def test_a_demonstration_shows_the_work_the_words_and_the_statement(
    decided: Decision, alice: User, ravi: User, lena: User, settle: Settle
) -> None:
    filed = appeals.file_appeal(decided, user=alice, grounds="I asked everybody before.")
    appeals.decide_appeal(filed, ravi, outcome=Appeal.Outcome.OVERTURN, reasons="The consent was there all along.")
    example.choose(decided.case, lena, words=True)
    settle()
    shown = walk()
    assert "The people in this case are made up" in shown
    assert "The work shows what the notice describes." in shown
    assert "The consent was there all along." in shown
    assert "The decision is overturned" in shown
    assert "Somebody who had no part in the decision" in shown
    assert f'href="/assets/{decided.case.asset_id}/"' in shown
    assert "This was decided on the ground of" in shown
    german = walk("de")
    assert "Grundlage der Entscheidung" in german
    assert "Die Entscheidung ist aufgehoben" in german
    assert "Verborgen" in german
    assert "Dana Hill" not in shown
    assert "I asked everybody before." not in shown


def test_words_are_told_in_a_demonstration_only_and_end_with_it(
    decided: Decision, lena: User, settings: Any, settle: Settle
) -> None:
    example.choose(decided.case, lena, words=True)
    settle()
    assert "The work shows what the notice describes." in walk()
    settings.DEMO = False
    assert "There is no example yet" in walk()
    with pytest.raises(Conflict, match="everybody is made up"):
        example.choose(over(decided), lena, words=True)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"minor": True}, "about a child"),
        ({"category": "ncii_deepfake"}, "somebody’s body"),
        ({"category": "authority_order"}, "from an order"),
        ({"state": "reopened"}, "not decided"),
    ],
)
def test_what_must_not_be_an_example_is_refused_and_disappears_if_it_was_one(
    decided: Decision, lena: User, change: dict[str, Any], why: str, settle: Settle
) -> None:
    example.choose(decided.case, lena)
    settle()
    assert example.shown() is not None
    Case.objects.filter(pk=decided.case_id).update(**change)
    assert example.shown() is None
    assert "There is no example yet" in walk()
    decided.case.refresh_from_db()
    with pytest.raises(Conflict, match=why):
        example.choose(decided.case, lena)


def test_nothing_is_told_while_somebody_can_still_be_heard(left_alone: Decision, lena: User, real_office: None) -> None:
    with pytest.raises(Conflict, match="time to appeal is not over"):
        example.choose(left_alone.case, lena)
    appeals.file_appeal(left_alone, notice=left_alone.case.notices.get(), grounds="It does show me.")
    with pytest.raises(Conflict, match="an appeal is not over"):
        example.choose(left_alone.case, lena)


def test_what_changed_a_work_is_no_example_because_the_log_has_both_at_one_moment(
    decided: Decision, lena: User, real_office: None
) -> None:
    with pytest.raises(Conflict, match="would tell which work it was"):
        example.choose(over(decided), lena)


def test_a_case_under_a_legal_hold_is_no_example(decided: Decision, lena: User) -> None:
    Hold.objects.create(case=decided.case, basis="eu.dsa.9.order", review_date="2027-01-01")
    with pytest.raises(Conflict, match="a legal hold keeps it"):
        example.choose(decided.case, lena)


def test_lead_reviewers_and_lawyers_choose_and_nobody_in_their_own_matter(
    decided: Decision, alice: User, rita: User, ravi: User, mallory: User
) -> None:
    for somebody in (alice, rita, mallory):
        with pytest.raises(Forbidden, match="chosen by lead reviewers and lawyers"):
            example.choose(decided.case, somebody)
    Asset.objects.filter(cases=decided.case).update(owner=ravi)
    with pytest.raises(Forbidden, match="somebody else does this"):
        example.choose(decided.case, ravi)
    assert not Entry.objects.filter(type="example:chosen").exists()


def test_the_example_is_taken_away_again(decided: Decision, lena: User, settle: Settle) -> None:
    with pytest.raises(Conflict, match="There is no example"):
        example.end(lena)
    example.choose(decided.case, lena)
    example.end(lena)
    settle()
    assert "There is no example yet" in walk()


def test_the_page_costs_the_same_however_long_the_story_is(
    decided: Decision, alice: User, ravi: User, lena: User, settle: Settle
) -> None:
    example.choose(decided.case, lena, words=True)
    settle()
    few = queries()
    filed = appeals.file_appeal(decided, user=alice, grounds="I asked everybody before.")
    appeals.decide_appeal(filed, ravi, outcome=Appeal.Outcome.OVERTURN, reasons="The consent was there.")
    example.choose(decided.case, lena, words=True)
    settle()
    assert queries() <= few + 3  # the appeal's own clocks and hearer, however much else was said


def queries() -> int:
    walk()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        walk()
    return len(asked)
