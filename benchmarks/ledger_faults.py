"""T10 to T12: crashes, mutations, erasure."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
import uuid
from typing import Any

from benchmarks.ledger_server import (
    ROOT,
    BenchmarkError,
    Server,
    drained,
    in_product,
    manage,
    run,
    sequencer,
    tool,
)
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

PROBES = ("test_merkle.py", "test_notes.py", "test_mutations.py", "test_go.py")
_BAD = ("lost", "duplicates", "wrong_roots", "rows_without_entry")
_SAMPLED = 50


def crashes(server: Server, sizes: Sizes) -> list[Figure]:
    """T10. The program starts a PostgreSQL server of its own, which it may stop without warning."""
    command = [sys.executable, "-m", "tests.ledger.crash_cycles", "--cycles", str(sizes.cycles)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    done = subprocess.run(
        [*command, "--database", "postgresql"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if not done.stdout.startswith("{"):
        raise BenchmarkError(f"the crash cycles ended without a summary:\n{done.stderr[-2000:]}")
    summary = json.loads(done.stdout)
    bad = {name.replace("_", " "): summary["found"][name] for name in _BAD}
    killed = ", ".join(f"{what} {times}x" for what, times in sorted(summary["killed"].items()))
    return [
        Figure(
            "T10",
            f"{summary['cycles']} cycles of SIGKILL and immediate stop of the server, under load",
            "100 cycles: 0 lost, duplicates, wrong roots, business rows without entry",
            ", ".join(f"{count} {name}" for name, count in bad.items()),
            summary["cycles"] >= 100 and summary["whole"] and not any(bad.values()),
            f"{summary['acknowledged']:,} acknowledged entries; killed: {killed}",
        )
    ]


def mutations(server: Server, sizes: Sizes) -> list[Figure]:
    """T11: the tests that hold the vectors and the mutations, run here and counted."""
    there = [f"tests/ledger/{name}" for name in PROBES if (ROOT / "tests" / "ledger" / name).exists()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--no-header", *there]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counted = {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)}
    ok = done.returncode == 0 and counted.get("passed", 0) > 0 and len(there) == len(PROBES)
    missing = [name for name in PROBES if f"tests/ledger/{name}" not in there]
    return [
        Figure(
            "T11",
            "published vectors as expected; mutations of exports rejected by both verifiers",
            "all",
            ", ".join(f"{count} {what}" for what, count in counted.items()) + " tests",
            ok and not counted.get("skipped"),
            f"missing: {', '.join(missing)}" if missing else "tests/ledger: " + ", ".join(PROBES),
        )
    ]


def erasure(server: Server, sizes: Sizes) -> list[Figure]:
    """T12: erase, then restore a backup taken before, replay the erasures, and look for what may not be there."""
    database = server.database("erasure")
    persons, history, backup = sizes.persons, sizes.history, str(database.var / "backup")
    with sequencer(database):
        in_product(database, "benchmarks.ledger_faults:live_through", persons=persons, history=history)
        drained(database)
    run([tool("pg_dump"), "-Fc", "-f", backup, database.url], os.environ)
    erased = in_product(database, "benchmarks.ledger_faults:erase_all", persons=persons, history=history)
    restored = server.empty("restored", database.var)
    run([tool("pg_restore"), "-d", restored.url, backup], os.environ)
    before = in_product(restored, "benchmarks.ledger_faults:count_openings")
    manage(restored, "replay_erasures")
    left = {
        "live": in_product(database, "benchmarks.ledger_faults:count_openings"),
        "restored": in_product(restored, "benchmarks.ledger_faults:count_openings"),
    }
    if before != sizes.persons * sizes.history:
        raise BenchmarkError(f"the backup held {before} openings: replaying would show nothing")
    took, fine = statistics.median(erased["milliseconds"]), erased["verified"] == erased["sampled"] > 0
    return [
        Figure(
            "T12",
            f"erase a person with {sizes.history:,} entries",
            "≤ 50 ms; every old receipt verifies; no opening recoverable, live or restored",
            f"{took:.1f} ms; {erased['verified']} of {erased['sampled']} verify;"
            f" {left['live']} and {left['restored']} openings",
            took <= 50 and fine and not any(left.values()) and sizes.history >= 1000,
            f"median of {sizes.persons}, slowest {max(erased['milliseconds']):.1f} ms; the backup still had {before:,}",
        )
    ]


def live_through(persons: int, history: int) -> None:
    """In the product's process: each person does `history` things; something is sealed for them every time."""
    from django.db import transaction

    from ledger import log
    from ledger.events import EventType

    for person in range(persons):
        for _ in range(history):
            with transaction.atomic():
                log.append(EventType.ASSET_REGISTERED, actor=_person(person), role="creator")


def _person(number: int) -> str:
    return f"user:{uuid.UUID(int=number)}"


def erase_all(persons: int, history: int) -> dict[str, Any]:
    """milliseconds: of each erasure, commit included. sampled, verified: receipts of before, verified afterwards."""
    from django.db import transaction

    from ledger import custody, receipts, vault
    from ledger.models import Entry
    from ledger.verify import verify_file

    step = max(1, persons * history // _SAMPLED)
    kept = [receipts.receipt_for(entry) for entry in Entry.objects.order_by("pk")[::step]]
    took = []
    for person in range(persons):
        started = time.perf_counter()
        with transaction.atomic():
            lost = vault.destroy(_person(person))
        took.append((time.perf_counter() - started) * 1000)
        if len(lost.indices) != history:
            raise RuntimeError("an erasure did not find every entry")
    verdicts = [verify_file(receipt.as_json(), custody.log_verifier()) for receipt in kept if receipt]
    return {"milliseconds": took, "sampled": len(kept), "verified": sum(verdict.ok for verdict in verdicts)}


def count_openings() -> int:
    """How many sealed sections of this database open with the keys that are in it.

    Not those of `erasure:performed`, in which the office keeps, for regulators, which entries an erasure emptied.
    """
    from ledger import log, vault
    from ledger.events import EventType
    from ledger.models import SealedSection

    opened = 0
    for section in SealedSection.objects.exclude(entry__type=EventType.ERASURE_PERFORMED).select_related("entry"):
        context = log.section_context(bytes(section.entry.leaf_hash), section.name)
        try:
            vault.unseal(section.person, bytes(section.ciphertext), context)
        except vault.Erased:
            continue
        opened += 1
    return opened
