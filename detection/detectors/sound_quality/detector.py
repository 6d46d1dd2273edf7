"""The quality of a recording, by rule: what a voice detector may be asked about it, and where its band ends.

Lossy codecs, telephones and lower sample rates cut everything above a frequency. A file that could hold more than that
and holds nothing was saved before: as MP3 and then as WAV, say. That is common, and says nothing against a recording;
but it is no first copy.
"""

from typing import Any

from detection.detectors import Answer, Media, Reading, Region, Strength, examination
from detection.reasons import WHY, Reason
from detection.sound_gates import Limits, Quality, gates, quality
from detection.sounds import Sound, read_sound

# A break this close to the highest frequency of the file is its own filter's.
OF_HIGHEST = 0.9
MIN_ACTIVE = 0.5  # seconds


def analyze(media: Media, region: Region | None = None) -> list[Reading]:
    """See the module. It is about all that was heard: `region` changes nothing. Raises Problem."""
    media.report(10, "Decoding the sound")
    sound = read_sound(media.path, media.media_type, rate=None)
    media.report(70, "Measuring band and noise")
    measured = quality(sound)
    return [usable(measured, sound), narrower(measured, sound.rate)]


examine = examination(analyze)


def usable(measured: Quality, sound: Sound) -> Reading:
    """Whether the voice in it could be judged at all: the gates that precede every score on a voice."""
    refused = gates(measured)
    details = {**_described(measured, sound), "gates": [reason.value for reason in refused]}
    if refused:
        why = _too_even(measured) if refused[0] is Reason.NOISY else WHY[refused[0]]
        words = f"A voice in this recording can’t be judged: {why}."
        reason = refused[0].value
        return Reading("sound_usable", Strength.NONE, words, "", details, answer=Answer.CANT_SAY, reason=reason)
    words = (
        f"The sound reaches up to {measured.bandwidth / 1000:.1f} kHz, with {measured.snr:.0f} dB between loud and "
        f"quiet: enough to listen to a voice. It is stored as {measured.codec}."
    )
    return Reading("sound_usable", Strength.NONE, words, "", details, answer=Answer.NO_SIGNALS)


def _too_even(measured: Quality) -> str:
    """Noise, steady tones and clipping are told apart by listening, not by levels."""
    if measured.clipped > Limits().clipped:
        return f"{measured.clipped:.0%} of it is cut off at full scale"
    return f"loud and quiet moments are only {measured.snr:.0f} dB apart, as in noise or a steady tone"


def narrower(measured: Quality, rate: int) -> Reading:
    """Whether the spectrum breaks off below what the file could hold."""
    if measured.active < MIN_ACTIVE:
        words = f"Can’t say whether the band was narrower before: {WHY[Reason.TOO_SHORT]}."
        reason = Reason.TOO_SHORT.value
        return Reading("band_breaks_off", Strength.NONE, words, answer=Answer.CANT_SAY, reason=reason)
    score = f"{measured.ceiling:.0f}"
    details = {"ceiling_hz": score, "highest_hz": str(rate // 2), "lossy_codec": measured.lossy}
    low = 0 < measured.ceiling < OF_HIGHEST * rate / 2
    if low and not measured.lossy:
        words = (
            f"Nothing is left above {measured.ceiling / 1000:.1f} kHz in a file that could hold {rate / 2000:.1f} kHz: "
            "consistent with an earlier save with a lossy codec, a telephone or a lower sample rate."
        )
        return Reading("band_breaks_off", Strength.WEAK, words, score, details, answer=Answer.SIGNALS)
    words = "The spectrum does not break off below what the file could hold."
    if low:
        words = (
            f"The spectrum breaks off at {measured.ceiling / 1000:.1f} kHz, which the file’s own codec may have done."
        )
    return Reading("band_breaks_off", Strength.NONE, words, score, details, answer=Answer.NO_SIGNALS)


def _described(measured: Quality, sound: Sound) -> dict[str, Any]:
    track = sound.track
    return {
        "bandwidth_hz": f"{measured.bandwidth:.0f}",
        "snr_db": f"{measured.snr:.1f}",
        "level_dbfs": f"{measured.level:.1f}",
        "active_seconds": f"{measured.active:.1f}",
        "heard_seconds": f"{measured.seconds:.1f}",
        "heard_whole": sound.whole,
        "clipped_share": f"{measured.clipped:.4f}",
        "digital_silence_share": f"{measured.zeros:.4f}",
        "codec": track.codec,
        "bit_rate": track.bit_rate,
        "sample_rate": track.rate,
        "channels": track.channels,
    }
