"""`python benchmarks/ledger.py`: targets T1 to T12 of the ledger, measured against its peers in one run.

Ratios, each within one round of one run on one durable PostgreSQL server (from a wheel): against pgbench, a locked hash
chain, django-auditlog and pymerkle. `--write-readme` quotes the table in the README; `make bench` runs everything.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Before this folder, in which `ledger` would be this file and not the product.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import (
    command,
    ledger_audits,
    ledger_faults,
    ledger_proofs,
    ledger_saves,
    ledger_sequencing,
    ledger_storage,
    ledger_writes,
)
from benchmarks.ledger_server import BenchmarkError, Server
from benchmarks.ledger_sizes import FULL, QUICK, Sizes
from benchmarks.table import LEDGER, Figure, Results, machine

# What one measurement is called by, and what it answers.
MEASUREMENTS: list[tuple[tuple[str, ...], Callable[[Server, Sizes], list[Figure]]]] = [
    (("T1", "T1b", "T3"), ledger_writes.appends),
    (("T2", "T2b"), ledger_writes.business),
    (("T4",), ledger_sequencing.draining),
    (("T5",), ledger_sequencing.receipts),
    (("T6",), ledger_saves.saves),
    (("T7",), ledger_proofs.proofs),
    (("T8",), ledger_audits.audits),
    (("T9",), ledger_storage.storage),
    (("T10",), ledger_faults.crashes),
    (("T11",), ledger_faults.mutations),
    (("T12",), ledger_faults.erasure),
]


def measure(wanted: set[str], quick: bool) -> tuple[Results, list[str]]:
    """The results, and what could not be measured, in words."""
    sizes = QUICK if quick else FULL
    figures: list[Figure] = []
    failures = []
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        server = Server(Path(folder))
        try:
            described = [*machine(), server.describe(), server.fsync_figure(1 if quick else 3)]
            print("\n".join(described), file=sys.stderr, flush=True)
            for numbers, work in MEASUREMENTS:
                if wanted & set(numbers):
                    started = time.monotonic()
                    try:
                        found = [figure for figure in work(server, sizes) if figure.number in wanted]
                    except BenchmarkError as error:
                        found = []
                        failures.append(f"{', '.join(numbers)} could not be measured: {error}")
                    figures += found
                    for figure in found:
                        print(f"{figure.number} {figure.verdict}: {figure.measured} ({figure.note})", file=sys.stderr)
                    print(f"{', '.join(numbers)}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        finally:
            server.stop()
    return Results(described, quick, LEDGER.in_order(figures)), failures


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # as Ctrl-C: the server is stopped, too
    description = "Measure the ledger's targets against its peers."
    return command.run(LEDGER, description, measure)


if __name__ == "__main__":
    sys.exit(main())
