"""T6: what recording a change adds to Django's own `save()`, in CPU of the Python process, against django-auditlog."""

import gc
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.ledger_server import Server, in_product
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

SETTINGS = "benchmarks.takedowns.settings"


def saves(server: Server, sizes: Sizes) -> list[Figure]:
    database = server.database("saves")
    in_product(database, "benchmarks.ledger_saves:prepare", SETTINGS)
    cost = in_product(database, "benchmarks.ledger_saves:measure", SETTINGS, saves=sizes.saves, rounds=sizes.rounds)
    ratio = cost["ledger"] / cost["auditlog"]
    return [
        Figure(
            "T6",
            "CPU that an entry adds to Django's save(), against what django-auditlog adds",
            "≤ 0.25x (SQL path)",
            f"{ratio:.2f}x",
            ratio <= 0.25,
            f"+{cost['ledger']:.0f} µs (+{cost['system']:.0f} µs without a sealed actor) against"
            f" +{cost['auditlog']:.0f} µs; plain save {cost['plain']:.0f} µs",
        )
    ]


def prepare() -> None:
    """django-auditlog's own tables, and the three of the benchmark."""
    from django.core.management import call_command
    from django.db import connection

    from benchmarks.takedowns import models

    call_command("migrate", "auditlog", verbosity=0)
    with connection.schema_editor() as editor:
        for model in (models.Plain, models.Audited, models.Ledgered):
            editor.create_model(model)


def measure(saves: int, rounds: int) -> dict[str, float]:
    """µs of CPU a save: plain; and what auditlog, ledger (sealed actor) and system (no person) add to it."""
    from auditlog.context import set_actor
    from auditlog.registry import auditlog

    from accounts.models import User
    from benchmarks.takedowns import models

    auditlog.register(models.Audited)
    rita = User.objects.create_user("rita@example.org", name="Rita")
    actor = f"user:{rita.pk}"

    def audited() -> None:
        with set_actor(rita):
            _save_all(models.Audited, saves, _nothing)

    sides: dict[str, Callable[[], None]] = {
        "plain": lambda: _save_all(models.Plain, saves, _nothing),
        "auditlog": audited,
        "ledger": lambda: _save_all(models.Ledgered, saves, lambda row: _append(row, actor)),
        "system": lambda: _save_all(models.Ledgered, saves, lambda row: _append(row, "system")),
    }
    added: dict[str, list[float]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        cost = {side: _cpu_us(work) / saves for side, work in sides.items()}
        for side, value in cost.items() if number else ():  # the first round is to get warm
            added[side].append(value if side == "plain" else value - cost["plain"])
    _check_both_recorded(models, saves * (rounds + 1))
    return {side: statistics.median(values) for side, values in added.items()}


def _check_both_recorded(models: Any, saves: int) -> None:
    from auditlog.models import LogEntry

    from ledger.models import Entry

    if LogEntry.objects.count() != saves or Entry.objects.count() != 2 * saves:
        raise RuntimeError("a side did not record every save: its figure would mean nothing")


def _save_all(model: Any, saves: int, record: Callable[[Any], object]) -> None:
    """Half of the saves make a row, half of them change its state: each in a transaction of its own."""
    from django.db import transaction

    for _ in range(saves // 2):
        row = model(reference=str(uuid.uuid4()), state="open", ground="dsa:16", reasons="A photograph of a person.")
        for state in ("open", "removed"):
            with transaction.atomic():
                row.state = state
                row.save()
                record(row)


def _append(row: Any, actor: str) -> None:
    from ledger import log
    from ledger.events import EventType

    facts = {"state": row.state, "ground": row.ground}
    log.append(EventType.ASSET_RESTRICTED, actor=actor, role="reviewer", object=f"case:{row.reference}", facts=facts)


def _nothing(row: Any) -> None:
    """The plain side records nothing; auditlog does it by signals."""


def _cpu_us(work: Callable[[], None]) -> float:
    gc.collect()
    before = time.process_time()
    work()
    return (time.process_time() - before) * 1e6
