"""Trying a model before it may serve: does it open, how long does a forward pass take, is it right about the permanent
tests, and what does it say in the shadow. Everything in guarded children, like any examination.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from core import storage
from core.guard import Limits, Nursery
from core.problems import Problem
from detection import guarded, permission, registry
from detection.artefacts import Artefact
from detection.detectors import Answer
from detection.guarded import Checked
from detection.models import Claim, PermanentTest
from detection.registry import DetectorInfo
from provenance.models import Asset, Rendition

log = structlog.get_logger()

_LIMITS = Limits(memory=6 << 30, cpu=120, wall=180.0)
nursery = Nursery("detection.modelchild")  # which brings numpy and ONNX Runtime


@dataclass(frozen=True)
class Trial:
    """What a network is like on this machine. inputs, outputs: name and shape, None where a side is free. cpu_ms: of
    one forward pass on one thread, the median of five. answers: to the fixed input of `network.parity_input`.
    """

    inputs: dict[str, list[int | None]]
    outputs: dict[str, list[int]]
    cpu_ms: float
    shape: tuple[int, ...] = ()
    answers: tuple[tuple[str, tuple[float, ...]], ...] = ()


def try_folder(folder: Path) -> Trial:
    """Open its `model.onnx` in a guarded child and time it on the input of its fixture. Raises Problem."""
    from detection import network  # opens ONNX Runtime, which the web process must not

    try:
        shape = json.loads((folder / network.PARITY).read_text())["shape"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise network.refused(f"{network.PARITY} is missing or damaged") from error
    return try_file(folder / network.MODEL, shape=shape, parity=True)


def try_file(model: Path, *, shape: Sequence[int] = (), parity: bool) -> Trial:
    """As `try_folder`. shape: of the input, for one whose own shape is free. parity: whether its answers must be those
    beside it; a model that is being imported has none yet.
    """
    beside = [path for path in sorted(model.parent.iterdir()) if path.is_file() and path != model]
    arguments = {
        "path": str(model),
        "beside": [str(path) for path in beside],
        "shape": list(shape),
        "parity": parity,
    }
    told = nursery.call("detection.modelchild:measure", arguments, limits=_LIMITS)
    answers = tuple((str(name), tuple(float(one) for one in values)) for name, values in told["answers"].items())
    return Trial(told["inputs"], told["outputs"], float(told["cpu_ms"]), tuple(told["shape"]), answers)


# --- On works of this office -----------------------------------------------------------------------------------------


def wrong_again(artefact: Artefact) -> list[str]:
    """The permanent tests of this detector's question that the model fails, by id. A test it can't say anything about
    is passed; one whose file is gone is left out.
    """
    info = registry.detector(artefact.detector)
    tests = PermanentTest.objects.filter(question=info.about.question.value).select_related("asset")
    return [str(test.pk) for test in tests if _is_wrong(info, artefact, test)]


def _is_wrong(info: DetectorInfo, artefact: Artefact, test: PermanentTest) -> bool:
    asset = test.asset
    unreadable = registry.why_not(info, asset.kind, asset.media_type, held=asset.held)
    if unreadable or permission.is_refused(info, asset):
        return False
    wrong = Answer.SIGNALS if test.claim == Claim.REAL else Answer.NO_SIGNALS
    try:
        return any(one.reading.answer is wrong for one in examine_with(info, asset, artefact))
    except Problem as problem:
        log.warning("permanent test not run", test=str(test.pk), code=problem.code)
        return problem.code != "not_found"  # a model that cannot read what the last one could is wrong about it


def examine_with(info: DetectorInfo, asset: Asset, artefact: Artefact) -> list[Checked]:
    """What the detector would find in the work with this model; nothing is kept. Raises Problem."""
    permission.basis_for(info, asset)
    original = asset.rendition(Rendition.Role.ORIGINAL)
    with storage.local_copy(original.key) as path, storage.scratch_path() as work:
        out = work.parent / "out"
        out.mkdir()
        return guarded.examine(info, path, original.media_type, out, model=artefact.paths())
