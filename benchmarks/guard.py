"""What a guarded call costs: warm, cold, and against starting Python for every call. `make bench`.

Prints medians in milliseconds and their ratios; the machine is named beside them.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.guard import Nursery

# What a registration needs in its child: the image library and the parser of credentials.
MODULES = ("provenance.parsing", "c2pa", "PIL.Image")
CALL = "core.canonical:_exact", {"value": {"a": 1}}
CALLS = 50


def median_ms(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    nursery = Nursery(*MODULES)
    nursery.call(*CALL)
    warm = median_ms(lambda: nursery.call(*CALL), CALLS)
    cold = median_ms(lambda: Nursery(*MODULES).call(*CALL), 5)
    start = median_ms(lambda: subprocess.run([sys.executable, "-c", f"import {', '.join(MODULES)}"], check=True), 5)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"warm guarded call     {warm:8.1f} ms   1.00")
    print(f"cold guarded call     {cold:8.1f} ms  {cold / warm:5.1f} x")
    print(f"python per call       {start:8.1f} ms  {start / warm:5.1f} x")


if __name__ == "__main__":
    main()
