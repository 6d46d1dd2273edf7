"""What a model that was brought along finds: the same weighing and the same words as for our own. Runs in the child."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from detection import adapters, faces, network, pictures, sounds, weighing
from detection.adapters import Preprocessing
from detection.calibration import Calibration
from detection.detectors import Media, Reading, Region
from detection.pictures import Rgb
from detection.reasons import Reason

ADAPTER = "adapter.json"


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading. `media.model` is the folder; of a video, the frame in the middle. Raises Problem."""
    assert media.model is not None
    told = json.loads((media.model / ADAPTER).read_text())
    fed = adapters.from_card(told["preprocessing"])
    calibration = Calibration.beside(media.model)
    net = network.opened(media.model / network.MODEL)
    if fed.kind == "sound":
        weighed = _sound(net, fed, media, calibration)
    else:
        weighed = _picture(net, fed, media, region, calibration)
    signal = f"brought_{told['question']}"
    condition = pictures.saved_as(media.path)
    return [weighing.as_reading(signal, weighed, calibration, told["looks_for"], condition=condition)]


def scorer(folder: Path) -> tuple[Preprocessing, Callable[[Any], float]]:
    """How the network in `folder` is fed, and its logit of a picture or of sound, for measuring it; NaN without a face
    where it judges faces.
    """
    fed = adapters.from_card(json.loads((folder / ADAPTER).read_text())["preprocessing"])
    net = network.opened(folder / network.MODEL)
    if fed.kind == "sound":
        return fed, lambda sound: adapters.score_sound(net, fed, sound)

    def score(picture: Rgb) -> float:
        seen = framed(fed, picture)
        return float("nan") if seen is None else adapters.score_picture(net, fed, seen)

    return fed, score


def framed(fed: Preprocessing, picture: Rgb) -> Rgb | None:
    """The part that the network judges: the picture, or the largest face in it; None where there is none."""
    if fed.fit != "face":
        return picture
    found = faces.installed().faces(picture)
    return found[0].crop(picture, fed.side) if found else None


def _picture(
    net: network.Network, fed: Preprocessing, media: Media, region: Region | None, calibration: Calibration | None
) -> weighing.Weighed:
    picture = next((rgb for _, rgb in pictures.rgb_frames(media.path, media.media_type, 1)), None)
    if picture is None:
        raise pictures.unreadable()
    if region is not None:
        picture = _cut(picture, region)
    seen = framed(fed, picture)
    if seen is None:
        return weighing.cant_say(Reason.NO_FACE)
    return weighing.weigh(
        lambda rgb: adapters.score_picture(net, fed, rgb),
        seen,
        calibration,
        bytes_per_pixel=pictures.compression(media.path, media.media_type),
    )


def _cut(picture: Rgb, region: Region) -> Rgb:
    height, width = picture.shape[:2]
    top, left = int(region.y * height), int(region.x * width)
    bottom, right = top + max(1, int(region.height * height)), left + max(1, int(region.width * width))
    return picture[top:bottom, left:right]


def _sound(net: network.Network, fed: Preprocessing, media: Media, calibration: Calibration | None) -> weighing.Weighed:
    heard = sounds.read_sound(media.path, media.media_type)
    samples = max((one.samples for one in heard.stretches), key=len)
    return weighing.weigh_sound(lambda sound: adapters.score_sound(net, fed, sound), samples, calibration)
