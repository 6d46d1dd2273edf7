"""A notice's way: filed whole or not, completed, asked about, called unfounded and contested, answered, heard again."""

import datetime as dt
from functools import partial
from typing import Any, Final

import pytest
from django.core.files.base import ContentFile
from django.db.models import Q
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from policy.audits import reconciliation, reconciliation_notices
from policy.deciding import decisions, hashlist, suspensions
from policy.desk import cases
from policy.filing import asking, misuse, notice_ends, notice_pins, notices
from policy.models import Appeal, Case, Clock, Flag, Misuse, Notice, Suspension
from policy.redress import appeals
from policy.rights import data_rights
from provenance import restriction
from tests.policy import invariants
from tests.policy.conftest import TERMS
from tests.policy.machines.conftest import Play
from tests.policy.machines.stage import Stage, again, pick

NUMBER: Final = st.integers(0, 11)
WHOLE: Final = {"name": "Dana Hill", "email": "dana@example.org", "sworn": ["tida.not_consensual"]}
# (what is filed, whether a law misses something)
FILED: Final[tuple[tuple[dict[str, Any], bool], ...]] = (
    ({"category": "likeness", "jurisdiction": "EU", **WHOLE}, False),
    ({"category": "ncii", "jurisdiction": "US", "name": "Dana Hill", "email": "dana@example.org"}, True),
    ({"kind": "privacy", "jurisdiction": "EU", "statement": "", **WHOLE}, True),
    ({"category": "copyright", "jurisdiction": "US", **WHOLE}, True),
    ({"category": "likeness", "jurisdiction": "XX", "exemptions": ["satire"]}, False),
    ({"category": "child_safety", "jurisdiction": "EU"}, False),
    ({"category": "impersonation", "jurisdiction": "EU", "answers": {"minor": "yes"}, **WHOLE}, False),
)
OVER: Final = ("withdrawn", "unfounded")


def waits(*states: str, **where: Any) -> Any:
    """While there is a notice in one of these states."""
    return precondition(lambda self: Notice.objects.filter(state__in=states, **where).exists())


