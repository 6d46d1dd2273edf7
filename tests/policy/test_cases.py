import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import log
from ledger.models import Entry
from policy.audits import reconciliation, reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases, queue
from policy.filing import flags
from policy.law import clocks
from policy.models import Case, Clock, Flag, MediaView
from policy.rights import data_rights
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, MakeAsset, about_of, leaf_of

pytestmark = pytest.mark.django_db


def test_of_two_reviewers_who_take_a_case_one_gets_it(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    """Deterministic interleaving: both have read the case as open before either writes."""
    notice, _ = file_notice(asset)
    seen_by_rita, seen_by_ravi = Case.objects.get(pk=notice.case_id), Case.objects.get(pk=notice.case_id)
    cases.assign(seen_by_rita, rita)
    before = Entry.objects.count()
    with pytest.raises(Conflict):
        cases.assign(seen_by_ravi, ravi)
    assert Case.objects.get().assigned_to == rita
    assert Entry.objects.count() == before


def test_of_two_notices_at_once_one_opens_the_case_and_the_other_joins(
    asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deterministic interleaving: the second has looked and seen no case when the first inserts it."""
    with transaction.atomic():
        first = cases.open_or_join(asset, category="likeness", jurisdictions=["EU"])
    monkeypatch.setattr(cases, "undecided", lambda asset, category: None)
    with transaction.atomic():
        second = cases.open_or_join(asset, category="likeness", jurisdictions=["US"])
    assert first == second
    assert Case.objects.get().jurisdictions == ["EU", "US"]


def test_a_case_can_be_put_back_without_a_reason_and_taken_by_another(case: Case, rita: User, ravi: User) -> None:
    cases.release(case, rita)
    assert (case.state, case.assigned_to) == ("open", None)
    cases.assign(case, ravi)


def test_nobody_puts_back_what_another_has(case: Case, ravi: User) -> None:
    with pytest.raises(Forbidden):
        cases.release(case, ravi)


def test_the_owner_cannot_review_their_own_work(
    make_asset: MakeAsset, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(make_asset(rita))
    with pytest.raises(Forbidden, match="yours"):
        cases.assign(notice.case, rita)
    assert not queue.waiting(rita)
    assert len(queue.waiting(ravi)) == 1
    with pytest.raises(NotFound):
        cases.case_for(rita, notice.case_id)


def test_who_filed_the_notice_cannot_review_it(asset: Asset, rita: User, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, by=rita)
    with pytest.raises(Forbidden, match="filed a notice"):
        cases.assign(notice.case, rita)


def test_a_creator_is_no_reviewer(asset: Asset, bob: User, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    with pytest.raises(Forbidden):
        cases.assign(notice.case, bob)


def test_lifting_the_blur_needs_a_reason_and_is_recorded(case: Case, rita: User) -> None:
    """I20."""
    with pytest.raises(Problem, match="missing or wrong"):
        cases.view_media(case, rita, "  ")
    assert not MediaView.objects.exists()
    view = cases.view_media(case, rita, "to compare the face with the notice")
    assert view.entry is not None
    assert view.entry.type == "media:viewed"
    assert b"compare" not in bytes(view.entry.leaf)


def test_a_party_never_sees_the_media_of_a_case(make_asset: MakeAsset, rita: User, file_notice: FileNotice) -> None:
    notice, _ = file_notice(make_asset(rita))
    with pytest.raises(Forbidden):
        cases.view_media(notice.case, rita, "I want to see it")


def test_a_missed_deadline_is_marked_once_and_stays_missed(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    Clock.objects.filter(rule_id="office.terms.review").update(due_at=now() - timedelta(seconds=1))
    assert clocks.miss() == 1
    assert clocks.miss() == 0
    assert Clock.objects.get(rule_id="office.terms.review").state == Clock.State.BREACHED
    leaf = leaf_of("clock:missed")
    assert leaf["object"] == notice.case.object
    assert (about_of("clock:missed")["rule"], leaf["facts"]["purpose"]) == ("office.terms.review", "decide")
    clocks.end(notice.case.clocks.all(), Clock.State.MET)
    assert Clock.objects.get(rule_id="office.terms.review").state == Clock.State.BREACHED


def test_forensics_is_no_reason_to_look(asset: Asset) -> None:
    """I8: there is no origin through which a detector's opinion could raise a flag."""
    known = {"notice", "declared_synthetic", "consent_withdrawn", "consent_refused", "reviewer"}
    known |= {"copy_of_hidden", "copy_of_listed"}
    assert set(Flag.Origin.values) == known
    with pytest.raises(Problem):
        flags.raise_flag(asset, "forensics")


def test_a_flag_whose_insert_lost_a_race_that_is_over_is_raised(
    asset: Asset, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another row stood in the way for a moment; or the racing flag was settled before it could be read."""
    calls, join = [], cases.open_or_join

    def lost_once(*args: Any, **said: Any) -> Case:
        calls.append(1)
        if len(calls) == 1:
            raise IntegrityError("a racing insert")
        return join(*args, **said)

    monkeypatch.setattr(cases, "open_or_join", lost_once)
    assert flags.raise_flag(asset, "declared_synthetic").state == Flag.State.RAISED
    assert len(calls) == 2


def test_a_missed_deadline_and_its_record_are_one(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_notice(asset)
    Clock.objects.filter(rule_id="office.terms.review").update(due_at=now() - timedelta(seconds=1))

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr(log, "append", fail)
    with pytest.raises(RuntimeError):
        clocks.miss()
    assert Clock.objects.get(rule_id="office.terms.review").state == Clock.State.RUNNING


def test_a_lead_reviewer_acts_as_one_in_the_log(asset: Asset, file_notice: FileNotice, rita: User, ravi: User) -> None:
    for reviewer, role in [(rita, "reviewer"), (ravi, "lead_reviewer")]:
        notice, _ = file_notice(asset, category="copyright" if reviewer == rita else "likeness")
        cases.assign(notice.case, reviewer)
        leaf = json.loads(bytes(Entry.objects.filter(type="case:assigned").latest("pk").leaf))
        assert leaf["role"] == role


def test_the_same_flag_twice_is_one_flag(asset: Asset) -> None:
    first = flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    before = Entry.objects.count()
    assert flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC) == first
    assert Entry.objects.count() == before


def test_only_a_reviewer_asks_for_a_second_look(asset: Asset, mallory: User) -> None:
    with pytest.raises(Forbidden):
        flags.raise_flag(asset, Flag.Origin.REVIEWER, by=mallory)
    assert not Flag.objects.exists()


# --- Out of somebody's hands ---------------------------------------------------------------------------------------


def settled() -> bool:
    return not [*reconciliation.cases(), *reconciliation.decisions(), *reconciliation_notices.notices()]


def test_a_lead_puts_back_what_somebody_does_not_go_on_with(case: Case, rita: User, ravi: User) -> None:
    with pytest.raises(Forbidden, match="lead reviewers"):
        cases.take_back(case, rita, "I am going away.")
    with pytest.raises(Problem, match="few words"):
        cases.take_back(case, ravi, " ")
    cases.take_back(case, ravi, "Rita is ill.")
    assert (case.state, case.assigned_to) == ("open", None)
    assert [waiting.pk for waiting in queue.waiting(rita)] == [case.pk]
    last = json.loads(bytes(Entry.objects.filter(type="case:assigned").latest("pk").leaf))
    assert (last["facts"], last["role"]) == ({"how": "taken_back"}, "lead_reviewer")
    assert settled()
    with pytest.raises(Conflict, match="Nobody has"):
        cases.take_back(case, ravi, "Once more.")


def test_what_was_proposed_goes_with_the_case_that_is_taken_back(case: Case, rita: User, ravi: User) -> None:
    proposal = decisions.decide(case, rita, outcome="remove", **TERMS)
    with pytest.raises(Conflict, match="second person"):
        cases.release(case, rita)
    cases.take_back(case, ravi, "Rita is ill.")
    proposal.refresh_from_db()
    assert (case.state, proposal.state) == ("open", "withdrawn")
    with pytest.raises(Conflict):
        decisions.approve(proposal, ravi)
    assert settled()
    cases.assign(case, ravi)


def test_who_proposed_takes_it_back_and_goes_on(case: Case, rita: User, ravi: User) -> None:
    proposal = decisions.decide(case, rita, outcome="remove", **TERMS)
    with pytest.raises(Forbidden, match="who proposed"):
        decisions.withdraw_proposal(proposal, ravi)
    decisions.withdraw_proposal(proposal, rita)
    assert settled()
    case.refresh_from_db()
    assert (case.state, case.assigned_to) == ("in_review", rita)
    decisions.decide(case, rita, outcome="label", **TERMS)
    with pytest.raises(Conflict):
        decisions.withdraw_proposal(proposal, rita)


def test_what_a_reviewer_had_in_hand_waits_for_others_once_their_account_is_closed(
    case: Case, make_asset: MakeAsset, alice: User, rita: User, ravi: User, file_notice: FileNotice
) -> None:
    proposed = cases.assign(file_notice(make_asset(alice, "Quay"))[0].case, rita)
    decisions.decide(proposed, rita, outcome="remove", **TERMS)
    data_rights.erase(rita)
    assert set(queue.waiting(ravi)) == {case, proposed}
    assert settled()
