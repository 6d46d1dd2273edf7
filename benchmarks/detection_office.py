"""What one work costs a small office: every detector that reads it, each in a guarded child, as a worker has them.

CPU is that of this process, its nurseries and all their children. Memory is shared out (PSS): what two processes have
in common counts once, so that the sum is what the machine must have.
"""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.counted import counting, cpu_s, own_cpu_s
from benchmarks.detection_media import Files

EVERY = 0.1  # seconds between looks at the memory


def work(media: Files, kind: str) -> dict[str, Any]:
    """cpu_s: of one file, the nurseries warm; by: the same for each detector; start_cpu_s: of the nurseries, once a
    worker; memory_mib: the most that this process, its nurseries and their children had together.
    """
    import django

    django.setup()
    from detection import registry

    by: dict[str, float] = {}
    start = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="assay-bench-") as folder,
        counting(Path(os.devnull)),
        _memory() as most,
    ):
        for info in registry.all_detectors():
            able = [one for one in media if not registry.why_not(info, kind, one[1])]
            if able:
                first = _examined(info, able[:1], Path(folder))
                by[info.name] = _examined(info, able, Path(folder)) / len(able)
                start += max(0.0, first - by[info.name])
    return {"cpu_s": sum(by.values()), "by": by, "start_cpu_s": start, "memory_mib": most[0]}


def _examined(info: Any, media: Files, out: Path) -> float:
    """CPU seconds of examining these files."""
    from detection import guarded

    before = _used()
    for file, media_type in media:
        guarded.examine(info, Path(file), media_type, out)
    return _used() - before


def _used() -> float:
    from detection import guarded, registry

    nurseries = {id(one): one for one in (guarded._nursery(guarded._modules(i)) for i in registry.all_detectors())}
    return own_cpu_s() + sum(cpu_s(one) for one in nurseries.values() if one._process is not None)


@contextmanager
def _memory() -> Iterator[list[float]]:
    """[the most], once it is left."""
    most, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(EVERY):
            most[0] = max(most[0], sum(_pss_mib(pid) for pid in _family()))

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield most
    finally:
        over.set()
        watching.join()


def _family() -> list[str]:
    """This process and all below it."""
    found, todo = [], [Path("/proc/self").resolve().name]
    while todo:
        found.append(todo.pop())
        for path in Path(f"/proc/{found[-1]}/task").glob("*/children"):
            with suppress(OSError):
                todo += path.read_text().split()
    return found


def _pss_mib(pid: str) -> float:
    with suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    return 0.0
