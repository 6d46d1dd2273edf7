"""17 U.S.C. 512(g): sworn, forwarded, and back between business day 10 and business day 14."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.core import mail

from accounts.models import Role, User
from core import jobs
from core.models import Job
from core.problems import Conflict, Forbidden, Problem
from ledger.models import Entry
from policy import tasks
from policy.audits import reconciliation_notices
from policy.deciding import decisions
from policy.desk import cases
from policy.filing import counter_notices, court_actions, notices
from policy.models import Case, Clock, CounterNotice, Decision, Notice
from policy.redress import appeals
from provenance.models import Asset
from tests.conftest import _person
from tests.policy.conftest import TERMS, FileNotice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("any_date")]
WORDS = {"signature": "Alice Doe", "name": "Alice Doe", "address": "4 Elm Street, Springfield", "phone": "555 01 99"}
ACTION: dict[str, Any] = {"court": "N.D. Cal.", "reference": "3:26-cv-01234", "sworn": ["dmca.action"]}
# A Wednesday; Friday 3 July is the holiday of 2026. Business day 10 is 16 July, business day 14 is 22 July.
FILED, TENTH, LATEST = "2026-07-01T12:00:00Z", "2026-07-16T12:00:00Z", "2026-07-22T12:00:00Z"


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(FILED, tick=False) as traveller:
        yield traveller


@pytest.fixture
def complaint(clock: Any, asset: Asset, file_notice: FileNotice) -> Notice:
    details = {"work": "My photograph of the harbour, 2019"}
    return file_notice(asset, category="copyright", jurisdiction="US", details=details)[0]


@pytest.fixture
def decision(complaint: Notice, rita: User) -> Decision:
    case = cases.assign(complaint.case, rita)
    return decisions.decide(case, rita, outcome="hide", **TERMS)


def sworn(decision: Decision, alice: User) -> CounterNotice:
    row = counter_notices.file_counter_notice(decision, alice, details=WORDS, sworn=counter_notices.STATEMENTS)
    _run()
    _run()  # the letter that forwarding asked for
    row.refresh_from_db()
    return row


def _run() -> None:
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(str(job.pk))


def test_a_complete_one_is_forwarded_at_once_and_both_days_are_known(decision: Decision, alice: User) -> None:
    row = sworn(decision, alice)
    assert row.state == CounterNotice.State.FORWARDED
    assert (row.earliest_restore, row.latest_restore) == (_at(TENTH), _at(LATEST))
    running = row.clocks.get(purpose=Clock.Purpose.RESTORE)
    assert (running.rule_id, running.not_before, running.due_at) == ("us.dmca.512.g", _at(TENTH), _at(LATEST))
    (letter,) = [each for each in mail.outbox if "A counter-notice" in each.subject]
    assert letter.to == ["dana@example.org"]
    assert "Elm Street" not in letter.body and "Alice" not in letter.body


def _at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_i17_it_comes_back_on_business_day_ten_and_not_a_second_before(
    decision: Decision, alice: User, asset: Asset, clock: Any
) -> None:
    row = sworn(decision, alice)
    clock.move_to(_at(TENTH) - dt.timedelta(seconds=1))
    assert counter_notices.restore_due() == 0
    with pytest.raises(Conflict):
        counter_notices.restore(row)
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    clock.move_to(_at(TENTH))
    tasks.strike()
    row.refresh_from_db()
    asset.refresh_from_db()
    decision.refresh_from_db()
    assert (row.state, asset.restriction, decision.state) == ("restored", "", "reversed")
    assert row.latest_restore is not None and row.ended_at is not None and row.ended_at <= row.latest_restore
    assert row.clocks.get(purpose=Clock.Purpose.RESTORE).state == Clock.State.MET
    assert Notice.objects.get().outcome == "declined"
    assert not [*reconciliation_notices.notices()]


def test_an_action_in_court_told_in_time_keeps_it_away(
    decision: Decision, complaint: Notice, alice: User, ravi: User, asset: Asset, clock: Any
) -> None:
    row = sworn(decision, alice)
    complaint = Notice.objects.select_related("case", "filer").get()
    found = counter_notices.answering(complaint)
    assert found == row
    court_actions.tell_of_action(found, complaint, **ACTION)
    assert notices.contents(complaint)["action_reference"] == "3:26-cv-01234"
    court_actions.confirm(row, ravi, "On the docket of that court.")
    clock.move_to(_at(LATEST))
    tasks.strike()
    row.refresh_from_db()
    asset.refresh_from_db()
    assert (row.state, asset.restriction) == ("blocked", "hidden")
    assert not row.clocks.filter(state=Clock.State.RUNNING).exists()
    leaves = b"".join(bytes(entry.leaf) for entry in Entry.objects.all())
    assert b"cv-01234" not in leaves and b"Elm Street" not in leaves
    assert not [*reconciliation_notices.notices()]


def test_a_work_comes_back_on_its_day_when_a_lead_found_no_action(
    decision: Decision, complaint: Notice, alice: User, ravi: User, asset: Asset, clock: Any
) -> None:
    row = sworn(decision, alice)
    complaint = Notice.objects.select_related("case", "filer").get()
    court_actions.tell_of_action(row, complaint, **ACTION)
    court_actions.lift(row, ravi, "Not on the docket of that court.")
    clock.move_to(_at(TENTH))
    tasks.strike()
    row.refresh_from_db()
    asset.refresh_from_db()
    assert (row.state, asset.restriction) == ("restored", "")
    assert not [*reconciliation_notices.notices()]


def test_nothing_is_written_into_a_complaint_that_was_withdrawn_meanwhile(
    decision: Decision, alice: User, clock: Any
) -> None:
    row = sworn(decision, alice)
    opened = Notice.objects.select_related("case", "filer").get()
    Notice.objects.update(state=Notice.State.WITHDRAWN)
    with pytest.raises(Conflict, match="over"):
        notices.note_action(opened, {"court": "N.D. Cal.", "reference": "3:26-cv-01234"})
    row.refresh_from_db()
    assert (row.state, notices.contents(Notice.objects.get()).get("action_court")) == ("forwarded", None)


def test_told_too_late_is_told_so(decision: Decision, complaint: Notice, alice: User, clock: Any) -> None:
    row = sworn(decision, alice)
    clock.move_to(_at(TENTH))
    counter_notices.restore_due()
    row.refresh_from_db()
    complaint = Notice.objects.select_related("case", "filer").get()
    with pytest.raises(Conflict):
        court_actions.tell_of_action(row, complaint, **ACTION)


def test_an_incomplete_one_is_not_forwarded_and_no_day_counts(decision: Decision, alice: User, clock: Any) -> None:
    said = {**WORDS, "phone": ""}
    row = counter_notices.file_counter_notice(decision, alice, details=said, sworn=["dmca.mistake"])
    assert (row.state, row.missing) == ("incomplete", ["phone", "sworn:dmca.jurisdiction"])
    assert [each.rule_id for each in row.clocks.all()] == ["office.terms.counter_notice_ask"]
    assert not Job.objects.filter(name=counter_notices.FORWARD).exists()
    clock.shift(dt.timedelta(days=1))
    counter_notices.complete(row, details={"phone": "555 01 99"}, sworn=["dmca.jurisdiction"])
    assert row.state == CounterNotice.State.VALID
    assert row.earliest_restore == _at(TENTH) + dt.timedelta(days=1)
    assert counter_notices.fields_of(row)["address"] == WORDS["address"]
    assert not [*reconciliation_notices.notices()]


def test_one_that_fails_calls_people_before_the_latest_day_and_keeps_no_other(
    decision: Decision, alice: User, ravi: User, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sworn(decision, alice)

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the store is away")

    monkeypatch.setattr(decisions, "reverse", fail)
    clock.move_to(_at(TENTH))
    mail.outbox.clear()
    assert counter_notices.restore_due() == 0
    assert counter_notices.restore_due() == 0
    _run()
    row.refresh_from_db()
    assert row.state == CounterNotice.State.FORWARDED
    assert [letter.to for letter in mail.outbox] == [[ravi.email]], "once"
    assert "2026-07-22" in mail.outbox[0].body


def test_a_lost_job_is_made_good_by_the_hour(decision: Decision, alice: User) -> None:
    counter_notices.file_counter_notice(decision, alice, details=WORDS, sworn=counter_notices.STATEMENTS)
    Job.objects.all().delete()
    counter_notices.restore_due()
    assert CounterNotice.objects.get().state == CounterNotice.State.FORWARDED


def test_it_is_for_who_uploaded_and_only_where_the_law_opens_it(
    asset: Asset, alice: User, mallory: User, rita: User, decision: Decision, file_notice: FileNotice
) -> None:
    with pytest.raises(Forbidden):
        counter_notices.may_file(decision, mallory)
    other, _ = file_notice(asset)
    labelled = decisions.decide(cases.assign(other.case, rita), rita, outcome="label", **TERMS)
    with pytest.raises(Conflict) as refusal:
        counter_notices.may_file(labelled, alice)
    assert "appeal" in refusal.value.next_step
    sworn(decision, alice)
    assert not counter_notices.open_to(decision, alice)
    with pytest.raises(Conflict):
        sworn(decision, alice)


def test_an_appeal_that_was_quicker_leaves_nothing_to_restore(decision: Decision, alice: User, clock: Any) -> None:
    from django.db import transaction

    row = sworn(decision, alice)
    with transaction.atomic():
        decisions.reverse(decision, refs=[row.entry] if row.entry else [])
    clock.move_to(_at(TENTH))
    assert counter_notices.restore_due() == 1
    row.refresh_from_db()
    assert row.state == CounterNotice.State.RESTORED


@pytest.mark.parametrize(
    ("field", "details", "statements"),
    [
        ("address", {"address": "x" * 501}, ()),
        ("work", {"work": "mine"}, ()),
        ("sworn", {}, ("tida",)),
    ],
)
def test_a_wrong_field_is_named(
    decision: Decision, alice: User, field: str, details: dict[str, str], statements: tuple[str, ...]
) -> None:
    with pytest.raises(Problem) as refusal:
        counter_notices.file_counter_notice(decision, alice, details=details, sworn=statements)
    assert field in refusal.value.extra["errors"]  # type: ignore[operator]
    assert not CounterNotice.objects.exists()


# --- It comes back, or nobody says that it did (I17) ---------------------------------------------------------------


@pytest.fixture
def sam(db: None) -> User:
    return _person("Sam", Role.REVIEWER)


def _changed(decision: Decision, alice: User, hearer: User, outcome: str) -> None:
    filed = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph.")
    instead = {"outcome": outcome, **TERMS}
    appeals.decide_appeal(filed, hearer, outcome="modify", reasons="The work is hers in part.", replacement=instead)


def test_i17_what_took_its_place_on_appeal_is_undone_in_time(
    complaint: Notice, alice: User, rita: User, ravi: User, sam: User, asset: Asset, clock: Any
) -> None:
    proposed = decisions.decide(cases.assign(complaint.case, rita), rita, outcome="remove", **TERMS)
    decision = decisions.approve(proposed, ravi)
    row = sworn(decision, alice)
    _changed(decision, alice, sam, "hide")
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    clock.move_to(_at(TENTH))
    assert counter_notices.restore_due() == 1
    row.refresh_from_db()
    asset.refresh_from_db()
    assert (row.state, asset.restriction) == ("restored", "")
    assert set(Decision.objects.values_list("state", flat=True)) == {"superseded", "reversed"}


def test_i17_a_label_that_took_its_place_stays(
    decision: Decision, alice: User, ravi: User, asset: Asset, clock: Any
) -> None:
    row = sworn(decision, alice)
    _changed(decision, alice, ravi, "label")
    clock.move_to(_at(TENTH))
    assert counter_notices.restore_due() == 1
    row.refresh_from_db()
    asset.refresh_from_db()
    assert (row.state, asset.restriction) == ("restored", "labelled")


def test_i17_where_it_would_not_come_back_nothing_is_said_and_people_are_called(
    decision: Decision, alice: User, ravi: User, sam: User, asset: Asset, clock: Any
) -> None:
    row = sworn(decision, alice)
    theirs = appeals.file_appeal(decision, notice=Notice.objects.get(), grounds="Hidden is not enough for me.")
    appeals.decide_appeal(theirs, ravi, outcome="overturn", reasons="It has to be looked at again.")
    decisions.decide(cases.assign(Case.objects.get(), sam), sam, outcome="hide", interim=True, **TERMS)
    clock.move_to(_at(TENTH))
    mail.outbox.clear()
    assert counter_notices.restore_due() == 0
    _run()
    row.refresh_from_db()
    asset.refresh_from_db()
    assert (row.state, asset.restriction) == ("forwarded", "hidden")
    assert row.clocks.get(purpose=Clock.Purpose.RESTORE).state == Clock.State.RUNNING
    assert [ravi.email] in [letter.to for letter in mail.outbox]
