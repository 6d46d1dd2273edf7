"""The history of a picture file, by rule: its JPEG tables, an earlier save, another grid, an enlargement.

None of it says that anything was falsified: most pictures that people share were saved more than once, and resized.
It says what cannot be true of a file that is shown as straight from the camera, and it explains itself: the earlier
quality, the offset of the grid and the factor can be checked by doing the same again.
"""

from typing import Any

from detection import jpeg, resampling
from detection.detectors import Answer, Media, Reading, Region, Strength, examination
from detection.reasons import WHY, Reason

# The highest readings of pictures saved once, never cropped or never enlarged, of the sources these were chosen on, and
# some room (evaluation.json has how often other sources go over them).
TWICE = 100.0  # nats
GRID, SECOND_GRID = 2.0, 1.8  # spreads over the second best offset
PEAK = 9.0  # times the median of the spectrum around it


def analyze(media: Media, region: Region | None = None) -> list[Reading]:
    """See the module; a region is widened to whole blocks. Raises Problem."""
    media.report(10, "Decoding the picture")
    picture = jpeg.read_stored(media.path, region)
    media.report(30, "Comparing coefficients")
    if picture.table is None:
        readings = [was_jpeg(picture)]
    else:
        readings = [tables(picture.table), saved_twice(picture), second_grid(picture)]
    media.report(80, "Looking for resampling")
    return [*readings, resampled(picture)]


examine = examination(analyze)


def tables(table: jpeg.Table) -> Reading:
    """What the file states of its own last save. It is read, not estimated."""
    quality = jpeg.ijg_quality(table)
    if quality is None:
        words = "The JPEG table is not one of libjpeg’s; cameras and image editors write tables of their own."
    else:
        words = f"The last save was as JPEG with libjpeg’s table of quality {quality}."
    details = {"quality": quality, "luma_table": [int(step) for step in table.reshape(-1)]}
    return Reading("jpeg_table", Strength.NONE, words, str(quality or ""), details)


def saved_twice(picture: jpeg.Stored) -> Reading:
    found = jpeg.earlier_save(picture.luma, picture.table)
    if found.counted < jpeg.MIN_COUNTED:
        return _cant_say("jpeg_saved_twice", "it was saved as JPEG before", Reason.TOO_COMPRESSED)
    details = {**_earlier(found), "statistic": "log-likelihood ratio “saved before” over “saved once”, in nats"}
    if found.gain < TWICE:
        words = "No trace of an earlier save as JPEG on the same grid was found; a stronger last save hides it."
        return _reading("jpeg_saved_twice", False, words, f"{found.gain:.0f}", details)
    words = f"The coefficients are consistent with an earlier save as JPEG {_at_quality(found)}, on the same grid."
    return _reading("jpeg_saved_twice", True, words, f"{found.gain:.0f}", details)


def second_grid(picture: jpeg.Stored) -> Reading:
    """Of a JPEG file: a grid that does not start at its corner."""
    assert picture.table is not None
    found = jpeg.second_grid(picture.luma, picture.table)
    if found is None:
        return _cant_say("jpeg_shifted_grid", "there is a second grid", Reason.UNDECIDED)
    details = _grid_details(found)
    if found.margin < SECOND_GRID:
        words = "No second JPEG grid was found. One that is shifted in one direction only would not be seen."
        return _reading("jpeg_shifted_grid", False, words, details["margin"], details)
    words = (
        f"There are traces of a second JPEG grid, {_offset(found)}: consistent with a crop, or a part pasted in, "
        "between two saves."
    )
    return _reading("jpeg_shifted_grid", True, words, details["margin"], details)


def was_jpeg(picture: jpeg.Stored) -> Reading:
    """Of a file in another format: whether a JPEG grid lies in its pixels."""
    found = jpeg.grid(picture.luma)
    if found is None:
        return _cant_say("jpeg_before", "it was saved as JPEG before", Reason.UNDECIDED)
    details = _grid_details(found)
    if found.margin < GRID:
        words = "No JPEG grid was found in the pixels; resizing after a save hides it."
        return _reading("jpeg_before", False, words, details["margin"], details)
    earlier = jpeg.earlier_save(picture.luma, None, found.offset)
    details |= _earlier(earlier)
    how = _at_quality(earlier) if earlier.gain >= TWICE else "at an unknown quality"
    cropped = "" if found.offset == (0, 0) else f" The grid is {_offset(found)}: it was cropped since."
    words = f"The pixels carry a JPEG grid: consistent with an earlier save as JPEG {how}.{cropped}"
    return _reading("jpeg_before", True, words, details["margin"], details)


def resampled(picture: jpeg.Stored) -> Reading:
    peak = resampling.strongest_peak(picture.luma)
    details = {
        "frequency": f"{peak.frequency:.4f}",
        "direction": "across" if peak.across else "down",
        "statistic": "height of the highest peak over the median of the spectrum around it",
    }
    if peak.height < PEAK:
        words = "No trace of enlarging was found. Reducing, enlarging exactly twice, and strong compression leave none."
        return _reading("resampled", False, words, f"{peak.height:.1f}", details)
    factors = " or ".join(f"× {factor:.2f}" for factor in peak.factors)
    words = (
        f"The pixels repeat a pattern of interpolation: consistent with enlarging ({factors}) or rotating, or with "
        "a regular texture in the picture."
    )
    return _reading("resampled", True, words, f"{peak.height:.1f}", details)


def _reading(signal: str, signals: bool, words: str, score: str, details: dict[str, Any]) -> Reading:
    """At most weak: most pictures that are shared have such a history."""
    return Reading(
        signal,
        Strength.WEAK if signals else Strength.NONE,
        words,
        score,
        details,
        answer=Answer.SIGNALS if signals else Answer.NO_SIGNALS,
    )


def _cant_say(signal: str, whether: str, reason: Reason) -> Reading:
    words = f"Can’t say whether {whether}: {WHY[reason]}."
    return Reading(signal, Strength.NONE, words, answer=Answer.CANT_SAY, reason=reason.value)


def _earlier(found: jpeg.Earlier) -> dict[str, Any]:
    return {"earlier_quality": found.quality, "gain": f"{found.gain:.1f}", "coefficients_counted": found.counted}


def _at_quality(found: jpeg.Earlier) -> str:
    return "with a table that is not libjpeg’s" if found.quality is None else f"at about quality {found.quality}"


def _grid_details(found: jpeg.Grid) -> dict[str, Any]:
    return {"offset": list(found.offset), "margin": f"{found.margin:.2f}"}


def _offset(found: jpeg.Grid) -> str:
    top, left = found.offset
    return f"{left} pixels to the right and {top} down"
