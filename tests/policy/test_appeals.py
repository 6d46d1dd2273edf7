from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Role, User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy import authority
from policy.audits import reconciliation_appeals, reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases, queue
from policy.filing import flags, notice_pins
from policy.law import clocks
from policy.models import Action, Appeal, Case, Category, Decision, Flag, Notice, ReviewerProfile
from policy.redress import appeal_dialogue, appeals, out_of_court
from provenance.models import Asset
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset, leaf_of

pytestmark = pytest.mark.django_db
GROUNDS = "The label is wrong: this is a photograph of my own harbour."
WHY = "The owner showed the negatives of the work."


@pytest.fixture
def decision(case: Case, rita: User) -> Decision:
    return decisions.decide(case, rita, outcome="label", **TERMS)


def test_the_reviewer_who_decided_cannot_decide_the_appeal(decision: Decision, alice: User, rita: User) -> None:
    """I2."""
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with pytest.raises(Forbidden, match="another reviewer"):
        authority.may_decide_appeal(appeal, rita)
    with pytest.raises(Forbidden):
        appeals.decide_appeal(appeal, rita, outcome="overturn", reasons=WHY)
    assert Appeal.objects.get().state == "filed"


def test_nobody_with_a_part_in_the_case_decides_the_appeal(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User, ravi: User, bob: User, greta: User
) -> None:
    """I2: the owner, the appellant, who filed the notice, and who is no reviewer at all."""
    notice, _ = file_notice(asset, by=ravi)
    cases.assign(notice.case, rita)
    decision = decisions.decide(notice.case, rita, outcome="hide", **TERMS)
    assert rita.organisation
    Membership.objects.create(user=alice, organisation=rita.organisation, role=Role.REVIEWER)
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    for somebody in (User.objects.get(pk=alice.pk), rita, ravi, bob, greta):
        with pytest.raises(Forbidden):
            authority.may_decide_appeal(appeal, somebody)


def test_overturning_restores_everything_the_decision_changed(
    decision: Decision, asset: Asset, alice: User, ravi: User
) -> None:
    """I4."""
    asset.refresh_from_db()
    assert asset.restriction == "labelled"
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    asset.refresh_from_db()
    decision.refresh_from_db()
    assert (asset.restriction, asset.label_text) == ("", "")
    assert leaf_of("asset:restored")["object"] == f"asset:{asset.pk}"
    assert leaf_of("case:closed")["object"] == decision.case.object
    assert decision.state == Decision.State.REVERSED
    assert not Action.objects.filter(state=Action.State.EXECUTED).exists()
    assert set(Flag.objects.values_list("state", flat=True)) == {"cleared"}
    assert Case.objects.get().state == Case.State.CLOSED
    assert appeal.decider == ravi


def test_overturning_one_decision_leaves_what_another_demands(
    decision: Decision, asset: Asset, file_notice: FileNotice, alice: User, rita: User, ravi: User
) -> None:
    """Two cases on one work: undoing the older must neither lift nor resurrect the other's restriction."""
    second, _ = file_notice(asset, category="privacy")
    cases.assign(second.case, ravi)
    hidden = decisions.decide(second.case, ravi, outcome="hide", **TERMS)
    appeals.decide_appeal(
        appeals.file_appeal(decision, user=alice, grounds=GROUNDS), ravi, outcome="overturn", reasons=WHY
    )
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    appeals.decide_appeal(
        appeals.file_appeal(hidden, user=alice, grounds=GROUNDS), rita, outcome="overturn", reasons=WHY
    )
    asset.refresh_from_db()
    assert (asset.restriction, asset.label_text) == ("", "")


def test_upholding_changes_nothing(decision: Decision, asset: Asset, alice: User, ravi: User) -> None:
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    asset.refresh_from_db()
    assert asset.restriction == "labelled"
    assert Decision.objects.get().state == Decision.State.IN_EFFECT


