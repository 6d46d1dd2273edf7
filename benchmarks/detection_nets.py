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

from benchmarks.detection_first import rss_mib

ROOT = Path(__file__).resolve().parent.parent
DETECTORS = ROOT / "detection" / "detectors"
PHOTOGRAPHS = ROOT / "web" / "demo" / "photographs"

Used = dict[str, float]
LEAST_MS = 0.03  # what takes less and has no peer is a linear layer, and its time that of the call


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
    if folder != "weights":  # an absolute path is itself
        return DETECTORS / net
    name, _, file = rest.partition("/")
    return weights.folder(name) / file


def against_eager(net: str, calls: int) -> Used:
    """One input in turn through ONNX Runtime and through the module as it is trained: medians, their ratio, and how far
    apart the answers of the tower are; of a linear layer its time alone. Raises KeyError or ValueError for a net whose
    module is not known.
    """
    import torch

    from benchmarks import detection_peers

    torch.set_num_threads(1)
    mine, batch = _ours(net), _input(net)
    alone = statistics.median(_cpu_ms(lambda: mine.run(batch)) for _ in range(calls + 2))
    if alone < LEAST_MS and net not in detection_peers.MODULES:
        return {"mine_ms": alone}
    theirs = detection_peers.eager(net, _path(net))
    away = float(np.abs(mine.run(batch) - theirs.run(batch)).max()) if net.startswith("weights/") else 0.0
    pairs = [(_cpu_ms(lambda: mine.run(batch)), _cpu_ms(lambda: theirs.run(batch))) for _ in range(calls + 2)][2:]
    return {
        "mine_ms": statistics.median(pair[0] for pair in pairs),
        "theirs_ms": statistics.median(pair[1] for pair in pairs),
        "ratio": statistics.median(pair[1] / pair[0] for pair in pairs),
        "away": away,
    }


def yardstick(folder: str) -> str:
    """The path of MobileNetV3-Large as a file of ours."""
    from benchmarks import detection_mobilenet

    return detection_mobilenet.write(folder)


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
    return {"cpu_ms": statistics.median(took), "mean_ms": statistics.mean(took), "rss_mib": rss_mib()}


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
