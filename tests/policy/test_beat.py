"""What beat does once a minute: a fault in one verb, or about one row, holds up none of the others."""

import datetime as dt

import pytest
import time_machine

from accounts.models import User
from core import beat
from core.clock import now
from core.problems import Conflict
from policy import tasks
from policy.deciding import suspensions
from policy.desk import cases
from policy.filing import asking
from policy.law import clocks
from policy.models import Clock, Suspension
from provenance.models import Asset
from tests.policy.conftest import FileNotice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("any_date")]


def test_every_verb_has_its_turn_and_the_first_fault_is_heard_of() -> None:
    done: list[str] = []

    def breaks() -> None:
        raise LookupError("first")

    def breaks_too() -> None:
        raise OSError("second")

    with pytest.raises(LookupError, match="first"):
        beat.every(lambda: done.append("a"), breaks, lambda: done.append("b"), breaks_too, lambda: done.append("c"))
    assert done == ["a", "b", "c"]


def test_of_rows_a_conflict_is_somebody_elses_and_a_fault_waits_until_the_end(asset: Asset) -> None:
    titles: list[str] = []

    def rename(title: str) -> bool:
        type(asset).objects.filter(pk=asset.pk).update(title=title)
        if title == "taken":
            raise Conflict("somebody was faster")
        if title == "broken":
            raise LookupError("a bug")
        titles.append(title)
        return title != "nothing to do"

    with pytest.raises(LookupError):
        beat.each(["one", "broken", "taken", "two", "nothing to do", "taken"], rename)
    assert titles == ["one", "two", "nothing to do"]
    asset.refresh_from_db()
    assert asset.title == "nothing to do"  # what the last one began is rolled back
    assert beat.each(["one", "taken", "nothing to do"], rename) == 1


def test_a_fault_at_one_clock_holds_up_no_other_clock_and_no_other_room(
    asset: Asset, file_notice: FileNotice, alice: User, rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [file_notice(asset, category=category, jurisdiction="XX")[0] for category in ("likeness", "fraud")]
    ours = Clock.objects.filter(rule_id="office.terms.review")
    poisoned = ours.get(notice=rows[0])
    asking.ask(cases.assign(rows[1].case, rita), rita, rows[1], ["statement"])
    Clock.objects.filter(pk=poisoned.pk).update(due_at=poisoned.started_at)
    Suspension.objects.create(user=alice, scope="uploads", until=now() + dt.timedelta(days=1))
    note = clocks._note

    def fails(clock: Clock) -> None:
        if clock.pk == poisoned.pk:
            raise LookupError("a bug")
        note(clock)

    monkeypatch.setattr(clocks, "_note", fails)
    with time_machine.travel(now() + dt.timedelta(days=30)), pytest.raises(LookupError):
        tasks.strike()
    assert [ours.get(notice=row).state for row in rows] == ["running", "breached"]
    assert rows[1].clocks.get(purpose="ask").state == "void", "questions end by a verb of their own"
    assert suspensions.current(alice, "uploads") is None
    assert Suspension.objects.get().state == "ended"
