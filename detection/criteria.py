"""What a challenger must show before it may run beside the champion, with a reason for every refusal. Pure.

`judge` takes the evaluations of both (`evaluation.json`, format in `detection.cards`), made by the same harness, and
what was tried at the gate itself (`detection.gate`). Figures of a row that one of them lacks are refused, not forgiven:
what was not measured did not pass. `of_figures` says what the figures alone decide, which is on every card.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from detection import cards, conditions
from detection.conditions import AS_IS

# The bars. Rates and areas are shares 0…1.
MIN_AUC: Final = cards.SHIPPABLE_AUC  # across sources, as it is
MAX_FPR: Final = 0.02  # of “signals” on every real source
MAX_ECE: Final = 0.05
MAX_CLLR: Final = 1.0  # above it a likelihood ratio misleads
MAX_MEMBERSHIP: Final = 0.60  # AUC of telling trained-on items from others by their scores
MAX_CPU_MS: Final = 400.0  # of one forward pass
# How much less than the champion is forgiven, on the same row.
AUC_SLACK: Final = 0.02
TPR_SLACK: Final = 0.05
CLLR_SLACK: Final = 1.02  # times (detection-methods.md 3f)
CPU_SLACK: Final = 1.5  # times
ROBUST_SLACK: Final = 0.03
MIN_EACH: Final = 20  # real files, and made ones, behind a figure that decides
CALM: Final = (AS_IS, "jpeg_70", "resize", "resize_jpeg_70")  # where the false-positive rate is promised

TITLES: Final = {
    "held_out": "Held out",
    "measured": "Measured throughout",
    "numbers": "Enough files",
    "compared": "Compared with what serves",
    "bound": "Measured on this network",
    "cross_source_auc": "AUC across sources",
    "tpr_at_1_percent_fpr": "Found at 1 % false signals",
    "false_positive_rate": "False signals",
    "ece": "Calibration error (ECE)",
    "cllr": "Cost of its likelihood ratios (Cllr)",
    "robustness": "Robustness",
    "groups": "Groups of people",
    "membership": "Membership inference",
    "reproducible": "Repeatable training",
    "latency": "Speed",
    "appeals": "Upheld appeals",
    "evaluation": "Evaluation",
}

_REAL: Final = "leave_one_source_out"  # the split that leaves a source of real files out

Evaluation = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """slug: stable. passed; words: why, or what was found."""

    slug: str
    passed: bool
    words: str

    @property
    def title(self) -> str:
        """For people."""
        return TITLES.get(self.slug, self.slug)


@dataclass(frozen=True)
class Verdict:
    criteria: tuple[Criterion, ...]

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.criteria)

    @property
    def failed(self) -> tuple[Criterion, ...]:
        return tuple(one for one in self.criteria if not one.passed)

    def facts(self) -> dict[str, Any]:
        """For the log: slugs. The words, which hold figures and names of files, are sealed beside them."""
        return {"passed": self.passed, "failed": [one.slug for one in self.failed]}

    def reasons(self) -> list[str]:
        """“cross_source_auc: …” of each that failed."""
        return [f"{one.slug}: {one.words}" for one in self.failed]


@dataclass(frozen=True)
class Evidence:
    """evaluation: of the challenger; champion: of what is in service, None where nothing was. grid: the conditions
    under which it must have been measured. brought: made elsewhere, so that its training cannot be looked at. cpu_ms,
    champion_cpu_ms: of one forward pass, at this gate. audits: of the challenger, each whether it was flagged; None
    where the champion was never audited either. wrong_again: permanent tests it fails. model,
    champion_model: SHA-256, hex, of both networks; "" for one that is not known.
    """

    evaluation: Evaluation
    champion: Evaluation | None
    grid: Sequence[str]
    brought: bool
    cpu_ms: float
    champion_cpu_ms: float | None
    audits: Sequence[bool] | None
    wrong_again: Sequence[str]
    model: str = ""
    champion_model: str = ""


def grid_of(kinds: Sequence[str], *, brought: bool = False) -> tuple[str, ...]:
    """The conditions under which a model must have been measured. kinds: of media that its detector reads, the first
    one first. brought: measured by `manage.py model measure`, which of a moving picture takes one frame.
    """
    names = conditions.PICTURES
    if kinds[0] == "audio":
        names = conditions.SOUNDS
    elif kinds[0] == "video" and not brought:
        names = conditions.FILMS
    return tuple(name for name in names if name != AS_IS)


def judge(evidence: Evidence) -> Verdict:
    """Every criterion, passed or not. Raises nothing: a malformed evaluation is a refusal."""
    # A child that the harness compared with this very parent, on the same files, needs no rows of the parent's.
    against, brought = evidence.evaluation.get("against"), evidence.brought
    child = not brought and bool(against) and against == evidence.champion_model
    figures = of_figures(evidence.evaluation, evidence.grid, champion=evidence.champion, brought=brought, child=child)
    tried = (_bound(evidence), _groups(evidence), _quick(evidence), _appeals(evidence.wrong_again))
    return Verdict((*figures.criteria, *tried))


def of_figures(
    evaluation: Evaluation,
    grid: Sequence[str],
    *,
    champion: Evaluation | None = None,
    brought: bool = False,
    child: bool = False,
) -> Verdict:
    """What the figures alone decide. child: of the champion, as `judge` says. Raises nothing, as that."""
    try:
        return Verdict(tuple(_of_figures(evaluation, grid, champion, brought, child)))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Verdict((Criterion("evaluation", False, f"evaluation.json is not in its form ({error!r})"[:300]),))


def _of_figures(
    evaluation: Evaluation, grid: Sequence[str], champion: Evaluation | None, brought: bool, child: bool
) -> Iterator[Criterion]:
    _check_finite([evaluation, champion])
    rows, before = evaluation["rows"], champion["rows"] if champion else []
    held_out = [row for row in rows if row["split"] in cards.SPLITS]
    pairs = list(_paired(held_out, before))
    yield from (_held_out(held_out), _measured(held_out, grid), _enough(held_out))
    yield _compared(held_out, [] if child else before, grid)
    yield from (_cross_source(held_out, pairs), _low_false_alarms(held_out, pairs), _false_positives(held_out))
    yield from (_calibrated(held_out), _informative(held_out, pairs), _robust(held_out, pairs, grid))
    yield from (_membership(evaluation, brought), _reproducible(evaluation, brought))


def _held_out(rows: Sequence[Row]) -> Criterion:
    splits = {row["split"] for row in rows}
    missing = [name for name in cards.SPLITS if name not in splits and name != "unseen"]
    words = f"not measured: {', '.join(missing)}" if missing else "one source and one generator left out at a time"
    return Criterion("held_out", not missing, words)


def _check_finite(value: object) -> None:
    """Raises ValueError for a number that is none: every comparison with it would come out false, and pass."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a figure is no finite number")
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        for one in value:
            _check_finite(one)


