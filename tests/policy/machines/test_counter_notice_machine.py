"""17 U.S.C. 512(g), with all that can come in between: an appeal, an action in court, an erasure, two at once."""

import datetime as dt
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy.audits import (
    reconciliation,
    reconciliation_appeals,
    reconciliation_notices,
    reconciliation_sanctions,
)
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import counter_notices, court_actions, notice_ends, notices
from policy.models import Appeal, CounterNotice, Decision, Notice
from policy.redress import appeals
from policy.rights import data_rights
from tests.policy import invariants
from tests.policy.conftest import TERMS
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again

WORDS: Final = {"signature": "Alice Doe", "name": "Alice Doe", "address": "4 Elm Street", "phone": "555 01 99"}
OVER: Final = ("restored", "blocked", "withdrawn")


class CounterNoticeMachine(Stage):
    """A work of Alice's is hidden for a notice about copyright in the United States."""

    asked = (
        *(invariants.i1, invariants.i2, invariants.i4, invariants.i5, invariants.i7, invariants.i12),
        *(invariants.i14, invariants.i16, invariants.i17, invariants.i25),
        invariants.agrees(
            *(reconciliation.cases, reconciliation.decisions, reconciliation_notices.notices),
            *(reconciliation_appeals.appeals, reconciliation_sanctions.sanctions),
        ),
    )

    def begin(self) -> None:
        said: dict[str, Any] = {"category": "copyright", "jurisdiction": "US", "good_faith": True}
        self.complaint, _ = notices.file_notice(
            asset=self.cast.work,
            statement="This is a copy of my photograph.",
            name="Dana Hill",
            email="dana@example.org",
            details={"work": "My photograph of the harbour, 2019"},
            sworn=["dmca.good_faith", "dmca.accuracy"],
            **said,
        )
        case = cases.assign(self.complaint.case, self.cast.rita)
        self.decision = decisions.decide(case, self.cast.rita, outcome="hide", **TERMS)

    def row(self) -> CounterNotice | None:
        return CounterNotice.objects.select_related("decision__case__asset", "by", "entry").first()

    def in_state(self, *states: str) -> bool:
        return CounterNotice.objects.filter(state__in=states).exists()

    def fresh(self) -> Decision:
        return Decision.objects.select_related("case__asset", "entry").get(pk=self.decision.pk)

    @precondition(lambda self: not CounterNotice.objects.exists())
    @rule(whole=st.booleans())
    def alice_swears_and_nobody_else_can(self, whole: bool) -> None:
        sworn = counter_notices.STATEMENTS if whole else counter_notices.STATEMENTS[:1]
        decision = self.fresh()
        file = counter_notices.file_counter_notice
        self.refused(lambda: file(decision, self.cast.bob, details=WORDS, sworn=sworn), Forbidden)
        if self.tried(lambda: file(decision, self.cast.alice, details=WORDS, sworn=sworn), "filed"):
            row = self.row()
            assert row and row.state == ("valid" if whole else "incomplete") and bool(row.earliest_restore) == whole
            self.refused(lambda: file(decision, self.cast.alice, details=WORDS, sworn=sworn), Conflict)
        else:
            assert decision.state != "in_effect" or not counter_notices.complaints(decision).exists()

    @precondition(lambda self: self.in_state("incomplete"))
    @rule()
    def alice_completes_it(self) -> None:
        row, other = self.row(), self.row()
        assert row and other
        if self.tried(
            lambda: counter_notices.complete(row, details=WORDS, sworn=counter_notices.STATEMENTS), "completed"
        ):
            assert row.state == "valid" and row.earliest_restore
            words = {"details": WORDS, "sworn": counter_notices.STATEMENTS}
            self.refused(lambda: counter_notices.complete(other, **words), Conflict)  # type: ignore[arg-type]

    @precondition(lambda self: self.in_state("valid"))
    @rule()
    def the_copy_is_forwarded(self) -> None:
        row, other = self.row(), self.row()
        assert row and other
        counter_notices.forward(row)
        self.refused(lambda: counter_notices.forward(other), Conflict)

    @precondition(lambda self: self.in_state("forwarded"))
    @rule(by_mallory=st.booleans())
    def dana_tells_of_an_action(self, by_mallory: bool) -> None:
        row, other = self.row(), self.row()
        notice = Notice.objects.select_related("case", "filer").get()
        assert row and other
        action: dict[str, Any] = {"court": "N.D. Cal.", "reference": "3:26-cv-01234", "sworn": [court_actions.SWORN]}
        if self.tried(lambda: court_actions.tell_of_action(row, notice, **action), "blocked"):
            self.refused(lambda: court_actions.tell_of_action(other, notice, **action), Conflict)

    @precondition(lambda self: self.in_state("valid", "forwarded", "incomplete"))
    @rule()
    def nobody_restores_it_early(self) -> None:
        row = self.row()
        assert row
        if row.earliest_restore is None or now() < row.earliest_restore:
            self.refused(lambda: counter_notices.restore(row), Conflict)

    @precondition(lambda self: self.in_state("valid", "forwarded"))
    @rule(sure=st.integers(0, 3))
    def alice_takes_it_back(self, sure: int) -> None:
        row, other = self.row(), self.row()
        assert row and other
        if not sure:
            counter_notices.withdraw(row)
            self.refused(lambda: counter_notices.withdraw(other), Conflict)

    @rule(outcome=st.sampled_from(["uphold", "modify", "overturn"]))
    def alice_appeals_as_well(self, outcome: str) -> None:
        decision = self.fresh()
        if not self.tried(lambda: appeals.file_appeal(decision, user=self.cast.alice, grounds="It is mine, look.")):
            return
        appeal = Appeal.objects.select_related("decision__case__asset", "user", "entry").get()
        said: dict[str, Any] = {"outcome": outcome, "reasons": "The negatives were shown."}
        if outcome == "modify":
            said["replacement"] = {"outcome": "geo_restrict", "territory": ["US"], **TERMS}
        self.refused(lambda: appeals.decide_appeal(appeal, self.cast.rita, **said), Forbidden)
        appeals.decide_appeal(appeal, self.cast.rosa, **said)
        self.reached[f"appeal: {outcome}"] += 1

    @precondition(lambda self: Notice.objects.filter(state="answered", filer__erased_at=None).exists())
    @rule(sure=st.integers(0, 2))
    def dana_is_erased(self, sure: int) -> None:
        if not sure:
            self.tried(lambda: data_rights.erase(again(self.complaint.filer)), "erased")

    @rule(days=st.sampled_from([1, 5, 14, 16, 22]))
    def days_pass(self, days: int) -> None:
        self.work_off()
        self.wait(dt.timedelta(days=days))
        row = self.row()
        if row and row.latest_restore and now() > row.latest_restore:
            assert row.state in OVER or row.actions, (
                f"the work should have come back by {row.latest_restore}: {row.state}"
            )
        if row and row.state == "restored":
            self.reached["restored"] += 1
            assert self.fresh().state != "in_effect"
            self.refused(lambda: counter_notices.restore(row), Conflict)

    @rule()
    def the_notice_cannot_be_withdrawn_once_it_was_answered(self) -> None:
        notice = Notice.objects.select_related("case", "filer").get()
        self.refused(lambda: notice_ends.withdraw(notice), Problem)


def sworn(whole: bool) -> Any:
    return lambda self: self.alice_swears_and_nobody_else_can(whole)


def after(days: int) -> Any:
    return lambda self: self.days_pass(days)


STORIES: Final[dict[str, Any]] = {
    "nothing is filed yet": (),
    "something is missing": (sworn(False), after(1)),
    "it waits for an action": (sworn(True), after(1)),
    "it came back": (sworn(False), lambda self: self.alice_completes_it(), after(14), after(5)),
    "it waits, and is hidden in one place only": (
        *(sworn(True), after(1), lambda self: self.alice_appeals_as_well("modify")),
    ),
    "an action was told": (sworn(True), after(5), lambda self: self.dana_tells_of_an_action(False), after(22)),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
def test_a_work_comes_back_between_two_days_whatever_happens_meanwhile(story: str, run: Play) -> None:
    run(CounterNoticeMachine, STORIES[story], examples=2, steps=7)
