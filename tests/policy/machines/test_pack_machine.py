"""Versions of our terms: written, submitted, approved by two, signed, in force, retired; and what clocks follow."""

import datetime as dt
from functools import partial
from typing import Any, Final

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from accounts.models import User
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from ledger import log
from ledger.events import EventType
from policy.audits import reconciliation_rules
from policy.law import clocks, rule_packs, rules
from policy.models import Clock, PackVersion
from tests.policy import invariants
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again, pick
from tests.policy.rule_texts import office

NUMBER: Final = st.integers(0, 11)
WAYS: Final = ("draft", "in_review", "approved")


def waits(*states: str) -> Any:
    """While there is a version of ours in one of these states."""
    return precondition(lambda self: PackVersion.objects.filter(state__in=states, origin="office").exists())


class PackMachine(Stage):
    """Petra edits rules, Lena is a lawyer, Olga operates. `days` is the time to decide of each version, by digest."""

    petra: User
    lena: User
    asked = (
        *(invariants.i14, invariants.i25),
        invariants.agrees(reconciliation_rules.packs, reconciliation_rules.deadlines),
    )

    def begin(self) -> None:
        self.days: dict[str, int] = {}
        self.count = 1

    @property
    def people(self) -> tuple[User, ...]:
        return (self.petra, self.lena, self.cast.olga, self.cast.rita)

    def _version(self, n: int, *states: str) -> PackVersion:
        return pick(PackVersion.objects.filter(state__in=states, origin="office").select_related("entry"), n)

    @rule(days=st.sampled_from([3, 5, 9]), who=NUMBER)
    def somebody_writes_a_version(self, days: int, who: int) -> None:
        by, self.count = self.people[who % 4], self.count + 1
        text = office(str(self.count), days)
        if by in (self.petra, self.lena):
            row = rule_packs.propose(by, text)
            self.days[row.digest] = days
            self.refused(lambda: rule_packs.propose(by, office(str(self.count), days + 1)), Problem)
            self.reached["proposed"] += 1
        else:
            self.refused(lambda: rule_packs.propose(by, text), Forbidden)

    @rule(bad=st.sampled_from(["", "rules: [", "pack: {name: office}", "bomb"]))
    def what_cannot_be_read_is_kept_by_nobody(self, bad: str) -> None:
        text = office("99").replace('channel == "notice"', "!" * 200 + "true") if bad == "bomb" else bad
        self.refused(lambda: rule_packs.propose(self.petra, text), Problem)

    @waits("draft")
    @rule(n=NUMBER)
    def it_is_submitted(self, n: int) -> None:
        row = self._version(n, "draft")
        other = again(row)
        self.refused(lambda: rule_packs.submit(row, self.cast.olga), Forbidden)
        rule_packs.submit(row, self.petra)
        self.refused(lambda: rule_packs.submit(other, self.petra), Conflict)

    @waits("in_review")
    @rule(n=NUMBER, who=NUMBER)
    def somebody_approves_it(self, n: int, who: int) -> None:
        row, by = self._version(n, "in_review"), self.people[who % 4]
        approve = partial(rule_packs.approve, row, by)
        if by == self.cast.rita or by.pk == row.author_id:
            self.refused(approve, Forbidden)
        elif row.approvals.filter(by=by).exists():
            self.refused(approve, Conflict)
        else:
            approve()
            self.reached["approved"] += row.state == "approved"

    @waits("draft", "in_review", "approved")
    @rule(n=NUMBER, later=st.sampled_from([0, 0, 24]))
    def somebody_publishes_it(self, n: int, later: int) -> None:
        row = self._version(n, *WAYS)
        at, other = now() + dt.timedelta(hours=later), again(row)
        given = row.approvals.exclude(by=row.author)
        may = given.count() >= 2 and given.filter(as_legal=True).exists() and row.state == "approved"
        self.refused(lambda: rule_packs.publish(row, self.cast.rita), Forbidden)
        self.refused(lambda: rule_packs.publish(row, self.petra, effective_from=now() - dt.timedelta(days=1)))
        if not may:
            self.refused(lambda: rule_packs.publish(row, self.petra, effective_from=at), Conflict)
            return
        rule_packs.publish(row, self.petra, effective_from=at)
        rule_packs.verify(row)
        self.refused(lambda: rule_packs.publish(other, self.petra, effective_from=at), Conflict)
        self.reached["published"] += 1

    @waits("in_force", "approved", "draft")
    @rule(n=NUMBER, sure=st.integers(0, 2))
    def it_is_retired(self, n: int, sure: int) -> None:
        if sure:
            return
        row = self._version(n, "in_force", "approved", "draft")
        other, by = again(row), self.cast.olga
        if row.state == "in_force":
            self.refused(lambda: rule_packs.retire(row, row.author), Forbidden)  # type: ignore[arg-type]
        rule_packs.retire(row, by)
        self.refused(lambda: rule_packs.retire(other, by), Conflict)
        self.reached["retired"] += 1

    @rule()
    def a_clock_follows_the_newest_version_in_force(self) -> None:
        """I13: that one, and never another afterwards."""
        with transaction.atomic():
            entry = log.append(EventType.ACCESS_AUDITED, actor="system", role="system")
            facts = {"channel": "notice", "category": "likeness", "jurisdictions": ["XX"]}
            made = clocks.start(Clock.Purpose.DECIDE, facts, clocks.NOTICE, entry=entry)
        [clock] = [one for one in made if one.rule_id == "office.terms.review"]
        rows = PackVersion.objects.filter(state="in_force", origin="office", effective_from__lte=now())
        newest = rows.order_by("effective_from", "published_at").last()
        days = self.days[newest.digest] if newest else 7
        assert clock.due_at == clock.started_at + dt.timedelta(days=days)
        assert (clock.legal_status == "approved") is bool(newest), "a draft is called a draft"
        self.reached["followed"] += bool(newest)

    @rule(hours=st.sampled_from([1, 30, 200]))
    def time_passes(self, hours: int) -> None:
        self.wait(dt.timedelta(hours=hours))

    @rule()
    def every_clock_is_read_under_its_own_version(self) -> None:
        for clock in Clock.objects.all():
            days = self.days.get(clock.pack, 7)
            assert rules.rule(clock.rule_id, clock.pack).clock["value"] == days
            assert clock.due_at == clock.started_at + dt.timedelta(days=days)


def published(self: PackMachine) -> None:
    self.somebody_writes_a_version(5, 0)
    self.it_is_submitted(0)
    for who in (1, 2):
        self.later()
        self.somebody_approves_it(0, who)
    self.somebody_publishes_it(0, 0)


STORIES: Final[dict[str, Any]] = {
    "what came with the software": (lambda self: self.a_clock_follows_the_newest_version_in_force(),),
    "one in force": (
        lambda self: self.a_clock_follows_the_newest_version_in_force(),
        published,
        lambda self: self.a_clock_follows_the_newest_version_in_force(),
    ),
    "two in force": (published, published, lambda self: self.a_clock_follows_the_newest_version_in_force()),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
@pytest.mark.usefixtures("new_law")
def test_a_version_takes_two_others_and_a_signature_and_old_clocks_keep_theirs(
    story: str, run: Play, paula: User, lena: User
) -> None:
    machine = type("PackMachine", (PackMachine,), {"petra": paula, "lena": lena})
    run(machine, STORIES[story], examples=2, steps=8)
