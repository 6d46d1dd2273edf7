"""Which parts of the picture occur twice. See `copies` for how they are found and card.yaml for how often it is
wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detection import places
from detection.calibration import Calibration
from detection.detectors import Media, Reading, Region, examination
from detection.detectors.copy_move import ABOUT
from detection.detectors.copy_move.copies import PATCH, Array, Copies, find_copies
from detection.explanation import described
from detection.heatmap import write_heatmap
from detection.pictures import Rgb, compression, read_rgb, saved_as
from detection.weighing import Reason, as_reading, cant_say, weigh

SIGNAL = "copy_move"
CALIBRATION = Path(__file__).with_name("calibration.json")
LEAST_SIDE = 4 * PATCH  # pixels
# Luma as JPEG has it (ITU-T T.871, clause 7).
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading; the map shows both places of each copy. Raises Problem for what cannot be decoded."""
    media.report(10, "Decoding the picture")
    picture = read_rgb(media.path)
    calibration = Calibration.read(CALIBRATION)
    part = places.cut(picture, region)
    if min(part.shape[:2]) < LEAST_SIDE:
        return [as_reading(SIGNAL, cant_say(Reason.TOO_SMALL), calibration, ABOUT.looks_for)]
    media.report(30, "Looking for parts that occur twice")
    copies = copies_in(part)
    media.report(60, "Asking again after re-shipping")
    return [_reading(media, picture, part, copies, calibration, region)]


def copies_in(rgb: Rgb) -> Copies:
    return find_copies(np.asarray(rgb @ LUMA, np.float32))


def logit_of(copies: Copies) -> float:
    """What is calibrated: the logarithm, because ten twins more say less where there are a hundred already."""
    return float(np.log1p(copies.score))


def _reading(
    media: Media, picture: Rgb, part: Rgb, copies: Copies, calibration: Calibration, region: Region | None
) -> Reading:
    def score(rgb: Rgb) -> float:
        return logit_of(copies if rgb is part else copies_in(rgb))

    weighed = weigh(score, part, calibration, bytes_per_pixel=compression(media.path, media.media_type))
    both = places_of(copies, (part.shape[0], part.shape[1]))
    drawn = places.laid_out(both, region)
    write_heatmap(drawn, media.out / "heatmap.png", (picture.shape[1], picture.shape[0]))
    details = {
        "alternative": described(drawn),
        "shifts": copies.shifts,
        "copies": [
            {
                "down": copy.shift[0] * copies.reduced,
                "right": copy.shift[1] * copies.reduced,
                "pixels": copy.pixels * copies.reduced**2,
                "turned": f"{copy.degrees:.0f}",
                "size": f"{copy.size:.2f}",
                "mirrored": copy.mirrored,
                "pairs": copy.twins,
                "agreement": f"{copy.agreement:.3f}",
            }
            for copy in copies.found[:5]
        ],
    }
    marked = places.boxes(both > 0, within=region)
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


def places_of(copies: Copies, shape: tuple[int, int]) -> Array:
    """(h, w) of the searched picture: 1 on every copy and on every original, 0 elsewhere."""
    marked = np.zeros(tuple(side // copies.reduced for side in shape), np.float32)
    for copy in copies.found:
        marked[copy.area | copy.other] = 1
    return marked


examine = examination(analyze)
