"""The clips as the network sees them: shipped, augmented or re-shipped, in statistics, kept on disk between runs.

Every clip, recorded, spoken by an engine or vocoded from a recording, is first shipped through one drawn codec; all
that follows (`variants`) starts from there. Which folds hold out whom is decided here too, without torch.
"""

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection import reshipping, sound_gates
from detection.reasons import Reason
from detection.training import sound_augmentation, voice_data
from detection.training.vocoders import VOCODERS, Vocoder, hifi_gan
from detection.training.voice_data import Clip
from detection.training.voice_engines import RATE, Samples
from detection.training.voice_packages import HIFI_GAN
from detection.voice_features import Speech, speech

AS_IS = "as_is"
TRAINING = ("drawn_0",)  # a drawing of the whole chain
PIECES = "pieces"  # an engine's clip cut up and joined again, as clips of people who read words are
PIECE = (0.35, 1.2)  # seconds of one
VOCODED_PER_SPEAKER = 6  # recordings that are copied by one of the old vocoders each
BY_NETWORK_PER_SPEAKER = 3  # of them, that are copied by a neural one too
BY_NETWORK = "hifi_gan"
# Measured on and not trained on: no engine guesses phases as it does, and what was learnt with it carried over less.
TESTED_ONLY = ("griffin_lim",)
SPEAKER_FOLDS = 4
VOCODED = "vocoded"  # family of all copies: a test holds out all of them
WITH_A_SOURCE = ("kokoro", "piper", "festvox")  # families that are left out together with a collection, in turn


@dataclass(frozen=True)
class Example:
    """A clip, or a vocoded copy of one. engine: "" of a recording. family: what is held out together. person: the
    speaker of a recording and of its copies, "" of an engine. source: collection, or the engine."""

    name: str
    file: str
    engine: str
    family: str
    person: str
    source: str

    @property
    def synthetic(self) -> bool:
        return bool(self.engine)


def examples(clips: Sequence[Clip]) -> list[Example]:
    """Every clip, and of the first recordings of each speaker vocoded copies."""
    made = [_plain(clip) for clip in clips]
    copied: dict[str, int] = {}
    for clip in clips:
        count = copied.setdefault(clip.speaker, 0)
        if not clip.synthetic and count < VOCODED_PER_SPEAKER:
            made += [_copy(clip, engine) for engine in _engines_of(count, len(copied))]
            copied[clip.speaker] += 1
    return made


def _engines_of(count: int, speaker: int) -> list[str]:
    """The vocoders of the recording number `count` of a speaker: the old ones in turn, the neural one for the first."""
    old = sorted(VOCODERS)[(count + speaker) % len(VOCODERS)]
    return [old, BY_NETWORK] if count < BY_NETWORK_PER_SPEAKER else [old]


def _copy(clip: Clip, engine: str) -> Example:
    return Example(f"{engine}:{clip.file}", clip.file, engine, VOCODED, clip.speaker, engine)


def _plain(clip: Clip) -> Example:
    source = clip.engine or ("kde" if clip.speaker.startswith("kde/") else clip.source)
    return Example(clip.file, clip.file, clip.engine, clip.family, clip.speaker, source)


# --- Folds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fold:
    """train, test: indices of examples. The net of this fold saw no engine of `families` and nobody of `people`."""

    name: str
    split: str
    families: tuple[str, ...]
    people: frozenset[str]
    train: tuple[int, ...]
    test: tuple[int, ...]


def folds(made: Sequence[Example]) -> list[Fold]:
    """Every family of engines left out with each quarter of the speakers, then every collection with a family."""
    families = sorted({one.family for one in made if one.synthetic})
    by_engine = [
        _fold(made, family, "leave_one_generator_out", family, people, quarter)
        for family in families
        for quarter, people in enumerate(_dealt(made))
    ]
    collections = sorted({one.source for one in made if not one.synthetic})
    by_source = [
        _fold(made, source, "leave_one_source_out", family, {one.person for one in made if one.source == source})
        for source, family in zip(collections, itertools.cycle(WITH_A_SOURCE), strict=False)
    ]
    return by_engine + by_source


def _dealt(made: Sequence[Example]) -> list[set[str]]:
    """The speakers of each collection, dealt to the folds in turn."""
    hands: list[set[str]] = [set() for _ in range(SPEAKER_FOLDS)]
    people = sorted({(one.source, one.person) for one in made if not one.synthetic})
    for index, (_, person) in enumerate(people):
        if not any(person in hand for hand in hands):
            hands[index % SPEAKER_FOLDS].add(person)
    return hands


def _fold(
    made: Sequence[Example], name: str, split: str, family: str, people: set[str], quarter: int | None = None
) -> Fold:
    """Copies are tested on the speakers that are left out only, an engine's clips in one quarter each; what is neither
    tested nor unseen trains."""
    test, train = [], []
    for index, one in enumerate(made):
        held_person, held_family = one.person in people, one.family == family
        dealt = not one.person and quarter in (None, index % SPEAKER_FOLDS)
        if (held_person and not one.synthetic) or (held_family and (held_person or dealt)):
            test.append(index)
        elif not held_person and not held_family:
            train.append(index)
    return Fold(name, split, (family,), frozenset(people), tuple(train), tuple(test))