class NoticeMachine(Stage):
    asked = (
        *(invariants.i1, invariants.i4, invariants.i5, invariants.i11, invariants.i12, invariants.i14),
        *(invariants.i8, invariants.i15, invariants.i16, invariants.i23, invariants.i24, invariants.i25),
        invariants.agrees(reconciliation.cases, reconciliation.decisions, reconciliation_notices.notices),
    )

    def begin(self) -> None:
        self.pins: dict[str, str] = {}

    def _one(self, n: int, *states: str, **where: Any) -> Notice:
        rows = Notice.objects.filter(state__in=states, **where)
        return pick(rows.select_related("case__asset", "filer", "account", "flag__case", "entry", "unfounded_by"), n)

    # --- Who files --------------------------------------------------------------------------------------------------

    @precondition(lambda self: Notice.objects.count() < 5)
    @rule(filed=st.sampled_from(FILED), by_mallory=st.booleans())
    def somebody_files(self, filed: tuple[dict[str, Any], bool], by_mallory: bool) -> None:
        said, lacks = filed
        by = self.cast.mallory if by_mallory else None
        barred = by and suspensions.current(by, Suspension.Scope.NOTICES) and said.get("category") != "child_safety"
        common: dict[str, Any] = {"statement": "This shows me and I never agreed to it.", "good_faith": True}

        def file() -> None:
            notice, pin = notices.file_notice(asset=self.cast.work, by=by, **{**common, **said})
            self.pins[notice.number] = pin
            assert (notice.state == "incomplete") == lacks, notice.missing

        if barred:
            self.refused(file, Forbidden)
        else:
            file()

    @precondition(lambda self: Flag.objects.filter(state="confirmed").exists())
    @rule(n=NUMBER)
    def somebody_says_that_a_flag_is_wrong(self, n: int) -> None:
        flag = pick(Flag.objects.filter(state="confirmed").select_related("case", "asset", "entry"), n)
        said: dict[str, Any] = {
            "statement": "There is nothing wrong with it.",
            "good_faith": True,
            "jurisdiction": "EU",
        }
        file = lambda: notices.file_notice(kind="false_positive", flag=flag, **said)  # noqa: E731
        if self.tried(file, "false positive"):
            flag.case.refresh_from_db()
            newest = Notice.objects.order_by("pk").last()
            assert newest and newest.case.state in Case.UNDECIDED

    @precondition(lambda self: bool(self.pins))
    @rule(n=NUMBER)
    def a_wrong_pin_opens_nothing(self, n: int) -> None:
        number = sorted(self.pins)[n % len(self.pins)]
        with pytest.raises(Problem):
            notice_pins.notice_by_pin(number, "000-000")
        with pytest.raises(Problem):
            notice_pins.notice_by_pin("AS-2026-XXXX-XXXX", self.pins[number])
        self.reached["wrong pin"] += 1

    @waits("incomplete")
    @rule(n=NUMBER, partly=st.booleans())
    def the_filer_completes_it(self, n: int, partly: bool) -> None:
        notice = self._one(n, "incomplete")
        asked = notice.missing[:1] if partly else notice.missing
        sworn = [each.removeprefix("sworn:") for each in asked if each.startswith("sworn:")]
        said = {name: value for name, value in WHOLE.items() if name in asked and isinstance(value, str)}
        details = {each: "as asked" for each in asked if each in ("work", "signature", "provision")}
        more = "Look at the left." if {"statement", "place"} & set(asked) else ""
        add = lambda: notices.complete_notice(notice, details=details, sworn=sworn, more=more, **said)  # noqa: E731
        if self.tried(add, "completed") and not partly:
            assert again(notice).state == "valid" and notice.missing == []

    @waits("valid", "incomplete", "answered", filer__erased_at=None)
    @rule(n=NUMBER)
    def a_document_is_added(self, n: int) -> None:
        notice = self._one(n, "valid", "incomplete", "answered", filer__erased_at=None)
        if not self.tried(lambda: notices.attach(notice, ContentFile(b"a letter", name="letter.txt")), "attached"):
            assert notice.attachments.count() == 5
        self.refused(lambda: notices.attach(notice, ContentFile(b"MZ\x00\x01", name="letter.exe")))

    @waits("valid", "incomplete", filer__erased_at=None)
    @rule(n=NUMBER, digit=st.sampled_from("abc"))
    def a_digest_is_added(self, n: int, digit: str) -> None:
        notice = self._one(n, "valid", "incomplete", filer__erased_at=None)
        self.tried(lambda: hashlist.submit(notice, [("sha256", digit * 64)]), "digest")
        restriction.refuse_blocked(digit * 64)  # nobody's file is refused for somebody's wish

    @waits("valid", "incomplete")
    @rule(n=NUMBER)
    def the_filer_withdraws_it(self, n: int) -> None:
        notice, other = self._one(n, "valid", "incomplete"), self._one(n, "valid", "incomplete")
        notice_ends.withdraw(notice)
        assert not notice.clocks.filter(state="running").exists(), "nothing runs for what was taken back"
        self.refused(lambda: notice_ends.withdraw(other), Conflict)
        self.refused(lambda: notices.complete_notice(notice, more="One more thing."), Conflict)

    # --- The desk ---------------------------------------------------------------------------------------------------

    @precondition(lambda self: Case.objects.filter(state__in=Case.WAITING).exists())
    @rule(n=NUMBER, who=NUMBER)
    def somebody_takes_the_case(self, n: int, who: int) -> None:
        case = pick(Case.objects.filter(state__in=Case.WAITING).select_related("asset"), n)
        self.tried(lambda: cases.assign(case, self.cast.reviewers[who % 4]), "taken")

    @waits("valid", "incomplete", case__state="in_review")
    @rule(n=NUMBER, what=st.sampled_from(["statement", "work", "sworn:dmca.accuracy", "nonsense"]))
    def the_reviewer_asks_for_more(self, n: int, what: str) -> None:
        notice = self._one(n, "valid", "incomplete", case__state="in_review")
        reviewer = notice.case.assigned_to
        assert reviewer
        self.refused(lambda: asking.ask(notice.case, self.cast.alice, notice, [what]), Forbidden)
        if what == "nonsense":
            self.refused(lambda: asking.ask(notice.case, reviewer, notice, [what]), Problem)
        else:
            asking.ask(notice.case, reviewer, notice, [what])
            self.reached["asked"] += 1

    @waits("valid", "incomplete", case__state="in_review")
    @rule(n=NUMBER, why=st.sampled_from(["unserious", "nothing_there", ""]))
    def the_reviewer_calls_it_unfounded(self, n: int, why: str) -> None:
        notice = self._one(n, "valid", "incomplete", case__state="in_review")
        other, reviewer = again(notice), notice.case.assigned_to
        assert reviewer
        stranger = next(one for one in self.cast.reviewers if one != reviewer)
        self.refused(lambda: notice_ends.unfounded(notice, stranger, "unserious"), Forbidden)
        if not why:
            self.refused(lambda: notice_ends.unfounded(notice, reviewer, why), Problem)
            return
        if notice.contested_at is not None and notice.unfounded_by == reviewer:
            self.refused(lambda: notice_ends.unfounded(notice, reviewer, why), Forbidden)
            return
        notice_ends.unfounded(notice, reviewer, why)
        self.refused(lambda: notice_ends.unfounded(other, reviewer, why), Conflict)
        self.reached["unfounded"] += 1

    @waits("unfounded")
    @rule(n=NUMBER)
    def the_filer_contests_that(self, n: int) -> None:
        notice, judge = self._one(n, "unfounded"), self._one(n, "unfounded").unfounded_by
        before, again_so = again(notice.case), notice.contested_at is not None
        if not self.tried(lambda: notice_ends.contest(notice, "It does show me: look at the left."), "contested"):
            return
        assert not again_so, "a notice is contested once"
        case = again(notice.case)
        assert (case.state, case.assigned_to) == (before.state, before.assigned_to), "nobody loses a case by it"
        if judge and case.assigned_to == judge:
            self.refused(lambda: notice_ends.unfounded(again(notice), judge, "unserious"), Forbidden)

    @precondition(lambda self: Case.objects.filter(state="in_review").exists())
    @rule(n=NUMBER, outcome=st.sampled_from(["no_action", "label", "hide"]))
    def the_case_is_decided_and_everything_that_waits_is_answered(self, n: int, outcome: str) -> None:
        case = pick(Case.objects.filter(state="in_review").select_related("asset", "assigned_to"), n)
        assert case.assigned_to
        weighed = sorted({one for notice in case.notices.all() for one in notice.exemptions})
        decisions.decide(case, case.assigned_to, outcome=outcome, exemptions=weighed, **TERMS)
        assert not case.notices.filter(state__in=Notice.WAITING).exists(), "a notice was forgotten"
        accepted = outcome != "no_action"
        for notice in case.notices.filter(state="answered"):
            said = (notice.outcome == "accepted") == (accepted != (notice.kind == "false_positive"))
            assert said, f"{notice.kind} is {notice.outcome} by {outcome}"
        self.reached["answered"] += 1

    @waits("answered")
    @rule(n=NUMBER)
    def an_appeal_has_it_looked_at_again(self, n: int) -> None:
        notice = self._one(n, "answered")
        statement = notice.statements.select_related("decision__case__asset", "decision__entry").order_by("pk").last()
        if statement is None or not self.tried(
            lambda: appeals.file_appeal(statement.decision, notice=notice, grounds="Please look again.")
        ):
            return
        appeal = Appeal.objects.select_related("decision__case__asset", "notice__filer", "entry").get(notice=notice)
        said: dict[str, Any] = {"outcome": "overturn", "reasons": "More can be seen in it."}
        for hearer in self.cast.reviewers[::-1]:
            if self.tried(partial(appeals.decide_appeal, appeal, hearer, **said)):
                break
        self.reached["heard again"] += Notice.objects.filter(pk=notice.pk, state="valid").count()

    # --- What happens besides ---------------------------------------------------------------------------------------

    @precondition(lambda self: Misuse.objects.exclude(state="ended").exists())
    @rule()
    def misuse_is_warned_of_before_anything_is_suspended(self) -> None:
        row = Misuse.objects.exclude(state="ended").select_related("user", "person", "entry").first()
        assert row
        self.refused(lambda: misuse.warn(row, self.cast.rita), Forbidden)
        if row.state == "observed":
            self.refused(lambda: misuse.suspend(row, self.cast.ravi), Conflict)
            misuse.warn(row, self.cast.ravi)
            self.reached["warned"] += 1
        elif row.state == "warned":
            self.refused(lambda: misuse.suspend(row, self.cast.ravi), Problem)  # who warned does not suspend

    @waits("valid", "incomplete", "answered", filer__erased_at=None)
    @rule(n=NUMBER, sure=st.integers(0, 1))
    def the_filer_is_erased(self, n: int, sure: int) -> None:
        notice = self._one(n, "valid", "incomplete", "answered", filer__erased_at=None)
        if sure and self.tried(lambda: data_rights.erase(notice.filer), "erased"):
            assert notices.contents(again(notice))["statement"] == ""
            self.refused(lambda: notices.attach(notice, ContentFile(b"a letter", name="letter.txt")), Conflict)

    @rule(days=st.sampled_from([1, 15, 40]))
    def time_passes(self, days: int) -> None:
        self.wait(dt.timedelta(days=days))
        asking_now = Clock.objects.filter(purpose="ask", state="running", due_at__lt=now())
        assert not asking_now.exists()
        silent = Case.objects.filter(state="awaiting_info").exclude(
            Q(clocks__purpose="ask", clocks__state__in=("running", "paused"))
        )
        assert not silent.exists(), "a case waits for nobody"


