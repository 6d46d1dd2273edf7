"""Looks at a picture through CLIP's image tower and asks a small head whether it looks generated.

1. The picture, scaled to 224 pixels, goes through CLIP ViT-B/16 up to its tenth layer (`detection.weights`), whose
   class token is taken. Not the last layers, which know the subject, nor the lower ones, which know how one publisher
   saves its files (Koutlis & Papadopoulos, “RINE”, ECCV 2024, on layers before the last).
2. A linear head (`model.onnx`), trained on photographs and drawings of people against generated pictures, all through
   the same random saves and scalings (`detection.training.synthetic_image`), gives the logit. Its second output tells
   drawings, screenshots and scans, of which nothing is said (`detection.training.outside`).
3. `detection.weighing` turns it into a likelihood ratio, asks again after re-shipping, and abstains by rule.

It shows no map: one was tried and is not surely better than a shuffled one (`detection.evaluation.maps`, card).
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from core.problems import Problem
from detection import weights
from detection.calibration import Calibration
from detection.detectors import Media, Reading, Region, examination
from detection.detectors.synthetic_image import ABOUT, front
from detection.network import MODEL, Tensor, opened
from detection.pictures import Rgb, compression, read_rgb, saved_as
from detection.weighing import as_reading, weigh

HERE = Path(__file__).resolve().parent
TOWER = weights.folder("clip-vit-b16") / MODEL
SIGNAL = "generated_picture"
TOKENS, OUTSIDE = "later_tokens", "outside"  # outputs of the tower and of the head


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading for the picture, or for the region of it. Raises Problem for what cannot be read."""
    media.report(10, "Decoding the picture")
    rgb = read_rgb(media.path)
    media.report(20, "Comparing with photographs and generated pictures")
    folder = media.model or HERE
    calibration, look = Calibration.read(folder / "calibration.json"), looker(folder)
    shown = part(rgb, region)
    logit, outside = look(shown)
    told = weigh(
        lambda copy: logit if copy is shown else look(copy)[0], shown, calibration,
        bytes_per_pixel=compression(media.path, media.media_type), features=outside,
    )  # fmt: skip
    return [as_reading(SIGNAL, told, calibration, ABOUT.looks_for, condition=saved_as(media.path))]


def looker(folder: Path = HERE) -> Callable[[Rgb], tuple[float, Tensor | None]]:
    """Of one picture, uint8 (H, W, 3), the logit by the head in `folder`, and what the calibration's domain asks for
    (None where the head has no such output). Raises Problem where the tower is missing.
    """
    if not weights.is_installed("clip-vit-b16"):
        raise Problem("detection.weights_missing", "A network that this detector needs is not installed", status=503,
                      next_step="Run `make setup`, or `manage.py train tower`.")  # fmt: skip
    tower, head = opened(TOWER), opened(folder / MODEL)

    def look(rgb: Rgb) -> tuple[float, Tensor | None]:
        told = head.outputs(tower.outputs(front.whole(rgb))[TOKENS])
        return float(told[head.names[0]][0, 0]), told.get(OUTSIDE)

    return look


def scorer(folder: Path = HERE) -> Callable[[Rgb], float]:
    """The logit of one picture, uint8 (H, W, 3), by the head in `folder`. Raises Problem where the tower is missing."""
    look = looker(folder)
    return lambda rgb: look(rgb)[0]


def head_input(rgb: Rgb) -> Tensor:
    """What the head is fed for one picture: (1, features). For `detection.retraining` and frames of moving pictures."""
    return opened(TOWER).outputs(front.whole(rgb))[TOKENS]


def part(rgb: Rgb, region: Region | None) -> Rgb:
    """The box of the picture, at least one pixel."""
    if region is None:
        return rgb
    height, width = rgb.shape[:2]
    top, left = min(int(region.y * height), height - 1), min(int(region.x * width), width - 1)
    return rgb[top : top + max(1, round(region.height * height)), left : left + max(1, round(region.width * width))]


examine = examination(analyze)
