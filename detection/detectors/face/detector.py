"""Looks at every face that is large enough; the answer is that of the face with the largest likelihood ratio.

It compares no face with another and keeps none: what leaves is where faces are and a number for each. See card.yaml
for how often it is wrong.
"""

from collections.abc import Sequence
from pathlib import Path

from detection import faces, places
from detection.calibration import Calibration
from detection.detectors import Media, Reading, Region, examination
from detection.detectors.face import ABOUT
from detection.detectors.face.scoring import MODEL, faces_in, logit_of
from detection.faces import Face
from detection.network import Network, opened
from detection.pictures import Rgb, compression, read_rgb, saved_as
from detection.weighing import Reason, Weighed, as_reading, cant_say, decimal, weigh

SIGNAL = "face"
FOLDER, CALIBRATION = Path(__file__).parent, "calibration.json"
MOST = 4  # faces that are weighed, largest first: each costs four passes of the tower


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading. Raises Problem for what cannot be decoded."""
    media.report(10, "Decoding the picture")
    picture = read_rgb(media.path)
    part = places.cut(picture, region)
    calibration = Calibration.read((media.model or FOLDER) / CALIBRATION)
    media.report(25, "Looking for faces")
    found = faces_in(part, faces.installed())[:MOST]
    if not found:
        return [as_reading(SIGNAL, cant_say(Reason.NO_FACE), calibration, ABOUT.looks_for)]
    net = opened((media.model or FOLDER) / MODEL.name)
    density = compression(media.path, media.media_type)
    weighed = []
    for index, (face, crop) in enumerate(found):
        media.report(40 + index * 50 // len(found), f"Looking at face {index + 1} of {len(found)}")
        weighed.append((face, _weighed(net, crop, calibration, density)))
    return [_reading(weighed, part.shape, calibration, region, saved_as(media.path))]


def _weighed(net: Network, crop: Rgb, calibration: Calibration, density: float | None) -> Weighed:
    return weigh(lambda rgb: logit_of(net, rgb), crop, calibration, bytes_per_pixel=density)


def _reading(
    weighed: Sequence[tuple[Face, Weighed]],
    shape: Sequence[int],
    calibration: Calibration,
    region: Region | None,
    condition: str,
) -> Reading:
    boxes = [_box(face, shape, region) for face, _ in weighed]
    first = max(range(len(weighed)), key=lambda index: _rank(weighed[index][1]))
    told = [
        {
            "x": f"{box.x:.4f}",
            "y": f"{box.y:.4f}",
            "width": f"{box.width:.4f}",
            "height": f"{box.height:.4f}",
            "answer": one.answer.value,
            "llr": decimal(one.llr),
            "reason": one.reason.value if one.reason else "",
        }
        for box, (_, one) in zip(boxes, weighed, strict=True)
    ]
    details = {"faces": told, "answer_is_of_face": first + 1}
    return as_reading(
        SIGNAL,
        weighed[first][1],
        calibration,
        ABOUT.looks_for,
        condition=condition,
        details=details,
        regions=[boxes[first]],
    )


def _rank(weighed: Weighed) -> tuple[bool, float]:
    """Faces of which something can be said come first, then the larger ratio."""
    return weighed.llr is not None, weighed.llr or 0.0


def _box(face: Face, shape: Sequence[int], region: Region | None) -> Region:
    """As shares of the whole picture, cut at its border."""
    whole = region or places.WHOLE
    height, width = shape[:2]
    left, top, right, bottom = face.box
    left, right = (min(max(value / width, 0.0), 1.0) for value in (left, right))
    top, bottom = (min(max(value / height, 0.0), 1.0) for value in (top, bottom))
    return Region(
        whole.x + left * whole.width,
        whole.y + top * whole.height,
        (right - left) * whole.width,
        (bottom - top) * whole.height,
    )


examine = examination(analyze)
