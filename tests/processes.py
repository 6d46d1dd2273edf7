"""Python processes that start in a third of the time: forked from one that has already imported other people's
libraries (`tests.preloaded`), never from the one that runs the tests. What the office itself is made of, its settings
included, each imports anew, from its own environment.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A loaded machine may need this long, in seconds, for what takes one or two alone.
SLOW = 180.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.preloaded"])


def run(*arguments: str, environment: Mapping[str, str], timeout: float = SLOW) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS` in a process of its own, waited for. Raises TimeoutExpired; it is killed then."""
    with tempfile.TemporaryDirectory(prefix="assay-said-") as folder:
        said = Path(folder, "out"), Path(folder, "err")
        process = FORKS.Process(target=_live, args=(arguments, dict(environment), said))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout)
        done = subprocess.CompletedProcess(arguments, process.exitcode, *(one.read_text() for one in said))
        process.close()
        return done


def _live(arguments: tuple[str, ...], environment: dict[str, str], said: tuple[Path, Path]) -> None:
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in enumerate(said, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream)
    _check_nothing()
    try:
        _run(*arguments)
    finally:
        _close_databases()


def _check_nothing() -> None:
    """`make test` has checked the whole system, and each command that the browser's office starts does so again."""
    from django.core.management.base import BaseCommand

    BaseCommand.requires_system_checks = []


def _run(what: str, *arguments: str) -> None:
    """As Python's own command line does it: `-c CODE`, `-m MODULE` or a file."""
    if what == "-c":
        code, *arguments = arguments  # type: ignore[assignment]
        sys.argv[:] = [what, *arguments]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    elif what == "-m":
        sys.argv[:] = list(arguments)
        runpy.run_module(arguments[0], run_name="__main__")
    else:
        sys.argv[:] = [what, *arguments]
        runpy.run_path(what, run_name="__main__")


def _close_databases() -> None:
    """As the end of Python would, which such a process leaves out."""
    from django.conf import settings
    from django.db import connections

    if settings.configured:
        connections.close_all()
