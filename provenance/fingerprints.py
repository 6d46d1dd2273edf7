"""Codes that stay near when a work is re-encoded, resized, captioned: of pictures, sound and video.

Pure, and for guarded children only (the files are untrusted). Codes by algorithm:

iscc-image-256: ISO 24138 Image-Code over the normalised picture (transparency on white, uniform border trimmed).
dhash-64: signs of the horizontal differences of a 9 × 8 grey thumbnail (Krawetz 2013), most significant bit first.
iscc-audio-256: ISO 24138 Audio-Code over the Chromaprint of the sound (provenance.chromaprint).
frames-256: the hash of the ISO 24138 Video-Code over frame vectors of our own (provenance.framevectors); it finds
    works in this office's register and is not comparable with the Video-Codes of others.
"""

from collections.abc import Iterator
from pathlib import Path

import iscc_lib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

from provenance import chromaprint, framevectors, media

ISCC_IMAGE, DHASH, ISCC_AUDIO, FRAMES = "iscc-image-256", "dhash-64", "iscc-audio-256", "frames-256"
BITS = 256

# A picture with less contrast than this (standard deviation of its 8-bit grey thumbnail) has no fingerprint: all flat
# pictures would look like one another.
FLAT = 2.0
# A larger picture is reduced (means of squares of pixels) to this size first. Codes are made of 32 × 32 pixels; at most
# 3 % of their bits are others than without, and it takes a third of the time.
SMALL = 512  # pixels, the longer side; up to twice as many are left
# A border may be this uneven: JPEG leaves it so.
UNEVEN = 12  # levels of 255
# What is kept of a picture that something was put around (a frame of a browser, a screen).
CENTRES = (0.9, 0.8)
# How much of a picture may have been cut off, half on either side or all on one: its edges are continued so far again,
# as a share of what it was. A caption covers about so much as the last says.
CUT, CUT_ON_ONE_SIDE, COVERED = (0.1, 0.18), 0.1, 0.16

Grey = npt.NDArray[np.uint8]
Codes = dict[str, bytes]
Queries = dict[str, list[tuple[str, bytes]]]


def of_image(picture: Image.Image) -> Codes:
    """Codes of a decoded picture by algorithm; none for a flat one."""
    grey = _grey(picture)
    square = _square(_small(_trim(grey)))
    if float(square.std()) < FLAT:
        return {}
    return {ISCC_IMAGE: _iscc(square), DHASH: _dhash(_thumbnail(_small(grey), (9, 8)))}


