"""Sealing for Dana while somebody destroys her key, in both orders, on PostgreSQL.

`python -m tests.ledger.sealing_race` needs a migrated database at ASSAY_DATABASE_URL.

Each side is a thread with a connection of its own; the second one starts when the first holds its lock, and the first
goes on when the database says that the second waits. Prints, as JSON, how many of Dana's sections there are after each
order, and how many of them open.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable

os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"

DANA = "person:0193dddd-0000-7000-8000-000000000002"
SLOW = 60.0


def main() -> None:
    import django

    django.setup()
    outcomes = {"sealed first": race(seal, destroy), "destroyed first": race(destroy, seal)}
    outcomes["both make her first key"] = race(seal, seal, known=False)
    sys.stdout.write(json.dumps(outcomes) + "\n")


def seal() -> None:
    from ledger import log
    from ledger.events import EventType

    log.append(
        EventType.ACCESS_AUDITED, actor="system", role="system", sealed={"statement": log.Sealed("It is me", DANA)}
    )


def destroy() -> None:
    from ledger import vault

    vault.destroy(DANA)


def race(first: Callable[[], None], second: Callable[[], None], *, known: bool = True) -> dict[str, int]:
    """`second` starts while the transaction of `first` is open. known: Dana has a key when they start."""
    from django.db import connection, transaction

    with transaction.atomic():
        destroy()
        if known:
            seal()
    other = threading.Thread(target=_run, args=(second,))
    with transaction.atomic():
        first()
        other.start()
        _wait_until_blocked()
    other.join(SLOW)
    if other.is_alive():
        raise SystemExit("the second one never ended")
    found = _sections()
    connection.close()
    return found


def _run(work: Callable[[], None]) -> None:
    from django.db import connection, transaction

    try:
        with transaction.atomic():
            work()
    finally:
        connection.close()


def _wait_until_blocked() -> None:
    from django.db import connection

    deadline = time.monotonic() + SLOW
    while time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.01)
    raise SystemExit("nobody waits: the key is not held while a value is sealed or destroyed")


def _sections() -> dict[str, int]:
    from ledger import log, vault
    from ledger.models import PersonKey, SealedSection

    sections = SealedSection.objects.filter(person=DANA).select_related("entry")
    opened = 0
    for section in sections:
        context = log.section_context(bytes(section.entry.leaf_hash), section.name)
        try:
            opened += bool(vault.unseal(DANA, bytes(section.ciphertext), context))
        except vault.Erased:
            continue
    return {"sections": len(sections), "open": opened, "keys": PersonKey.objects.filter(person=DANA).count()}


if __name__ == "__main__":
    main()
