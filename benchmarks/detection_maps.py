"""Maps beside shuffled maps: deletion and insertion to the true pixels, for each detector that shows one.

Pictures are edited here, on the demonstration's photographs, by the kinds of edits of the training code but with other
seeds: none of these photographs was trained on. Everything is 224 pixels a side.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.detection_nets import DETECTORS, PHOTOGRAPHS
from detection.evaluation import faithfulness
from detection.evaluation.faithfulness import Explain, Pair, Score
from detection.pictures import Rgb

SIDE = 224


def faithful(quick: bool) -> dict[str, Any]:
    """{"maps": [Faithfulness as a dict, with its detector], "pairs", "forwards", "left_out": words}."""
    pairs = edited(1 if quick else 6)
    maps, forwards, left_out = [], [], []
    for name, opened in (("edited_image", _edited_image),):
        if not (DETECTORS / name / "model.onnx").exists():
            continue
        score, explain = opened()
        try:
            found = faithfulness.measured(score, explain, pairs)
        except ValueError:  # it sees a difference in no pair
            continue
        maps.append({"detector": name, **found.as_dict()})
        forwards.append(f"{name}: a map costs {_ratio(explain, score, pairs[0].altered):.1f} passes")
        left_out.append(f"{name} sees no difference in {found.left_out}")
    return {"maps": maps, "pairs": len(pairs), "forwards": ", ".join(forwards), "left_out": ", ".join(left_out)}


def edited(each: int) -> list[Pair]:
    """`each` of every kind of edit on each photograph."""
    from detection.training import splicing

    rng, made = np.random.default_rng(2026), []
    photographs = [_luma(path) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    for index, host in enumerate(photographs):
        donor = photographs[index - 1]
        for kind in splicing.KINDS:
            for _ in range(each):
                start = splicing.aged(_window(host, rng), rng, least=70).round()
                done = splicing.edited(start, splicing.aged(_window(donor, rng), rng), kind, rng)
                made.append(Pair(_rgb(done.pixels), _rgb(start), done.mask > 0.3))
    return made


def _edited_image() -> tuple[Score, Explain]:
    from detection.detectors.edited_image import localiser
    from detection.network import opened

    net = opened(localiser.MODEL)
    return (
        lambda rgb: localiser.peak_of(localiser.heat_of(net, rgb)),
        lambda rgb: np.asarray(localiser.heat_of(net, rgb), dtype=np.float32),
    )


def _ratio(explain: Explain, score: Score, rgb: Rgb) -> float:
    """What a map costs beside a score, in CPU time."""
    return _cpu(lambda: explain(rgb)) / _cpu(lambda: score(rgb))


def _cpu(call: Callable[[], object], times: int = 5) -> float:
    call()
    before = time.process_time()
    for _ in range(times):
        call()
    return time.process_time() - before


def _luma(path: Any) -> Any:
    with Image.open(path) as opened:
        grey = opened.convert("L")
    size = (round(grey.width * 0.75), round(grey.height * 0.75))
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS), dtype=np.float32)


def _window(luma: Any, rng: np.random.Generator) -> Any:
    top, left = (int(rng.integers(0, side - SIDE + 1)) for side in luma.shape)
    return luma[top : top + SIDE, left : left + SIDE]


def _rgb(luma: Any) -> Rgb:
    grey = np.asarray(luma).round().clip(0, 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)
