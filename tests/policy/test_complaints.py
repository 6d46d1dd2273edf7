"""Whose word about copyright counts: who gets the uploader's address, and who keeps a work away (512(c)(3), (g))."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core import mail

from accounts.models import User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy.audits import reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import address_proof, asking, counter_notices, court_actions, notice_ends, notices
from policy.models import CounterNotice, Decision, Notice
from policy.redress import appeals
from policy.rights import data_rights
from provenance.models import Asset
from tests.policy.conftest import TERMS, FileNotice

pytestmark = pytest.mark.django_db
WORDS = {"signature": "Alice Doe", "name": "Alice Doe", "address": "4 Elm Street, Springfield", "phone": "555 01 99"}
ACTION: dict[str, Any] = {"court": "N.D. Cal.", "reference": "3:26-cv-01234", "sworn": ["dmca.action"]}
US: dict[str, Any] = {"category": "copyright", "jurisdiction": "US"}
NAMELESS: dict[str, Any] = {**US, "name": "", "email": "", "sworn": (), "statement": "xxxxxxxxxxxxxx"}


@pytest.fixture
def complaint(asset: Asset, file_notice: FileNotice) -> Notice:
    return file_notice(asset, **US, details={"work": "My photograph of the harbour, 2019"})[0]


def hidden(case: Any, rita: User) -> Decision:
    return decisions.decide(cases.assign(case, rita), rita, outcome="hide", **TERMS)


def forwarded(decision: Decision, alice: User) -> CounterNotice:
    row = counter_notices.file_counter_notice(decision, alice, details=WORDS, sworn=counter_notices.STATEMENTS)
    run()
    run()  # the letter that forwarding asked for
    row.refresh_from_db()
    assert row.state == CounterNotice.State.FORWARDED
    return row


def run() -> None:
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(str(job.pk))


def again(notice: Notice) -> Notice:
    return Notice.objects.select_related("case", "filer", "account", "entry").get(pk=notice.pk)


def proves(notice: Notice) -> None:
    address_proof.prove(address_proof.path(again(notice)).split("/")[-2])


def test_mallory_who_joins_the_case_without_a_name_is_not_given_the_uploaders_address(
    asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User
) -> None:
    mallory, _ = file_notice(asset, **NAMELESS)
    assert mallory.case == complaint.case
    row = forwarded(hidden(complaint.case, rita), alice)
    assert counter_notices.answering(again(mallory)) is None
    assert counter_notices.answering(again(complaint)) == row
    with pytest.raises(Forbidden):
        court_actions.tell_of_action(row, again(mallory), **ACTION)
    # Nor once it was answered and the missing words were added: no law counted it while it was looked at.
    notices.complete_notice(
        again(mallory),
        name="Mal Lory",
        email="m@example.org",
        details={"work": "All of it"},
        sworn=["dmca.good_faith", "dmca.accuracy"],
    )
    assert not again(mallory).missing
    assert counter_notices.answering(again(mallory)) is None


@pytest.mark.parametrize("end", ["unfounded", "withdrawn"])
def test_a_notice_that_does_not_stand_is_answered_by_nothing(
    end: str, asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User
) -> None:
    other, _ = file_notice(asset, **US, details={"work": "Another one"}, name="Mal Lory", email="m@example.org")
    case = cases.assign(again(other).case, rita)
    if end == "unfounded":
        notice_ends.unfounded(again(other), rita, "unserious")
    else:
        notice_ends.withdraw(again(other))
    row = forwarded(decisions.decide(case, rita, outcome="hide", **TERMS), alice)
    assert [*counter_notices.complaints(row.decision)] == [complaint]
    assert counter_notices.answering(again(other)) is None
    with pytest.raises(Forbidden):
        court_actions.tell_of_action(row, again(other), **ACTION)


def test_nobody_swears_with_their_address_against_a_notice_that_nobody_swore(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User
) -> None:
    notice, _ = file_notice(asset, **NAMELESS)
    decision = hidden(notice.case, rita)
    with pytest.raises(Conflict, match="complete, sworn notice") as refusal:
        counter_notices.may_file(decision, alice)
    assert "appeal" in refusal.value.next_step


def test_what_was_forwarded_is_not_shown_once_it_was_taken_back(complaint: Notice, alice: User, rita: User) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    proves(complaint)
    assert counter_notices.shown_to_complainant(row, again(complaint))["address"] == WORDS["address"]
    counter_notices.withdraw(row)
    assert counter_notices.shown_to_complainant(row, again(complaint)) == {}


@pytest.mark.parametrize(
    ("changed", "field"), [({"court": "xx"}, "court"), ({"reference": "yy"}, "reference"), ({"sworn": []}, "sworn")]
)
def test_two_letters_that_nobody_swore_keep_no_work_away(
    changed: dict[str, Any], field: str, complaint: Notice, alice: User, rita: User
) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    with pytest.raises(Problem) as refusal:
        court_actions.tell_of_action(row, again(complaint), **{**ACTION, **changed})
    assert field in refusal.value.extra["errors"]  # type: ignore[operator]
    row.refresh_from_db()
    assert row.state == CounterNotice.State.FORWARDED


def test_an_action_is_sworn_told_to_the_uploader_and_lifted_by_a_lead_who_finds_none(
    complaint: Notice, alice: User, rita: User, ravi: User
) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    court_actions.tell_of_action(row, again(complaint), **ACTION)
    assert {each["statement"] for each in again(complaint).sworn} >= {"dmca.action"}
    assert court_actions.actions_told(row) == [("N.D. Cal.", "3:26-cv-01234")]
    mail.outbox.clear()
    run()
    assert {to for letter in mail.outbox for to in letter.to} == {alice.email, ravi.email}
    assert not any("cv-01234" in letter.body for letter in mail.outbox)
    with pytest.raises(Forbidden):
        court_actions.lift(row, rita, "Not on the docket.")
    court_actions.lift(row, ravi, "Not on the docket of the day.")
    row.refresh_from_db()
    assert (row.state, row.ended_at) == (CounterNotice.State.FORWARDED, None)
    assert not any(b"docket" in bytes(entry.leaf) for entry in Entry.objects.all())
    with pytest.raises(Conflict, match="found none"):
        court_actions.tell_of_action(row, again(complaint), **ACTION)
    assert not [*reconciliation_notices.notices()]


# --- Who lies twice more -------------------------------------------------------------------------------------------


def lies(asset: Asset, file_notice: FileNotice) -> Notice:
    """A sworn, complete notice of somebody who need not exist."""
    said = {**US, "details": {"work": "x"}, "name": "Q", "email": "nobody@nowhere.example"}
    return file_notice(asset, as_depicted=False, **said)[0]


def test_an_oath_of_nobody_opens_no_address_and_the_days_run_all_the_same(
    asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User
) -> None:
    fake = lies(asset, file_notice)
    row = forwarded(hidden(again(complaint).case, rita), alice)
    assert counter_notices.known_complaints(row.decision) == 0
    for notice in (fake, complaint):
        assert counter_notices.answering(again(notice)) == row and row.earliest_restore
        assert counter_notices.shown_to_complainant(row, again(notice)) == {}
    letter = next(each for each in mail.outbox if each.to == ["dana@example.org"] and "counter-notice" in each.subject)
    assert "/notice/address/" in letter.body, "the letter brings the link that opens it"
    proves(complaint)
    assert counter_notices.shown_to_complainant(row, again(complaint))["address"] == WORDS["address"]
    assert counter_notices.shown_to_complainant(row, again(fake)) == {}
    assert counter_notices.known_complaints(row.decision) == 1


def test_who_swears_after_the_decision_is_given_nothing_although_the_case_opens_again(
    asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User, ravi: User
) -> None:
    decision = hidden(complaint.case, rita)
    row = forwarded(decision, alice)
    theirs = appeals.file_appeal(decision, notice=again(complaint), grounds="Hidden is not enough for me.")
    appeals.decide_appeal(theirs, ravi, outcome="overturn", reasons="It has to be looked at again.")
    late = lies(asset, file_notice)
    assert late.case_id == complaint.case_id
    proves(late)
    assert counter_notices.answering(again(late)) is None
    assert counter_notices.shown_to_complainant(row, again(late)) == {}
    with pytest.raises(Forbidden):
        court_actions.tell_of_action(row, again(late), **ACTION)


def test_one_lie_about_a_court_does_not_burn_the_true_action(
    asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User, ravi: User
) -> None:
    fake = lies(asset, file_notice)
    row = forwarded(hidden(again(complaint).case, rita), alice)
    court_actions.tell_of_action(row, again(fake), court="Nowhere", reference="0:00-cv-0", sworn=["dmca.action"])
    court_actions.tell_of_action(again_row(row), again(complaint), **ACTION)
    row = again_row(row)
    assert court_actions.actions_told(row) == [("N.D. Cal.", "3:26-cv-01234"), ("Nowhere", "0:00-cv-0")]
    with pytest.raises(Problem) as refusal:
        court_actions.lift(row, ravi, "Not on any docket.")
    assert "notice" in refusal.value.extra["errors"]  # type: ignore[operator]
    court_actions.lift(row, ravi, "Not on any docket.", notice=str(fake.pk))
    row = again_row(row)
    assert row.state == CounterNotice.State.BLOCKED
    assert court_actions.actions_told(row) == [("N.D. Cal.", "3:26-cv-01234")]
    for liar in (fake, complaint):
        with pytest.raises(Conflict):
            court_actions.tell_of_action(row, again(liar), **ACTION)
    assert not [*reconciliation_notices.notices()]
    court_actions.lift(row, ravi, "It was dismissed.")
    assert again_row(row).state == CounterNotice.State.FORWARDED
    assert not [*reconciliation_notices.notices()]


def test_a_lie_that_was_lifted_leaves_the_way_open_for_the_true_action(
    asset: Asset, complaint: Notice, file_notice: FileNotice, alice: User, rita: User, ravi: User
) -> None:
    fake = lies(asset, file_notice)
    row = forwarded(hidden(again(complaint).case, rita), alice)
    court_actions.tell_of_action(row, again(fake), **ACTION)
    court_actions.lift(row, ravi, "Not on any docket.")
    court_actions.tell_of_action(again_row(row), again(complaint), **ACTION)
    assert again_row(row).state == CounterNotice.State.BLOCKED


def again_row(row: CounterNotice) -> CounterNotice:
    return CounterNotice.objects.select_related("decision__case__asset", "by", "entry").get(pk=row.pk)


@pytest.mark.usefixtures("any_date")
def test_an_action_that_no_lead_found_in_time_keeps_no_work_away(
    complaint: Notice, alice: User, rita: User, ravi: User
) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    court_actions.tell_of_action(row, again(complaint), **ACTION)
    run()
    with time_machine.travel(now() + dt.timedelta(days=8), tick=False):
        mail.outbox.clear()
        court_actions.lift_unlooked()
        court_actions.lift_unlooked()
        run()
        assert [letter.to for letter in mail.outbox] == [[ravi.email]], "once"
        assert again_row(row).state == CounterNotice.State.BLOCKED
    with time_machine.travel(now() + dt.timedelta(days=14, minutes=1), tick=False):
        court_actions.lift_unlooked()
    assert again_row(row).state == CounterNotice.State.FORWARDED
    assert not [*reconciliation_notices.notices()]


@pytest.mark.usefixtures("any_date")
def test_an_action_that_a_lead_found_stays_until_one_lifts_it(
    complaint: Notice, alice: User, rita: User, ravi: User
) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    court_actions.tell_of_action(row, again(complaint), **ACTION)
    with pytest.raises(Forbidden):
        court_actions.confirm(row, rita, "On the docket.")
    court_actions.confirm(row, ravi, "On the docket of that court.")
    with time_machine.travel(now() + dt.timedelta(days=400), tick=False):
        court_actions.lift_unlooked()
    assert again_row(row).state == CounterNotice.State.BLOCKED
    assert not [*reconciliation_notices.notices()]


def test_an_action_whose_teller_was_erased_before_anybody_found_it_ends(
    complaint: Notice, alice: User, rita: User, ravi: User
) -> None:
    row = forwarded(hidden(complaint.case, rita), alice)
    court_actions.tell_of_action(row, again(complaint), **ACTION)
    data_rights.erase(again(complaint).filer)
    court_actions.lift_unlooked()
    assert again_row(row).state == CounterNotice.State.FORWARDED


# --- Additions -----------------------------------------------------------------------------------------------------


def test_an_empty_addition_calls_no_reviewer_back_and_is_in_no_log(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset, name="", email="")
    case = cases.assign(notice.case, rita)
    before = (Entry.objects.count(), case.version)
    for said in ({}, {"more": "  "}, {"sworn": ["tida.not_consensual"]}):
        with pytest.raises(Problem, match="added nothing"):
            notices.complete_notice(again(notice), **said)
    case.refresh_from_db()
    assert (Entry.objects.count(), case.version) == before
    notices.complete_notice(again(notice), name="Dana Hill")
    with pytest.raises(Problem, match="added nothing"):
        notices.complete_notice(again(notice), name="Dana Hill")


def test_additions_are_bounded_in_number_and_length(
    asset: Asset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    notice, _ = file_notice(asset)
    for n in range(4):
        notices.complete_notice(again(notice), more=f"{n}" * 4990)
    with pytest.raises(Problem) as refusal:
        notices.complete_notice(again(notice), more="x" * 4990)
    assert "20,000" in str(refusal.value.extra["errors"])
    monkeypatch.setattr("policy.filing.notice_checks.MOST_ADDITIONS", 4)
    with pytest.raises(Conflict, match="4 times"):
        notices.complete_notice(again(notice), more="One more word.")


def test_a_case_that_waits_goes_on_when_what_was_asked_is_answered(
    asset: Asset, file_notice: FileNotice, rita: User
) -> None:
    notice, _ = file_notice(asset)
    case = cases.assign(notice.case, rita)
    asking.ask(case, rita, notice, ["statement"])
    notices.complete_notice(again(notice), name="Dana H. Hill")
    case.refresh_from_db()
    assert case.state == "awaiting_info"
    notices.complete_notice(again(notice), more="It is the left half of the picture.")
    case.refresh_from_db()
    assert case.state == "in_review"
