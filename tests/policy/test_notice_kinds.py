"""“This flag is wrong”, privacy concerns, orders; what laws ask for; how a notice is asked, withdrawn and answered."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.db import transaction

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.audits import reconciliation, reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import asking, flags, guided, notice_ends, notices
from policy.law import clocks
from policy.models import Case, Clock, Flag, Misuse, Notice
from policy.rights import people
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice, about_of, leaf_of

pytestmark = pytest.mark.django_db
WRONG: dict[str, Any] = {
    "kind": "false_positive",
    "jurisdiction": "EU",
    "statement": "I took this photograph myself in the harbour.",
    "good_faith": True,
}


def unexplained() -> list[str]:
    """What the rows say about notices and cases, and the log does not."""
    return [*reconciliation_notices.notices(), *reconciliation.cases()]


@pytest.fixture
def flag(asset: Asset, rita: User) -> Flag:
    return flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)


# --- “This flag is wrong” (R04) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["the owner", "the person shown", "anybody"])
def test_a_wrong_flag_is_disputed_by(who: str, flag: Flag, alice: User) -> None:
    by = alice if who == "the owner" else None
    notice, _ = notices.file_notice(flag=flag, by=by, as_depicted=who == "the person shown", **WRONG)
    assert (notice.case, notice.state, notice.asset) == (flag.case, "valid", flag.asset)
    (clock,) = notice.clocks.all()
    assert (clock.rule_id, clock.purpose) == ("office.terms.false_positive", Clock.Purpose.DECIDE)
    assert flag.case.flags.count() == 1, "to say that a flag is wrong is no reason to look at the work"


@pytest.mark.parametrize(
    ("outcome", "answer", "state"), [("no_action", "accepted", "cleared"), ("label", "declined", "confirmed")]
)
def test_the_outcome_is_written_back_to_the_flag(flag: Flag, rita: User, outcome: str, answer: str, state: str) -> None:
    notice, _ = notices.file_notice(flag=flag, **WRONG)
    cases.assign(notice.case, rita)
    decisions.decide(notice.case, rita, outcome=outcome, **TERMS)
    notice.refresh_from_db()
    flag.refresh_from_db()
    assert (notice.state, notice.outcome, flag.state) == ("answered", answer, state)
    assert not unexplained()


def test_a_confirmed_flag_is_looked_at_again_by_somebody_else_and_undone_whole(
    flag: Flag, rita: User, ravi: User, alice: User
) -> None:
    cases.assign(flag.case, rita)
    decisions.decide(flag.case, rita, outcome="label", **TERMS)
    notice, _ = notices.file_notice(flag=flag, by=alice, **WRONG)
    assert (notice.case.pk, notice.case.state) == (flag.case_id, Case.State.REOPENED)
    with pytest.raises(Forbidden):
        cases.assign(notice.case, rita)
    cases.assign(notice.case, ravi)
    decisions.decide(notice.case, ravi, outcome="no_action", **TERMS)
    flag.refresh_from_db()
    flag.asset.refresh_from_db()
    assert (flag.state, flag.asset.restriction) == ("cleared", "")
    assert not unexplained()


def test_a_flag_is_looked_at_again_once(flag: Flag, rita: User) -> None:
    notice, _ = notices.file_notice(flag=flag, **WRONG)
    cases.assign(notice.case, rita)
    decisions.decide(notice.case, rita, outcome="label", **TERMS)
    with pytest.raises(Conflict) as refusal:
        notices.file_notice(flag=flag, **WRONG)
    assert refusal.value.code == "flag.looked_at_again"
    assert Notice.objects.count() == 1


def test_a_dispute_names_a_flag_or_a_finding(asset: Asset) -> None:
    with pytest.raises(Problem) as refusal:
        notices.file_notice(**WRONG)
    assert "asset" in refusal.value.extra["errors"]  # type: ignore[operator]


# --- Privacy, orders -----------------------------------------------------------------------------------------------


def test_a_privacy_concern_needs_no_words_and_is_acknowledged_within_its_clock(asset: Asset) -> None:
    notice, _ = notices.file_notice(asset=asset, kind="privacy", jurisdiction="GB", good_faith=True, as_depicted=True)
    clock = notice.clocks.get(rule_id="office.terms.privacy")
    assert clock.due_at is not None and notice.acknowledged_at is not None
    assert (clock.due_at - clock.started_at).total_seconds() == 24 * 3600
    assert (clock.state, notice.acknowledged_at <= clock.due_at) == (Clock.State.MET, True)
    assert notice.clocks.filter(rule_id="office.terms.review", state=Clock.State.RUNNING).exists()
    assert (notice.category, notice.case.category, notice.case.vulnerable) == ("privacy", "privacy", 1)


def test_an_order_is_complete_when_all_that_the_dsa_asks_for_is_there(asset: Asset, file_notice: FileNotice) -> None:
    order, _ = file_notice(asset, kind="order", category="")
    assert order.missing == ["authority", "inform", "legal_basis", "provision", "redress"]
    assert not order.clocks.filter(rule_id="eu.dsa.9.order").exists()
    words = dict.fromkeys(order.missing, "Tribunal of the harbour, section 4")
    notices.complete_notice(order, details=words)
    assert order.state == Notice.State.VALID
    assert order.clocks.filter(rule_id="eu.dsa.9.order").exists()
    assert notices.contents(order)["authority"] == "Tribunal of the harbour, section 4"
    assert order.case.category == "authority_order"


def test_an_order_from_india_has_three_hours(asset: Asset, file_notice: FileNotice) -> None:
    order, _ = file_notice(asset, kind="order", category="", jurisdiction="IN")
    first = order.clocks.filter(purpose=Clock.Purpose.DECIDE).order_by("due_at").first()
    assert first is not None and first.rule_id == "in.it.3.1.d.v2026"


# --- What laws ask for ---------------------------------------------------------------------------------------------


def test_each_law_has_its_own_list(asset: Asset, file_notice: FileNotice) -> None:
    intimate, _ = file_notice(asset, category="ncii", jurisdiction="US", sworn=[])
    copyright_, _ = file_notice(asset, category="copyright", jurisdiction="US", sworn=[], name="")
    assert intimate.missing == ["sworn:tida.not_consensual"]
    assert copyright_.missing == ["name", "sworn:dmca.accuracy", "sworn:dmca.good_faith", "work"]


def test_i16_a_sworn_statement_starts_the_laws_clock_when_it_is_sworn(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="US", sworn=[])
    running = notice.clocks.filter(rule_id="us.tida.223a")
    assert not running.exists() and notice.clocks.filter(purpose=Clock.Purpose.ASK).exists()
    notices.complete_notice(notice, sworn=["tida.not_consensual"])
    assert running.exists()
    (sworn,) = Notice.objects.get().sworn
    assert (sworn["statement"], sworn["version"]) == ("tida.not_consensual", "2026-11")


def test_every_statement_that_was_ever_sworn_can_be_read_word_for_word() -> None:
    for statement in guided.statements().values():
        assert statement.text.endswith(".") and statement.version and statement.cite


def test_laws_are_known_before_anything_is_filed(asset: Asset) -> None:
    draft = Notice(asset=asset, category="ncii", jurisdiction="IN")
    laws = guided.laws(draft)
    assert laws[0].rule.id == "in.it.3.2.b.v2026", "the shortest first"
    assert not Notice.objects.exists() and not Clock.objects.exists()


def test_i24_an_intimate_picture_of_a_child_is_a_childs_case_and_keeps_its_48_hours(
    asset: Asset, file_notice: FileNotice
) -> None:
    notice, _ = file_notice(asset, category="ncii", jurisdiction="US", answers={"minor": "yes"})
    assert notice.case.category == "child_safety"
    assert notice.clocks.filter(rule_id="us.tida.223a").exists()
    assert guided.facts_of(notice)["minor"] is True


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("language", {"language": "tlh"}),
        ("language", {"language": "../etc"}),
        ("kind", {"kind": "wish"}),
        ("answers", {"answers": {"minor": "perhaps"}}),
        ("answers", {"answers": {"colour": "blue"}}),
        ("sworn", {"sworn": ["anything"]}),
        ("work", {"details": {"work": "x" * 1001}}),
        ("colour", {"details": {"colour": "blue"}}),
    ],
)
def test_a_wrong_answer_is_named_and_nothing_is_kept(
    asset: Asset, file_notice: FileNotice, field: str, change: dict[str, Any]
) -> None:
    with pytest.raises(Problem) as refusal:
        file_notice(asset, **change)
    assert list(refusal.value.extra["errors"]) == [field]  # type: ignore[call-overload]
    assert not Notice.objects.exists() and not Case.objects.exists()


# --- Asked, withdrawn, unfounded -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("any_date")
def test_a_reviewer_asks_with_a_clock_of_its_own_and_the_laws_goes_on(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    with time_machine.travel("2026-06-01T12:00:00Z", tick=False) as clock:
        notice, _ = file_notice(asset)
        case = cases.assign(notice.case, rita)
        asking.ask(case, rita, notice, ["statement"])
        assert (notice.state, case.state) == ("incomplete", "awaiting_info")
        assert notice.clocks.get(purpose=Clock.Purpose.ASK).state == Clock.State.RUNNING
        assert notice.clocks.get(rule_id="office.terms.review").state == Clock.State.RUNNING
        clock.shift(3600)
        notices.complete_notice(notice, name="Dana H. Hill")
        assert Notice.objects.get().missing == ["statement"], "a name is no answer to what was asked"
        notices.complete_notice(notice, more="It is the left half of the picture.")
    case.refresh_from_db()
    assert (notice.state, case.state) == ("valid", "in_review")
    assert notices.contents(notice)["more"] == "It is the left half of the picture."
    assert notice.clocks.filter(rule_id="office.terms.review").count() == 1
    assert not unexplained()


def test_the_log_says_which_notice_was_asked_for_what(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset)
    case = cases.assign(notice.case, rita)
    asking.ask(case, rita, notice, ["statement", "place", "statement"])
    assert leaf_of("case:waiting")["facts"] == {"how": "asked", "notice": str(notice.pk)}
    (opened,) = disclosures_for(Entry.objects.get(type="case:waiting"), ["about"])
    assert opened.value == {"asked": ["place", "statement"]}
    assert not unexplained()
    Notice.objects.update(state="valid", missing=[])
    assert unexplained() == [f"waiting notice {notice.pk} is “valid”, and the log says “incomplete”"]


def test_that_nobody_answered_in_time_is_in_the_log(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    notice, _ = file_notice(asset)
    asking.ask(cases.assign(notice.case, rita), rita, notice, ["statement"])
    asked = notice.clocks.get(purpose=Clock.Purpose.ASK)
    assert asked.due_at is not None
    with time_machine.travel(asked.due_at + dt.timedelta(minutes=1), tick=False):
        clocks.lapse()
        clocks.lapse()
    said = leaf_of("clock:lapsed")["facts"]
    assert (said["clock"], said["purpose"], about_of("clock:lapsed")["rule"]) == (str(asked.pk), "ask", asked.rule_id)
    asked.refresh_from_db()
    assert asked.state == Clock.State.VOID


def test_a_deadline_that_was_missed_before_a_notice_was_called_unfounded_starts_anew_with_its_contest(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset)
    law = notice.clocks.get(rule_id="office.terms.review")
    assert law.due_at is not None
    with time_machine.travel(law.due_at + dt.timedelta(minutes=1), tick=False):
        clocks.miss()
        notice.case = cases.assign(notice.case, rita)
        notice_ends.unfounded(notice, rita, "unserious")
        notice_ends.contest(notice, "It is about my own face, look again.")
        (fresh,) = notice.clocks.filter(rule_id="office.terms.review", state=Clock.State.RUNNING)
        assert Case.objects.get().next_due_at == fresh.due_at


def test_two_answers_at_once_are_both_kept(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset, name="", email="")
    first, second = (Notice.objects.select_related("case", "filer", "entry").get(pk=notice.pk) for _ in "ab")
    notices.complete_notice(first, name="Dana Hill", more="It is the left half.")
    notices.complete_notice(second, email="dana@example.org", more="And the right half too.")
    said = notices.contents(Notice.objects.select_related("filer").get())
    assert said["more"] == "It is the left half.\n\nAnd the right half too."
    assert (said["name"], said["email"]) == ("Dana Hill", "dana@example.org")


def test_nothing_is_added_to_a_notice_that_was_withdrawn_meanwhile(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    opened = Notice.objects.select_related("case", "filer", "entry").get(pk=notice.pk)
    notice_ends.withdraw(notice)
    for late in (
        lambda: notices.complete_notice(opened, more="It is the left half."),
        lambda: notices.attach(opened, ContentFile(b"a note", "note.txt")),
        lambda: notices.ask(opened, ["place"]),
    ):
        with pytest.raises(Conflict, match="over"):
            late()
    assert "more" not in notices.contents(Notice.objects.select_related("filer").get())


def test_a_filer_withdraws_and_nothing_runs_for_it_any_more(asset: Asset, file_notice: FileNotice) -> None:
    notice, _ = file_notice(asset)
    notice_ends.withdraw(notice)
    assert notice.state == Notice.State.WITHDRAWN
    assert not notice.clocks.filter(state=Clock.State.RUNNING).exists()
    assert notice.case.state == Case.State.OPEN, "a reviewer says what becomes of the work"
    with pytest.raises(Conflict):
        notice_ends.withdraw(notice)
    with pytest.raises(Conflict):
        notices.complete_notice(notice, name="Dana")
    assert not unexplained()


def test_unfounded_has_a_reason_from_a_list_and_is_contested_by_its_filer(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User
) -> None:
    notice, _ = file_notice(asset)
    case = cases.assign(notice.case, rita)
    notice.case = case
    with pytest.raises(Forbidden):
        notice_ends.unfounded(notice, ravi, "repeated")
    with pytest.raises(Problem):
        notice_ends.unfounded(notice, rita, "I do not like it")
    notice_ends.unfounded(notice, rita, "repeated")
    assert (notice.state, notice.unfounded_by) == ("unfounded", rita)
    assert not notice.clocks.filter(state=Clock.State.RUNNING).exists()
    notice = Notice.objects.select_related("case", "filer", "unfounded_by", "entry").get()
    notice_ends.contest(notice, "It does show me, in the left half.")
    case.refresh_from_db()
    assert (notice.state, notice.unfounded_for) == ("valid", "")
    assert notice.clocks.filter(rule_id="office.terms.review", state=Clock.State.RUNNING).exists()
    assert (case.state, case.assigned_to) == ("in_review", rita), "nobody loses a case by it"
    assert not Misuse.objects.exists()
    assert not unexplained()


def test_a_decision_answers_what_waits_and_nothing_else(asset: Asset, file_notice: FileNotice, rita: User) -> None:
    gone, _ = file_notice(asset)
    stays, _ = file_notice(asset)
    notice_ends.withdraw(gone)
    cases.assign(stays.case, rita)
    decision = decisions.decide(stays.case, rita, outcome="hide", **TERMS)
    stays.refresh_from_db()
    gone.refresh_from_db()
    assert (stays.outcome, gone.state, gone.outcome) == ("accepted", "withdrawn", "")
    with transaction.atomic():
        decisions.reverse(decision)
    stays.refresh_from_db()
    assert stays.outcome == "declined", "the outcome follows when the decision is undone"


# --- Who files again -----------------------------------------------------------------------------------------------


def test_one_address_is_recognised_by_this_office_alone(asset: Asset, file_notice: FileNotice, settings: Any) -> None:
    one, _ = file_notice(asset)
    other, _ = file_notice(asset, email="DANA@example.org ")
    unnamed, _ = file_notice(asset, email="")
    assert one.filer.contact_mark == other.filer.contact_mark != ""
    assert unnamed.filer.contact_mark == ""
    settings.SECRET_KEY = "another office"
    assert people.mark("dana@example.org") != one.filer.contact_mark
