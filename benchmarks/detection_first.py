"""From the start of a process to the first answer of a network, with nothing imported that this needs not."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def ours(path: str) -> dict[str, float]:
    """CPU seconds and peak memory of this process from its start to the first answer, as the office runs it: hash,
    weights, parity on this processor, answer."""
    from detection.network import Network

    Network(Path(path)).run(_input(Path(path)))
    return _used()


def eager(path: str, module: str) -> dict[str, float]:
    """The same for the module, “package.module:Class”, in eager PyTorch. Its weights are drawn, not read or checked."""
    import importlib

    import torch

    torch.set_num_threads(1)
    place, _, name = module.partition(":")
    net = getattr(importlib.import_module(place), name)().eval()
    with torch.no_grad():
        net(torch.from_numpy(_input(Path(path))))
    return _used()


def _input(path: Path) -> np.ndarray:
    shape = json.loads(path.with_name("parity.json").read_text())["shape"]
    return np.random.RandomState(1).random_sample([1, *shape[1:]]).astype(np.float32)


def _used() -> dict[str, float]:
    return {"cpu_s": time.process_time(), "rss_mib": rss_mib(), "loaded": float(len(sys.modules))}


def rss_mib() -> float:
    """Peak resident memory of this process, MiB; not of the one that started it, as ru_maxrss may be."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
