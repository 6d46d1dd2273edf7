"""One machine for cases: decisions, holds, second persons, measures, appeals, other decisions instead, bodies outside.

One, because the bugs of such systems sit in combinations: an appeal against a held decision, an overturned measure, a
hold on a removal, a notice that joins while a second person reads, the person shown erased in the middle. The machine
itself is `case_machine.py`; here is how far the story is when it is let go.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import pytest

from accounts.models import Role
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Decision, Notice
from policy.redress import appeals
from tests.conftest import _person
from tests.policy.machines.case_machine import ASKED, FILED, GROUNDS, WHY, CaseMachine, undecided
from tests.policy.machines.conftest import Play
from tests.policy.rule_texts import published

Step = Callable[[CaseMachine], object]


def filed(n: int) -> Step:
    return lambda self: self._file(FILED[n])


def taken(self: CaseMachine) -> None:
    cases.assign(Case.objects.get(state="open"), self.cast.rita)


def decided(n: int) -> Step:
    return lambda self: self._decide(Case.objects.get(state="in_review"), self.cast.rita, ASKED[n])


def approved(self: CaseMachine) -> None:
    decisions.approve(Decision.objects.get(state="held"), self.cast.rosa)


def appealed(who: str) -> Step:
    def appeal(self: CaseMachine) -> None:
        given: dict[str, Any] = {
            "user": self.cast.alice,
            "notice": Notice.objects.order_by("pk").first(),
            "person": self.dana,
        }
        decision = Decision.objects.filter(state__in=("in_effect", "expired", "reversed")).order_by("pk").last()
        assert decision
        appeals.file_appeal(decision, **{who: given[who]}, grounds=GROUNDS)

    return appeal


def heard(outcome: str) -> Step:
    return lambda self: appeals.decide_appeal(undecided().get(), self.cast.rune, outcome=outcome, reasons=WHY)


def passed(days: int) -> Step:
    return lambda self: self.wait(dt.timedelta(days=days))


def new_law(self: CaseMachine) -> None:
    """Our terms give reviewers five days from now on, and no longer seven."""
    published(_person("Paula", Role.POLICY_EDITOR), self.cast.lena, self.cast.olga)


STORIES: Final[dict[str, tuple[Step, ...]]] = {
    "a notice, and nobody has it yet": (filed(0),),
    "a measure until the case is decided": (filed(2), taken, decided(3)),
    "a removal waits for a second person": (filed(0), taken, decided(2)),
    "a removal is appealed": (filed(0), taken, decided(2), approved, appealed("user")),
    "copies are blocked and the account suspended": (filed(0), taken, decided(4), approved, appealed("person")),
    "nothing was done, and who reported appeals": (filed(0), taken, decided(1), appealed("notice")),
    "hidden for three days, and upheld": (filed(0), taken, decided(7), appealed("user"), heard("uphold")),
    "overturned, and the other side appeals": (
        *(filed(0), taken, decided(0), appealed("user"), heard("overturn"), appealed("notice")),
    ),
    "hidden for three days, and overturned afterwards": (
        *(filed(0), taken, decided(7), appealed("user"), passed(4), heard("overturn")),
    ),
    "new terms while it waits": (filed(0), new_law, taken, decided(12), appealed("notice")),
    "a child": (filed(5), taken, decided(2), approved),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.usefixtures("new_law")
def test_cases_decisions_holds_and_appeals_in_every_combination(story: str, run: Play) -> None:
    run(CaseMachine, STORIES[story], examples=2, steps=6)
