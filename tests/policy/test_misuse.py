"""DSA 23: counted, warned, and only then suspended, by a person, for what can be contested."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.db import IntegrityError, transaction

from accounts.models import Membership, Role, User
from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden
from policy.audits import reconciliation_notices
from policy.deciding import decisions, suspensions
from policy.desk import cases
from policy.filing import address_proof, misuse, notice_ends
from policy.models import Decision, Misuse, Notice, Suspension
from provenance import restriction
from tests.conftest import _person
from tests.policy.conftest import REASONS, FileNotice, MakeAsset

pytestmark = pytest.mark.django_db


@pytest.fixture
def ruth(db: None) -> User:
    """Leads as well: who warned does not suspend."""
    return _person("Ruth", Role.REVIEWER, Role.LEAD_REVIEWER)


def _proved(notice: Notice) -> Notice:
    """Whoever reads the mail of its address says that they filed it."""
    address_proof.prove(address_proof.path(notice).split("/")[-2])
    notice.filer.refresh_from_db()
    return notice


@pytest.fixture
def unfounded(make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice) -> Any:
    """File a notice of Mallory's about another work each time, and have Rita find it manifestly unfounded."""
    made: list[Notice] = []

    def file(by: User | None = None, why: str = "unserious") -> Notice:
        work = make_asset(alice, f"Harbour {len(made)}")
        notice, _ = file_notice(work, by=by, email="mallory@example.org", category="impersonation")
        if by is None:
            _proved(notice)
        notice.case = cases.assign(notice.case, rita)
        made.append(notice_ends.unfounded(notice, rita, why))
        return notice

    return file


def _run() -> None:
    for job in Job.objects.filter(state=Job.State.QUEUED):
        jobs.run(str(job.pk))


def test_below_the_count_of_the_terms_nothing_is_observed(unfounded: Any) -> None:
    unfounded()
    unfounded()
    assert not Misuse.objects.exists()


def test_one_address_under_many_numbers_is_seen_and_the_factors_are_kept(unfounded: Any) -> None:
    for _ in range(3):
        unfounded()
    row = Misuse.objects.get()
    assert row.state == Misuse.State.OBSERVED
    assert row.factors == {
        "absolute": 3,
        "of": 3,
        "percent": 100,
        "gravity": 2,
        "meant": True,
        "rule": "office.terms.misuse",
    }
    assert row.person is not None and row.user is None


def test_many_good_notices_outweigh_three_bad_ones(
    unfounded: Any, file_notice: FileNotice, make_asset: MakeAsset, alice: User
) -> None:
    for n in range(4):
        _proved(file_notice(make_asset(alice, f"Pier {n}"), email="mallory@example.org")[0])
    for _ in range(3):
        unfounded()
    assert not Misuse.objects.exists(), "3 of 7 is less than half"


def test_nobody_is_suspended_without_a_warning_nor_by_anybody_but_a_lead(
    unfounded: Any, rita: User, ravi: User, ruth: User, mallory: User, file_notice: FileNotice, make_asset: MakeAsset
) -> None:
    for _ in range(3):
        unfounded(mallory)
    row = Misuse.objects.get()
    with pytest.raises(Forbidden):
        misuse.warn(row, rita)
    with pytest.raises(Conflict) as early:
        misuse.suspend(row, ravi)
    assert early.value.code == "misuse.not_warned"
    misuse.warn(row, ravi)
    with pytest.raises(Conflict) as quiet:
        misuse.suspend(row, ravi)
    assert quiet.value.code == "misuse.quiet", "nothing came since the warning"
    assert not Suspension.objects.exists()
    unfounded(mallory)
    row.refresh_from_db()
    assert rita.organisation is not None
    Membership.objects.create(user=rita, organisation=rita.organisation, role=Role.LEAD_REVIEWER)
    for same_hand in (ravi, User.objects.get(pk=rita.pk)):
        with pytest.raises(Forbidden, match="another lead reviewer suspends"):
            misuse.suspend(row, same_hand)
    misuse.suspend(row, ruth)
    assert suspensions.current(mallory, Suspension.Scope.NOTICES) is not None
    assert suspensions.current(mallory, Suspension.Scope.UPLOADS) is None
    with pytest.raises(Forbidden):
        file_notice(make_asset(rita, "Quay"), by=mallory)
    file_notice(make_asset(rita, "Cove"), by=mallory, category="child_safety")
    _run()
    assert mallory.email in {to for letter in mail.outbox for to in letter.to}
    assert not [*reconciliation_notices.notices()]


def test_without_an_account_one_is_warned_and_not_suspended_and_filing_tells_nobody_of_it(
    unfounded: Any, ravi: User, ruth: User, file_notice: FileNotice, make_asset: MakeAsset
) -> None:
    for _ in range(3):
        unfounded()
    row = Misuse.objects.get()
    misuse.warn(row, ravi)
    unfounded()
    row.refresh_from_db()
    with pytest.raises(Conflict) as refusal:
        misuse.suspend(row, ruth)
    assert refusal.value.code == "misuse.no_account"
    file_notice(make_asset(ravi, "Quay"), email="Mallory@Example.org")
    assert not [*reconciliation_notices.notices()]


def test_a_finding_that_falls_ends_what_rested_on_it(unfounded: Any, ravi: User, ruth: User, mallory: User) -> None:
    found = [unfounded(mallory) for _ in range(3)]
    row = Misuse.objects.get()
    misuse.warn(row, ravi)
    found.append(unfounded(mallory))
    row.refresh_from_db()
    misuse.suspend(row, ruth)
    for notice in found[:2]:
        fresh = Notice.objects.select_related("case", "filer", "account", "unfounded_by", "entry").get(pk=notice.pk)
        notice_ends.contest(fresh, "It is about my own face, look again.")
    row.refresh_from_db()
    assert row.state == Misuse.State.ENDED
    assert suspensions.current(mallory, Suspension.Scope.NOTICES) is None
    assert not [*reconciliation_notices.notices()]