def test_dana_appeals_a_no_action_with_number_and_pin_and_a_third_person_decides_anew(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, make_reviewer: User
) -> None:
    notice, pin = file_notice(asset)
    cases.assign(notice.case, rita)
    decision = decisions.decide(notice.case, rita, outcome="no_action", **TERMS)
    found = notice_pins.notice_by_pin(notice.number, pin)
    appeal = appeals.file_appeal(decision, notice=found, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    case = Case.objects.get()
    assert (case.state, case.assigned_to) == ("reopened", None)
    reopened = leaf_of("case:reopened")
    assert (reopened["object"], reopened["role"]) == (case.object, "lead_reviewer")
    assert Flag.objects.get().state == "raised"
    assert Notice.objects.get().state == "valid"
    with pytest.raises(Forbidden, match="decided this case before"):
        cases.assign(case, rita)
    with pytest.raises(Forbidden, match="decided an appeal"):
        cases.assign(case, ravi)
    assert not queue.waiting(rita) and not queue.waiting(ravi)
    cases.assign(case, make_reviewer)
    later = decisions.decide(case, make_reviewer, outcome="hide", **TERMS)
    decision.refresh_from_db()
    assert (decision.state, later.state) == ("superseded", "in_effect")


def test_what_is_reopened_joins_a_case_that_was_opened_meanwhile(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    first, _ = file_notice(asset)
    cases.assign(first.case, rita)
    decision = decisions.decide(first.case, rita, outcome="no_action", **TERMS)
    second, _ = file_notice(asset)
    assert second.case != first.case
    appeal = appeals.file_appeal(decision, notice=first, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    first.refresh_from_db()
    assert (first.case, first.state) == (second.case, "valid")
    assert Case.objects.filter(state__in=Case.UNDECIDED).count() == 1
    again = leaf_of("notice:reopened")
    assert again["object"] == second.case.object
    flag = first.flags.get()
    assert again["facts"] == {
        "from": str(decision.case_id),
        "notices": [str(first.pk)],
        "flags": [str(flag.pk)],
        "reopened": [str(first.pk)],
    }
    assert second.case.clocks.filter(rule_id="office.terms.reopened").exists()
    assert not list(reconciliation_notices.notices())
    Notice.objects.filter(pk=first.pk).update(case=decision.case)
    assert any("log says otherwise" in line for line in reconciliation_notices.notices())


def test_a_flag_that_is_raised_in_the_newer_case_already_is_not_raised_twice(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    notice, _ = file_notice(asset)
    first = flags.raise_flag(asset, Flag.Origin.CONSENT_WITHDRAWN)
    assert first.case == notice.case
    decision = decisions.decide(cases.assign(notice.case, rita), rita, outcome="no_action", **TERMS)
    newer = flags.raise_flag(asset, Flag.Origin.CONSENT_WITHDRAWN)
    appeal = appeals.file_appeal(decision, notice=notice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    first.refresh_from_db()
    assert (first.case, first.state) == (decision.case, "cleared")
    assert newer.case.notices.get() == notice


def test_a_notice_that_is_opened_again_is_on_record(decision: Decision, ravi: User) -> None:
    notice = Notice.objects.get()
    appeal = appeals.file_appeal(decision, notice=notice, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    assert leaf_of("notice:reopened")["facts"] == {"reopened": [str(notice.pk)]}
    assert not list(reconciliation_notices.notices())


def test_what_is_reopened_stays_closed_to_its_parties_in_the_case_it_joins(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User, ravi: User, make_reviewer: User
) -> None:
    """I2: a notice that moves to a newer case takes along who filed it and who decided about it."""
    first, _ = file_notice(asset, by=make_reviewer)
    cases.assign(first.case, rita)
    decision = decisions.decide(first.case, rita, outcome="label", **TERMS)
    second, _ = file_notice(asset)
    appeal = appeals.file_appeal(decision, notice=first, grounds=GROUNDS)
    appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons=WHY)
    with pytest.raises(Forbidden, match="decided this case before"):
        cases.assign(Case.objects.get(pk=second.case_id), rita)
    assert not queue.waiting(rita) and queue.waiting(ravi)
    with pytest.raises(Forbidden, match="filed a notice"):
        authority.may_decide_appeal(appeals.file_appeal(decision, user=alice, grounds=GROUNDS), make_reviewer)


@pytest.fixture
def make_reviewer(db: None, rita: User) -> User:
    rob = User.objects.create_user("rob@example.org", name="Rob")
    assert rita.organisation
    Membership.objects.create(user=rob, organisation=rita.organisation, role=Role.REVIEWER)
    trained = dict.fromkeys(Category.values, "2026-01-05")
    ReviewerProfile.objects.create(user=rob, alias="R-Rob", languages=["en"], trained=trained)
    return rob


def test_a_lead_puts_an_appeal_back_that_its_hearer_does_not_go_on_with(
    decision: Decision, alice: User, rita: User, ravi: User, make_reviewer: User
) -> None:
    appeal = appeals.assign(appeals.file_appeal(decision, user=alice, grounds=GROUNDS), make_reviewer)
    appeal_dialogue.ask(appeal, make_reviewer, "Since when is it there?")
    with pytest.raises(Forbidden, match="lead reviewers"):
        appeals.take_back(appeal, make_reviewer, "I am going away.")
    assert rita.organisation
    Membership.objects.create(user=rita, organisation=rita.organisation, role=Role.LEAD_REVIEWER)
    with pytest.raises(Forbidden, match="You took the decision"):  # I2
        appeals.take_back(appeal, User.objects.get(pk=rita.pk), "I want another hearer.")
    with pytest.raises(Problem, match="few words"):
        appeals.take_back(appeal, ravi, " ")
    appeals.take_back(appeal, ravi, "Rob is ill.")
    appeal.refresh_from_db()
    assert (appeal.state, appeal.assigned_to) == ("filed", None)
    assert {clock.state for clock in appeal.clocks.exclude(purpose="message")} == {"running"}
    assert not appeal.clocks.filter(purpose="message", state="running").exists()
    assert list(reconciliation_appeals.appeals()) == []
    with pytest.raises(Conflict, match="Nobody hears"):
        appeals.take_back(appeal, ravi, "Once more.")
    appeal_dialogue.answer(appeal, "Since the summer of 2024.")
    appeals.decide_appeal(appeals.assign(appeal, ravi), ravi, outcome="uphold", reasons=WHY)


def test_who_is_not_affected_cannot_appeal(decision: Decision, bob: User, mallory: User) -> None:
    for somebody in (bob, mallory):
        with pytest.raises(Forbidden):
            appeals.file_appeal(decision, user=somebody, grounds=GROUNDS)


def test_the_uploader_has_nothing_to_appeal_in_a_no_action(case: Case, rita: User, alice: User) -> None:
    decision = decisions.decide(case, rita, outcome="no_action", **TERMS)
    with pytest.raises(Forbidden):
        appeals.may_appeal(decision, user=alice)


def test_a_notifier_has_nothing_to_gain_above_remove(case: Case, rita: User, ravi: User) -> None:
    decision = decisions.approve(decisions.decide(case, rita, outcome="remove", **TERMS), ravi)
    with pytest.raises(Conflict, match="no stronger outcome"):
        appeals.may_appeal(decision, notice=Notice.objects.get())


def test_one_appeal_each(decision: Decision, alice: User) -> None:
    appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with pytest.raises(Conflict, match="already"):
        appeals.file_appeal(decision, user=alice, grounds=GROUNDS)


def test_two_appeals_at_once_are_one(decision: Decision, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deterministic interleaving: both passed the predicate before either inserted; the constraint holds."""
    appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    monkeypatch.setattr(appeals, "may_appeal", lambda *_, **__: None)
    with pytest.raises(Conflict, match="already"):
        appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    assert Appeal.objects.count() == 1


def test_the_window_is_open_to_its_last_moment_and_closed_after(decision: Decision, alice: User) -> None:
    due = appeals.may_appeal(decision, user=alice).due_at
    assert due is not None
    with time_machine.travel(due - timedelta(seconds=1), tick=False):
        appeals.may_appeal(decision, user=alice)
    with time_machine.travel(due + timedelta(seconds=1), tick=False), pytest.raises(Conflict, match="run out"):
        appeals.may_appeal(decision, user=alice)


def test_when_the_window_ran_out_the_case_closes(decision: Decision, alice: User) -> None:
    with time_machine.travel(now() + timedelta(days=190)):
        clocks.close_windows()
    assert Case.objects.get().state == Case.State.CLOSED
    assert leaf_of("case:closed")["object"] == decision.case.object


def test_an_open_appeal_keeps_the_case_open(decision: Decision, alice: User, ravi: User) -> None:
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with time_machine.travel(now() + timedelta(days=190)):
        clocks.close_windows()
        assert Case.objects.get().state == Case.State.DECIDED
        appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
        assert Case.objects.get().state == Case.State.DECIDED, "a body outside may still look at it"
    with time_machine.travel(now() + timedelta(days=380)):
        out_of_court.finalise()
    assert Case.objects.get().state == Case.State.CLOSED


def test_of_two_who_decide_an_appeal_one_does(decision: Decision, alice: User, ravi: User, make_reviewer: User) -> None:
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    other_window = Appeal.objects.select_related("decision__case__asset").get(pk=appeal.pk)
    appeals.decide_appeal(appeal, ravi, outcome="uphold", reasons=WHY)
    with pytest.raises(Conflict):
        appeals.decide_appeal(other_window, make_reviewer, outcome="overturn", reasons=WHY)
    assert Decision.objects.get().state == Decision.State.IN_EFFECT


def test_grounds_are_sealed(decision: Decision, alice: User) -> None:
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    assert b"harbour" not in bytes(appeal.sealed_grounds)
    assert appeals.grounds_of(appeal) == GROUNDS


@pytest.mark.parametrize("said", [{"outcome": "maybe", "reasons": WHY}, {"outcome": "uphold", "reasons": "no"}])
def test_a_wrong_answer_to_an_appeal_is_refused(
    decision: Decision, alice: User, ravi: User, said: dict[str, Any]
) -> None:
    appeal = appeals.file_appeal(decision, user=alice, grounds=GROUNDS)
    with pytest.raises(Problem):
        appeals.decide_appeal(appeal, ravi, **said)
    assert Appeal.objects.get().state == "filed"


def test_a_flag_by_a_reviewer_alone_ends_with_the_uploaders_appeal(
    asset: Asset, alice: User, rita: User, ravi: User
) -> None:
    """Own initiative, no notice: the uploader still gets reasons and an appeal."""
    flag = flags.raise_flag(asset, Flag.Origin.REVIEWER, by=ravi)
    cases.assign(flag.case, rita)
    decision = decisions.decide(flag.case, rita, outcome="age_restrict", ground="terms",
                                rule_ids=["office.terms.consent"], **REASONS)  # fmt: skip
    assert decision.statements.get().structured["source_type"] == "SOURCE_VOLUNTARY"
    assert appeals.may_appeal(decision, user=alice)


@pytest.mark.parametrize(("address", "row"), [("/appeals/", "case-row"), ("/api/v1/appeals", GROUNDS)])
def test_a_desk_of_twelve_appeals_asks_the_database_as_often_as_one_of_two(
    address: str, row: str, make_asset: MakeAsset, alice: User, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    browser, asked = Client(), []
    browser.force_login(ravi)
    for number in range(12):
        case = file_notice(make_asset(alice, f"work {number}"))[0].case
        decided = decisions.decide(cases.assign(case, rita), rita, outcome="label", **TERMS)
        appeals.file_appeal(decided, user=alice, grounds=GROUNDS)
        if number in (1, 11):
            with CaptureQueriesContext(connection) as queries:
                answer = browser.get(address)
            assert answer.content.decode().count(row) == number + 1
            asked.append(len(queries))
    assert asked[0] == asked[1]
