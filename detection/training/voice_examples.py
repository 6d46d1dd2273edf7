"""The clips as the network sees them: shipped, augmented or re-shipped, as bands, kept on disk between runs.

Every clip, recorded, spoken by an engine or vocoded from a recording, is first shipped through one drawn codec; all
that follows (`variants`) starts from there. Which folds hold out whom is decided here too, without torch.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection import reshipping, sound_gates
from detection.reasons import Reason
from detection.training import sound_augmentation, voice_data
from detection.training.vocoders import VOCODERS
from detection.training.voice_data import Clip
from detection.training.voice_engines import Samples
from detection.voice_features import Speech, speech

AS_IS = "as_is"
TRAINING = ("drawn_0", "drawn_1")  # two drawings of the whole chain
VOCODED_PER_SPEAKER = 6
SPEAKER_FOLDS = 4
VOCODED = "vocoded"  # family of all copies: a test holds out all of them


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

    @property
    def seed(self) -> list[int]:
        return list(hashlib.sha256(self.name.encode()).digest()[:8])


def examples(clips: Sequence[Clip]) -> list[Example]:
    """Every clip, and of the first recordings of each speaker one vocoded copy, by the vocoders in turn."""
    made = [_plain(clip) for clip in clips]
    copied: dict[str, int] = {}
    for clip in clips:
        count = copied.setdefault(clip.speaker, 0)
        if not clip.synthetic and count < VOCODED_PER_SPEAKER:
            engine = sorted(VOCODERS)[(count + len(copied)) % len(VOCODERS)]
            made.append(Example(f"{engine}:{clip.file}", clip.file, engine, VOCODED, clip.speaker, engine))
            copied[clip.speaker] += 1
    return made


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
    """Every family of engines left out with a quarter of the speakers, then every collection with a family."""
    families = sorted({one.family for one in made if one.synthetic})
    dealt = _dealt(made)
    by_engine = [
        _fold(made, family, "leave_one_generator_out", family, dealt[index % SPEAKER_FOLDS])
        for index, family in enumerate(families)
    ]
    collections = sorted({one.source for one in made if not one.synthetic})
    by_source = [
        _fold(made, source, "leave_one_source_out", family, {one.person for one in made if one.source == source})
        for source, family in zip(collections, ("kokoro", "piper", "festvox"), strict=True)
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


def _fold(made: Sequence[Example], name: str, split: str, family: str, people: set[str]) -> Fold:
    """Copies are tested on the speakers that are left out only; what is neither tested nor unseen trains."""
    test, train = [], []
    for index, one in enumerate(made):
        held_person, held_family = one.person in people, one.family == family
        if (held_person and not one.synthetic) or (held_family and (held_person or not one.person)):
            test.append(index)
        elif not held_person and not held_family:
            train.append(index)
    return Fold(name, split, (family,), frozenset(people), tuple(train), tuple(test))


# --- As bands --------------------------------------------------------------------------------------------------------


def variants() -> tuple[str, ...]:
    """As it was shipped, drawn for training, after each condition, and re-shipped as the weighing does."""
    shipments = [f"reshipped_{name}" for name in reshipping.SOUNDS]
    return (AS_IS, *TRAINING, *(name for name in sound_augmentation.CONDITIONS if name != AS_IS), *shipments)


def sounds(folder: Path, example: Example, wanted: Sequence[str]) -> Iterator[tuple[str, Samples]]:
    """(variant, samples) of one example; the same for the same example."""
    random = np.random.default_rng(example.seed)
    sound = voice_data.read(folder / example.file)
    if example.file != example.name:
        sound = VOCODERS[example.engine](sound, random)
    sound = sound_augmentation.shipped(sound, random)
    for name in wanted:
        drawn = np.random.default_rng([*example.seed, *name.encode()])
        yield name, _variant(sound, name, drawn)


def _variant(sound: Samples, name: str, random: np.random.Generator) -> Samples:
    if name in TRAINING:
        return sound_augmentation.augmented(sound, random)
    if name.startswith("reshipped_"):
        return reshipping.SOUNDS[name.removeprefix("reshipped_")](sound)
    return sound_augmentation.CONDITIONS[name](sound, random)


@dataclass(frozen=True)
class Seen:
    """One variant of one example. described: `Speech.described`. refused: first gate that forbids a score, or ""."""

    bands: npt.NDArray[np.float16]
    described: npt.NDArray[np.float64]
    refused: str


def seen(folder: Path, example: Example, wanted: Sequence[str]) -> dict[str, Seen]:
    """Each wanted variant, from the cache or computed and kept there."""
    path = folder / "bands" / f"{hashlib.sha256(example.name.encode()).hexdigest()[:20]}.npz"
    held = _load(path) if path.exists() else {}
    missing = [name for name in wanted if name not in held]
    for name, samples in sounds(folder, example, missing) if missing else ():
        held[name] = _seen(samples)
    if missing:
        _save(path, held)
    return {name: held[name] for name in wanted}


def _seen(samples: Samples) -> Seen:
    heard: Speech = speech(samples)
    reasons = sound_gates.gates(sound_gates.quality_of(samples))
    refused = reasons[0].value if reasons else ("" if heard.enough else Reason.TOO_SHORT.value)
    return Seen(heard.bands.astype(np.float16), heard.described() if heard.enough else np.zeros(0), refused)


def _load(path: Path) -> dict[str, Seen]:
    with np.load(path, allow_pickle=False) as kept:
        names = sorted({key.rpartition("/")[0] for key in kept.files})
        return {
            name: Seen(kept[f"{name}/bands"], kept[f"{name}/described"], str(kept[f"{name}/refused"])) for name in names
        }


def _save(path: Path, held: dict[str, Seen]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, one in held.items():
        arrays[f"{name}/bands"], arrays[f"{name}/described"] = one.bands, one.described
        arrays[f"{name}/refused"] = np.array(one.refused)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