def queries(picture: Image.Image) -> Queries:
    """Codes of the picture as it is, and of what it may have been made of: [(how, code)] by algorithm.

    how: "as it is"; "mirrored", "turned by 90°" (clockwise; 180°, 270°) and both; each also with the border trimmed (if
    there is one), of the centre, and with the edges continued, as if they had been cut off; and upright, with one edge
    continued or left out, as if there were a caption over it. The first is what `of_image` gives. Empty for a flat
    picture.
    """
    codes = of_image(picture)
    if not codes:
        return {}
    found: Queries = {name: [("as it is", code)] for name, code in codes.items()}
    small = _small(_grey(picture), SMALL // 2)  # of what is looked at in fifty ways, a rougher look is enough
    looks = [look for how, piece in _pieces(small) for look in _orientations(how, piece)]
    looks += [(how, _square(side), _thumbnail(side, (9, 8))) for how, side in _sides(small)]
    for how, square, thumbnail in looks:
        if how and float(square.std()) >= FLAT:
            found[ISCC_IMAGE].append((how, _iscc(square)))
            found[DHASH].append((how, _dhash(thumbnail)))
    return found


def of_sound(path: str | Path) -> Codes:
    """Code of the first sound track; none without one, or when it is silent. Raises what PyAV raises."""
    vector = chromaprint.of_file(Path(path), _demuxer(path))
    return {ISCC_AUDIO: _digest(iscc_lib.gen_audio_code_v0(vector, bits=BITS).iscc)} if vector else {}


def of_video(path: str | Path) -> Codes:
    """Code of the first video track; none when every frame is flat. Raises what PyAV raises.

    The picture that stands for the video is `of_image`'s business, its sound `of_sound`'s.
    """
    vector = framevectors.of_file(Path(path), _demuxer(path))
    return {FRAMES: bytes(iscc_lib.soft_hash_video_v0([vector], bits=BITS))} if vector else {}


def _demuxer(path: str | Path) -> str:
    """libavformat's name; never left to guess, because some demuxers open further files."""
    return media.DEMUXERS[media.sniff(Path(path))]


def _digest(iscc: str) -> bytes:
    digest: bytes = iscc_lib.iscc_decode(iscc)[4]
    return digest


# --- One picture, one code ---------------------------------------------------------------------------------------


def _grey(picture: Image.Image) -> Image.Image:
    """8-bit grey; what is transparent, on white."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        ground.alpha_composite(rgba)
        picture = ground
    return picture.convert("L")


def _trim(grey: Image.Image) -> Image.Image:
    """Cut a uniform border off, as iscc-core's image normalisation does."""
    width, height = grey.size
    corner = grey.crop((0, 0, 1, 1)).getextrema()
    edges = ((0, 0, width, 1), (0, height - 1, width, height), (0, 0, 1, height), (width - 1, 0, width, height))
    if corner not in [grey.crop(edge).getextrema() for edge in edges]:
        return grey  # nothing to cut, told without a look at every pixel, and without a copy of them
    box = ImageChops.difference(grey, Image.new("L", grey.size, corner[0])).getbbox()
    return grey.crop(box) if box else grey


def _small(grey: Image.Image, size: int = SMALL) -> Image.Image:
    return grey.reduce(max(1, max(grey.size) // size))


def _square(grey: Image.Image) -> Grey:
    return np.asarray(grey.resize((32, 32), Image.Resampling.BICUBIC))


def _thumbnail(grey: Image.Image, size: tuple[int, int]) -> Grey:
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS))


def _iscc(square: Grey) -> bytes:
    return _digest(iscc_lib.gen_image_code_v0(square.tobytes(), bits=BITS).iscc)


def _dhash(thumbnail: Grey) -> bytes:
    """thumbnail: shape (8, 9)."""
    return np.packbits(thumbnail[:, 1:] > thumbnail[:, :-1]).tobytes()


# --- One picture, what it may have been made of --------------------------------------------------------------------


def _pieces(small: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """(how, what is looked at): the picture, without its border, its centres, with its edges continued."""
    yield "", small
    box = _inside_of_border(np.asarray(small))
    if box is not None:
        yield "border trimmed", small.crop(box)
    width, height = small.size
    for share in CENTRES:
        left, top = round(width * (1 - share) / 2), round(height * (1 - share) / 2)
        if width - 2 * left >= 32 and height - 2 * top >= 32:
            yield f"centre crop {share:.0%}", small.crop((left, top, width - left, height - top))
    for share in CUT:
        across, down = _missing(width, share) // 2, _missing(height, share) // 2
        yield f"edges continued {share:.0%}", _continued(small, (down, down), (across, across))


def _sides(small: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """(how, what is looked at): the picture with one edge continued, or with what covers an edge left out."""
    width, height = small.size
    across, down = _missing(width, CUT_ON_ONE_SIDE), _missing(height, CUT_ON_ONE_SIDE)
    yield "upper edge continued", _continued(small, (down, 0), (0, 0))
    yield "lower edge continued", _continued(small, (0, down), (0, 0))
    yield "left edge continued", _continued(small, (0, 0), (across, 0))
    yield "right edge continued", _continued(small, (0, 0), (0, across))
    covered = round(height * COVERED)
    yield "upper edge left out", _continued(small.crop((0, covered, width, height)), (covered, 0), (0, 0))
    yield "lower edge left out", _continued(small.crop((0, 0, width, height - covered)), (0, covered), (0, 0))


def _missing(length: int, share: float) -> int:
    """Pixels that belong to `length` when `share` of the whole was cut off."""
    return round(length * share / (1 - share))


def _continued(grey: Image.Image, rows: tuple[int, int], columns: tuple[int, int]) -> Image.Image:
    """The picture with its outermost pixels repeated outwards: so many rows above and below, columns left and right.

    A crop shows the same things larger and elsewhere, which no code forgives; this puts them back in their places.
    """
    return Image.fromarray(np.pad(np.asarray(grey), (rows, columns), mode="edge"))


def _inside_of_border(values: Grey) -> tuple[int, int, int, int] | None:
    """The box inside of a border that is even but for what JPEG did to it; None when there is no such border."""
    top, bottom = _even_lines(values), _even_lines(values[::-1])
    left, right = _even_lines(values.T), _even_lines(values.T[::-1])
    height, width = values.shape
    box = left, top, width - right, height - bottom
    small = box[2] - box[0] < 32 or box[3] - box[1] < 32
    return None if small or not any((left, top, right, bottom)) else box


def _even_lines(values: Grey) -> int:
    """How many lines, from the first, show one even colour, the same in all of them."""
    away = np.abs(values.astype(np.int16) - int(np.median(values[0]))).max(axis=1)
    uneven = np.flatnonzero(away > UNEVEN)
    return int(uneven[0]) if len(uneven) else 0


_TURNS = ("", "turned by 90°", "turned by 180°", "turned by 270°")


def _orientations(how: str, grey: Image.Image) -> Iterator[tuple[str, Grey, Grey]]:
    """(what was done to the picture, its 32 × 32 and its 9 × 8 thumbnails with that undone), eight times.

    A thumbnail of a turned picture is the turned thumbnail, so each picture is scaled down three times, not sixteen.
    """
    square, wide = _square(grey), _thumbnail(grey, (9, 8))
    tall = _thumbnail(grey, (8, 9))
    for turn, turned in enumerate(_TURNS):
        thumbnail = np.rot90(tall if turn % 2 else wide, turn)
        yield _words(turned, how), np.rot90(square, turn), thumbnail
        mirrored = " and ".join(filter(None, ("mirrored", turned)))
        yield _words(mirrored, how), np.rot90(square, turn)[:, ::-1], thumbnail[:, ::-1]


def _words(*parts: str) -> str:
    return ", ".join(filter(None, parts))
