"""Files go when nobody can be heard any more, and not before; what ran out still counts and can be undone (I3, I4)."""

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.core.files.base import ContentFile
from django.db import transaction

from accounts.models import Role, User
from core import storage
from ledger.events import EventType
from ledger.models import Entry
from policy.audits import reconciliation, reconciliation_sanctions
from policy.deciding import decisions, outcomes, removals, suspensions
from policy.desk import cases
from policy.filing import misuse
from policy.models import Action, Appeal, Case, Decision, Misuse, Notice, Suspension
from policy.redress import appeals, out_of_court
from policy.rights import holds
from policy.tasks import strike
from provenance import reconciliation as works
from provenance.models import Asset, Rendition
from tests.conftest import _person
from tests.policy.conftest import REASONS, TERMS, FileNotice, MakeAsset, agreed

pytestmark = pytest.mark.django_db
LAW: dict[str, Any] = {"ground": "illegal", "rule_ids": ["us.tida.223a", "office.terms.consent"], **REASONS}
ROUGHLY_A_YEAR = dt.timedelta(days=400)


@pytest.fixture
def held_file(asset: Asset) -> str:
    """Alice's work has a file in the store."""
    key, sha256 = storage.keep_bytes(b"what the work shows")
    Rendition.objects.filter(asset=asset).update(key=key, sha256=sha256)
    return key


def disagreements() -> list[str]:
    ours = [*reconciliation.decisions(), *reconciliation.cases(), *reconciliation_sanctions.sanctions()]
    return [*ours, *works._restrictions()]


# --- Files ------------------------------------------------------------------------------------------------------------


def test_i3_files_go_when_the_time_to_appeal_is_over_and_not_before(
    case: Case, rita: User, ravi: User, asset: Asset, held_file: str
) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    purge = decision.actions.get(kind=outcomes.PURGE)
    assert (purge.state, purge.inverse) == (Action.State.PLANNED, "")
    assert purge.planned_for == max(clock.due_at for clock in decision.clocks.filter(purpose="appeal") if clock.due_at)
    assert removals.run() == 0
    with time_machine.travel(purge.planned_for + dt.timedelta(hours=1), tick=False):
        assert removals.run() == 1
        assert removals.run() == 0
    asset.refresh_from_db()
    assert asset.removed_at is not None
    assert not storage.exists(held_file)
    assert not asset.renditions.exists()
    assert not disagreements()


def test_i3_where_a_rule_says_so_files_go_at_once(
    asset: Asset, file_notice: FileNotice, rita: User, ravi: User, held_file: str
) -> None:
    notice, _ = file_notice(asset, category="child_safety")
    case = cases.assign(notice.case, rita)
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    assert outcomes.at_once(decision) == ["office.terms.child_safety"]
    assert "deleted at once" in decision.statements.get(recipient="uploader").text
    assert removals.run() == 1
    assert not storage.exists(held_file)


def test_i11_a_hold_keeps_the_files_and_not_the_publication(
    case: Case, rita: User, ravi: User, asset: Asset, held_file: str
) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    hold = holds.place_hold(ravi, on=f"asset:{asset.pk}", basis="office.terms.review", review_date=dt.date(2030, 1, 1))
    asset.refresh_from_db()
    assert asset.restriction == "hidden"
    purge = decision.actions.get(kind=outcomes.PURGE)
    assert purge.planned_for is not None
    with time_machine.travel(purge.planned_for + dt.timedelta(hours=1), tick=False):
        assert removals.why_not(purge) == "A legal hold keeps the files."
        assert removals.run() == 0
        holds.release_hold(hold, ravi)
        assert removals.run() == 1


def test_an_appeal_that_waits_keeps_the_files(case: Case, rita: User, ravi: User, alice: User) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    Appeal.objects.create(decision=decision, role="uploader", user=alice)
    purge = decision.actions.get(kind=outcomes.PURGE)
    assert purge.planned_for is not None
    with time_machine.travel(purge.planned_for + dt.timedelta(days=1), tick=False):
        assert removals.why_not(purge) == "An appeal is being heard, or can still go on."
        assert removals.run() == 0


