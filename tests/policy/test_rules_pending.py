"""New law that says so takes the place of clocks that run. Petra edits rules, Leo is a lawyer."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from accounts.models import Role, User
from core.clock import now
from core.ids import uuid7
from policy.law import clocks, rules
from policy.models import Clock
from provenance.models import Asset
from tests.policy.conftest import FileNotice, about_of
from tests.policy.rule_texts import decide_clock, person, published, reaching

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("any_date")]
_COPIED: tuple[str, ...] = (
    "case_id",
    "notice_id",
    "purpose",
    "rule_id",
    "instrument",
    "article",
    "jurisdiction",
    "pack",
    "started_at",
)
_COPIED += ("due_at", "trace", "inputs", "entry_id")
_PRIVACY = 'channel == "notice" && category == "privacy"'


@pytest.fixture(autouse=True)
def _keys(settings: Any, tmp_path: Path) -> Iterator[None]:
    """A folder of keys for each test: versions are rolled back with the database, keys are not."""
    settings.ASSAY_KEYS = tmp_path / "keys"
    yield
    rules._book.cache_clear()


@pytest.fixture
def petra(db: None) -> User:
    return person("Petra", Role.POLICY_EDITOR)


@pytest.fixture
def leo(db: None) -> User:
    return person("Leo", Role.LEGAL)


@pytest.mark.parametrize("pending", [True, False])
def test_i13_new_law_reaches_a_running_clock_only_when_it_says_so(
    pending: bool, asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User
) -> None:
    notice, _ = file_notice(asset)
    old = decide_clock(notice)
    day = now().date() + dt.timedelta(days=2)
    published(petra, leo, olga, text=reaching(day, pending=pending))
    assert clocks.reach_pending() == 0
    with time_machine.travel(dt.datetime.combine(day, dt.time(1), dt.UTC)):
        assert clocks.reach_pending() == int(pending)
        assert clocks.reach_pending() == 0
    old.refresh_from_db()
    assert old.state == ("void" if pending else "running")
    if pending:
        new = Clock.objects.get(rule_id="office.terms.review2")
        assert (new.case_id, new.notice_id, new.state) == (old.case_id, old.notice_id, "running")
        # Counted from the day on which the law began, not from before it was there.
        assert new.due_at == dt.datetime.combine(day + dt.timedelta(days=3), dt.time(), dt.UTC)
        assert "reaches pending matters" in new.trace[-1]
        assert about_of("clock:replaced")["new_rule"] == "office.terms.review2"
        notice.case.refresh_from_db()
        assert notice.case.next_rule_id == "office.terms.review2"


def test_new_law_finds_whom_it_is_about_behind_five_hundred_others(
    asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User
) -> None:
    other, _ = file_notice(asset)
    template = decide_clock(other)
    rows = [Clock(**{name: getattr(template, name) for name in _COPIED}) for _ in range(501)]
    for row in rows:
        row.pk = uuid7()
    Clock.objects.bulk_create(rows)
    notice, _ = file_notice(asset, category="privacy")
    day = now().date() + dt.timedelta(days=2)
    published(petra, leo, olga, text=reaching(day, pending=True, when=_PRIVACY))
    with time_machine.travel(dt.datetime.combine(day, dt.time(1), dt.UTC)):
        assert clocks.reach_pending() == 1
    assert Clock.objects.get(rule_id="office.terms.review2").notice_id == notice.pk


def test_what_a_clock_rested_goes_over_to_the_new_law_that_lets_it_rest(
    asset: Asset, file_notice: FileNotice, petra: User, leo: User, olga: User
) -> None:
    notice, _ = file_notice(asset)
    still, _ = file_notice(asset, category="privacy")
    begun = decide_clock(notice).started_at
    day = begun.date() + dt.timedelta(days=2)
    first = dt.datetime.combine(day, dt.time(), dt.UTC)
    published(petra, leo, olga, text=reaching(day, pending=True, pause=["awaiting_information"]))
    with time_machine.travel(first - dt.timedelta(hours=6), tick=False):
        clocks.pause(decide_clock(notice), "awaiting_information")
        clocks.pause(decide_clock(still), "awaiting_authority")
    with time_machine.travel(first + dt.timedelta(hours=5), tick=False):
        clocks.resume(decide_clock(notice))
        clocks.pause(decide_clock(notice), "awaiting_information")
    with time_machine.travel(first + dt.timedelta(hours=7), tick=False):
        assert clocks.reach_pending() == 2
        new = Clock.objects.get(rule_id="office.terms.review2", notice=notice)
        assert new.state == "paused" and len(new.pauses) == 2
    with time_machine.travel(first + dt.timedelta(hours=9), tick=False):
        clocks.resume(new)
    # Five hours and four: what came before the law began is not counted.
    assert new.due_at == first + dt.timedelta(days=3, hours=9) == clocks.recompute(new)
    # The new law gives no leave to wait for an authority: that clock runs.
    runs = Clock.objects.get(rule_id="office.terms.review2", notice=still)
    assert (runs.state, runs.pauses, runs.due_at) == ("running", [], first + dt.timedelta(days=3))
