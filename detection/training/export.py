"""From PyTorch to a folder that `detection.network` opens: `model.onnx`, `parity.json`, `manifest.json`.

The reference answers in the fixture are PyTorch's, so every start of a worker checks the whole way: export, ONNX
Runtime, this machine's processor.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from detection import network

OPSET = 18
MAX_DIFFERENCE = 1e-4  # of ONNX Runtime from PyTorch, of the largest answer


def to_onnx(
    module: torch.nn.Module,
    shape: Sequence[int],
    folder: Path,
    *,
    outputs: Sequence[str] = ("logit",),
    seed: int = 7,
    name: str = network.MODEL,
    free: Sequence[int] = (0,),
) -> None:
    """Export `module` in eval mode. shape: of one input with its batch, such as (1, 3, 96, 96); its axes in `free` may
    have any length, and the same axes of the outputs.

    outputs: names, one per tensor that the module returns. Raises RuntimeError where ONNX Runtime answers otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    example = network.parity_input(seed, list(shape))
    module.eval()
    _export(module, torch.from_numpy(example), folder / name, outputs, free)
    with torch.no_grad():
        told = module(torch.from_numpy(example))
    answers = [one.numpy() for one in (told if isinstance(told, tuple) else (told,))]
    fixture = folder / (network.PARITY if name == network.MODEL else f"{Path(name).stem}.{network.PARITY}")
    network.write_fixture(fixture, dict(zip(outputs, answers, strict=True)), seed=seed, shape=list(shape))
    network.write_manifest(folder)
    _compare(network.Network(folder / name), example, dict(zip(outputs, answers, strict=True)))


def _export(
    module: torch.nn.Module, example: torch.Tensor, path: Path, outputs: Sequence[str], free: Sequence[int]
) -> None:
    """With the TorchScript-based exporter: its files hold all weights inside and no trace of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it calls itself deprecated; the new one writes weights beside the file
        torch.onnx.export(
            module, (example,), str(path), input_names=["input"], output_names=list(outputs), opset_version=OPSET,
            dynamic_axes={one: {axis: f"{one}_{axis}" for axis in free} for one in ("input", *outputs)}, dynamo=False,
        )  # fmt: skip


def _compare(opened: network.Network, example: network.Tensor, expected: dict[str, np.ndarray]) -> None:
    for name, answer in opened.outputs(example).items():
        away = float(np.abs(answer - expected[name]).max())
        if not away <= MAX_DIFFERENCE * max(1.0, float(np.abs(expected[name]).max())):
            raise RuntimeError(f"ONNX Runtime differs from PyTorch by {away:.2g} in “{name}”")
