"""T4 and T5: how fast the sequencer works off a backlog, and how long an entry waits for its receipt."""

import random
import statistics
import threading
import time
from bisect import bisect_right
from typing import Any

from benchmarks import ledger_peers as peers
from benchmarks.ledger_server import Server, in_product, percentile, pgbench, sequencer
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

INTERVAL_MS = 200
_ARRIVALS_APART = 0.05  # seconds, on average
_LOOK_EVERY = 0.002


def draining(server: Server, sizes: Sizes) -> list[Figure]:
    """T4: 32 clients append without a pause while the sequencer is stopped; then it drains what they left."""
    database = server.database("draining")
    script = str(in_product(database, "benchmarks.ledger_peers:append_script"))
    ratios, rates, costs, batches = [], [], [], []
    for _ in range(sizes.rounds):
        ingest = pgbench(database, script, 32, sizes.seconds, peers.VARIABLES).tps
        drained = in_product(database, "benchmarks.ledger_sequencing:drain")
        rate = drained["entries"] / drained["wall"]
        ratios.append(rate / ingest)
        rates.append(rate)
        costs.append(drained["cpu"] / drained["entries"] * 1e6)
        batches.append(drained["entries"])
    ratio, cost = statistics.median(ratios), statistics.median(costs)
    return [
        Figure(
            "T4",
            "sequencer working off a backlog, against sustained ingest",
            "≥ 5x; ≤ 5 µs of Python CPU an entry at batches ≥ 1,024",
            f"{ratio:.1f}x; {cost:.1f} µs",
            ratio >= 5 and cost <= 5 and min(batches) >= 1024,
            f"{statistics.median(rates):,.0f}/s; ingest at 32 clients without a sequencer beside it",
        )
    ]


def drain() -> dict[str, float]:
    """In the product's process: sequence and sign what waits. wall and cpu in seconds."""
    from ledger import sequencer as product
    from ledger.models import Outbox

    entries = Outbox.objects.count()
    wall, cpu = time.perf_counter(), time.process_time()
    while Outbox.objects.exists():
        product.tick()
    return {"entries": entries, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def receipts(server: Server, sizes: Sizes) -> list[Figure]:
    """T5: entries arrive at random moments; from the return of COMMIT to the commit of a checkpoint above them."""
    database = server.database("receipts")
    with sequencer(database):
        waited = in_product(database, "benchmarks.ledger_sequencing:wait_for_receipts", arrivals=sizes.arrivals)
    p50, p99 = percentile(waited["latencies"], 50), percentile(waited["latencies"], 99)
    allowed = INTERVAL_MS + 2 * waited["commit"]
    return [
        Figure(
            "T5",
            "from commit to inside a signed checkpoint, interval 200 ms",
            "p50 ≤ interval + 2 commits; p99 ≤ 2 intervals",
            f"p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            p50 <= allowed and p99 <= 2 * INTERVAL_MS,
            f"{len(waited['latencies'])} arrivals at random, 20/s; one commit is {waited['commit']:.1f} ms",
        )
    ]


def wait_for_receipts(arrivals: int) -> dict[str, Any]:
    """In the product's process. latencies, and commit (of one plain row, through Django), in milliseconds."""
    from django.db import connection

    from ledger.models import Sequence

    commit = _commit_ms()
    committed: list[tuple[int, float]] = []
    writer = threading.Thread(target=_write, args=(arrivals, committed))
    seen = _Seen()
    writer.start()
    with connection.cursor() as cursor:
        while writer.is_alive() or seen.sizes[-1] < seen.before + arrivals:
            cursor.execute("SELECT coalesce(max(size), 0) FROM ledger_checkpoint")
            seen.look(int(cursor.fetchone()[0]))
            time.sleep(_LOOK_EVERY)
    writer.join()
    index = dict(Sequence.objects.values_list("entry_id", "index"))
    latencies = [max(0.0, (seen.covered_at(index[entry]) - at) * 1000) for entry, at in committed]
    return {"latencies": latencies, "commit": commit}


class _Seen:
    """When the signed size was first seen to be what."""

    def __init__(self) -> None:
        from ledger import reading

        self.before = reading.signed_size()
        self.sizes, self.times = [self.before], [time.perf_counter()]

    def look(self, size: int) -> None:
        if size > self.sizes[-1]:
            self.sizes.append(size)
            self.times.append(time.perf_counter())

    def covered_at(self, index: int) -> float:
        return self.times[bisect_right(self.sizes, index)]


def _write(arrivals: int, committed: list[tuple[int, float]]) -> None:
    from django.db import connection, transaction

    from ledger import log
    from ledger.events import EventType

    for number in range(arrivals):
        time.sleep(random.expovariate(1 / _ARRIVALS_APART))
        with transaction.atomic():
            entry = log.append(EventType.ASSET_REGISTERED, actor="system", role="system", facts={"number": number})
        committed.append((entry.pk, time.perf_counter()))
    connection.close()


def _commit_ms(times: int = 200) -> float:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE one_row (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, payload bytea)")
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            cursor.execute("INSERT INTO one_row (payload) VALUES (%s)", [peers.PAYLOAD])
            taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)
