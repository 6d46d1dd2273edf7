"""CPU time and memory of guarded calls, which the product's own nursery does not keep: the kernel reaps its children.

`counting(folder)` makes nurseries of this process start as `python -m benchmarks.counted FILE FD MODULE...`: the same
program, that waits for its children, and writes what they used to FILE when it ends.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

from benchmarks.provenance_library import own_rss_mib
from core import guard, guard_nursery

_TICKS = os.sysconf("SC_CLK_TCK")


class _Counted(subprocess.Popen[bytes]):
    """Started as a nursery, it counts; it ends by itself when its socket is closed, and is not killed."""

    file = ""

    def __init__(self, command: list[str], **options: Any) -> None:
        at = command.index("core.guard_nursery")
        super().__init__([*command[:at], "benchmarks.counted", self.file, *command[at + 1 :]], **options)

    def kill(self) -> None:
        """Its children's usage would be lost with it."""


@contextlib.contextmanager
def counting(file: Path) -> Iterator[None]:
    """Nurseries that start in here are counted. file: where the last of them writes when it ends."""
    with mock.patch.object(subprocess, "Popen", type("Counted", (_Counted,), {"file": str(file)})):
        yield


def cpu_s(nursery: guard.Nursery) -> float:
    """User and system time of the nursery and of its children that have ended, once all have ended."""
    process = nursery._process
    if process is None:
        raise RuntimeError("the nursery was not started")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 10
    while children.read_text().strip() and time.monotonic() < until:
        time.sleep(0.005)
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / _TICKS


def own_cpu_s() -> float:
    """User and system time of this process, without its children."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _reap(_: int, __: FrameType | None) -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def main() -> None:
    file, fd, modules = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    real: Callable[..., Any] = signal.signal

    def kept(number: int, handler: Any) -> Any:
        ignored = number == signal.SIGCHLD and handler == signal.SIG_IGN
        return real(number, _reap if ignored else handler)

    with mock.patch.object(signal, "signal", kept):
        guard_nursery.serve(fd, modules)
    real(signal.SIGCHLD, signal.SIG_DFL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    file.write_text(json.dumps({"child_rss_mib": largest, "nursery_rss_mib": own_rss_mib()}))


if __name__ == "__main__":
    main()