def _measured(rows: Sequence[Row], grid: Sequence[str]) -> Criterion:
    """No row may leave out the figure that it would fail by, and no real source a condition of the promise."""
    wanted = ("auc", "tpr_at_1", "ece", "cllr")
    holes = [f"{_name(row)} {key}" for row in rows if _calm(row, AS_IS) for key in wanted if row.get(key) is None]
    calm = [name for name in CALM if name == AS_IS or name in grid]
    told = {(row["held_out"], row["condition"]) for row in rows if row["split"] == _REAL and row.get("fpr")}
    sources = dict.fromkeys(row["held_out"] for row in rows if row["split"] == _REAL)
    holes += [f"{one} ({conditions.words(name)}) FPR" for one in sources for name in calm if (one, name) not in told]
    return _told("measured", [f"not measured: {hole}" for hole in holes], "every figure that decides")


def _enough(rows: Sequence[Row]) -> Criterion:
    few = [
        f"{_name(row)} has {row['n_real']} real and {row['n_fake']} made files"
        for row in rows
        if min(row["n_real"], row["n_fake"]) < MIN_EACH
    ]
    return _told("numbers", few, f"at least {MIN_EACH} real and {MIN_EACH} made files in every row")


def _compared(rows: Sequence[Row], before: Sequence[Row], grid: Sequence[str]) -> Criterion:
    known = {_key(row) for row in rows}
    lacking = [
        f"not measured as what serves was: {_name(row)}"
        for row in before
        if row["split"] in cards.SPLITS and row["condition"] in (AS_IS, *grid) and _key(row) not in known
    ]
    return _told("compared", lacking, "measured on every row that what serves was measured on")


