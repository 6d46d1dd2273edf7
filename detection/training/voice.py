"""Trains and measures the `voice` detector: `train` leaves everything that the detector's folder needs.

Every figure is of a net that saw neither the engine's family nor one of the speakers (or, by source, nobody of that
collection and another family not either); its calibration is fitted on the other folds. The net that ships is
trained on everything, its calibration on what the held-out nets answered.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from detection import calibration, metrics, weighing
from detection.calibration import Calibration, Domain, Rate
from detection.detectors import Answer
from detection.evaluation import tables
from detection.sound_gates import Limits
from detection.training import export, voice_data, voice_examples
from detection.training.voice_examples import AS_IS, TRAINING, Example, Fold, Seen
from detection.training.voice_net import Pool, VoiceNet, fitted, logit
from detection.training.voice_packages import PACKAGES
from detection.voice_features import BANDS, FEWEST, WINDOW

Floats = npt.NDArray[np.float64]

Say: TypeAlias = Callable[[str], object]

DETECTOR = Path(__file__).resolve().parent.parent / "detectors" / "voice"
ENGINE_SPLIT = "leave_one_generator_out"
EVERY = 4  # one in so many clips of each source is tried under every condition and re-shipped


@dataclass(frozen=True)
class Measured:
    """What the net of one fold answered: logit of each test example by variant; NaN where a gate forbids a score."""

    fold: Fold
    logits: Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Study:
    """Everything that the tables are made of."""

    made: Sequence[Example]
    seen: Sequence[Mapping[str, Seen]]
    measured: Sequence[Measured]

    def answers(self, folds: Iterable[Measured], keep: Any = None) -> tuple[Floats, Floats, list[str]]:
        """(logits, labels, sources) of files as they are, each example once; those that a gate refuses are left out."""
        once: dict[int, float] = {}
        for one in folds:
            for index, value in one.logits[AS_IS].items():
                if np.isfinite(value) and (keep is None or keep(self.made[index])):
                    once.setdefault(index, value)
        picked = sorted(once)
        labels = np.array([float(self.made[index].synthetic) for index in picked])
        return np.array([once[index] for index in picked]), labels, [self.made[index].source for index in picked]


def train(root: Path, say: Say, *, seed: int) -> None:
    """Clips, the nets that hold somebody out, their figures, and the net that ships; into the detector's folder."""
    study = measure(voice_data.prepare(root), say, seed=seed)
    net = fitted(Pool.of(study.made, study.seen, range(len(study.made))), seed=seed)
    export.to_onnx(net, (2, 1, BANDS, WINDOW), DETECTOR)
    made = calibrated(study).with_error_rates(error_rates(study))
    made.write(DETECTOR / "calibration.json")
    write_tables(study, made, seed)
    say(f"trained on {len(study.made)} clips")


def evaluate(root: Path, say: Say, *, seed: int) -> None:
    """`evaluation.json` again: the nets that hold somebody out are trained anew, the one that ships stays."""
    made = Calibration.read(DETECTOR / "calibration.json")
    write_tables(measure(voice_data.prepare(root), say, seed=seed), made, seed)


def measure(folder: Path, say: Say, *, seed: int) -> Study:
    """Train and ask the net of every fold. folder: of the clips."""
    made = voice_examples.examples(voice_data.clips(folder))
    folds = voice_examples.folds(made)
    seen = [voice_examples.seen(folder, one, wanted) for one, wanted in zip(made, asked_of(made), strict=True)]
    measured = []
    for fold in folds:
        say(f"without {fold.name}: {len(fold.train)} clips to train on, {len(fold.test)} to test")
        measured.append(_measured(fold, made, seen, seed))
    return Study(made, seen, measured)


def asked_of(made: Sequence[Example]) -> list[tuple[str, ...]]:
    """The variants of each example: as it is and drawn; of one in EVERY also re-shipped and after each condition."""
    few = (AS_IS, *TRAINING)
    count: dict[str, int] = {}
    wanted = []
    for one in made:
        count[one.source] = count.get(one.source, -1) + 1
        wanted.append(voice_examples.variants() if count[one.source] % EVERY == 0 else few)
    return wanted


def _measured(fold: Fold, made: Sequence[Example], seen: Sequence[Mapping[str, Seen]], seed: int) -> Measured:
    net = fitted(Pool.of(made, seen, fold.train), seed=seed)
    wanted = [name for name in voice_examples.variants() if name not in TRAINING]
    told = {name: [index for index in fold.test if name in seen[index]] for name in wanted}
    return Measured(fold, {name: {at: _asked(net, seen[at][name]) for at in those} for name, those in told.items()})


