"""A whole office, started as a stranger would start it (`manage.py up`), for the fault and browser tests."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from tests import processes
from tests.processes import ROOT

START_LIMIT = 120.0


class Office:
    """`manage.py up` on a data folder and port of its own. Use as a context manager."""

    def __init__(self, var: Path, environment: Mapping[str, str] | None = None) -> None:
        self.var = var
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output: list[str] = []
        self._environment = {**os.environ, "ASSAY_VAR": str(var), "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._environment.pop("ASSAY_DATABASE_URL", None)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Office":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.output.clear()
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self.wait_for(lambda: "Ctrl-C" in self.text or self._process_ended(), "the office to open")
        assert not self._process_ended(), self.text

    def stop(self) -> int:
        """SIGTERM; the supervisor's exit status."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        status = self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def wait_until_down(self) -> int:
        """The exit status after a child's death took the office down."""
        assert self._process is not None
        status = self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return status

    def children(self, word: str) -> list[int]:
        """Process ids below the supervisor whose command line has `word` in it."""
        assert self._process is not None
        found = []
        for pid in _descendants(self._process.pid):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if word in command:
                found.append(pid)
        return found

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` on this office's data folder."""
        done = processes.run("manage.py", *arguments, environment=self._environment)
        if check:
            done.check_returncode()
        return done

    def python(self, code: str) -> str:
        """Run code inside Django on this office's data; returns its standard output."""
        return self.manage("shell", "-v", "0", "-c", code).stdout

    def count(self, table: str, where: str) -> int:
        """Rows of the office's SQLite database, read beside it: cheap enough to poll."""
        with closing(sqlite3.connect(f"file:{self.var / 'assay.sqlite3'}?mode=ro", uri=True, timeout=20)) as database:
            return int(database.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])

    def jobs_are_over(self) -> bool:
        return self.count("core_job", "state IN ('queued', 'running')") == 0

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def health(self) -> dict[str, object]:
        return dict(json.loads(self.get("/healthz")[1]))

    def login(self, name: str) -> str:
        """The one-time login link that the office printed for a demo person."""
        pattern = rf"{name} .*\n\s+(http\S+)"
        self.wait_for(lambda: re.search(pattern, self.text) is not None, f"{name}'s link")
        found = re.search(pattern, self.text)
        assert found is not None
        return found.group(1)

    @property
    def text(self) -> str:
        return "".join(self.output)

    def wait_for(self, condition: Callable[[], bool], what: str, limit: float = START_LIMIT) -> None:
        deadline = time.monotonic() + limit
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {limit:.0f} s for {what}; the office said:\n{self.text}")
            time.sleep(0.1)

    def _process_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                self.output.append(line)
        except ValueError:  # closed by stop()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = [int(child) for child in task.read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
        for child in below:
            found += [child, *_descendants(child)]
    return found
