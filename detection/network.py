"""A network in ONNX Runtime: opened after fork, one thread, and only if it is the file that was measured.

The folder of a network holds `model.onnx`, `manifest.json` ({"files": {name: sha256 hex}}) and `parity.json`: the
answers that the reference (PyTorch, when the file was exported) gave to a fixed random input. Opening refuses, with
Problem `detection.model_refused`, a file whose hash is not the manifest's, weights that are no numbers, weights kept
in a second file, and a CPU on which the answers differ from the reference: an 8-bit encoder from a package index was
found to be broken that way (cosine 0.46), and nobody had noticed.

The only module of this room that imports onnxruntime; it is imported in guarded children and by the evaluation, never
by the web process. Its telemetry is off and it opens no connection.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from core.problems import Problem
from detection import onnxfile

Tensor = npt.NDArray[np.float32]
MODEL, MANIFEST, PARITY = "model.onnx", "manifest.json", "parity.json"
TOLERANCE = 1e-3  # of the largest answer
KEPT = 64  # values of each answer that the fixture holds
MAX_MODEL = 400 << 20  # bytes


class Network:
    """One open network. Use `opened`, which opens each once a process."""

    def __init__(self, path: Path, *, parity: bool = True) -> None:
        """path: `model.onnx`, or another .onnx file beside a manifest that names it. parity: False only for a model
        that is being imported and has no reference answers yet (`detection.modelchild`). Raises Problem.
        """
        data = _checked_bytes(path)
        self.sha256 = hashlib.sha256(data).hexdigest()
        self._session = _session(data, path.name)
        self.inputs = {one.name: list(one.shape) for one in self._session.get_inputs()}
        self.names = [one.name for one in self._session.get_outputs()]
        fixture = path.with_name(PARITY if path.name == MODEL else f"{path.stem}.{PARITY}")
        if parity:
            self._check_parity(fixture)

    def run(self, batch: npt.ArrayLike) -> Tensor:
        """The first output for one input, usually float32 NCHW. Raises Problem where the shape is not the network's."""
        return self.outputs(batch)[self.names[0]]

    def outputs(self, batch: npt.ArrayLike) -> dict[str, Tensor]:
        """Every output by name."""
        return self.feed({next(iter(self.inputs)): batch})

    def feed(self, inputs: Mapping[str, npt.ArrayLike]) -> dict[str, Tensor]:
        """As `outputs`, for networks with several inputs. float32 unless the array is of integers."""
        ready = {name: _contiguous(value) for name, value in inputs.items()}
        try:
            answers = self._session.run(self.names, ready)
        except Exception as error:  # onnxruntime's own classes are not public
            raise refused(f"it does not take this input: {str(error)[:200]}") from error
        return dict(zip(self.names, answers, strict=True))

    def _check_parity(self, path: Path) -> None:
        try:
            fixture = json.loads(path.read_text())
            expected = {name: np.asarray(values, dtype=np.float64) for name, values in fixture["outputs"].items()}
            answers = self.outputs(parity_input(fixture["seed"], fixture["shape"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise refused(f"{path.name}, the answers it must give, is missing or damaged") from error
        for name, values in expected.items():
            if name not in answers or not _same(kept(answers[name]), values):
                raise refused("on this machine it gives other answers than when it was made")


@lru_cache(maxsize=16)
def opened(path: Path) -> Network:
    """The network in this file, opened and checked once a process: call it after the fork, in the detector."""
    return Network(path)


def parity_input(seed: int, shape: list[int]) -> Tensor:
    """float32 in 0…1; the legacy generator, because NumPy promises that its stream never changes."""
    return np.random.RandomState(seed).random_sample(shape).astype(np.float32)


def kept(answer: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """What a fixture keeps of an answer: up to KEPT values spread over it, and its mean."""
    flat = np.asarray(answer, dtype=np.float64).ravel()
    places = np.linspace(0, flat.size - 1, min(KEPT, flat.size)).astype(int)
    return np.append(flat[places], flat.mean())


def write_fixture(path: Path, outputs: Mapping[str, npt.NDArray[Any]], *, seed: int, shape: list[int]) -> None:
    """outputs: what the reference answers to `parity_input(seed, shape)`, by the names of the exported file."""
    values = {name: [float(f"{value:.7g}") for value in kept(answer)] for name, answer in outputs.items()}
    path.write_text(json.dumps({"seed": seed, "shape": shape, "outputs": values}, indent=1) + "\n")


def write_manifest(folder: Path) -> None:
    """`manifest.json` over the networks of the folder and their fixtures."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ".onnx" or path.name.endswith(PARITY))
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=1) + "\n")


def fold(path: Path) -> None:
    """Rewrite a network of ours with what depends on no input computed, and normalisation folded into its neighbours:
    the part of ONNX Runtime's optimising that is the same on every processor, done once and not at every start.
    """
    options = _options()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def refused(why: str) -> Problem:
    """The one refusal of a network. why: completes “…, because …”."""
    return Problem(
        "detection.model_refused",
        "This model cannot be used",
        status=422,
        detail=f"The model was not loaded, because {why}.",
        next_step="Restore it from its release, or export it again on this machine (`manage.py train`).",
    )


def _checked_bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_MODEL:
            raise refused(f"it is larger than {MAX_MODEL >> 20} MiB")
        data = path.read_bytes()
        expected = json.loads(path.with_name(MANIFEST).read_text())["files"][path.name]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refused(f"{path.name} or its manifest is missing or damaged") from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise refused(f"{path.name} is not the file that its manifest names")
    try:
        onnxfile.check(data)
    except ValueError as error:
        raise refused(str(error)) from error
    return data


def _session(data: bytes, name: str) -> Any:
    try:
        return onnxruntime.InferenceSession(data, _options(), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise refused(f"{name} is no network that this office can run: {str(error)[:200]}") from error


def _options() -> Any:
    """One thread; otherwise as ONNX Runtime comes, which is with every optimisation for this processor."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _contiguous(value: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(value)
    kind = array.dtype if np.issubdtype(array.dtype, np.integer) and array.dtype != np.uint8 else np.float32
    return np.ascontiguousarray(array, dtype=kind)


def _same(answer: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> bool:
    if answer.shape != expected.shape or not np.isfinite(answer).all():
        return False
    return bool(np.abs(answer - expected).max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())))
