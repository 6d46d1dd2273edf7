"""Clocks of every kind of law, let rest, set going, extended, met, missed: each recomputes from its own row (I14)."""

import datetime as dt
from typing import Any, Final

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.clock import now
from core.problems import Conflict, Problem
from ledger import log
from ledger.events import EventType
from policy.audits import reconciliation_rules
from policy.law import clocks
from policy.models import Clock
from policy.rulebook.rows import PAUSES
from tests.policy import invariants
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again, pick

NUMBER: Final = st.integers(0, 11)
# (purpose, facts, events): a month that can be extended, hours, business days with an earliest moment, days in a zone.
BEGINS: Final[tuple[tuple[str, dict[str, Any], frozenset[str]], ...]] = (
    ("data", {"channel": "dsr", "jurisdictions": ["EU"]}, clocks.DATA_REQUEST),
    ("decide", {"channel": "notice", "category": "ncii", "jurisdictions": ["US", "IN"]}, clocks.NOTICE),
    ("restore", {"channel": "counter_notice", "category": "copyright", "jurisdictions": ["US"]}, clocks.COUNTER_NOTICE),
    ("answer", {"channel": "appeal", "decision": "hide", "jurisdictions": ["EU"]}, clocks.APPEAL),
    ("breach", {"channel": "breach", "jurisdictions": ["EU"]}, clocks.BREACH),
)


class ClockMachine(Stage):
    """`was` is what each deadline was at first; `rested` how long it rested since, measured by the machine itself."""

    asked = (invariants.i14, invariants.i25, invariants.agrees(reconciliation_rules.deadlines))

    def begin(self) -> None:
        self.was: dict[Any, dt.datetime | None] = {}
        self.rested: dict[Any, dt.timedelta] = {}
        self.since: dict[Any, dt.datetime] = {}

    @rule(chosen=st.sampled_from(BEGINS), hours=st.integers(0, 60))
    def something_happens_that_a_law_counts_from(self, chosen: Any, hours: int) -> None:
        purpose, facts, events = chosen
        self.wait(dt.timedelta(hours=hours))
        with transaction.atomic():
            entry = log.append(EventType.ACCESS_AUDITED, actor="system", role="system")
            made = clocks.start(Clock.Purpose(purpose), facts, events, entry=entry)
        assert made and clocks.start(Clock.Purpose(purpose), facts, frozenset()) == []
        self.was |= {clock.pk: clock.due_at for clock in made}
        self.reached["started"] += len(made)

    @precondition(lambda self: Clock.objects.filter(state="running").exists())
    @rule(n=NUMBER, reason=st.sampled_from(sorted(PAUSES)))
    def it_rests_where_its_rule_lets_it(self, n: int, reason: str) -> None:
        clock = pick(Clock.objects.filter(state="running"), n)
        other, allowed = again(clock), reason in (clock.inputs["clock"].get("pause") or ())
        if not allowed:
            self.refused(lambda: clocks.pause(clock, reason), Conflict)
            return
        clocks.pause(clock, reason)
        self.since[clock.pk] = now()
        self.refused(lambda: clocks.pause(other, reason), Conflict)
        self.refused(lambda: clocks.pause(clock, "a holiday"), Problem)
        self.reached["rested"] += 1

    @precondition(lambda self: Clock.objects.filter(state="paused").exists())
    @rule(n=NUMBER, hours=st.integers(0, 900))
    def it_goes_on_later(self, n: int, hours: int) -> None:
        clock = pick(Clock.objects.filter(state="paused"), n)
        self.wait(dt.timedelta(hours=hours))
        clock.refresh_from_db()
        assert clock.state == "paused", "nothing is missed while it rests"
        other = again(clock)
        clocks.resume(clock)
        self.rested[clock.pk] = self.rested.get(clock.pk, dt.timedelta()) + (now() - self.since.pop(clock.pk))
        self.refused(lambda: clocks.resume(other), Conflict)
        self.reached["went on"] += 1

    @precondition(lambda self: Clock.objects.exists())
    @rule(n=NUMBER, reason=st.sampled_from(sorted(clocks.EXTENSIONS)))
    def it_is_extended_once(self, n: int, reason: str) -> None:
        clock = pick(Clock.objects.all(), n)
        other = again(clock)
        can = clock.inputs["clock"].get("extension") and not clock.extension and clock.state in ("running", "paused")
        if not can:
            self.refused(lambda: clocks.extend(clock, reason), Conflict)
            return
        before = clock.due_at
        clocks.extend(clock, reason)
        assert before and clock.due_at and clock.due_at > before
        self.was.pop(clock.pk, None)
        self.refused(lambda: clocks.extend(other, reason), Conflict)
        self.refused(lambda: clocks.extend(clock, reason), Conflict)
        self.reached["extended"] += 1

    @precondition(lambda self: Clock.objects.filter(state__in=("running", "paused")).exists())
    @rule(n=NUMBER)
    def it_is_met(self, n: int) -> None:
        clock = pick(Clock.objects.filter(state__in=("running", "paused")), n)
        assert clocks.end(Clock.objects.filter(pk=clock.pk), Clock.State.MET) == 1
        assert clocks.end(Clock.objects.filter(pk=clock.pk), Clock.State.VOID) == 0
        self.reached["met"] += 1

    @rule(days=st.sampled_from([1, 3, 16, 40]))
    def time_passes(self, days: int) -> None:
        self.wait(dt.timedelta(days=days))
        late = Clock.objects.filter(state="running", due_at__lt=now()).exclude(purpose__in=clocks.THEIRS)
        assert not late.exists(), "beat missed a deadline"
        self.reached["missed"] += Clock.objects.filter(state="breached").count()

    @precondition(lambda self: bool(self.was))
    @rule()
    def it_moved_as_long_as_it_rested_and_not_a_second_more(self) -> None:
        for clock in Clock.objects.filter(pk__in=self.was):
            first = self.was[clock.pk]
            assert clock.due_at == (first and first + self.rested.get(clock.pk, dt.timedelta())), clock.rule_id


STORY: Final = (
    lambda self: self.something_happens_that_a_law_counts_from(BEGINS[0], 0),
    lambda self: self.something_happens_that_a_law_counts_from(BEGINS[3], 5),
    lambda self: self.it_rests_where_its_rule_lets_it(2, "awaiting_information"),
    lambda self: self.it_rests_where_its_rule_lets_it(1, "awaiting_identity"),
    lambda self: self.it_is_extended_once(1, "complex"),
    lambda self: self.it_goes_on_later(0, 200),
    lambda self: self.it_moved_as_long_as_it_rested_and_not_a_second_more(),
)


def test_clocks_rest_go_on_and_end_and_still_recompute(run: Play) -> None:
    """On both databases: what is stored of a deadline is text and JSON, and must come back the same."""
    run(ClockMachine, STORY, examples=4, steps=10, must_reach=["rested", "went on", "extended"])
