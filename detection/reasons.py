"""Why a detector can't say, as slugs for machines and in words for people. Light: the web process imports it."""

from enum import StrEnum


class Reason(StrEnum):
    """A slug, stable; stands in findings and in the API."""

    TOO_SMALL = "too_small"
    TOO_COMPRESSED = "too_compressed"
    TOO_SHORT = "too_short"
    BAND_LIMITED = "band_limited"
    NOISY = "noisy"
    SILENT = "silent"
    NO_SOUND = "no_sound"
    NO_FACE = "no_face"
    OUT_OF_DOMAIN = "out_of_domain"
    FLIPS = "flips"
    UNDECIDED = "undecided"
    DISAGREE = "disagree"
    NOT_CALIBRATED = "not_calibrated"


# Each completes “Can’t say whether …: ”.
WHY: dict[str, str] = {
    Reason.TOO_SMALL: "it is too small",
    Reason.TOO_COMPRESSED: "it is compressed too strongly",
    Reason.TOO_SHORT: "it is too short",
    Reason.BAND_LIMITED: "its high frequencies are missing, as after a telephone",
    Reason.NOISY: "there is too much noise in it",
    Reason.SILENT: "there is no speech in it",
    Reason.NO_SOUND: "there is no sound in it",
    Reason.NO_FACE: "there is no face large enough in it",
    Reason.OUT_OF_DOMAIN: "it is unlike everything this detector was measured on",
    Reason.FLIPS: "the answer changes when the file is saved again, scaled or cut",
    Reason.UNDECIDED: "what was measured speaks clearly for neither side",
    Reason.DISAGREE: "the detectors disagree",
    Reason.NOT_CALIBRATED: "nobody has measured yet how often this detector is wrong",
}
