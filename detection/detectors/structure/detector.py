"""Contradictions inside one file: a preview of another picture, stated sizes that are not true, data behind the end.

Each is a fact about the file, read and not estimated; what it means is less certain. A program that writes metadata
back carelessly does the same as somebody who hides something, and most such files are harmless.
"""

from collections.abc import Sequence
from typing import Any

from PIL import ExifTags, ImageFile

from detection.detectors import Answer, Media, Reading, Region, Strength, examination
from detection.detectors.structure import segments, thumbnail, writers
from detection.detectors.structure.segments import Built
from detection.detectors.structure.writers import Trace
from detection.hostile_text import readable
from detection.pictures import opened
from provenance.media import DEMUXERS

# Chosen on two of the sources (detection.evaluation.history.CHOSEN_ON): there a sharpened preview of the same picture
# correlates above 0.96 with it, and no part of it agrees by less than 0.76. Below ANOTHER it shows something else.
ALIKE, PART_ALIKE, ANOTHER = 0.94, 0.68, 0.5
SHAPE = 0.06  # how far the shapes may differ; previews of 160 x 120 round it
QUOTED = 120


def analyze(media: Media, region: Region | None = None) -> list[Reading]:
    """See the module. It is about the whole file: `region` changes nothing. Raises Problem."""
    media.report(20, "Reading the file’s parts")
    if media.media_type in DEMUXERS:
        return [written_by(writers.of_stream(media.path), None)]
    built = segments.built(media.path, media.media_type)
    with opened(media.path) as image:
        readings = [
            written_by(writers.of_picture(image, built), built),
            *behind_the_end(built),
            *stated_size(image),
        ]
        media.report(60, "Comparing the preview")
        return [*readings, *preview(image)]


examine = examination(analyze)


def written_by(traces: Sequence[Trace], built: Built | None) -> Reading:
    """Who wrote the file. Signals only for the mark of a program that changes pictures; phones use libraries too."""
    details: dict[str, Any] = {
        "traces": [{"kind": one.kind, "where": one.where, "quoted": readable(one.quoted, QUOTED)} for one in traces]
    }
    if built is not None:
        details |= {"parts": [readable(name, 40) for name in built.names[:60]], "frame": built.frame}
    editors = [one for one in traces if one.kind == "editor"]
    if not traces:
        words = "Nothing in the file’s structure tells which program wrote it."
        return Reading("written_by", Strength.NONE, words, "", details, answer=Answer.NO_SIGNALS)
    quoted = "; ".join(f"{one.where}: {readable(one.quoted, 60)}" for one in traces[:4])
    if editors:
        words = f"A program that changes pictures wrote to this file, as for any edit or export ({quoted})."
        return Reading("written_by", Strength.WEAK, words, "", details, answer=Answer.SIGNALS)
    return Reading(
        "written_by", Strength.NONE, f"Traces of what wrote the file: {quoted}.", "", details, answer=Answer.NO_SIGNALS
    )


def behind_the_end(built: Built) -> list[Reading]:
    """Data after the picture’s own end, unless the file says that further pictures follow."""
    if not built.end:
        return []
    details = {"bytes": built.trailing, "looks_like": built.after}
    score = str(built.trailing)
    expected = built.has("MPF") and built.after == "another JPEG"
    if built.trailing and not expected and built.after != "zeros":
        words = (
            f"{built.trailing:,} bytes follow the end of the picture and look like {built.after}; "
            "phones do this for moving pictures, and so do those who hide something."
        )
        return [Reading("data_behind_end", Strength.WEAK, words, score, details, answer=Answer.SIGNALS)]
    words = "The file ends where the picture ends."
    if built.trailing:
        words = "What follows the picture is padding or further pictures that the file itself announces."
    return [Reading("data_behind_end", Strength.NONE, words, score, details, answer=Answer.NO_SIGNALS)]


def stated_size(image: ImageFile.ImageFile) -> list[Reading]:
    """EXIF PixelXDimension and PixelYDimension against the picture; nothing where they are not stated."""
    stated = _stated(image)
    if stated is None:
        return []
    details = {"stated": list(stated), "real": list(image.size)}
    if sorted(stated) == sorted(image.size):
        words = "The size that the metadata state is the picture’s."
        return [Reading("stated_size", Strength.NONE, words, "", details, answer=Answer.NO_SIGNALS)]
    words = (
        f"The metadata state {stated[0]:,} × {stated[1]:,} pixels; the picture has {image.width:,} × {image.height:,}: "
        "consistent with a resize or crop after they were written."
    )
    return [Reading("stated_size", Strength.WEAK, words, "", details, answer=Answer.SIGNALS)]


def _stated(image: ImageFile.ImageFile) -> tuple[int, int] | None:
    try:
        tags = image.getexif().get_ifd(ExifTags.IFD.Exif)
        width, height = int(tags[ExifTags.Base.ExifImageWidth]), int(tags[ExifTags.Base.ExifImageHeight])
    except Exception:  # Pillow's metadata readers raise whatever the bytes make them
        return None
    return (width, height) if 0 < width < 1 << 20 and 0 < height < 1 << 20 else None


def preview(image: ImageFile.ImageFile) -> list[Reading]:
    """The EXIF preview against the picture; nothing where there is none."""
    found = thumbnail.compared(image)
    if found is None:
        return []
    details = {
        "likeness": f"{found.likeness:.3f}", "least_alike_part": f"{found.worst:.3f}",
        "shape_ratio": f"{found.ratio:.3f}", "preview": [found.width, found.height],
    }  # fmt: skip
    score = f"{difference(found):.3f}"
    if abs(found.ratio - 1) > SHAPE:
        words = "The preview inside the file has another shape: consistent with a crop after it was written."
    elif found.likeness < ANOTHER:
        words = "The preview inside the file shows another picture than the file does."
    elif min(found.likeness / ALIKE, found.worst / PART_ALIKE) < 1:
        words = "A part of the picture differs from the preview inside the file: consistent with an edit since."
    else:
        words = "The preview inside the file shows the same picture."
        return [Reading("preview_differs", Strength.NONE, words, score, details, answer=Answer.NO_SIGNALS)]
    return [Reading("preview_differs", Strength.MODERATE, words, score, details, answer=Answer.SIGNALS)]


def difference(found: thumbnail.Compared) -> float:
    """How far the preview is from the picture, 1 where a limit is reached."""
    shape = abs(found.ratio - 1) / SHAPE
    return max(shape, (1 - found.likeness) / (1 - ALIKE), (1 - found.worst) / (1 - PART_ALIKE))
