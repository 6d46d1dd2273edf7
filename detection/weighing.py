"""From a network's logit to what is said in public: weigh it, ask again after re-shipping, abstain by rule.

A detector calls `weigh` (pictures) or `weigh_sound` with its own scoring function and turns the result into a reading
with `as_reading`; the rules of when nothing can be said are here and nowhere else.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from detection import reshipping
from detection.calibration import AS_IS, Calibration, Rate
from detection.detectors import Answer, Reading, Region, Span, Strength
from detection.pictures import Rgb
from detection.reasons import WHY, Reason
from detection.reshipping import Sound

__all__ = ["Reason", "Weighed", "as_reading", "cant_say", "judged", "unlike", "weigh", "weigh_sound"]

Score: TypeAlias = Callable[[Rgb], float]
ScoreSound: TypeAlias = Callable[[Sound], float]


@dataclass(frozen=True)
class Weighed:
    """answer; llr: log10 likelihood ratio of the file as it is, None with CANT_SAY; interval: its 95 % interval
    widened to what the re-shipped copies gave, () without; reason: "" unless CANT_SAY; members: log10 LR after each
    re-shipping, by slug, the file itself under "as_is" (also where nothing can be said).
    """

    answer: Answer
    llr: float | None = None
    interval: tuple[float, ...] = ()
    reason: Reason | None = None
    members: Mapping[str, float] = field(default_factory=dict)


def cant_say(reason: Reason, members: Mapping[str, float] | None = None) -> Weighed:
    return Weighed(Answer.CANT_SAY, reason=reason, members=members or {})


def weigh(
    score: Score,
    picture: Rgb,
    calibration: Calibration | None,
    *,
    bytes_per_pixel: float | None = None,
    features: npt.ArrayLike | None = None,
) -> Weighed:
    """score: the logit of a picture, uint8 (H, W, 3); called once for it and once for each re-shipped copy.

    bytes_per_pixel: of the file, for lossy formats. features: of the picture, where the calibration knows their spread.
    Without a calibration nothing can be said.
    """
    if calibration is None:
        return cant_say(Reason.NOT_CALIBRATED)
    outside = _outside(picture, calibration, bytes_per_pixel, features)
    if outside:
        return cant_say(outside)
    logits = {AS_IS: score(picture)}
    logits |= {slug: score(copy) for slug, copy in reshipping.shipments(picture)}
    return judged(logits, calibration)


def weigh_sound(
    score: ScoreSound,
    sound: Sound,
    calibration: Calibration | None,
    *,
    bandwidth: float | None = None,
    features: npt.ArrayLike | None = None,
) -> Weighed:
    """As `weigh`, for sound: float32 (samples,) at 16 kHz. bandwidth: in Hz, what the sound really has."""
    if calibration is None:
        return cant_say(Reason.NOT_CALIBRATED)
    domain = calibration.domain
    if sound.size < domain.min_seconds * reshipping.RATE:
        return cant_say(Reason.TOO_SHORT)
    if bandwidth is not None and bandwidth < domain.min_bandwidth:
        return cant_say(Reason.BAND_LIMITED)
    if unlike(calibration, features):
        return cant_say(Reason.OUT_OF_DOMAIN)
    logits = {AS_IS: score(sound)}
    logits |= {slug: score(copy) for slug, copy in reshipping.sound_shipments(sound)}
    return judged(logits, calibration)


def judged(logits: Mapping[str, float], calibration: Calibration) -> Weighed:
    """The rule, given the logits of the file (“as_is”) and of its re-shipped copies.

    “Signals” needs every copy at or above the threshold, “no signals” needs none there. A logit that is no number says
    nothing.
    """
    if not np.isfinite(list(logits.values())).all():
        return cant_say(Reason.OUT_OF_DOMAIN)
    answers = {slug: calibration.answer(logit) for slug, logit in logits.items()}
    weighed = {slug: calibration.llr(logit) for slug, logit in logits.items()}
    members = {slug: llr for slug, (llr, _, _) in weighed.items()}
    signals = [answer is Answer.SIGNALS for answer in answers.values()]
    if any(signals) and not all(signals):
        return cant_say(Reason.FLIPS, members)
    if answers[AS_IS] is Answer.CANT_SAY:
        return cant_say(Reason.UNDECIDED, members)
    llr, low, high = weighed[AS_IS]
    return Weighed(answers[AS_IS], llr, (min(low, *members.values()), max(high, *members.values())), None, members)


def _outside(
    picture: Rgb, calibration: Calibration, bytes_per_pixel: float | None, features: npt.ArrayLike | None
) -> Reason | None:
    domain = calibration.domain
    if min(picture.shape[:2]) < domain.min_side:
        return Reason.TOO_SMALL
    if bytes_per_pixel is not None and bytes_per_pixel < domain.min_bytes_per_pixel:
        return Reason.TOO_COMPRESSED
    return Reason.OUT_OF_DOMAIN if unlike(calibration, features) else None


def unlike(calibration: Calibration, features: npt.ArrayLike | None) -> bool:
    """Whether these features are further from those of the measured files than any that counts as like them."""
    domain = calibration.domain
    return features is not None and domain.limit > 0 and domain.distance(features) > domain.limit


# --- As a reading ----------------------------------------------------------------------------------------------------

WHAT_WOULD_CHANGE = "what_would_change"  # in a reading's details


def as_reading(
    signal: str,
    weighed: Weighed,
    calibration: Calibration | None,
    looks_for: str,
    *,
    condition: str = AS_IS,
    details: Mapping[str, Any] | None = None,
    heatmap: str = "",
    regions: Sequence[Region] = (),
    spans: Sequence[Span] = (),
    timeline: Sequence[Span] = (),
) -> Reading:
    """The reading of a weighed file, worded and with the measured error rates.

    looks_for: completes “signals consistent with …” (`About.looks_for`). condition: which of the calibration's error
    rates are of this kind of file (`pictures.saved_as`); those of files as they are where that was not measured.
    """
    told = dict(details or {})
    if weighed.members:
        told["re_shipped"] = {slug: decimal(llr) for slug, llr in weighed.members.items()}
    if calibration:
        told["error_rates"] = [rate_as_dict(rate) for rate in calibration.rates(condition) or calibration.rates()]
        told |= {WHAT_WOULD_CHANGE: change} if (change := what_would_change(weighed, calibration)) else {}
    return Reading(
        signal=signal,
        strength=strength_of(weighed),
        statement=statement(weighed, looks_for),
        score=decimal(weighed.llr),
        details=told,
        heatmap=heatmap,
        answer=weighed.answer,
        llr=decimal(weighed.llr),
        interval=tuple(decimal(edge) for edge in weighed.interval),
        calibration=calibration.id if calibration else "",
        reason=weighed.reason.value if weighed.reason else "",
        regions=regions,
        spans=spans,
        timeline=timeline,
    )


def what_would_change(weighed: Weighed, calibration: Calibration) -> str:
    """One sentence: how far this is from another answer; "" where nothing is said.

    “Signals” rests on the re-shipped copy that speaks for it least, “no signals” on the one that speaks for it most.
    """
    if weighed.llr is None:
        return ""
    if weighed.answer is Answer.SIGNALS:
        least = min(weighed.llr, *weighed.members.values())
        return (
            f"“Signals” begins at {calibration.threshold:.2f} (log10), and of this file and its re-shipped copies the "
            f"lowest has {least:.2f}: it would take evidence the other way of more than "
            f"{_times(least - calibration.threshold)} for another answer."
        )
    most = max(weighed.llr, *weighed.members.values())
    return (
        f"“Signals” begins at {calibration.threshold:.2f} (log10), and of this file and its re-shipped copies the "
        f"highest has {most:.2f}: it would take evidence of more than {_times(calibration.threshold - most)} for "
        "another answer."
    )


def _times(distance: float) -> str:
    """A distance in log10 as a factor, for people."""
    factor = 10 ** min(max(distance, 0.0), 6.0)
    return f"a factor of {factor:.1f}" if factor < 100 else f"a factor of {factor:,.0f}"


# ENFSI's verbal scale (guideline for evaluative reporting, 2015): up to 10 weak, up to 100 moderate, above strong. This
# office calls nothing that a network says alone more than moderate.
_WEAK_UP_TO = 1.0


def strength_of(weighed: Weighed) -> Strength:
    """The word for a likelihood ratio, by its lower bound where that is less."""
    if weighed.answer is not Answer.SIGNALS or weighed.llr is None:
        return Strength.NONE
    certain = min(weighed.llr, *weighed.interval)
    return Strength.WEAK if certain <= _WEAK_UP_TO else Strength.MODERATE


def statement(weighed: Weighed, looks_for: str) -> str:
    """The public answer in one sentence."""
    match weighed.answer:
        case Answer.SIGNALS:
            return f"Signals consistent with {looks_for}."
        case Answer.NO_SIGNALS if weighed.llr and weighed.llr > 0:
            return f"No signals beyond what real files show were found; what was measured leans towards {looks_for}."
        case Answer.NO_SIGNALS:
            return f"No signals consistent with {looks_for} were found, which rules nothing out."
    return f"Can’t say whether there are signals of {looks_for}: {WHY[weighed.reason or Reason.UNDECIDED]}."


def rate_as_dict(rate: Rate) -> dict[str, Any]:
    """JSON without floats: shares as decimal text, null where the source has none of that class."""
    return {
        "condition": rate.condition,
        "held_out": rate.source,
        "real": rate.n_real,
        "looked_for": rate.n_fake,
        "false_signals": _share(rate.fpr),
        "false_signals_interval": _shares(rate.fpr_interval),
        "found": _share(rate.tpr),
        "found_interval": _shares(rate.tpr_interval),
        "abstained": _share(rate.abstained),
    }


def decimal(value: float | None) -> str:
    """“-0.420”; "" for None. Never “-0.000”."""
    return "" if value is None else f"{round(value, 3) + 0.0:.3f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _shares(pair: Iterable[float] | None) -> list[str] | None:
    return None if pair is None else [f"{value:.3f}" for value in pair]
