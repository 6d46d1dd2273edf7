"""How often `sound_quality` sees that a band was narrower before: lossless sounds, saved with a codec and back by us.

The sounds are samples of three Debian packages that hold them without loss: loops and notes, drum kits, and a few
spoken words. Short ones are put together to clips. No threshold was chosen on them.
"""

import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream

from detection import metrics, sound_gates, sounds
from detection.detectors import Answer, Reading
from detection.detectors.sound_quality import detector
from detection.evaluation import tables
from detection.sounds import Samples
from detection.training import data
from detection.training.sources import Registry, Source
from provenance import media

_DEB = Registry.DEBIAN
_NOTES = r"samples/(loop|ambi|guit|bass|misc|mehackit)_.*\.flac$"
SOURCES = (
    Source("sonic-pi-samples", _DEB, "sonic-pi-samples", "3.2.2~repack-8",
           "25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d", "CC0-1.0", _NOTES),
    Source("hydrogen-drumkits", _DEB, "hydrogen-drumkits", "2017.09.19~dfsg-1",
           "6ea3c6df9a67762e2362f946c695e619859126b19fbccf32a2e8f07dfd03b2f4", "GPL-2+ / CC-BY-SA (per kit)",
           r"drumkits/.*\.(flac|wav)$"),
    Source("alsa-utils", _DEB, "alsa-utils", "1.2.8-1",
           "fb24eb1a318228b974efbef726190dd90c6106a208814a3ee8f5d69b91ee0ba4", "GPL-2+", r"sounds/alsa/.*\.wav$",
           without=r"Noise"),
)  # fmt: skip
RATE = 44_100  # Hz
CLIP = 4.0  # seconds
MOST = 24  # clips of a source
SEED = 5
FOLDER = Path(detector.__file__).parent


def decoded(file: bytes, media_type: str) -> Samples:
    return _read(file, media_type).samples


def through(samples: Samples, muxer: str, codec: str, media_type: str, *, rate: int, bit_rate: int = 0) -> Samples:
    """What is left of a sound after a save with a codec, at RATE again."""
    coded = decoded(encoded(samples, muxer, codec, rate=rate, bit_rate=bit_rate), media_type)
    return coded if rate == RATE else decoded(encoded(coded, "wav", "pcm_s16le", rate=RATE, of=rate), media.WAV)


CONDITIONS: dict[str, Callable[[Samples], Samples]] = {
    "MP3 at 128 kbit/s, then WAV": lambda x: through(x, "mp3", "libmp3lame", media.MP3, rate=RATE, bit_rate=128_000),
    "MP3 at 64 kbit/s, then WAV": lambda x: through(x, "mp3", "libmp3lame", media.MP3, rate=RATE, bit_rate=64_000),
    "AAC at 64 kbit/s, then WAV": lambda x: through(x, "ipod", "aac", media.M4A, rate=RATE, bit_rate=64_000),
    "16 kHz, then WAV at 44.1": lambda x: through(x, "wav", "pcm_s16le", media.WAV, rate=16_000),
    "telephone (8 kHz µ-law), then WAV": lambda x: through(x, "wav", "pcm_mulaw", media.WAV, rate=8_000),
}


def encoded(samples: Samples, muxer: str, codec: str, *, rate: int = RATE, bit_rate: int = 0, of: int = RATE) -> bytes:
    """Mono samples of rate `of` as a file at `rate`."""
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout="mono"))
        if bit_rate:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = of, 0, Fraction(1, of)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return out.getvalue()


def clips(folder: Path) -> list[Samples]:
    """Up to MOST clips of CLIP seconds at RATE; short sounds of one beginning of the name are put together."""
    waiting: dict[str, list[Samples]] = {}
    for path in sorted(folder.iterdir()):
        media_type = media.sniff(path)
        if media_type in (media.WAV, media.FLAC):
            kind = re.split(r"[_ -]", path.name)[0]
            waiting.setdefault(kind, []).append(sounds.read_sound(path, media_type, rate=RATE).samples)
    cut = [one for parts in waiting.values() for one in _cut(np.concatenate(parts))]
    step = max(1, len(cut) // MOST)
    return cut[::step][:MOST]


def _cut(samples: Samples) -> Iterator[Samples]:
    length = int(CLIP * RATE)
    for at in range(0, max(1, len(samples) - length + 1), length):
        if len(samples[at:]) >= RATE:
            yield samples[at : at + length]


def reading(samples: Samples) -> Reading:
    """What the detector says of a WAV file of the samples."""
    sound = _read(encoded(samples, "wav", "pcm_s16le"), media.WAV)
    return detector.narrower(sound_gates.quality(sound), sound.rate)


def _read(file: bytes, media_type: str) -> sounds.Sound:
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(file)
        kept.flush()
        return sounds.read_sound(kept.name, media_type, rate=None)


def row(source: str, condition: str, without: Sequence[Reading], having: Sequence[Reading]) -> dict[str, Any]:
    said = [one for one in (*without, *having) if one.answer is Answer.CANT_SAY]
    return {
        "split": "unseen", "held_out": source, "condition": condition, "signal": "band_breaks_off",
        "n_real": len(without), "n_fake": len(having), "auc": None,
        "fpr": _rate(without), "tpr": _rate(having), "abstained": len(said) / (len(without) + len(having)),
    }  # fmt: skip


def _rate(said: Sequence[Reading]) -> list[float]:
    count = sum(one.answer is Answer.SIGNALS for one in said)
    return [count / len(said), *metrics.rate_interval(count, len(said))]


def evaluate(root: Path, say: Callable[[str], object], *, seed: int = SEED, folder: Path = FOLDER) -> None:
    """Write evaluation.json. root: the data folder; missing packages are fetched."""
    rows = []
    for source in SOURCES:
        originals = clips(data.unpack(source, root))
        say(f"{source.name}: {len(originals)} clips")
        without = [reading(one) for one in originals]
        for condition, change in CONDITIONS.items():
            rows.append(row(source.name, condition, without, [reading(change(one)) for one in originals]))
    tables.write(
        folder,
        command="manage.py evaluate sound_quality",
        seed=seed,
        rows=rows,
        data=tables.data_rows(data.manifest(root, SOURCES)),
        notes=[
            "“Real” are clips that were never saved with loss, as WAV; “looked for” the same clips after what the "
            "condition says, as WAV again. There is no AUC: the rule has one threshold.",
            "Nothing was drawn at random.",
        ],
    )