def filed(n: int, by_mallory: bool = False) -> Any:
    return lambda self: self.somebody_files(FILED[n], by_mallory)


def taken(self: NoticeMachine) -> None:
    self.somebody_takes_the_case(0, 0)


def asked(self: NoticeMachine) -> None:
    self.the_reviewer_asks_for_more(0, "statement")


def unfounded(self: NoticeMachine) -> None:
    self.the_reviewer_calls_it_unfounded(0, "unserious")


def decided(outcome: str) -> Any:
    return lambda self: self.the_case_is_decided_and_everything_that_waits_is_answered(0, outcome)


STORIES: Final[dict[str, Any]] = {
    "nothing is filed": (),
    "something is missing": (filed(1), filed(3)),
    "the filer is asked": (filed(0), taken, asked),
    "called unfounded": (filed(0, True), taken, unfounded),
    "misused": (*(step for _ in range(3) for step in (filed(0, True),)), taken, unfounded, unfounded, unfounded),
    "answered": (filed(0), filed(4), taken, decided("hide")),
    "a flag is said to be wrong": (
        filed(0),
        taken,
        decided("label"),
        lambda self: self.somebody_says_that_a_flag_is_wrong(0),
    ),
}


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("story", STORIES)
def test_every_notice_is_answered_or_ended_and_never_lost(story: str, run: Play) -> None:
    run(NoticeMachine, STORIES[story], examples=2, steps=6)
