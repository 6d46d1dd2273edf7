"""Statistics of speech in windows of three seconds, weighed; their mean is told, each is on the time line.

The gates of `detection.sound_gates` come first: on a telephone's band or under noise nothing was measured that would be
worth telling. Pauses, loudness and the recording's colouring are taken out before (`detection.voice_features`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detection import explanation, sound_gates, sounds
from detection.calibration import Calibration
from detection.detectors import Media, Reading, Region, Span, examination
from detection.detectors.voice import ABOUT
from detection.network import Network, opened
from detection.voice_features import HOP, RATE, SIZE, Bands, Samples, Speech, speech
from detection.weighing import Reason, Weighed, as_reading, cant_say, decimal, weigh_sound

FOLDER = Path(__file__).resolve().parent
MODEL = "model.onnx"
SIGNAL = "synthetic_voice"
PICTURE = "spectrogram.png"
MOST_SPANS = 60


@dataclass(frozen=True)
class Heard:
    """samples: (n,) at 16 kHz, all stretches in a row. starts: (place in samples, seconds into the recording) of each
    stretch. quality: what the gates saw."""

    samples: Samples
    starts: Sequence[tuple[int, float]]
    quality: sound_gates.Quality

    def moment(self, seconds: float) -> float:
        """Seconds into the recording, of seconds into the samples."""
        place = seconds * RATE
        at, start = max(one for one in self.starts if one[0] <= place + 0.5)
        return round(start + (place - at) / RATE, 3)


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """One reading. region: its x and width choose a part of the time. Raises Problem for what cannot be decoded."""
    media.report(5, "Listening")
    heard = _heard(sounds.read_sound(media.path, media.media_type), region)
    calibration = Calibration.beside(media.model or FOLDER)
    found = speech(heard.samples)
    why = refused(heard.quality, found)
    if why:
        return [_reading(cant_say(why), calibration, heard, (), ())]
    media.report(30, "Examining the voice")
    net = opened((media.model or FOLDER) / MODEL)
    windows, times = found.windows()
    weighed = weigh_sound(
        lambda samples: logit_of(net, samples),
        heard.samples,
        calibration,
        bandwidth=heard.quality.bandwidth,
        features=found.described(),
    )
    media.report(80, "Drawing")
    llrs = _window_llrs(net, windows, calibration)
    timeline = [
        Span(heard.moment(start), max(heard.moment(start), heard.moment(end)), decimal(llr))
        for (start, end), llr in zip(times, llrs, strict=False)
    ]
    return [_reading(weighed, calibration, heard, timeline, _marked(weighed, calibration, llrs, timeline), media.out)]


def refused(quality: sound_gates.Quality, found: Speech) -> Reason | None:
    """Why nothing can be said of this recording, before any score."""
    failed = sound_gates.gates(quality)
    if failed:
        return failed[0]
    return None if found.enough else Reason.TOO_SHORT


def logit_of(net: Network, samples: Samples) -> float:
    """The mean logit of all windows; NaN where there is no speech."""
    found = speech(samples)
    return float(net.run(found.windows()[0]).mean()) if len(found.times) else float("nan")


def _heard(sound: sounds.Sound, region: Region | None) -> Heard:
    starts, place = [], 0
    for stretch in sound.stretches:
        starts.append((place, stretch.start))
        place += len(stretch.samples)
    samples = sound.samples
    if region is not None:
        first, last = int(region.x * place), int(min(1.0, region.x + region.width) * place)
        samples, sound = samples[first:last], sounds.of_samples(samples[first:last])
        starts = [(at - first, start) for at, start in starts if at <= last]
    return Heard(samples, starts, sound_gates.quality(sound))


def _window_llrs(net: Network, windows: Bands, calibration: Calibration | None) -> list[float]:
    """log10 likelihood ratio of each window as if it were all there is; [] without a calibration."""
    if calibration is None:
        return []
    return [calibration.llr(float(logit))[0] for logit in net.run(windows)]


def _marked(
    weighed: Weighed, calibration: Calibration | None, llrs: Sequence[float], timeline: Sequence[Span]
) -> list[Span]:
    """The stretches that speak for synthesis; none where nothing can be said."""
    if calibration is None or weighed.llr is None:
        return []
    high = [span for span, llr in zip(timeline, llrs, strict=True) if llr >= calibration.threshold]
    return _joined(high)[:MOST_SPANS]


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in spans:
        if joined and span.start <= joined[-1].end:
            last = joined.pop()
            span = Span(last.start, max(last.end, span.end), max(last.llr, span.llr, key=float))
        joined.append(span)
    return joined


def _reading(
    weighed: Weighed,
    calibration: Calibration | None,
    heard: Heard,
    timeline: Sequence[Span],
    spans: Sequence[Span],
    out: Path | None = None,
) -> Reading:
    details = _details(heard.quality)
    heatmap = ""
    if out is not None and _continuous(heard):
        details["picture"] = explanation.SPECTROGRAM
        details["alternative"] = explanation.draw_spectrogram(heard.samples, RATE, spans, out / PICTURE)
        heatmap = PICTURE
    return as_reading(
        SIGNAL,
        weighed,
        calibration,
        ABOUT.looks_for,
        details=details,
        heatmap=heatmap,
        spans=spans,
        timeline=timeline[:MOST_SPANS],
    )


def _continuous(heard: Heard) -> bool:
    """A spectrogram has one time axis: it is drawn where one stretch was heard, from its beginning."""
    return len(heard.starts) == 1 and heard.starts[0] == (0, 0.0) and len(heard.samples) >= SIZE + HOP


def _details(quality: sound_gates.Quality) -> dict[str, Any]:
    return {
        "statistic": "mean over windows of three seconds of speech",
        "heard": f"{quality.seconds:.1f} s",
        "bandwidth": f"{quality.bandwidth:.0f} Hz",
        "signal_to_noise": f"{quality.snr:.0f} dB",
    }


examine = examination(analyze)
