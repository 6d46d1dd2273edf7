"""Which program wrote a file last, by the traces that programs leave without being asked.

Tables and tags can be copied; each trace is quoted with its place. What a file declares on purpose is `declared`'s.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from PIL import ExifTags, ImageFile

from detection import jpeg
from detection.detectors.structure.segments import Built

SEARCHED = 1 << 20  # bytes at the start and at the end of a file


class Trace(NamedTuple):
    """kind: camera, editor, program, library or service. quoted: as it stands in the file, or what it was told by."""

    kind: str
    where: str
    quoted: str


# Encoders name themselves in their streams: x264 and x265 in SEI messages, LAME and libav in the first frame of MP3;
# libav's, Apple's and Google's multiplexers in tags, handlers and brands.
_NAMES = re.compile(
    rb"(x264 - core \d{1,4}|x265 \(build \d{1,4}\)|Lav[fc]\d{2,3}\.\d{1,3}\.\d{1,3}|LAME3\.\d{2,3}[a-z0-9]{0,4}"
    rb"|HandBrake \d{1,4}\.\d{1,3}\.\d{1,3}|libebml v\d\.\d\.\d|mkvmerge v\d{1,3}\.\d|Core Media (?:Video|Audio)"
    rb"|ISO Media file produced by Google Inc\.|GPAC-\d\.\d{1,2}|Xiph\.Org libVorbis I \d{8}|libopus \d\.\d(?:\.\d)?"
    rb"|reference libFLAC \d\.\d\.\d)"
)

# In EXIF's Software phones write the version of their firmware; these are programs that change pictures.
EDITORS = re.compile(
    r"photoshop|lightroom|gimp|paint\.net|snapseed|picsart|affinity|darktable|rawtherapee|imagemagick|pixelmator|canva"
    r"|krita|photopea|facetune|meitu|luminar|capture one|acdsee|irfanview|xnview|digikam",
    re.IGNORECASE,
)


def of_stream(path: Path) -> list[Trace]:
    """Encoders and multiplexers that name themselves near the start or the end of a sound or video file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(SEARCHED)
        file.seek(max(len(head), size - SEARCHED))
        tail = file.read(SEARCHED)
    names = dict.fromkeys(match.decode("latin-1") for match in (*_NAMES.findall(head), *_NAMES.findall(tail)))
    return [Trace(_kind(name), "stream", name) for name in list(names)[:8]]


def _kind(name: str) -> str:
    if name.startswith("ISO Media file produced by Google"):
        return "service"
    return "program" if name.startswith("Core Media") else "library"


def of_picture(image: ImageFile.ImageFile, built: Built) -> list[Trace]:
    """What a picture's segments, tables and EXIF tell of who wrote it."""
    return [*_of_segments(built), *_of_tables(image), *_of_exif(image)]


def _of_segments(built: Built) -> Iterator[Trace]:
    if built.has("Photoshop") or built.has("Ducky"):
        yield Trace("editor", "segment", "Adobe Photoshop resources")
    if built.has("APP14 Adobe"):
        yield Trace("program", "segment", "Adobe colour transform (APP14)")


def _of_tables(image: ImageFile.ImageFile) -> Iterator[Trace]:
    table = jpeg.table_of(image)
    if table is not None and (quality := jpeg.ijg_quality(table)):
        yield Trace("library", "quantisation table", f"libjpeg quality {quality}")


def _of_exif(image: ImageFile.ImageFile) -> Iterator[Trace]:
    with suppress(Exception):  # Pillow's metadata readers raise whatever the bytes make them
        exif = image.getexif()
        make, model = (str(exif.get(tag) or "").strip("\0 ") for tag in (ExifTags.Base.Make, ExifTags.Base.Model))
        if make or model:
            yield Trace("camera", "EXIF Make, Model", f"{make} {model}".strip())
        if software := str(exif.get(ExifTags.Base.Software) or "").strip("\0 "):
            yield Trace("editor" if EDITORS.search(software) else "program", "EXIF Software", software)
        if exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.MakerNote):
            yield Trace("camera", "EXIF MakerNote", "present")
