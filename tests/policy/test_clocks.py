"""Clocks of cases: kept as they began, moved only as their rule allows, and noted beside the case."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Problem
from ledger import log
from ledger.events import EventType
from policy.deciding import decisions
from policy.desk import cases, interim, queue
from policy.law import clocks, rules
from policy.models import Case, Clock, TrustedFlagger
from policy.models.cases import NO_DEADLINE
from policy.redress import appeal_effects, appeals
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, leaf_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("any_date")]


def data_clock(at: dt.datetime) -> Clock:
    """The clock of GDPR 12(3), begun at `at`."""
    facts = {"jurisdictions": ["EU"], "channel": "dsr"}
    with transaction.atomic():
        entry = log.append(EventType.ERASURE_REQUESTED, actor="system", role="system")
        made = clocks.start(Clock.Purpose.DATA_REQUEST, facts, clocks.DATA_REQUEST, at=at, entry=entry)
    return next(clock for clock in made if clock.rule_id == "eu.gdpr.12.3")


def review_clock(notice: Any) -> Clock:
    return Clock.objects.get(notice=notice, rule_id="office.terms.review")


def test_i14_every_stored_clock_recomputes_from_its_own_row(asset: Asset, file_notice: FileNotice) -> None:
    for category, place in (("ncii", "IN"), ("likeness", "AU"), ("copyright", "US"), ("privacy", "DK")):
        file_notice(asset, category=category, jurisdiction=place)
    rows = list(Clock.objects.all())
    assert len(rows) > 8
    for clock in rows:
        assert clock.inputs["format"] == "assay-clock/1"
        assert clocks.recompute(clock) == clock.due_at, clock.rule_id
        assert clock.pack == rules.rule(clock.rule_id).pack


# --- Rest ----------------------------------------------------------------------------------------------------------


def test_a_clock_rests_as_long_as_its_rule_lets_it(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset)
    clock = review_clock(notice)
    due = clock.due_at
    assert due is not None
    start = clock.started_at
    with time_machine.travel(start + dt.timedelta(days=1), tick=False):
        clocks.pause(clock, "awaiting_information", by=rita)
    with time_machine.travel(start + dt.timedelta(days=20), tick=False):
        assert clocks.miss() == 0  # it rests: nothing is missed
    with time_machine.travel(start + dt.timedelta(days=21, hours=2), tick=False):
        clocks.resume(clock, by=rita)
    clock.refresh_from_db()
    assert clock.state == Clock.State.RUNNING
    assert clock.due_at == due + dt.timedelta(days=20, hours=2) == clocks.recompute(clock)
    assert "we wait for information" in clock.trace[-2]
    assert leaf_of("clock:paused")["facts"]["reason"] == "awaiting_information"
    assert leaf_of("clock:resumed")["role"] == "reviewer"
    notice.case.refresh_from_db()
    assert notice.case.next_due_at == clock.due_at


def test_a_paused_clock_orders_no_queue(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, jurisdiction="XX")
    clocks.pause(review_clock(notice), "awaiting_authority")
    notice.case.refresh_from_db()
    assert (notice.case.next_due_at, notice.case.next_rule_id, notice.case.queue_at) == (None, "", NO_DEADLINE)


def test_a_law_that_gives_no_rest_lets_none(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="US")
    clock = Clock.objects.get(notice=notice, rule_id="us.tida.223a")
    with pytest.raises(Conflict, match="gives no leave to rest"):
        clocks.pause(clock, "awaiting_information")
    with pytest.raises(Problem) as refusal:
        clocks.pause(clock, "we are on holiday")
    assert "One of: awaiting_information" in str(refusal.value.extra)
    with pytest.raises(Conflict):
        clocks.resume(clock)
    ours = review_clock(notice)
    other = review_clock(notice)
    clocks.pause(ours, "awaiting_information")
    with pytest.raises(Conflict):
        clocks.pause(other, "awaiting_information")


# --- Further time --------------------------------------------------------------------------------------------------


def test_a_clock_is_extended_once_as_its_rule_says_counted_from_the_start() -> None:
    start = now().replace(month=11, day=30, hour=10, minute=0, second=0, microsecond=0)
    clock = data_clock(start)
    with time_machine.travel(start + dt.timedelta(days=10), tick=False):
        clocks.extend(clock, "complex")
        with pytest.raises(Conflict, match="only once"):
            clocks.extend(clock, "complex")
    clock.refresh_from_db()
    month = 29 if (start.year + 1) % 4 == 0 else 28
    assert clock.due_at == dt.datetime(start.year + 1, 2, month, 10, tzinfo=dt.UTC) == clocks.recompute(clock)
    assert clock.due_at is not None
    assert clock.extension["until"] == clock.due_at.isoformat()
    assert leaf_of("clock:extended")["facts"]["reason"] == "complex"
    assert "the matter is complex" in clock.trace[-1]


def test_no_further_time_without_the_rules_leave_or_after_the_end(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    with pytest.raises(Conflict, match="gives no further time"):
        clocks.extend(review_clock(notice), "complex")
    clock = data_clock(now())
    with pytest.raises(Problem):
        clocks.extend(clock, "because")
    clocks.end(Clock.objects.filter(pk=clock.pk), Clock.State.MET)
    clock.refresh_from_db()
    with pytest.raises(Conflict):
        clocks.extend(clock, "complex")


def test_of_two_who_extend_at_once_one_is_told() -> None:
    clock = data_clock(now())
    other = Clock.objects.get(pk=clock.pk)
    clocks.extend(clock, "complex")
    with pytest.raises(Conflict, match="somebody else"):
        clocks.extend(other, "many_requests")


# --- Beside the case -----------------------------------------------------------------------------------------------


def test_the_case_says_which_clock_is_due_first(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="IN")
    case = Case.objects.get(pk=notice.case_id)
    first = Clock.objects.get(notice=notice, rule_id="in.it.3.2.b.v2026")
    assert first.due_at is not None
    assert (case.next_rule_id, case.next_due_at) == (first.rule_id, first.due_at)
    assert case.queue_at == first.due_at.replace(minute=0, second=0, microsecond=0)
    clocks.end(Clock.objects.filter(pk=first.pk), Clock.State.VOID)
    case.refresh_from_db()
    assert case.next_rule_id in ("in.it.3.2.a.v2026", "office.terms.review")
    clocks.end(case.clocks.all(), Clock.State.MET)
    case.refresh_from_db()
    assert (case.next_due_at, case.next_rule_id, case.queue_at) == (None, "", NO_DEADLINE)


def test_a_missed_clock_stays_first(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, jurisdiction="XX")
    with time_machine.travel(now() + dt.timedelta(days=8)):
        assert clocks.miss() == 1
    case = Case.objects.get(pk=notice.case_id)
    assert case.next_rule_id == "office.terms.review"
    assert case.clocks.get(rule_id="office.terms.review").state == Clock.State.BREACHED


def test_a_deadline_that_was_missed_in_an_earlier_round_drives_nothing(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, alice: User
) -> None:
    notice, _ = file_notice(asset)
    filed, case = notice.created_at, Case.objects.get(pk=notice.case_id)
    with time_machine.travel(filed + dt.timedelta(days=8)):
        clocks.miss()
        cases.assign(case, rita)
        assert interim.suggest(case) is not None
        decision = decisions.decide(case, rita, outcome="label", **TERMS)
        missed = review_clock(notice)
        assert missed.state == "breached" and missed.settled_at is not None
        case.refresh_from_db()
        assert (case.next_due_at, case.next_rule_id) == (None, "")
        assert not queue.decided(ravi, queue.Wanted(overdue=True)).exists()
    with time_machine.travel(filed + dt.timedelta(days=9)):
        appeal = appeals.file_appeal(decision, user=alice, grounds="My grounds for this appeal are these.")
        assert appeal.entry is not None
        with transaction.atomic():
            decisions.reverse(decision)
            appeal_effects._look_again(case, ravi, appeal.entry)
        case.refresh_from_db()
        again = case.clocks.get(rule_id="office.terms.reopened")
        assert (case.next_rule_id, case.next_due_at) == ("office.terms.reopened", again.due_at)
        suggested = interim.suggest(case)
        assert suggested is not None and suggested.due_at == again.due_at


def test_what_a_trusted_flagger_reports_comes_first_within_its_hour(
    asset: Asset, file_notice: FileNotice, alice: User
) -> None:
    notice, _ = file_notice(asset, jurisdiction="XX")
    with transaction.atomic():
        entry = log.append(EventType.FLAGGER_DESIGNATED, actor="system", role="system")
        flagger = TrustedFlagger.objects.create(
            organisation=alice.memberships.get().organisation,
            authority="X",
            jurisdiction="EU",
            valid_from=now().date(),
            entry=entry,
        )
        type(notice).objects.filter(pk=notice.pk).update(flagger=flagger)
    clocks.note_next([notice.case_id])
    case = Case.objects.get(pk=notice.case_id)
    assert case.next_due_at is not None
    hour = case.next_due_at.replace(minute=0, second=0, microsecond=0)
    assert case.queue_at == hour - dt.timedelta(minutes=1)


def test_cases_are_noted_in_one_query(asset: Asset, file_notice: FileNotice) -> None:
    ids = [file_notice(asset, category=category)[0].case_id for category in ("likeness", "fraud", "privacy")]
    with CaptureQueriesContext(connection) as queries:
        clocks.note_next([*ids, None])
        clocks.note_next([])
    assert len(queries) == 1