def test_i3_an_appeal_that_was_lost_can_still_go_to_a_body_outside_and_keeps_the_files(
    case: Case, rita: User, ravi: User, alice: User, asset: Asset, held_file: str, lena: User
) -> None:
    """Upheld in the fifth month, before a body in the eleventh, which says that it was wrong: it can all come back."""
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    begun = dt.datetime.now(dt.UTC)
    sam = _person("Sam", Role.REVIEWER)
    with time_machine.travel(begun + dt.timedelta(days=150), tick=False) as clock:
        appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph.")
        appeals.decide_appeal(appeal, sam, outcome="uphold", reasons="The work shows what was described.")
        clock.move_to(begun + dt.timedelta(days=200))
        strike()
        assert storage.exists(held_file), "the time to go to a body still runs"
        assert Case.objects.get().state == Case.State.DECIDED
        clock.move_to(begun + dt.timedelta(days=300))
        dispute = out_of_court.open_dispute(appeal, lena, body="A certified body", reference="D-7")
        clock.move_to(begun + dt.timedelta(days=400))
        strike()
        assert storage.exists(held_file)
        leo, award = _person("Leo", Role.LEGAL), ContentFile(b"For the appellant.", name="award.txt")
        out_of_court.close_dispute(dispute, leo, outcome="appellant", complied=True, document=award)
    asset.refresh_from_db()
    assert (asset.restriction, asset.removed_at, decisions.unreversed(decision)) == ("", None, [])


def test_i3_files_go_when_a_lost_appeal_is_final(
    case: Case, rita: User, ravi: User, alice: User, held_file: str
) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    begun = dt.datetime.now(dt.UTC)
    with time_machine.travel(begun + dt.timedelta(days=150), tick=False) as clock:
        appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph.")
        appeals.decide_appeal(appeal, _person("Sam", Role.REVIEWER), outcome="uphold", reasons="It shows just that.")
        clock.move_to(begun + dt.timedelta(days=340))
        strike()
    assert not storage.exists(held_file)
    assert Case.objects.get().state == Case.State.CLOSED
    assert not disagreements()


