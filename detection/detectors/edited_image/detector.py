"""A map first, a score second. See `localiser` for the network and card.yaml for how often it is wrong.

The map is drawn whatever the answer is: it shows where the picture fits itself least, which is where a reviewer should
look, and it is not evidence by itself. The answer is of the whole picture, and abstains by rule (`detection.weighing`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detection import places
from detection.calibration import Calibration
from detection.detectors import Answer, Media, Reading, Region, examination
from detection.detectors.edited_image import ABOUT
from detection.detectors.edited_image.localiser import LEAST_SIDE, MODEL, Array, heat_of, peak_of
from detection.explanation import described
from detection.heatmap import write_heatmap
from detection.network import Network, opened
from detection.pictures import Rgb, compression, read_rgb, saved_as
from detection.weighing import Reason, as_reading, cant_say, weigh

SIGNAL = "local_edit"
FOLDER, CALIBRATION = Path(__file__).parent, "calibration.json"
MARKED = 0.0  # logits: from here on a place rather does not fit
LEAST = 4  # places of 8 x 8 pixels that a marked area has


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading, with the map. Raises Problem for what cannot be decoded."""
    media.report(10, "Decoding the picture")
    picture = read_rgb(media.path)
    calibration = Calibration.read((media.model or FOLDER) / CALIBRATION)
    part = places.cut(picture, region)
    if min(part.shape[:2]) < LEAST_SIDE:
        return [as_reading(SIGNAL, cant_say(Reason.TOO_SMALL), calibration, ABOUT.looks_for)]
    net = opened((media.model or FOLDER) / MODEL.name)
    media.report(30, "Comparing every part with the rest")
    heat = heat_of(net, part)
    media.report(50, "Asking again after re-shipping")
    return [_reading(media, net, picture, part, heat, calibration, region)]


def _reading(
    media: Media, net: Network, picture: Rgb, part: Rgb, heat: Array, calibration: Calibration, region: Region | None
) -> Reading:
    def score(rgb: Rgb) -> float:
        return peak_of(heat if rgb is part else heat_of(net, rgb))

    weighed = weigh(score, part, calibration, bytes_per_pixel=compression(media.path, media.media_type))
    size = (picture.shape[1], picture.shape[0])
    drawn = places.laid_out(shown(heat), region)
    write_heatmap(drawn, media.out / "heatmap.png", size)
    marked = places.boxes(heat > MARKED, LEAST, region)
    details = {
        "marked_share": f"{float((heat > MARKED).mean()):.4f}",
        "alternative": described(drawn),
        "map": "where the picture fits itself least; not evidence by itself",
        "regions_are": "evidence" if weighed.answer is Answer.SIGNALS else "where to look",
    }
    return as_reading(
        SIGNAL,
        weighed,
        calibration,
        ABOUT.looks_for,
        condition=saved_as(media.path),
        details=details,
        heatmap="heatmap.png",
        regions=marked,
    )


def shown(heat: Array) -> Array:
    """Logits as opacity: nothing below -2, full at +4."""
    return np.asarray((heat + 2) / 6, np.float32)


examine = examination(analyze)