# --- As statistics ---------------------------------------------------------------------------------------------------


def variants() -> tuple[str, ...]:
    """As it was shipped, drawn for training, after each condition, and re-shipped as the weighing does."""
    shipments = [f"reshipped_{name}" for name in reshipping.SOUNDS]
    return (AS_IS, *TRAINING, *(name for name in sound_augmentation.CONDITIONS if name != AS_IS), *shipments)


def sounds(folder: Path, example: Example, wanted: Sequence[str]) -> Iterator[tuple[str, Samples]]:
    """(variant, samples) of one example; the same for the same example, and the same journey for a copy as for the
    recording that it is of, so that nothing but the vocoder tells the two apart."""
    sound = voice_data.read(folder / example.file)
    if example.file != example.name:
        sound = _vocoder(folder, example.engine)(sound, np.random.default_rng(_digits(example.name)))
    shipped = sound_augmentation.shipped(sound, np.random.default_rng(_digits(example.file)))
    for name in wanted:
        random = np.random.default_rng([*_digits(example.file), *name.encode()])
        if name == PIECES:
            yield name, sound_augmentation.shipped(_in_pieces(sound, random), random)
        else:
            yield name, _variant(shipped, name, random)


def _in_pieces(sound: Samples, random: np.random.Generator) -> Samples:
    """Cut into pieces of drawn lengths, with the silence between them that joined recordings have; as long still."""
    parts, at = [], 0
    while at < len(sound):
        size = round(float(random.uniform(*PIECE)) * RATE)
        parts += [
            voice_data.trimmed(sound[at : at + size]),
            np.zeros(round(voice_data.GAP * RATE), np.float32),
        ]
        at += size
    return np.concatenate(parts)[: len(sound)]


def _vocoder(folder: Path, engine: str) -> Vocoder:
    return hifi_gan(folder / "unpacked" / HIFI_GAN) if engine == BY_NETWORK else VOCODERS[engine]


def _digits(text: str) -> list[int]:
    return list(hashlib.sha256(text.encode()).digest()[:8])


def kept_sounds(folder: Path, example: Example, wanted: Sequence[str]) -> dict[str, Samples]:
    """As `sounds`, kept on disk between runs at 16 bits."""
    path = folder / "sounds" / f"{hashlib.sha256(example.name.encode()).hexdigest()[:20]}.npz"
    held: dict[str, npt.NDArray[np.int16]] = {}
    if path.exists():
        with np.load(path, allow_pickle=False) as kept:
            held = dict(kept)
    missing = [name for name in wanted if name not in held]
    if missing:
        made = sounds(folder, example, missing)
        held |= {name: (np.clip(sound, -1, 1) * 32767).astype(np.int16) for name, sound in made}
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez(file, **held)  # type: ignore[arg-type]
    return {name: (held[name] / 32768).astype(np.float32) for name in wanted}


def _variant(sound: Samples, name: str, random: np.random.Generator) -> Samples:
    if name in TRAINING:
        return sound_augmentation.augmented(sound, random)
    if name.startswith("reshipped_"):
        return reshipping.SOUNDS[name.removeprefix("reshipped_")](sound)
    return sound_augmentation.CONDITIONS[name](sound, random)


@dataclass(frozen=True)
class Seen:
    """One variant of one example. rows: (windows, statistics), none where there is not enough speech. described:
    `Speech.described`. refused: first gate that forbids a score, or ""."""

    rows: npt.NDArray[np.float32]
    described: npt.NDArray[np.float64]
    refused: str


def seen(folder: Path, example: Example, wanted: Sequence[str]) -> dict[str, Seen]:
    """Each wanted variant, from the cache or computed and kept there."""
    path = folder / "statistics" / f"{hashlib.sha256(example.name.encode()).hexdigest()[:20]}.npz"
    held = _load(path) if path.exists() else {}
    missing = [name for name in wanted if name not in held]
    for name, samples in kept_sounds(folder, example, missing).items() if missing else ():
        held[name] = _seen(samples)
    if missing:
        _save(path, held)
    return {name: held[name] for name in wanted}


def _seen(samples: Samples) -> Seen:
    heard: Speech = speech(samples)
    reasons = sound_gates.gates(sound_gates.quality_of(samples))
    refused = reasons[0].value if reasons else ("" if heard.enough else Reason.TOO_SHORT.value)
    if not heard.enough:
        return Seen(np.zeros((0, 0), np.float32), np.zeros(0), refused)
    return Seen(heard.windows()[0], heard.described(), refused)


def _load(path: Path) -> dict[str, Seen]:
    with np.load(path, allow_pickle=False) as kept:
        names = sorted({key.rpartition("/")[0] for key in kept.files})
        return {
            name: Seen(kept[f"{name}/rows"], kept[f"{name}/described"], str(kept[f"{name}/refused"])) for name in names
        }


def _save(path: Path, held: dict[str, Seen]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, one in held.items():
        arrays[f"{name}/rows"], arrays[f"{name}/described"] = one.rows, one.described
        arrays[f"{name}/refused"] = np.array(one.refused)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
