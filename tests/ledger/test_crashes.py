"""A power cut just before and just after each step of a tick: whatever was kept, nothing is lost, nothing forks."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import OperationalError

from ledger import alarms, audit, custody, durable, head, merkle, notes, sequencer
from ledger.models import Alarm, Checkpoint, Entry, Outbox, Sequence, Tile
from ledger.notes import TreeHead
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]


class PowerCut(BaseException):
    """No `except Exception` of the product catches it, as none would run."""


class Faults:
    """Steps that fail once: `before` they did anything (did not persist), or `after` all of it (did persist)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def cut(self, where: Any, name: str, *, after: bool) -> ExitStack:
        original, stack = getattr(where, name), ExitStack()

        def step(*args: Any, **kwargs: Any) -> Any:
            if after:
                original(*args, **kwargs)
            raise PowerCut

        patch = stack.enter_context(self._monkeypatch.context())
        patch.setattr(where, name, step)
        return stack


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    return Faults(monkeypatch)


# Where the power goes.
STEPS: dict[str, tuple[Any, str]] = {
    "placing in the transaction": (sequencer, "_next_hashes"),
    "tiles in the transaction": (sequencer, "write_tiles"),
    "commit": (sequencer, "_integrate"),
    "fork check": (sequencer, "_refuse_fork"),
    "keys": (custody, "log_signers"),
    "guard": (head, "swap"),
    "guard's folder": (durable, "sync_folder"),
    "signature": (notes, "sign"),
    "checkpoint": (sequencer, "_store"),
}


def hold_the_invariants(names: set[bytes]) -> None:
    """Every entry has one place or waits; each signed head is of the one tree; nothing is signed beyond the guard."""
    rows = list(Sequence.objects.select_related("entry").order_by("index"))
    assert [row.index for row in rows] == list(range(len(rows)))
    placed = [bytes(row.entry.leaf_hash) for row in rows]
    waiting = [bytes(row.entry.leaf_hash) for row in Outbox.objects.select_related("entry")]
    assert sorted(placed + waiting) == sorted(names)
    guarded = head.last_signed()
    for checkpoint in Checkpoint.objects.all():
        assert bytes(checkpoint.root) == merkle.root_of(placed[: checkpoint.size])
        assert guarded is not None and guarded.size >= checkpoint.size
    if guarded is not None:
        assert guarded.root == merkle.root_of(placed[: guarded.size])


@pytest.mark.parametrize("after", [False, True], ids=["did not persist", "did persist"])
@pytest.mark.parametrize("step", STEPS)
def test_a_power_cut_at_any_step_loses_nothing_and_forks_nothing(
    signed_log: Grow, record: Record, faults: Faults, step: str, after: bool
) -> None:
    names = {bytes(row.leaf_hash) for row in [*signed_log(3), record(), record()]}
    where, name = STEPS[step]
    with faults.cut(where, name, after=after), pytest.raises(PowerCut):
        sequencer.tick()
    hold_the_invariants(names)
    stored = after and step == "checkpoint"
    assert Checkpoint.objects.order_by("-size").values_list("size", flat=True)[0] == (5 if stored else 3)
    names.add(bytes(record().leaf_hash))
    repaired = sequencer.tick()
    assert repaired is not None
    assert repaired.size == 6
    hold_the_invariants(names)
    assert audit.check_log().signed_size == 6


@pytest.mark.parametrize("step", STEPS)
def test_the_same_step_may_fail_again_and_again(signed_log: Grow, record: Record, faults: Faults, step: str) -> None:
    names = {bytes(row.leaf_hash) for row in signed_log(3)}
    where, name = STEPS[step]
    for after in (True, False, True):
        names.add(bytes(record().leaf_hash))
        with faults.cut(where, name, after=after), pytest.raises(PowerCut):
            sequencer.tick()
        hold_the_invariants(names)
    sequencer.tick()
    hold_the_invariants(names)
    assert audit.check_log().signed_size == 6


def test_a_guard_half_written_is_never_read(signed_log: Grow, record: Record, faults: Faults) -> None:
    """The new head is written beside the old one, and takes its place whole."""
    signed_log(3)
    record()
    with faults.cut(os, "fsync", after=False), pytest.raises(PowerCut):
        sequencer.tick()
    guarded = head.last_signed()
    assert guarded is not None
    assert guarded.size == 3
    repaired = sequencer.tick()
    assert repaired is not None
    assert repaired.size == 4


