import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from ledger import log
from ledger.models import Entry
from policy import cases, clocks, flags
from policy.models import Case, Clock, Flag, MediaView
from provenance.models import Asset
from tests.policy.conftest import FileNotice, MakeAsset, leaf_of

pytestmark = pytest.mark.django_db


def test_the_queue_puts_the_nearest_deadline_first_and_says_why(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice
) -> None:
    slow, _ = file_notice(make_asset(alice, "one"), category="copyright")
    fast, _ = file_notice(make_asset(alice, "two"), category="ncii", jurisdiction="IN")
    late, _ = file_notice(make_asset(alice, "three"), category="other")
    Clock.objects.filter(case=late.case, due_at__isnull=False).update(due_at=now() - timedelta(hours=3))
    waiting = cases.queue(rita)
    assert [row.case for row in waiting] == [late.case, fast.case, slow.case]
    assert waiting[0].why.startswith("The deadline of office.terms.review passed 3 h 0 min ago")
    assert waiting[1].why.startswith("Due in 1 h 59 min under in.it.3.2.b.v2026")


def test_within_the_same_hour_the_severe_comes_before_the_one_filed_seconds_earlier(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice
) -> None:
    earlier, _ = file_notice(make_asset(alice, "one"), category="copyright")
    child, _ = file_notice(make_asset(alice, "two"), category="child_safety")
    due = now().replace(minute=30) + timedelta(days=1)
    Clock.objects.filter(case=earlier.case, due_at__isnull=False).update(due_at=due)
    Clock.objects.filter(case=child.case, due_at__isnull=False).update(due_at=due + timedelta(seconds=5))
    assert [row.case for row in cases.queue(rita)] == [child.case, earlier.case]


def test_without_a_deadline_the_severe_and_then_the_old_come_first(
    make_asset: MakeAsset, alice: User, rita: User
) -> None:
    old = flags.raise_flag(make_asset(alice, "one"), Flag.Origin.REVIEWER, category="other", by=rita).case
    new = flags.raise_flag(make_asset(alice, "two"), Flag.Origin.REVIEWER, category="fraud", by=rita).case
    newest = flags.raise_flag(make_asset(alice, "three"), Flag.Origin.REVIEWER, category="ncii", by=rita).case
    assert [row.case for row in cases.queue(rita)] == [newest, new, old]
    assert "severity 3 of 3" in cases.queue(rita)[0].why


def test_the_queue_takes_the_same_queries_for_one_case_and_for_twelve(
    make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice, django_assert_num_queries: Any
) -> None:
    for number in range(12):
        file_notice(make_asset(alice, f"work {number}"))
    assert rita.roles
    with django_assert_num_queries(1):
        assert len([(row.case.asset, row.case.assigned_to) for row in cases.queue(rita)]) == 12


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
    assert cases.queue(rita) == []
    assert len(cases.queue(ravi)) == 1
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
    assert clocks.strike() == 1
    assert clocks.strike() == 0
    assert Clock.objects.get(rule_id="office.terms.review").state == Clock.State.BREACHED
    leaf = leaf_of("clock:missed")
    assert leaf["object"] == notice.case.object
    assert (leaf["facts"]["rule"], leaf["facts"]["purpose"]) == ("office.terms.review", "decide")
    clocks.end(notice.case.clocks.all(), Clock.State.MET)
    assert Clock.objects.get(rule_id="office.terms.review").state == Clock.State.BREACHED


def test_forensics_is_no_reason_to_look(asset: Asset) -> None:
    """I8: there is no origin through which a detector's opinion could raise a flag."""
    known = {"notice", "declared_synthetic", "consent_withdrawn", "consent_refused", "reviewer", "copy_of_hidden"}
    assert set(Flag.Origin.values) == known
    with pytest.raises(Problem):
        flags.raise_flag(asset, "forensics")


def test_a_missed_deadline_and_its_record_are_one(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_notice(asset)
    Clock.objects.filter(rule_id="office.terms.review").update(due_at=now() - timedelta(seconds=1))

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr(log, "append", fail)
    with pytest.raises(RuntimeError):
        clocks.strike()
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
