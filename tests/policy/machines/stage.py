"""What the state machines of due process share: the cast, an hour that passes, and every invariant after every step.

A machine runs inside one test: each example begins on the same ground, which the test's fixtures made, and is undone
to its savepoint when it ends. Its rules are what people do and what time does. The same examples run each time;
`MACHINE_EXAMPLES=200 make load` looks further.
"""

import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import pytest
from django.conf import settings as django_settings
from django.core.cache import cache
from django.db import models, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant

from accounts.models import User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Problem
from ledger import log, proofs, sequencer
from ledger.models import Entry
from policy import tasks
from policy.models import Action, Appeal, Case, Clock, CounterNotice, Decision, Misuse, Notice, Suspension
from provenance.models import Asset
from tests.policy import invariants

# A Wednesday, two days before the holiday of 2026 in the United States, and a month before a law takes effect.
BEGIN: Final = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
EXAMPLES: Final = int(os.environ.get("MACHINE_EXAMPLES", "0"))
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Cast:
    """Who acts. Ravi leads, and Rita reports to him; Rosa and Rune review; Lena and Leo are lawyers; Mallory
    attacks.
    """

    alice: User
    bob: User
    mallory: User
    rita: User
    ravi: User
    rosa: User
    rune: User
    olga: User
    lena: User
    leo: User
    work: Asset

    @property
    def reviewers(self) -> tuple[User, ...]:
        return (self.rita, self.ravi, self.rosa, self.rune)


class Stage(RuleBasedStateMachine):
    """One example: a transaction that is rolled back, an hour that begins at noon, and what was seen so far."""

    cast: ClassVar[Cast]
    hour: ClassVar[Any]
    reached: ClassVar[Counter[str]]
    # What is asked after every step; a machine may ask less.
    asked: ClassVar[tuple[Callable[[], None], ...]] = invariants.ALWAYS
    # What happened before hypothesis goes on; told once with the invariants after each of its steps, too.
    story: "ClassVar[tuple[Callable[[Any], object], ...]]" = ()

    def __init__(self) -> None:
        super().__init__()
        self._undone = transaction.atomic()
        self._undone._from_testcase = True  # type: ignore[attr-defined]  # what must not run inside another transaction may run inside a test's
        self._undone.__enter__()
        self.hour.move_to(BEGIN)
        self.seen = invariants.Memory()
        _forget()
        try:
            self.begin()
            self._tell()
        except BaseException:
            self.teardown()  # hypothesis tears down only what was set up; tests after this one would see its rows
            raise
        self.reached["told"] += 1

    def _tell(self) -> None:
        for step in self.story:
            step(self)
            if not self.reached["told"]:
                self.check()
            self.later()

    def begin(self) -> None:
        """What is there before the first step."""

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self._undone.__exit__(None, None, None)
        _forget()

    @invariant()
    def every_invariant_holds(self) -> None:
        self.check()
        self.later()

    def check(self) -> None:
        for one in self.asked:
            one()
        invariants.i13(self.seen)
        invariants.past_stays(self.seen)

    def later(self) -> None:
        """What comes next comes later: rows are told apart by when they were made."""
        self.hour.shift(dt.timedelta(seconds=1))

    # --- Time ------------------------------------------------------------------------------------------------------

    def wait(self, span: dt.timedelta) -> None:
        """Time passes, and beat does what is due when it is due, as it would each minute."""
        until = now() + span
        for _ in range(40):
            moment = _next_moment()
            if moment is None or moment >= until:
                break
            self.hour.move_to(max(moment + dt.timedelta(minutes=1), now()))
            tasks.strike()
        self.hour.move_to(max(until, now()))
        tasks.strike()

    def work_off(self) -> None:
        """Every queued job is done, and the log is signed."""
        for _ in range(20):
            queued = list(Job.objects.filter(state=Job.State.QUEUED).values_list("pk", flat=True))
            for pk in queued:
                jobs.run(str(pk))
            if not queued:
                break
        sequencer.tick()

    # --- Trying ----------------------------------------------------------------------------------------------------

    def refused(self, verb: Callable[[], object], *kinds: type[Problem]) -> Problem:
        """`verb` is refused, in words, and leaves nothing behind."""
        before = _everything()
        with pytest.raises(kinds or (Problem,)) as refusal:
            verb()
        assert refusal.value.detail, "a refused person reads why"
        assert _everything() == before, "a refusal left something half done"
        return refusal.value

    def tried(self, verb: Callable[[], object], name: str = "") -> bool:
        """Whether `verb` was taken; where it was refused, nothing is half done."""
        before = _everything()
        try:
            verb()
        except Problem as problem:
            assert problem.detail and problem.status < 500, problem
            assert _everything() == before, "a refusal left something half done"
            return False
        if name:
            self.reached[name] += 1
        return True


def again(row: Row) -> Row:
    """The same row as another process read it: for what happens twice at once."""
    fresh: Row = type(row)._default_manager.get(pk=row.pk)
    return fresh


def pick(rows: "models.QuerySet[Row]", number: int) -> Row:
    """One of them, by a number that hypothesis chose; in an order that is the same each time."""
    found = list(rows.order_by("created_at", *(["rule_id"] if rows.model is Clock else []), "pk"))
    return found[number % len(found)]


def play(machine: type[Stage], *, examples: int, steps: int, must_reach: Iterable[str] = ()) -> None:
    """Run a machine; a run that never got to what it is about proves nothing, and fails."""
    from hypothesis.stateful import run_state_machine_as_test

    few = settings(
        max_examples=EXAMPLES or examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not EXAMPLES,
        # A failing example of ten steps is read faster than a shorter one is found.
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=few)
    missed = [name for name in must_reach if not machine.reached[name]]
    assert not missed, f"no example reached: {missed}; only {dict(machine.reached)}"


def _forget() -> None:
    """What processes keep in memory or files of a database that is no more."""
    cache.clear()
    proofs.forget()
    log._Latest.appended = None
    shutil.rmtree(Path(django_settings.ASSAY_VAR) / "ledger", ignore_errors=True)


def _everything() -> tuple[Any, ...]:
    """How much there is, and in which state."""
    stateful = (Case, Decision, Action, Appeal, Notice, Clock)
    states = (tuple(model._default_manager.order_by("pk").values_list("pk", "state")) for model in stateful)
    return (Entry.objects.count(), Job.objects.count(), *states)


def _next_moment() -> dt.datetime | None:
    """When beat has something to do next."""
    at = now()
    waiting = (
        (Clock.objects.filter(state="running", due_at__gte=at), "due_at"),
        (CounterNotice.objects.filter(state="forwarded", earliest_restore__gte=at), "earliest_restore"),
        (Decision.objects.filter(state="in_effect", ends_at__gte=at), "ends_at"),
        (Suspension.objects.filter(state="active", until__gte=at), "until"),
        (Action.objects.filter(state="planned", planned_for__gte=at), "planned_for"),
        (Misuse.objects.filter(state="suspended", until__gte=at), "until"),
    )
    found = [rows.order_by(name).values_list(name, flat=True).first() for rows, name in waiting]
    return min((moment for moment in found if moment is not None), default=None)
