"""Sides that know no Django: a network as the office runs it and in eager PyTorch, each in a process of its own.

All on one thread, one item at a time; milliseconds are of CPU time.
"""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DETECTORS = ROOT / "detection" / "detectors"
PHOTOGRAPHS = ROOT / "web" / "demo" / "photographs"

Used = dict[str, float]


def nets() -> list[str]:
    """Every network in the tree, as a path below the detectors' folder, largest first."""
    found = sorted(DETECTORS.glob("*/*.onnx"), key=lambda path: -path.stat().st_size)
    return [path.relative_to(DETECTORS).as_posix() for path in found]


def towers() -> list[str]:
    """The large networks that were made at set-up, as “weights/<name>/model.onnx”."""
    import django

    django.setup()
    from detection import registry, weights

    named = sorted({name for info in registry.all_detectors() for name in info.about.weights})
    return [f"weights/{name}/model.onnx" for name in named if weights.is_installed(name)]


def _path(net: str) -> Path:
    from detection import weights

    folder, _, rest = net.partition("/")
    if folder != "weights":
        return DETECTORS / net
    name, _, file = rest.partition("/")
    return weights.folder(name) / file


def against_eager(net: str, calls: int) -> Used:
    """One input in turn through ONNX Runtime and through eager PyTorch: medians, their ratio, and how far apart the
    answers are. Raises NotImplementedError for a net that has no eager counterpart here.
    """
    import torch

    from benchmarks.detection_eager import Eager

    torch.set_num_threads(1)
    mine, theirs, batch = _ours(net), Eager(_path(net)), _input(net)
    away = float(np.abs(mine.run(batch) - theirs.run(batch)).max())
    pairs = [(_cpu_ms(lambda: mine.run(batch)), _cpu_ms(lambda: theirs.run(batch))) for _ in range(calls + 2)][2:]
    return {
        "mine_ms": statistics.median(pair[0] for pair in pairs),
        "theirs_ms": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        "away": away,
    }


def first_answer(net: str) -> Used:
    """CPU seconds and peak memory of this process from its start to the first answer, as the office runs it."""
    _ours(net).run(_input(net))
    return {"cpu_s": time.process_time(), "rss_mib": _rss_mib()}


def first_eager_answer(net: str) -> Used:
    """The same in eager PyTorch; reading the ONNX file is taken out."""
    import torch

    torch.set_num_threads(1)
    batch, before = _input(net), time.process_time()
    from benchmarks.detection_eager import Eager

    eager = Eager(_path(net))
    reading = time.process_time() - before
    eager.run(batch)
    return {"cpu_s": time.process_time() - reading, "rss_mib": _rss_mib()}


def tampered(net: str, flips: int) -> dict[str, int]:
    """How many of `flips` copies with one byte changed are refused before a session is built."""
    import shutil
    import tempfile

    from core.problems import Problem
    from detection.network import Network

    rng, refused = np.random.default_rng(1), 0
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        copy = Path(folder) / "net"
        shutil.copytree((DETECTORS / net).parent, copy)
        path = copy / Path(net).name
        data = path.read_bytes()
        for place in rng.integers(0, len(data), flips):
            changed = bytearray(data)
            changed[place] ^= 1 << int(rng.integers(0, 8))
            path.write_bytes(changed)
            try:
                Network(path)
            except Problem:
                refused += 1
    return {"flips": flips, "refused": refused}


def examined(detector: str, media: list[tuple[str, str]], calls: int) -> Used:
    """Whole examinations by a detector in this process: median CPU milliseconds a file, after one to get warm. media:
    (path, media type)."""
    import importlib
    import tempfile

    from detection.detectors import Media

    analyze = importlib.import_module(f"detection.detectors.{detector}.detector").analyze
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as out:
        ready = [Media(Path(path), media_type, Path(out)) for path, media_type in media]
        analyze(ready[0])
        took = [_cpu_ms(lambda one=one: analyze(one)) for _ in range(calls) for one in ready]  # type: ignore[misc]
    return {"cpu_ms": statistics.median(took), "mean_ms": statistics.mean(took), "rss_mib": _rss_mib()}


def _ours(net: str) -> Any:
    from detection.network import Network

    return Network(_path(net))


def _input(net: str) -> Any:
    from detection.network import PARITY, parity_input

    path = _path(net)
    fixture = path.with_name(PARITY if path.name == "model.onnx" else f"{path.stem}.{PARITY}")
    told = json.loads(fixture.read_text())
    return parity_input(told["seed"], [1, *told["shape"][1:]])


def _cpu_ms(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return 1000 * (time.process_time() - before)


def _rss_mib() -> float:
    """Peak resident memory of this process, MiB; not of the one that started it, as ru_maxrss may be."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