def test_reasons_are_told_in_sentences_without_anybodys_name(unfounded: Any) -> None:
    for _ in range(3):
        unfounded(why="repeated")
    told = " ".join(misuse.reasons(Misuse.objects.get()))
    assert "3 of 3 notices were found manifestly unfounded" in told
    assert "Mallory" not in told and "contested" in told


def test_what_is_older_than_the_terms_say_is_not_counted(unfounded: Any) -> None:
    for _ in range(2):
        notice = unfounded()
        Notice.objects.filter(pk=notice.pk).update(created_at=now() - dt.timedelta(days=190))
    unfounded()
    assert not Misuse.objects.exists()


def test_a_warning_of_a_moment_ago_is_not_lost_by_counting_again(
    unfounded: Any, mallory: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        unfounded(mallory)
    real = misuse.count

    def meanwhile(*asked: Any) -> dict[str, Any]:
        Misuse.objects.filter(state=Misuse.State.OBSERVED).update(state=Misuse.State.WARNED, warned_at=now())
        return real(*asked)

    monkeypatch.setattr(misuse, "count", meanwhile)
    unfounded(mallory)
    row = Misuse.objects.get()
    assert row.state == Misuse.State.WARNED and row.warned_at is not None
    assert row.factors["absolute"] == 4


def test_nobody_has_two_rows_that_are_not_over(mallory: User) -> None:
    first = Misuse.objects.create(kind="notices", user=mallory)
    Misuse.objects.create(kind="uploads", user=mallory)
    with pytest.raises(IntegrityError), transaction.atomic():
        Misuse.objects.create(kind="notices", user=mallory, state="warned")
    Misuse.objects.filter(pk=first.pk).update(state="ended")
    Misuse.objects.create(kind="notices", user=mallory)


# --- Uploads -------------------------------------------------------------------------------------------------------


@pytest.fixture
def struck(make_asset: MakeAsset, alice: User, rita: User, file_notice: FileNotice) -> Any:
    """Rita hides another work of Alice's each time, by law."""
    made: list[Decision] = []

    def hide() -> Decision:
        notice, _ = file_notice(make_asset(alice, f"Harbour {len(made)}"), category="ncii", jurisdiction="US")
        law = {"ground": "illegal", "rule_ids": ["us.tida.223a", "office.terms.consent"], **REASONS}
        made.append(decisions.decide(cases.assign(notice.case, rita), rita, outcome="hide", **law))
        return made[-1]

    return hide


def _reached(struck: Any, ravi: User, ruth: User) -> Misuse:
    """Warned after three, suspended after a fourth."""
    for _ in range(3):
        struck()
    misuse.warn(Misuse.objects.get(), ravi)
    struck()
    return misuse.suspend(Misuse.objects.get(), ruth)


def test_uploads_are_counted_of_all_that_somebody_registered(
    struck: Any, make_asset: MakeAsset, alice: User, rita: User, ravi: User
) -> None:
    for _ in range(2):
        struck()
    assert not Misuse.objects.exists()
    for n in range(4):
        make_asset(alice, f"Pier {n}")
    struck()
    assert not Misuse.objects.exists(), "3 of 7 is less than half"
    struck()
    row = Misuse.objects.get()
    assert (row.kind, row.state, row.user, row.person) == ("uploads", "observed", alice, None)
    counted = {name: row.factors[name] for name in ("absolute", "of", "percent", "meant")}
    assert counted == {"absolute": 4, "of": 8, "percent": 50, "meant": False}
    assert "4 of 8 uploads" in misuse.reasons(row)[0]
    with pytest.raises(Forbidden):
        misuse.warn(row, rita)
    misuse.warn(row, ravi)
    with pytest.raises(Conflict) as quiet:
        misuse.suspend(row, ravi)
    assert quiet.value.code == "misuse.quiet"
    _run()
    (letter,) = [each for each in mail.outbox if "About your works" in each.subject]
    assert letter.to == [alice.email] and "/desk/" in letter.body and "notice" not in letter.body
    assert not [*reconciliation_notices.notices()]


def test_who_went_on_after_the_warning_registers_nothing_for_a_while_and_hears_what_to_do(
    struck: Any, alice: User, ravi: User, ruth: User
) -> None:
    row = _reached(struck, ravi, ruth)
    assert suspensions.current(alice, Suspension.Scope.NOTICES) is None
    with pytest.raises(Forbidden) as refusal:
        restriction.refuse_uploader(alice)
    assert "contest what it rests on" in refusal.value.next_step, "there is no decision to appeal"
    assert row.until is not None
    with time_machine.travel(row.until + dt.timedelta(minutes=1), tick=False):
        assert misuse.run_out() == 1
        restriction.refuse_uploader(alice)
    assert not [*reconciliation_notices.notices()]


def test_decisions_that_fall_end_the_suspension_that_rested_on_them(
    struck: Any, alice: User, ravi: User, ruth: User
) -> None:
    _reached(struck, ravi, ruth)
    for decision in Decision.objects.select_related("case__asset__owner", "entry")[:2]:
        with transaction.atomic():
            decisions.reverse(decision)
    row = Misuse.objects.get()
    assert (row.state, row.factors["absolute"]) == ("ended", 2)
    restriction.refuse_uploader(alice)
    assert not [*reconciliation_notices.notices()]