def _asked(net: VoiceNet, one: Seen) -> float:
    return float("nan") if one.refused else logit(net, one)


# --- Calibration -----------------------------------------------------------------------------------------------------


def calibrated(study: Study) -> Calibration:
    """The calibration that ships."""
    folds = [one for one in study.measured if one.fold.split == ENGINE_SPLIT]
    return calibration.fit(*study.answers(folds), domain=domain(study))


def domain(study: Study) -> Domain:
    """The spread of the descriptions of every clip, also augmented; the limit is what all but 3 in 1,000 stay under."""
    told = [
        one.described for variants in study.seen for name, one in variants.items() if not one.refused and _usual(name)
    ]
    described = np.array(told)
    mean, scale = described.mean(axis=0), described.std(axis=0) + 1e-6
    away = np.sqrt((((described - mean) / scale) ** 2).mean(axis=1))
    return Domain(
        min_seconds=FEWEST / 100,
        min_bandwidth=Limits().bandwidth,
        mean=tuple(float(f"{one:.6g}") for one in mean),
        scale=tuple(float(f"{one:.6g}") for one in scale),
        limit=float(f"{np.quantile(away, 0.997):.4g}"),
    )


def _usual(name: str) -> bool:
    return name in (AS_IS, *TRAINING)


def _without(study: Study, one: Measured) -> Calibration:
    """A calibration that knows nothing of what this fold holds out."""
    others = [other for other in study.measured if other.fold.split == ENGINE_SPLIT and other is not one]
    held = one.fold

    def keep(example: Example) -> bool:
        return example.family not in held.families and example.person not in held.people

    return calibration.fit(*study.answers(others, keep))


# --- Tables ----------------------------------------------------------------------------------------------------------


def write_tables(study: Study, made: Calibration, seed: int) -> None:
    """`evaluation.json` (its format: `detection.cards`)."""
    kept = ("name", "version", "sha256", "licence")
    told = [{key: getattr(one, key) for key in kept} | {"use": "train and test"} for one in PACKAGES]
    tables.write(
        DETECTOR,
        command="manage.py train voice",
        seed=seed,
        rows=[row for one in study.measured for row in rows_of(study, one)],
        data=told,
        calibration=made.id,
        threshold=made.threshold,
        notes=NOTES,
    )


NOTES = [
    "Each row is of a net that was trained without the engine named (and without its family: hibari was distilled from "
    "Kokoro, flite and Festival share voices, the three vocoders are left out together) and without any of the "
    "speakers it is tested on. By source, nobody of that collection was heard, nor the engines of one family.",
    "Both classes went through the same codecs (G.722 or Vorbis) before anything else.",
    "Rates of the public answer are of every fourth clip (`asked_real`, `asked_fake`): “as it is” counts the answer "
    "after re-shipping, the other conditions that of the file alone.",
    "Clips last four seconds; several are joined from short utterances. Engines speak the sentences of one collection.",
    "No other voice detector with weights could be had from the package registries, so none stands beside.",
]


def rows_of(study: Study, one: Measured) -> list[dict[str, Any]]:
    """One row for each held-out engine (or collection and engine) and condition."""
    told = _without(study, one)
    reals = [index for index in one.fold.test if not study.made[index].synthetic]
    engines = sorted({study.made[index].engine for index in one.fold.test if study.made[index].synthetic})
    conditions = [name for name in one.logits if not name.startswith("reshipped_")]
    return [
        _row(study, one, told, (condition, engine), reals, _of_engine(study, one, engine))
        for engine in engines
        for condition in conditions
    ]


def _of_engine(study: Study, one: Measured, engine: str) -> list[int]:
    return [index for index in one.fold.test if study.made[index].engine == engine]


def _row(
    study: Study, one: Measured, told: Calibration, key: tuple[str, str], reals: list[int], fakes: list[int]
) -> dict[str, Any]:
    condition, engine = key
    reals, fakes = ([index for index in side if index in one.logits[condition]] for side in (reals, fakes))
    by_engine = one.fold.split == ENGINE_SPLIT
    row: dict[str, Any] = {
        "split": one.fold.split,
        "held_out": engine if by_engine else f"{one.fold.name}, against {engine}",
        "condition": condition,
        "n_real": len(reals),
        "n_fake": len(fakes),
        "speakers": len({study.made[index].person for index in reals}),
    }
    row |= _public(one, told, condition, reals, fakes)
    logits = one.logits[condition]
    low = [index for index in reals if np.isfinite(logits[index])]
    high = [index for index in fakes if np.isfinite(logits[index])]
    nothing = dict.fromkeys(("auc", "eer", "tpr_at_1", "ece", "cllr", "cllr_min"))
    return row | (nothing if min(len(low), len(high)) < 2 else _scores(study, told, logits, low, high))