def test_i11_a_hold_placed_a_moment_ago_is_seen(
    case: Case, rita: User, ravi: User, asset: Asset, held_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes just before the row is locked: what stands in the way is asked under the lock."""
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    purge = decision.actions.get(kind=outcomes.PURGE)
    real = holds.locked

    def late(kind: str, pk: str) -> Any:
        monkeypatch.setattr(holds, "locked", real)
        holds.place_hold(ravi, on=f"asset:{asset.pk}", basis="office.terms.review", review_date=dt.date(2030, 1, 1))
        return real(kind, pk)

    assert purge.planned_for is not None
    with time_machine.travel(purge.planned_for + dt.timedelta(hours=1), tick=False):
        monkeypatch.setattr(holds, "locked", late)
        assert removals.run() == 0
    assert storage.exists(held_file)


def test_i4_no_row_names_a_file_that_is_gone_when_a_removal_does_not_commit(
    case: Case, rita: User, ravi: User, asset: Asset, held_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    purge = decision.actions.get(kind=outcomes.PURGE)

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("the database is away")

    assert purge.planned_for is not None
    with time_machine.travel(purge.planned_for + dt.timedelta(hours=1), tick=False), monkeypatch.context() as away:
        away.setattr(removals, "record", full)
        with pytest.raises(RuntimeError):
            removals.run()
    assert storage.exists(held_file) and asset.renditions.exists()


def test_a_removal_with_a_fault_holds_up_no_other(
    case: Case, rita: User, ravi: User, make_asset: MakeAsset, file_notice: FileNotice, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = cases.assign(file_notice(make_asset(ravi, "Another"))[0].case, rita)
    sam = _person("Sam", Role.REVIEWER)
    first, second = (agreed(one, rita, sam, outcome="remove", **TERMS) for one in (case, other))
    real = removals._purge

    def fails(action: Action) -> list[str]:
        if action.decision_id == first.pk:
            raise LookupError("a bug")
        return real(action)

    monkeypatch.setattr(removals, "_purge", fails)
    with time_machine.travel(dt.datetime.now(dt.UTC) + ROUGHLY_A_YEAR, tick=False), pytest.raises(LookupError):
        removals.run()
    assert [one.actions.get(kind=outcomes.PURGE).state for one in (first, second)] == ["planned", "executed"]


def test_a_file_that_cannot_be_deleted_is_shown_as_failed_and_tried_again(
    case: Case, rita: User, ravi: User, asset: Asset, held_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    purge = decision.actions.get(kind=outcomes.PURGE)
    assert purge.planned_for is not None

    def broken(_: str) -> None:
        raise OSError("the store is away")

    with time_machine.travel(purge.planned_for + dt.timedelta(minutes=1), tick=False) as clock:
        with monkeypatch.context() as away:
            away.setattr(storage, "remove", broken)
            assert removals.run() == 0
        purge.refresh_from_db()
        asset.refresh_from_db()
        assert purge.state == Action.State.FAILED
        assert asset.removed_at is not None and not asset.renditions.exists(), "from here on nothing brings it back"
        assert "The files are deleted and cannot be brought back." in decisions.unreversed(decision)
        assert storage.exists(held_file)
        assert Entry.objects.filter(type="action:failed").count() == 1
        assert not disagreements()
        assert removals.run() == 0, "not before its time"
        clock.shift(dt.timedelta(hours=2))
        assert removals.run() == 1
    purge.refresh_from_db()
    assert purge.state == Action.State.EXECUTED
    assert not storage.exists(held_file)
    assert not disagreements()


def test_i4_a_removal_that_is_overturned_deletes_nothing(case: Case, rita: User, ravi: User, asset: Asset) -> None:
    decision = agreed(case, rita, ravi, outcome="remove", **TERMS)
    with transaction.atomic():
        decisions.reverse(decision, by=ravi)
    with time_machine.travel(dt.datetime.now(dt.UTC) + ROUGHLY_A_YEAR, tick=False):
        assert removals.run() == 0
    asset.refresh_from_db()
    assert (asset.restriction, asset.removed_at) == ("", None)
    assert decisions.unreversed(decision) == []


# --- What ran out or made way -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("filed_after", [29, 31])
def test_i4_what_ran_out_can_be_appealed_and_is_undone_whole(
    intimate: Case, rita: User, ravi: User, alice: User, filed_after: int
) -> None:
    """The six months that the statement promises do not end with the measure (DSA 20(1)), nor does its strike."""
    begun = dt.datetime.now(dt.UTC)
    until = begun + dt.timedelta(days=30)
    decision = decisions.decide(intimate, rita, outcome="hide", ends_at=until, **LAW)
    with time_machine.travel(begun + dt.timedelta(days=filed_after), tick=False) as clock:
        strike()
        appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph.")
        clock.move_to(begun + dt.timedelta(days=35))
        strike()
        decision.refresh_from_db()
        assert decision.state == Decision.State.EXPIRED
        fresh = Appeal.objects.select_related("decision__case__asset", "user", "entry").get(pk=appeal.pk)
        appeals.decide_appeal(fresh, ravi, outcome="overturn", reasons="The owner showed the negatives of the work.")
    decision.refresh_from_db()
    assert (decision.state, suspensions.strikes(alice)) == (Decision.State.REVERSED, [])
    assert set(intimate.flags.values_list("state", flat=True)) == {"cleared"}
    assert Notice.objects.get().outcome == Notice.Outcome.DECLINED
    assert decisions.unreversed(decision) == []
    assert not disagreements()


def test_what_ran_out_makes_way_for_a_later_decision_with_its_strike(
    intimate: Case, rita: User, ravi: User, alice: User, lena: User
) -> None:
    """Dana appeals what ran out, and the third person finds nothing wrong: nothing counts against Alice any more."""
    begun = dt.datetime.now(dt.UTC)
    decision = decisions.decide(intimate, rita, outcome="hide", ends_at=begun + dt.timedelta(days=30), **LAW)
    with time_machine.travel(begun + dt.timedelta(days=31), tick=False):
        decisions.expire()
        decision.refresh_from_db()
        appeal = appeals.file_appeal(decision, notice=Notice.objects.get(), grounds="It still shows me.")
        appeals.decide_appeal(appeal, ravi, outcome="overturn", reasons="Thirty days are too short for this.")
        sam = _person("Sam", Role.REVIEWER)
        decisions.decide(cases.assign(Case.objects.get(), sam), sam, outcome="no_action", **TERMS)
        assert suspensions.strikes(alice) == []
    assert not disagreements()


def test_who_uploaded_is_counted_again_when_a_decision_makes_way(
    intimate: Case, rita: User, ravi: User, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    least = misuse.Threshold(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), 1, 1, "office.terms.misuse")
    monkeypatch.setattr(misuse, "threshold", lambda: least)
    decision = decisions.decide(intimate, rita, outcome="hide", **LAW)
    assert Misuse.objects.get().factors["absolute"] == 1
    appeal = appeals.file_appeal(decision, user=alice, grounds="It is my own photograph.")
    said = {"outcome": "label", **TERMS}
    appeals.decide_appeal(appeal, ravi, outcome="modify", reasons="A label is enough here.", replacement=said)
    assert Misuse.objects.get().state == Misuse.State.ENDED


def test_misuse_that_ends_lifts_its_own_suspension_beside_a_longer_one_of_a_decision(
    case: Case, rita: User, ravi: User, alice: User
) -> None:
    soon, late = (dt.datetime.now(dt.UTC) + dt.timedelta(days=days) for days in (10, 300))
    own = suspensions.suspend(alice, scope=Suspension.Scope.UPLOADS, until=soon, by=ravi)
    decision = agreed(case, rita, ravi, outcome="suspend", ends_at=late, **TERMS)
    with transaction.atomic():
        row = Misuse(kind=Misuse.Kind.UPLOADS, user=alice, state=Misuse.State.SUSPENDED, until=soon)
        row.entry = misuse._record(EventType.MISUSE_OBSERVED, row, None)
        row.save(force_insert=True)
    misuse.end(row, ravi)
    own.refresh_from_db()
    assert own.state == Suspension.State.LIFTED
    assert decision.suspensions.get().state == Suspension.State.ACTIVE
