"""Whose word about copyright counts: who gets the uploader's address, and who keeps a work away (512(c)(3), (g))."""

from typing import Any

import pytest
from django.core import mail

from accounts.models import User
from core import jobs
from core.models import Job
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy.audits import reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import asking, counter_notices, court_actions, notice_ends, notices
from policy.models import CounterNotice, Decision, Notice
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
    assert [*counter_notices.complaints(case)] == [complaint]
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
    assert counter_notices.shown_to_complainant(row)["address"] == WORDS["address"]
    counter_notices.withdraw(row)
    assert counter_notices.shown_to_complainant(row) == {}


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