def _scores(
    study: Study, told: Calibration, logits: Mapping[int, float], low: list[int], high: list[int]
) -> dict[str, Any]:
    real, fake = np.array([logits[index] for index in low]), np.array([logits[index] for index in high])
    groups = [[study.made[index].person or study.made[index].name for index in side] for side in (low, high)]
    interval = metrics.auc_interval(real, fake, seed=0, groups=(groups[0], groups[1]))
    real_llr, fake_llr = (np.array([told.llr(value)[0] for value in side]) for side in (real, fake))
    labels = np.array([0] * len(low) + [1] * len(high))
    probability = metrics.probability(np.concatenate([real_llr, fake_llr]), float(labels.mean()))
    return {
        "auc": [_short(one) for one in (metrics.auc(real, fake), *interval)],
        "eer": _short(metrics.eer(real, fake)),
        "tpr_at_1": _short(metrics.tpr_at(real, fake, 0.01)),
        "ece": _short(metrics.ece(probability, labels)),
        "cllr": _short(metrics.cllr(real_llr, fake_llr)),
        "cllr_min": _short(metrics.cllr_min(real, fake)),
    }


def asked(one: Measured, index: int) -> bool:
    """Whether this example was re-shipped too, so that the public answer is known."""
    return all(index in those for those in one.logits.values())


def answered(one: Measured, told: Calibration, index: int, condition: str) -> Answer:
    """The public answer: of a file as it is after re-shipping, otherwise of the file alone."""
    if told.slope == 0:  # as the detector does (`blind`)
        return Answer.CANT_SAY
    names = [condition]
    if condition == AS_IS:
        names += [name for name in one.logits if name.startswith("reshipped_")]
    logits = {AS_IS if name == condition else name: one.logits[name][index] for name in names}
    return weighing.judged(logits, told).answer


def _public(
    one: Measured, told: Calibration, condition: str, reals: Sequence[int], fakes: Sequence[int]
) -> dict[str, Any]:
    reals, fakes = ([index for index in side if asked(one, index)] for side in (reals, fakes))
    answers = {index: answered(one, told, index, condition) for index in [*reals, *fakes]}
    false, n_real = _signals(answers, reals)
    found, n_fake = _signals(answers, fakes)
    silent = sum(answer is Answer.CANT_SAY for answer in answers.values())
    return {
        "fpr": _with_interval(false, n_real),
        "tpr": _with_interval(found, n_fake),
        "abstained": _short(silent / max(1, len(answers))),
        "asked_real": n_real,
        "asked_fake": n_fake,
    }


def _signals(answers: Mapping[int, Answer], side: Sequence[int]) -> tuple[int, int]:
    return sum(answers[index] is Answer.SIGNALS for index in side), len(side)


def _with_interval(k: int, n: int) -> list[float] | None:
    return [_short(one) for one in (k / n, *metrics.rate_interval(k, n))] if n else None


def error_rates(study: Study) -> list[Rate]:
    """For each collection how often real speech was called synthetic, for each engine how often it was found."""
    held = [(one, _without(study, one)) for one in study.measured if one.fold.split == ENGINE_SPLIT]
    sources = sorted({example.source for example in study.made})
    conditions = [name for name in held[0][0].logits if not name.startswith("reshipped_")]
    return [rate for name in sources for condition in conditions if (rate := _rate(study, held, name, condition))]


def _rate(study: Study, held: Sequence[tuple[Measured, Calibration]], source: str, condition: str) -> Rate | None:
    answers: dict[int, Answer] = {}
    for one, told in held:
        for index in one.fold.test:
            if study.made[index].source == source and asked(one, index):
                answers.setdefault(index, answered(one, told, index, condition))
    if not answers:
        return None
    k, n = _signals(answers, list(answers))
    share, interval = _short(k / n), tuple(_short(one) for one in metrics.rate_interval(k, n))
    silent = _short(sum(answer is Answer.CANT_SAY for answer in answers.values()) / n)
    if study.made[next(iter(answers))].synthetic:
        return Rate(condition, source, 0, n, None, share, None, (interval[0], interval[1]), silent)
    return Rate(condition, source, n, 0, share, None, (interval[0], interval[1]), None, silent)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
