"""What is done with a model in a guarded child before anything else may open it (`detection.trials`). Pure."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from core.problems import Problem
from detection import network

PASSES = 5


def measure(path: str, beside: Sequence[str], shape: Sequence[int], parity: bool) -> dict[str, Any]:
    """Open the network, have it answer a fixed input, time it. Its answers must be numbers.

    beside: the files it may read besides. shape: of one input, [] for a picture of 224 pixels. Raises Problem.
    """
    net = network.Network(Path(path), parity=parity)
    name, declared = next(iter(net.inputs.items()))
    batch = network.parity_input(0, _shape(declared, shape))
    answers = net.feed({name: batch})
    if not all(np.isfinite(one).all() for one in answers.values()):
        raise network.refused("its answer to an ordinary input is no number")
    return {
        "inputs": {
            one: [side if isinstance(side, int) else None for side in sides] for one, sides in net.inputs.items()
        },
        "outputs": {one: list(answer.shape) for one, answer in answers.items()},
        "cpu_ms": _timed(net, {name: batch}),
        "shape": list(batch.shape),
        "answers": {one: [float(value) for value in network.kept(answer)] for one, answer in answers.items()},
    }


def _shape(declared: Sequence[Any], wanted: Sequence[int]) -> list[int]:
    """One input of the network: its own sides where they are fixed, those wanted where they are free."""
    free = list(wanted) or [1, 3, 224, 224]
    if len(free) != len(declared):
        raise network.refused(f"its input has {len(declared)} dimensions, not {len(free)} as its card says")
    sides = [own if isinstance(own, int) and own > 0 else side for own, side in zip(declared, free, strict=True)]
    if wanted and sides[1:] != free[1:]:
        raise network.refused(f"its input is {sides}, not {free} as its card says")
    return sides


def _timed(net: network.Network, inputs: Mapping[str, Any]) -> float:
    spent = []
    for _ in range(PASSES):
        start = time.process_time()
        net.feed(inputs)
        spent.append(1000 * (time.process_time() - start))
    return sorted(spent)[PASSES // 2]


def score_all(model: Sequence[str], paths: Sequence[str], types: Sequence[str]) -> list[dict[str, float | None]]:
    """The logit of each file under each condition, None where it cannot be scored. model: the files of one folder."""
    from detection import brought_detector

    fed, score = brought_detector.scorer(Path(model[0]).parent)
    kind = _sound_conditions if fed.kind == "sound" else _picture_conditions
    return [
        {name: _scored(score, value) for name, value in kind(path, media_type)}
        for path, media_type in zip(paths, types, strict=True)
    ]


def _picture_conditions(path: str, media_type: str) -> Iterator[tuple[str, Any]]:
    from detection import pictures
    from detection.evaluation.conditions import CONDITIONS

    try:
        picture = next((rgb for _, rgb in pictures.rgb_frames(path, media_type, 1)), None)
    except Problem:
        picture = None
    for name, happens in CONDITIONS.items():
        yield name, None if picture is None else happens(picture)


def _sound_conditions(path: str, media_type: str) -> Iterator[tuple[str, Any]]:
    from detection import sounds
    from detection.training.sound_augmentation import CONDITIONS

    try:
        heard = sounds.read_sound(path, media_type)
    except Problem:
        heard = None
    samples = max((one.samples for one in heard.stretches), key=len, default=None) if heard else None
    for name, happens in CONDITIONS.items():
        yield name, None if samples is None else happens(samples, np.random.default_rng(0))


def _scored(score: Callable[[Any], float], value: Any) -> float | None:
    if value is None:
        return None
    found = score(value)
    return found if np.isfinite(found) else None


def features_of(
    model: Sequence[str], detector: str, paths: Sequence[str], types: Sequence[str], conditions: bool
) -> list[dict[str, list[float]]]:
    """What the last layer sees of each picture (`detection.training.few_shot.FEATURES`), as it is or under each
    condition.

    The mean over the tiles where a picture makes several. A picture that cannot be read has nothing. Raises Problem
    for a detector that does not say how its network is fed.
    """
    folder = Path(model[0]).parent
    net, batch_of = network.Network(folder / network.MODEL, parity=False), _feeding(folder, detector)
    told = []
    for path, media_type in zip(paths, types, strict=True):
        shown = _picture_conditions(path, media_type)
        wanted = ((name, value) for name, value in shown if value is not None and (conditions or name == "as_is"))
        told.append({name: _mean(net.outputs(batch_of(value))["few_shot_features"]) for name, value in wanted})
    return told


def _feeding(folder: Path, detector: str) -> Callable[[Any], Any]:
    from detection import adapters

    adapter = folder / "adapter.json"
    if adapter.is_file():
        fed = adapters.from_card(json.loads(adapter.read_text())["preprocessing"])
        if fed.fit == "face" or fed.kind == "sound":
            raise network.refused("a last layer can be fitted to whole pictures only")
        return lambda picture: adapters.picture_batch(fed, picture)
    module = import_module(f"detection.detectors.{detector}.detector")
    found: Callable[[Any], Any] | None = getattr(module, "head_input", None)
    if found is None:
        raise network.refused("this detector does not say what its last layer is fed (`head_input`)")
    return found


def _mean(features: Any) -> list[float]:
    return [float(value) for value in np.asarray(features, dtype=np.float64).reshape(len(features), -1).mean(axis=0)]