def test_full_batches_follow_each_other_in_one_tick(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 4)
    names = {bytes(record().leaf_hash) for _ in range(10)}
    signed = sequencer.tick()
    assert signed is not None
    assert signed.size == 10
    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [4, 8, 10]
    hold_the_invariants(names)


def test_a_tree_grows_across_tiles_in_batches_as_it_would_at_once(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edges of tiles and of batches fall on different entries."""
    monkeypatch.setattr(sequencer, "BATCH", 100)
    for count in (255, 1, 1, 256, 90):
        for _ in range(count):
            record(actor="system")
        sequencer.tick()
    found = audit.check_log()
    assert (found.entries, found.signed_size) == (603, 603)


# --- The guard and the alarms ----------------------------------------------------------------------------------------


def test_a_restored_database_raises_the_alarm_although_nothing_waits(signed_log: Grow) -> None:
    signed_log(3)
    guarded = head.last_signed()
    head.swap(guarded, TreeHead("assay.localhost/log", 9, b"n" * 32))
    with pytest.raises(head.HeadMismatch, match="restore the newest copy"):
        sequencer.tick()  # the sooner a person knows, the less is lost
    assert [alarm.kind for alarm in alarms.open_alarms()] == ["guard"]
    head.swap(head.last_signed(), guarded)  # type: ignore[arg-type]
    assert sequencer.tick() is None, "there is nothing new to sign"
    assert alarms.open_alarms() == [], "the guard agrees again"


def test_while_another_alarm_halts_the_log_entries_get_an_index_and_no_signature(
    signed_log: Grow, record: Record
) -> None:
    signed_log(3)
    alarms.raise_alarm("witness:greta", "Another history was cosigned.")
    entry = record()
    assert sequencer.tick() is None
    assert Sequence.objects.get(entry=entry).index == 3
    assert Checkpoint.objects.count() == 1
    assert [alarm.kind for alarm in alarms.open_alarms()] == ["witness:greta"]
    alarms.clear("witness:greta")
    signed = sequencer.tick()
    assert signed is not None
    assert signed.size == 4


def test_an_alarm_that_does_not_halt_lets_the_log_go_on(signed_log: Grow, record: Record) -> None:
    alarms.raise_alarm("stamp", "No time stamp for two hours.", halts=False)
    signed_log(2)
    assert Checkpoint.objects.count() == 1
    assert Alarm.objects.count() == 1


def test_a_missing_tile_is_said_and_never_guessed(record: Record) -> None:
    from tests.append_only import protect, unprotect

    for _ in range(300):
        record(actor="system")
    sequencer.tick()
    unprotect()
    Tile.objects.filter(level=1).delete()
    protect()
    for _ in range(300):
        record(actor="system")
    with pytest.raises(head.HeadMismatch, match=r"tile 1/0 is missing.*check_log"):
        sequencer.tick()
    assert Checkpoint.objects.count() == 1


# --- The long-running command ----------------------------------------------------------------------------------------


@pytest.fixture
def works() -> Iterator[Callable[[], bool]]:
    from ledger.management.commands.sequencer import Command

    yield Command()._works


def test_the_command_stays_alive_when_the_guard_does_not_agree(
    signed_log: Grow, record: Record, works: Callable[[], bool]
) -> None:
    signed_log(3)
    guarded = head.last_signed()
    head.swap(guarded, TreeHead("assay.localhost/log", 3, b"n" * 32))
    record()
    assert not works()
    assert [alarm.kind for alarm in alarms.open_alarms()] == ["guard"]
    head.swap(head.last_signed(), guarded)  # type: ignore[arg-type]
    assert works()
    assert alarms.open_alarms() == []
    assert Checkpoint.objects.count() == 2


def test_the_command_tells_of_a_missing_key_until_it_is_back(
    signed_log: Grow, record: Record, works: Callable[[], bool], settings: Any, tmp_path: Any
) -> None:
    signed_log(1)
    home = settings.ASSAY_KEYS
    settings.ASSAY_KEYS = tmp_path
    record(actor="system")
    assert not works()
    assert [alarm.kind for alarm in alarms.open_alarms()] == [sequencer.KEY_MISSING]
    settings.ASSAY_KEYS = home
    assert works()
    assert alarms.open_alarms() == []
    assert Checkpoint.objects.count() == 2


def test_the_command_waits_for_a_database_that_is_away(
    record: Record, works: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    record()

    def away() -> bool:
        raise OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(sequencer, "_work_waits", away)
        patch.setattr("ledger.management.commands.sequencer.close_old_connections", lambda: None)
        assert not works()
    assert works()
    assert Checkpoint.objects.count() == 1
