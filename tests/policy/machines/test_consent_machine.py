"""A person's answers about one work, in every order, beside changed bytes, works made from it, and the end of time."""

import datetime as dt
from typing import Any, Final

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.problems import Conflict, Forbidden, Problem
from policy.audits import reconciliation
from policy.consents import bases, consent
from policy.deciding import decisions
from policy.desk import cases
from policy.models import Case, Consent, Flag, HashEntry, Notice, Purpose
from policy.rights import data_rights
from provenance.models import Asset, Manifest
from tests.policy import invariants
from tests.policy.conftest import REASONS
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again

ASKED: Final = ("detect", "publish", "train")
SOME: Final = st.lists(st.sampled_from(ASKED), unique=True, max_size=3)


class ConsentMachine(Stage):
    """`granted` is what Dana agreed to last, kept by the machine itself; `links` the consents she was asked for."""

    asked = (
        *(invariants.i4, invariants.i8, invariants.i9, invariants.i10, invariants.i11, invariants.i12),
        invariants.agrees(reconciliation.answers, reconciliation.cases),
    )

    def begin(self) -> None:
        _, path = consent.ask_consent(
            self.cast.work,
            self.cast.alice,
            name="Dana Hill",
            contact="dana@example.org",
            purposes=ASKED,
            valid_to=dt.date(2026, 12, 31),
        )
        self.token = path.split("/")[2]
        self.granted: set[str] = set()
        self.changed = 0

    def link(self) -> Consent:
        return consent.consent_by_token(self.token)

    def open(self) -> bool:
        return not self.link_is_gone()

    def link_is_gone(self) -> bool:
        return not Consent.objects.filter(token_hash=_hash(self.token), depiction__person__erased_at=None).exists()

    def happened(self, row: Consent) -> None:
        """What the machine expects is what the row says, and what anybody who asks is told."""
        assert set(row.granted) == self.granted
        assert {one for one in ASKED if consent.allows(row, one)} <= self.granted

    # --- Dana -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.open())
    @rule(purposes=SOME)
    def dana_answers(self, purposes: list[str]) -> None:
        row = self.link()
        if self.tried(lambda: consent.answer(row, purposes, entitled=True), "answered"):
            self.granted = set(again(row).granted)
            assert self.granted == set(purposes)
            self.reached["agreed" if purposes else "said no"] += 1
        self.happened(self.link())

    @precondition(lambda self: self.open())
    @rule(purposes=SOME)
    def dana_withdraws_and_again_at_once(self, purposes: list[str]) -> None:
        row, other = self.link(), self.link()
        before = set(row.granted)
        if self.tried(lambda: consent.withdraw(row, purposes or None)):
            gone = set(purposes) or before
            self.granted = before - gone
            self.reached["withdrew"] += bool(gone)
            if gone:
                self.refused(lambda: consent.withdraw(other, sorted(gone)), Conflict)
        self.happened(self.link())

    @precondition(lambda self: self.open())
    @rule(by=st.sampled_from(["dana", "lead", "reviewer"]), how=st.sampled_from(["halt", "invalidate"]))
    def it_is_stopped(self, by: str, how: str) -> None:
        row, stop = self.link(), {"halt": consent.halt, "invalidate": consent.invalidate}[how]
        if by == "reviewer":
            self.refused(lambda: stop(row, self.cast.rita), Forbidden)
        elif self.tried(lambda: stop(row, self.cast.ravi if by == "lead" else None), how):
            self.granted = set()
        self.happened(self.link())

    @precondition(lambda self: self.open())
    @rule(sure=st.integers(0, 3))
    def dana_is_erased(self, sure: int) -> None:
        if sure:
            return
        person = self.link().depiction.person
        if self.tried(lambda: data_rights.erase(person), "erased"):
            self.granted = set()
            assert not Consent.objects.filter(depiction__person=person).exclude(granted=[]).exists()
            assert self.link_is_gone(), "her link opens nothing any more"

    # --- Alice ------------------------------------------------------------------------------------------------------

    @rule()
    def the_work_is_changed(self) -> None:
        """A new manifest: the answer is about other bytes (I10)."""
        self.changed += 1
        digest = f"{self.changed:064x}"
        manifest = Manifest(asset=self.cast.work, label=f"urn:c2pa:changed{self.changed}", sha256=digest, active={})
        manifest.save(force_insert=True)
        self.reached["changed"] += 1

    @precondition(lambda self: self.open())
    @rule(by_bob=st.booleans())
    def alice_asks_again(self, by_bob: bool) -> None:
        row = self.link()
        if by_bob:
            self.refused(lambda: consent.ask_again(row, self.cast.bob), Forbidden)
            return
        try:
            _, path = consent.ask_again(row, self.cast.alice)
        except Problem as problem:
            assert problem.detail
            return
        self.token, self.granted = path.split("/")[2], set()
        assert self.link().state == "requested"
        self.reached["asked again"] += 1

    # --- What follows -----------------------------------------------------------------------------------------------

    @rule()
    def nobody_is_looked_at_without_a_basis(self) -> None:
        """R08: faces are looked at only while everybody shown agrees to it, about the work as it is."""
        rows = Consent.objects.filter(depiction__asset=self.cast.work).select_related("depiction__asset")
        agrees = any(consent.allows(row, Purpose.DETECT) for row in rows)
        permission = bases.permission(again(self.cast.work))
        assert permission.basis in (("consent", "") if agrees else ("",))
        assert bool(permission.why) != bool(permission.basis), "a refusal says what is missing"
        self.reached["looked at"] += bool(permission.basis)

    @rule()
    def what_was_withdrawn_reaches_what_was_made_from_it(self) -> None:
        self.work_off()
        if Flag.objects.filter(asset=self.cast.work, origin="consent_withdrawn", state="raised").exists():
            assert consent.is_withheld(again(self.cast.work))
            assert self.cast.work not in consent.leave_out_withheld(Asset.objects.all())
            self.reached["withheld"] += 1

    @precondition(lambda self: Case.objects.filter(state="open").exists())
    @rule(outcome=st.sampled_from(["no_action", "label"]))
    def a_reviewer_decides_about_the_flag(self, outcome: str) -> None:
        case = Case.objects.filter(state="open").order_by("pk").first()
        assert case
        if self.tried(lambda: cases.assign(case, self.cast.rosa)) and case.assigned_to:
            said: dict[str, Any] = {"ground": "terms", "rule_ids": ["office.terms.consent"], **REASONS}
            decisions.decide(case, self.cast.rosa, outcome=outcome, **said)
            self.reached["decided"] += 1

    @rule(days=st.sampled_from([1, 90, 200]))
    def time_passes(self, days: int) -> None:
        self.wait(dt.timedelta(days=days))
        over = Consent.objects.filter(valid_to__lt=consent.today(), state__in=("requested", *Consent.STANDS))
        assert not over.exists(), "what ran out still stands"
        if self.open():
            self.granted = set(self.link().granted) & self.granted
        assert not Notice.objects.exists() and not HashEntry.objects.exists()


def _hash(token: str) -> str:
    from policy.consents.consent_record import token_hash

    return token_hash(token)


def answers(*purposes: str) -> Any:
    return lambda self: self.dana_answers(list(purposes))


def reaches(self: ConsentMachine) -> None:
    self.what_was_withdrawn_reaches_what_was_made_from_it()


STORIES: Final[dict[str, Any]] = {
    "asked": (),
    "agreed to all, then not to training": (
        answers(*ASKED),
        lambda self: self.dana_withdraws_and_again_at_once(["train"]),
    ),
    "said no": (answers(), reaches),
    "stopped, and agreed again": (
        answers("publish"),
        lambda self: self.it_is_stopped("lead", "halt"),
        answers("detect"),
    ),
    "about other bytes": (
        answers(*ASKED),
        lambda self: self.the_work_is_changed(),
        lambda self: self.alice_asks_again(False),
    ),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
def test_what_stands_is_what_was_said_last_and_the_past_stays(story: str, run: Play) -> None:
    run(ConsentMachine, STORIES[story], examples=2, steps=8)