def _bound(evidence: Evidence) -> Criterion:
    """Figures of another network say nothing about this one."""
    told = evidence.evaluation.get("model_sha256")
    if not evidence.model or told == evidence.model:
        return Criterion("bound", True, "the evaluation names this network by its SHA-256")
    words = "is of another network" if told else "does not say which network it is of"
    return Criterion("bound", False, f"the evaluation {words}")


def _cross_source(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]]) -> Criterion:
    areas = [(row["auc"][0], row) for row in rows if _calm(row, AS_IS) and row.get("auc")]
    low = [f"{_name(row)} AUC {area:.3f} < {MIN_AUC}" for area, row in areas if area < MIN_AUC]
    worse = [
        f"{_name(new)} AUC {new['auc'][0]:.3f}, the champion has {old['auc'][0]:.3f}"
        for new, old in pairs
        if _calm(new, AS_IS) and new.get("auc") and old.get("auc") and new["auc"][0] < old["auc"][0] - AUC_SLACK
    ]
    return _told("cross_source_auc", low + worse, "every held-out row", empty=not areas)


def _low_false_alarms(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]]) -> Criterion:
    measured = [row for row in rows if _calm(row, AS_IS) and row.get("tpr_at_1") is not None]
    worse = [
        f"{_name(new)} finds {new['tpr_at_1']:.3f}, the champion {old['tpr_at_1']:.3f}"
        for new, old in pairs
        if _calm(new, AS_IS) and _both(new, old, "tpr_at_1") and new["tpr_at_1"] < old["tpr_at_1"] - TPR_SLACK
    ]
    return _told("tpr_at_1_percent_fpr", worse, "no held-out row loses", empty=not measured)


def _false_positives(rows: Sequence[Row]) -> Criterion:
    measured = [row for row in rows if _calm(row, *CALM) and row.get("fpr")]
    high = [f"{_name(row)} FPR {row['fpr'][0]:.3f} > {MAX_FPR}" for row in measured if row["fpr"][0] > MAX_FPR]
    return _told("false_positive_rate", high, f"at most {MAX_FPR} on every real source", empty=not measured)


def _calibrated(rows: Sequence[Row]) -> Criterion:
    measured = [row for row in rows if _calm(row, AS_IS) and row.get("ece") is not None]
    high = [f"{_name(row)} ECE {row['ece']:.3f} > {MAX_ECE}" for row in measured if row["ece"] > MAX_ECE]
    return _told("ece", high, f"at most {MAX_ECE}", empty=not measured)


def _informative(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]]) -> Criterion:
    measured = [row for row in rows if row.get("cllr") is not None]
    high = [f"{_name(row)} Cllr {row['cllr']:.3f} ≥ 1" for row in measured if row["cllr"] >= MAX_CLLR]
    worse = [
        f"{_name(new)} Cllr {new['cllr']:.3f}, the champion has {old['cllr']:.3f}"
        for new, old in pairs
        if _both(new, old, "cllr") and new["cllr"] > old["cllr"] * CLLR_SLACK
    ]
    return _told("cllr", high + worse, "below 1 and no row worse than the champion", empty=not measured)


