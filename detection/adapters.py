"""Models that others made, behind one door: what goes in, as their card declares it, and one logit out. Pure.

`preprocessing` of a card (YAML), all but `family` or `kind` with a default; a family is a whole set of defaults:

    family: aasist | sbi | univfd        shapes that published checkpoints have
    kind: picture | sound
    side: 224                            of the square a picture becomes, pixels
    fit: centre | stretch | face         centre: shorter side to `side`, then the middle; face: around the largest face
    scale: 255                           pixels are divided by it
    mean: [0.48, 0.46, 0.41]             then this is taken away, for red, green and blue
    std: [0.27, 0.26, 0.28]              and it is divided by this
    layout: NCHW | NHWC
    channels: RGB | BGR
    samples: 64600                       of sound, mono, float32 -1…1 at 16 kHz; shorter sound is repeated
    output: ""                           name of the output that counts; "" is the first
    form: logit | logits | probability | probabilities
    made: 1                              of two, the one for “synthetic” or “edited”

The logit is ln(p / (1 - p)) of “made”. It means nothing until it is calibrated here (`detection.calibration`).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.problems import Problem
from detection.pictures import Rgb

Sound = npt.NDArray[np.float32]
Tensor = npt.NDArray[np.float32]
RATE: Final = 16_000  # Hz
_EDGE: Final = 1e-6  # a probability of 0 or 1 is no evidence without end
_CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
_CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

# What the published code does before its network: clovaai/aasist data_utils.py (`pad`, 64,600 samples; class 1 is bona
# fide), mapooon/SelfBlendedImages src/inference (380 x 380 face / 255; class 1 is fake), UniversalFakeDetect
# validate.py (CLIP's own mean and deviation, 224, one logit for fake).
FAMILIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "aasist": {"kind": "sound", "samples": 64_600, "form": "logits", "made": 0},
    "sbi": {"kind": "picture", "side": 380, "fit": "face", "form": "logits", "made": 1},
    "univfd": {"kind": "picture", "side": 224, "fit": "centre", "mean": _CLIP_MEAN, "std": _CLIP_STD, "form": "logit"},
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "kind": ("picture", "sound"),
    "fit": ("centre", "stretch", "face"),
    "layout": ("NCHW", "NHWC"),
    "channels": ("RGB", "BGR"),
    "form": ("logit", "logits", "probability", "probabilities"),
}


class Net(Protocol):
    """A `detection.network.Network`."""

    names: list[str]

    def outputs(self, batch: npt.ArrayLike, /) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Preprocessing:
    """See the module."""

    kind: Literal["picture", "sound"]
    side: int = 224
    fit: str = "centre"
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: str = "NCHW"
    channels: str = "RGB"
    samples: int = 64_600
    output: str = ""
    form: str = "logit"
    made: int = 1
    family: str = ""

    @property
    def shape(self) -> list[int]:
        """Of one input of the network."""
        if self.kind == "sound":
            return [1, self.samples]
        return [1, 3, self.side, self.side] if self.layout == "NCHW" else [1, self.side, self.side, 3]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def from_card(told: Mapping[str, Any]) -> Preprocessing:
    """Raises Problem `detection.card_refused`, which names the field."""
    family = told.get("family", "")
    if family not in ("", *FAMILIES):
        raise _refused(f"`preprocessing.family` is one of {', '.join(FAMILIES)}, or left out.")
    values = {**FAMILIES.get(family, {}), **told}
    unknown = sorted(set(values) - {one.name for one in fields(Preprocessing)})
    if unknown:
        raise _refused(f"`preprocessing` has no field `{unknown[0]}`.")
    if "kind" not in values:
        raise _refused("`preprocessing` needs `family`, or `kind` and what goes with it.")
    for name, allowed in _CHOICES.items():
        if name in values and values[name] not in allowed:
            raise _refused(f"`preprocessing.{name}` is one of {', '.join(allowed)}.")
    return _typed(values)


def _typed(values: Mapping[str, Any]) -> Preprocessing:
    try:
        listed: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}
        made = Preprocessing(**listed)
        colours = np.asarray([made.mean, made.std], dtype=np.float64)
        numbers = (*made.mean, *made.std, made.scale)
        if not all(type(one) in (int, float) and math.isfinite(one) for one in numbers):
            raise TypeError("a number is none")
        sizes = {"side": (8, 1024), "samples": (1600, RATE * 60), "made": (0, 1)}
        for name, (least, most) in sizes.items():
            if type(getattr(made, name)) is not int or not least <= getattr(made, name) <= most:
                raise _refused(f"`preprocessing.{name}` is a whole number from {least} to {most}.")
    except (TypeError, ValueError) as error:
        raise _refused("`preprocessing.mean` and `.std` have three numbers, `scale` is a number.") from error
    if colours.shape != (2, 3) or min(*made.std, float(made.scale)) <= 0:
        raise _refused("`preprocessing.mean` and `.std` have three numbers, and none is divided by zero.")
    return made


def score_picture(net: Net, told: Preprocessing, picture: Rgb) -> float:
    """The logit of a picture, uint8 (H, W, 3), of any size; of a face, `picture` is around it."""
    return logit(net, told, picture_batch(told, picture))


def picture_batch(told: Preprocessing, picture: Rgb) -> Tensor:
    """What the network is fed: `Preprocessing.shape`."""
    square = _centred(picture, told.side) if told.fit == "centre" else _stretched(picture, told.side)
    mean, std = (np.asarray(one, dtype=np.float32) for one in (told.mean, told.std))
    values = (square.astype(np.float32) / told.scale - mean) / std
    if told.channels == "BGR":
        values = values[:, :, ::-1]
    batch = values[None] if told.layout == "NHWC" else values.transpose(2, 0, 1)[None]
    return np.ascontiguousarray(batch, dtype=np.float32)


def score_sound(net: Net, told: Preprocessing, sound: Sound) -> float:
    """The logit of sound, float32 (samples,) in -1…1 at 16 kHz: its first part, or repeated until it is long enough."""
    return logit(net, told, sound_batch(told, sound))


def sound_batch(told: Preprocessing, sound: Sound) -> Tensor:
    """What the network is fed: `Preprocessing.shape`."""
    if not sound.size:
        raise ValueError("no sound")
    repeated = np.resize(sound, max(told.samples, 1)) if sound.size < told.samples else sound[: told.samples]
    return np.ascontiguousarray(repeated[None], dtype=np.float32)


def logit(net: Net, told: Preprocessing, batch: Tensor) -> float:
    """One answer of the network as the logit of “made”. Raises Problem where its output is not what the card says."""
    answers = net.outputs(batch)
    name = told.output or net.names[0]
    if name not in answers:
        raise _refused(f"the network has no output {name[:60]!r}: it has {', '.join(answers)[:200]}.")
    answer = np.asarray(answers[name], dtype=np.float64).ravel()
    wanted = 2 if told.form in ("logits", "probabilities") else 1
    if answer.size != wanted:
        raise _refused(f"its output has {answer.size} values, and `preprocessing.form: {told.form}` means {wanted}.")
    made, other = (answer[told.made], answer[1 - told.made]) if wanted == 2 else (answer[0], 0.0)
    if told.form == "probability":
        return _log_odds(float(made))
    if told.form == "probabilities":
        return _log_odds(float(made / max(made + other, _EDGE)))
    return float(made - other)


def _log_odds(probability: float) -> float:
    if not -_EDGE <= probability <= 1 + _EDGE:
        raise _refused("its output is no probability, as `preprocessing.form` says.")
    kept = min(max(probability, _EDGE), 1 - _EDGE)
    return float(np.log(kept / (1 - kept)))


def _centred(picture: Rgb, side: int) -> Rgb:
    height, width = picture.shape[:2]
    factor = side / min(height, width)
    tall, wide = max(side, round(height * factor)), max(side, round(width * factor))
    resized = np.asarray(Image.fromarray(picture).resize((wide, tall), Image.Resampling.BICUBIC))
    top, left = (tall - side) // 2, (wide - side) // 2
    return np.asarray(resized[top : top + side, left : left + side], dtype=np.uint8)


def _stretched(picture: Rgb, side: int) -> Rgb:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC), dtype=np.uint8)


def _refused(detail: str) -> Problem:
    return Problem(
        "detection.card_refused",
        "The card is not complete",
        status=422,
        detail=detail,
        next_step="docs/models.md, “Bring your own model”, has every field of `preprocessing`.",
    )
