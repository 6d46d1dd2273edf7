"""Trains and measures the `voice` detector: `train` leaves everything that the detector's folder needs.

Every figure is of nets that heard neither the engine's family nor any of the speakers (or, by source, nobody of that
collection and another family not either); each calibration is fitted on the other folds. The net that ships is
trained on everything, its calibration on what the held-out nets answered. An hour on two busy cores the first time,
nearly all of it for the sounds, which are kept; then three minutes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from detection import calibration, membership, metrics, network, weighing
from detection.calibration import Calibration, Domain, Rate
from detection.detectors import Answer
from detection.evaluation import tables
from detection.sound_gates import Limits
from detection.training import export, voice_data, voice_examples
from detection.training.voice_examples import AS_IS, PIECES, TRAINING, Example, Fold, Seen
from detection.training.voice_net import Pool, VoiceNet, fitted, logit
from detection.training.voice_packages import PACKAGES
from detection.voice_features import FEWEST

Floats = npt.NDArray[np.float64]

Say: TypeAlias = Callable[[str], object]

DETECTOR = Path(__file__).resolve().parent.parent / "detectors" / "voice"
ENGINE_SPLIT = "leave_one_generator_out"
EVERY = 6  # one in so many clips of each source is tried under every condition and re-shipped


@dataclass(frozen=True)
class Measured:
    """What the net of one fold answered: logit of each test example by variant, also where a gate forbids a score; NaN
    where there is not enough speech."""

    fold: Fold
    logits: Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class Study:
    """Everything that the tables are made of."""

    made: Sequence[Example]
    seen: Sequence[Mapping[str, Seen]]
    measured: Sequence[Measured]

    def answers(self, folds: Iterable[Measured], keep: Any = None) -> tuple[Floats, Floats, list[str]]:
        """(logits, labels, sources) of files as they are, each example once, with the mean of what the folds say of
        it; those that a gate refuses are left out."""
        told: dict[int, list[float]] = {}
        for one in folds:
            for index, value in one.logits[AS_IS].items():
                if not self.refused(index, AS_IS) and (keep is None or keep(self.made[index])):
                    told.setdefault(index, []).append(value)
        picked = sorted(told)
        labels = np.array([float(self.made[index].synthetic) for index in picked])
        return np.array([np.mean(told[index]) for index in picked]), labels, [self.made[one].source for one in picked]

    def refused(self, index: int, variant: str) -> bool:
        """Whether a gate forbids a score."""
        return bool(self.seen[index][variant].refused)


def train(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """Clips, the nets that hold somebody out, their figures, and the net that ships, into `folder`."""
    study = measure(voice_data.prepare(root), say)
    net = fitted(Pool.of(study.made, study.seen, range(len(study.made))))
    export.to_onnx(net, (2, len(net.mean)), folder)
    made = calibrated(study).with_error_rates(error_rates(study))
    made.write(folder / "calibration.json")
    write_tables(study, made, seed, folder)
    say(f"trained on {len(study.made)} clips")


def evaluate(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """`evaluation.json` again: the nets that hold somebody out are trained anew, the one that ships stays."""
    made = Calibration.read(folder / "calibration.json")
    write_tables(measure(voice_data.prepare(root), say), made, seed, folder)


def measure(folder: Path, say: Say) -> Study:
    """Train and ask the net of every fold. folder: of the clips."""
    made = voice_examples.examples(voice_data.clips(folder))
    folds = voice_examples.folds(made)
    say(f"{len(made)} clips and copies of clips")
    seen = [voice_examples.seen(folder, one, wanted) for one, wanted in zip(made, asked_of(made), strict=True)]
    say(f"{len(folds)} nets that each hold somebody out")
    return Study(made, seen, [_measured(fold, made, seen) for fold in folds])


def asked_of(made: Sequence[Example]) -> list[tuple[str, ...]]:
    """The variants of each example: as it is and drawn, an engine's also in pieces; of one in EVERY also re-shipped and
    after each condition."""
    few = (AS_IS, *TRAINING)
    count: dict[str, int] = {}
    wanted = []
    for one in made:
        count[one.source] = count.get(one.source, -1) + 1
        pieces = (PIECES,) if one.synthetic and not one.person else ()
        wanted.append((*(voice_examples.variants() if count[one.source] % EVERY == 0 else few), *pieces))
    return wanted


def _measured(fold: Fold, made: Sequence[Example], seen: Sequence[Mapping[str, Seen]]) -> Measured:
    net = fitted(Pool.of(made, seen, fold.train))
    wanted = [name for name in voice_examples.variants() if name not in TRAINING]
    told = {name: [index for index in fold.test if name in seen[index]] for name in wanted}
    return Measured(fold, {name: {at: _asked(net, seen[at][name]) for at in those} for name, those in told.items()})


def _asked(net: VoiceNet, one: Seen) -> float:
    return logit(net, one) if len(one.rows) else float("nan")


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
    held = one.fold
    engines = [other for other in study.measured if other.fold.split == ENGINE_SPLIT]
    others = [other for other in engines if other.fold.families != held.families]

    def keep(example: Example) -> bool:
        return example.family not in held.families and example.person not in held.people

    return calibration.fit(*study.answers(others, keep))


# --- Tables ----------------------------------------------------------------------------------------------------------


def write_tables(study: Study, made: Calibration, seed: int, folder: Path = DETECTOR) -> None:
    """`evaluation.json` (its format: `detection.cards`)."""
    kept = ("name", "version", "sha256", "licence")
    told = [{key: getattr(one, key) for key in kept} | {"use": "train and test"} for one in PACKAGES]
    tables.write(
        folder,
        command="manage.py evaluate voice",
        seed=seed,
        rows=list(rows(study)),
        data=told,
        calibration=made.id,
        threshold=made.threshold,
        notes=NOTES,
        membership=_membership(study, seed, folder),
    )


NOTES = [
    "Each row is of nets that were trained without the engine named (and without its family: hibari was distilled from "
    "Kokoro, flite and Festival share voices, the four vocoders are left out together) and without the speakers they "
    "are tested on: four nets for each family, a quarter of the speakers left out of each. By source, nobody of that "
    "collection was heard, nor the engines of one family.",
    "griffin_lim, hifi_gan (a trained neural vocoder), lpc and world are no synthesisers: they say again what people "
    "said. Where an engine is left out, their copies are in the training (griffin_lim’s never are). The calibration is "
    "fitted on them too, which keeps its ratios small.",
    "Which statistics are taken, their ridge and the weights of the sources were chosen on the rows of engines left "
    "out, in part on half of the speakers and looked at on the others.",
    "Both classes went through the same codecs (G.722 or Vorbis) before anything else, copies through the very same "
    "noise and rooms as what they are copies of.",
    "AUC is of the score, also where a gate forbids to tell it: of telephone sound the public answer is “can’t say”. "
    "Rates are of the public answer, of every sixth clip (`asked_real`, `asked_fake`): “as it is” counts the answer "
    "after re-shipping, the other conditions that of the file alone.",
    "Clips last four seconds; several are joined from short utterances. Engines speak the sentences of one collection.",
    "No other voice detector with weights could be had from the package registries, so none stands beside.",
]


def rows(study: Study) -> Iterator[dict[str, Any]]:
    """One row for each held-out engine (or collection and engine) and condition."""
    for split, name in dict.fromkeys((one.fold.split, one.fold.name) for one in study.measured):
        group = [one for one in study.measured if (one.fold.split, one.fold.name) == (split, name)]
        told = [(one, _without(study, one)) for one in group]
        engines = sorted({study.made[at].engine for one in group for at in one.fold.test if study.made[at].synthetic})
        for engine in engines:
            held_out = engine if split == ENGINE_SPLIT else f"{name}, against {engine}"
            about = {"split": split, "held_out": held_out}
            yield from (about | _row(study, told, condition, engine) for condition in _conditions(group))


def _conditions(group: Sequence[Measured]) -> list[str]:
    return [name for name in group[0].logits if not name.startswith("reshipped_")]


@dataclass(frozen=True)
class Told:
    """One example under one condition. llr: of its fold's own calibration. answer: the public one, None where it was
    not asked for."""

    index: int
    logit: float
    llr: float
    answer: Answer | None


Held: TypeAlias = Sequence[tuple[Measured, Calibration]]


def _told(study: Study, held: Held, condition: str, engine: str) -> list[Told]:
    """Every example of an engine, or of none, that was tested; each by the nets that held it out, once."""
    found: dict[int, Told] = {}
    for one, made in held:
        for index in one.fold.test:
            if study.made[index].engine == engine and index in one.logits[condition]:
                value = one.logits[condition][index]
                answer = answered(study, one, made, index, condition) if asked(one, index) else None
                found.setdefault(index, Told(index, value, made.llr(value)[0], answer))
    return list(found.values())


def _row(study: Study, held: Held, condition: str, engine: str) -> dict[str, Any]:
    reals, fakes = _told(study, held, condition, ""), _told(study, held, condition, engine)
    row: dict[str, Any] = {
        "condition": condition,
        "n_real": len(reals),
        "n_fake": len(fakes),
        "speakers": len({study.made[one.index].person for one in reals}),
    }
    return row | _public(reals, fakes) | _scores(study, *([one for one in side if np.isfinite(one.logit)]
                                                          for side in (reals, fakes)))  # fmt: skip


def _scores(study: Study, low: Sequence[Told], high: Sequence[Told]) -> dict[str, Any]:
    if min(len(low), len(high)) < 2:
        return dict.fromkeys(("auc", "eer", "tpr_at_1", "ece", "cllr", "cllr_min"))
    real, fake = (np.array([one.logit for one in side]) for side in (low, high))
    groups = [[study.made[one.index].person or study.made[one.index].name for one in side] for side in (low, high)]
    interval = metrics.auc_interval(real, fake, seed=0, groups=(groups[0], groups[1]))
    real_llr, fake_llr = (np.array([one.llr for one in side]) for side in (low, high))
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


def answered(study: Study, one: Measured, told: Calibration, index: int, condition: str) -> Answer:
    """The public answer: of a file as it is after re-shipping, otherwise of the file alone."""
    if study.refused(index, condition):
        return Answer.CANT_SAY
    names = [condition]
    if condition == AS_IS:
        names += [name for name in one.logits if name.startswith("reshipped_")]
    logits = {AS_IS if name == condition else name: one.logits[name][index] for name in names}
    return weighing.judged(logits, told).answer


def _public(reals: Sequence[Told], fakes: Sequence[Told]) -> dict[str, Any]:
    real, fake = ([one.answer for one in side if one.answer is not None] for side in (reals, fakes))
    silent = sum(answer is Answer.CANT_SAY for answer in [*real, *fake])
    return {
        "fpr": _with_interval(_signals(real), len(real)),
        "tpr": _with_interval(_signals(fake), len(fake)),
        "abstained": _short(silent / max(1, len(real) + len(fake))),
        "asked_real": len(real),
        "asked_fake": len(fake),
    }


def _signals(answers: Sequence[Answer]) -> int:
    return sum(answer is Answer.SIGNALS for answer in answers)


def _with_interval(k: int, n: int) -> list[float] | None:
    return [_short(one) for one in (k / n, *metrics.rate_interval(k, n))] if n else None


def error_rates(study: Study) -> list[Rate]:
    """For each collection how often real speech was called synthetic, for each engine how often it was found."""
    held = [(one, _without(study, one)) for one in study.measured if one.fold.split == ENGINE_SPLIT]
    sources = sorted({example.source for example in study.made})
    conditions = _conditions([one for one, _ in held])
    return [rate for name in sources for condition in conditions if (rate := _rate(study, held, name, condition))]


def _rate(study: Study, held: Held, source: str, condition: str) -> Rate | None:
    engine = source if any(one.engine == source for one in study.made) else ""
    told = [one for one in _told(study, held, condition, engine) if study.made[one.index].source == source]
    answers = [one.answer for one in told if one.answer is not None]
    if not answers:
        return None
    k, n = _signals(answers), len(answers)
    share, interval = _short(k / n), tuple(_short(one) for one in metrics.rate_interval(k, n))
    silent = _short(sum(answer is Answer.CANT_SAY for answer in answers) / n)
    if engine:
        return Rate(condition, source, 0, n, None, share, None, (interval[0], interval[1]), silent)
    return Rate(condition, source, n, 0, share, None, (interval[0], interval[1]), None, silent)


def _membership(study: Study, seed: int, folder: Path) -> dict[str, Any]:
    """Whether the scores of the net that ships betray what it was trained on: of every clip, against the scores of
    nets that had neither its speaker nor its engine."""
    net = network.Network(folder / network.MODEL)
    others, labels, _ = study.answers(one for one in study.measured if one.fold.split == ENGINE_SPLIT)
    members = [at for at in range(len(study.made)) if not study.refused(at, AS_IS)]
    scores = [float(net.run(study.seen[at][AS_IS].rows).mean()) for at in members]
    synthetic = [int(study.made[at].synthetic) for at in members]
    return membership.attack(scores, synthetic, others, [int(one) for one in labels], seed=seed)


def _short(value: float) -> float:
    return float(f"{value:.4g}")