def _robust(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]], grid: Sequence[str]) -> Criterion:
    seen = {row["condition"] for row in rows if row.get("auc")}
    missing = [conditions.words(name) for name in grid if name not in seen]
    worse = [
        f"{_name(new)} AUC {new['auc'][0]:.3f}, the champion has {old['auc'][0]:.3f}"
        for new, old in pairs
        if not _calm(new, AS_IS) and _both(new, old, "auc") and new["auc"][0] < old["auc"][0] - ROBUST_SLACK
    ]
    wrong = [f"not measured: {', '.join(missing)}"] if missing else []
    return _told("robustness", wrong + worse, "the whole grid was measured, and no row loses")


def _groups(evidence: Evidence) -> Criterion:
    if evidence.audits is None:
        return Criterion("groups", True, "no audit set of this office has audited the champion")
    if not evidence.audits:
        return Criterion("groups", False, "the champion was audited by groups and this version was not")
    flagged = sum(evidence.audits)
    return Criterion("groups", not flagged, f"{flagged} of {len(evidence.audits)} audits found a gap that is no noise")


def _membership(evaluation: Evaluation, brought: bool) -> Criterion:
    measured = evaluation.get("membership")
    if measured is None and brought:
        return Criterion("membership", True, "made elsewhere: what it was trained on is not here to ask about")
    if measured is None:
        return Criterion("membership", False, "not measured: whether scores betray what it was trained on")
    area = float(measured["auc"][0])
    return Criterion("membership", area <= MAX_MEMBERSHIP, f"AUC {area:.3f} (at most {MAX_MEMBERSHIP})")


def _reproducible(told: Evaluation, brought: bool) -> Criterion:
    if brought:
        return Criterion("reproducible", True, "made elsewhere: its training is not ours to repeat")
    hashes = [str(one.get("sha256", "")) for one in told.get("data", [])]
    whole = bool(told.get("command")) and isinstance(told.get("seed"), int) and bool(hashes) and all(hashes)
    words = "command, seed and a hash of every data set" if whole else "the command, the seed or a data hash is missing"
    return Criterion("reproducible", whole, words)


def _quick(evidence: Evidence) -> Criterion:
    mine, before = evidence.cpu_ms, evidence.champion_cpu_ms
    bar = max(MAX_CPU_MS, before * CPU_SLACK) if before else MAX_CPU_MS
    return Criterion("latency", mine <= bar, f"{mine:.0f} CPU-ms a forward pass (at most {bar:.0f})")


def _appeals(wrong_again: Sequence[str]) -> Criterion:
    if wrong_again:
        return Criterion("appeals", False, f"wrong again about {len(wrong_again)} works on which an appeal was upheld")
    return Criterion("appeals", True, "right about every work on which an appeal was upheld")


# --- Rows ------------------------------------------------------------------------------------------------------------


def _told(slug: str, wrong: Sequence[str], right: str, *, empty: bool = False) -> Criterion:
    if empty:
        return Criterion(slug, False, "not measured on any held-out row")
    more = f", and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return Criterion(slug, not wrong, "; ".join(wrong[:3]) + more if wrong else right)


def _paired(rows: Sequence[Row], before: Sequence[Row]) -> Iterator[tuple[Row, Row]]:
    """Rows that both have, challenger first."""
    known = {_key(row): row for row in before}
    return ((row, known[_key(row)]) for row in rows if _key(row) in known)


def _key(row: Row) -> tuple[str, str, str]:
    return row["split"], row["held_out"], row["condition"]


def _both(new: Row, old: Row, name: str) -> bool:
    return new.get(name) is not None and old.get(name) is not None


def _calm(row: Row, *among: str) -> bool:
    return row["condition"] in among


def _name(row: Row) -> str:
    return f"{row['held_out']} ({conditions.words(row['condition'])})"
