"""The release gate: what a challenger must show before it may run beside the champion, with a reason for every
refusal.

`judge` is pure: the evaluations of both (`evaluation.json`, format in `detection.cards`), made by the same harness on
the same files, and what was tried at the gate itself. Figures of a row that one of them lacks are refused, not
forgiven: what was not measured did not pass. `admit` collects, records the answer in the log either way, and lets
into the shadow what passed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from accounts.models import User
from core.problems import Conflict, Problem
from detection import cards, network, registry, trials, versions
from detection.detectors import Question
from detection.models import Audit, ModelVersion
from detection.trials import Trial

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
PICTURES: Final = ("jpeg90", "jpeg70", "jpeg50", "resize", "blur", "screenshot", "social", "crop")
SOUNDS: Final = ("codec",)
CALM: Final = ("asis", "jpeg70", "resize")  # where the false-positive rate is promised

Evaluation = Mapping[str, Any]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """slug: stable. passed; words: why, or what was found."""

    slug: str
    passed: bool
    words: str


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
        """For the log: no figures, which have no exact form there, but what was refused and why."""
        return {"passed": self.passed, "failed": [f"{one.slug}: {one.words}"[:380] for one in self.failed]}


@dataclass(frozen=True)
class Evidence:
    """evaluation: of the challenger; champion: of what is in service, None where nothing was. brought: made
    elsewhere, so that its training cannot be looked at. trial, champion_trial: at this gate, on this machine. audits:
    of the challenger, each whether it was flagged; None where the champion was never audited either. wrong_again:
    permanent tests it fails.
    """

    evaluation: Evaluation
    champion: Evaluation | None
    question: Question
    brought: bool
    trial: Trial
    champion_trial: Trial | None
    audits: Sequence[bool] | None
    wrong_again: Sequence[str]


def judge(evidence: Evidence) -> Verdict:
    """Every criterion, passed or not. Raises nothing: a malformed evaluation is a refusal."""
    try:
        return Verdict(tuple(_criteria(evidence)))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return Verdict((Criterion("evaluation", False, f"evaluation.json is not in its form ({error!r})"[:300]),))


def _criteria(evidence: Evidence) -> Iterator[Criterion]:
    rows, before = evidence.evaluation["rows"], evidence.champion["rows"] if evidence.champion else []
    held_out = [row for row in rows if row["split"] in cards.SPLITS]
    pairs = list(_paired(held_out, before))
    yield _held_out(held_out)
    yield from (_cross_source(held_out, pairs), _low_false_alarms(held_out, pairs), _false_positives(held_out))
    yield from (_calibrated(held_out), _informative(held_out, pairs), _robust(held_out, pairs, evidence.question))
    yield from (_groups(evidence), _membership(evidence), _reproducible(evidence))
    yield from (_quick(evidence), _appeals(evidence.wrong_again))


def _held_out(rows: Sequence[Row]) -> Criterion:
    splits = {row["split"] for row in rows}
    missing = [name for name in cards.SPLITS if name not in splits and name != "unseen"]
    words = f"not measured: {', '.join(missing)}" if missing else "one source and one generator left out at a time"
    return Criterion("held_out", not missing, words)


def _cross_source(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]]) -> Criterion:
    areas = [(row["auc"][0], row) for row in rows if _calm(row, "asis") and row.get("auc")]
    low = [f"{_name(row)} AUC {area:.3f} < {MIN_AUC}" for area, row in areas if area < MIN_AUC]
    worse = [
        f"{_name(new)} AUC {new['auc'][0]:.3f}, the champion has {old['auc'][0]:.3f}"
        for new, old in pairs
        if _calm(new, "asis") and new.get("auc") and old.get("auc") and new["auc"][0] < old["auc"][0] - AUC_SLACK
    ]
    return _told("cross_source_auc", low + worse, "every held-out row", empty=not areas)


def _low_false_alarms(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]]) -> Criterion:
    measured = [row for row in rows if _calm(row, "asis") and row.get("tpr_at_1") is not None]
    worse = [
        f"{_name(new)} finds {new['tpr_at_1']:.3f}, the champion {old['tpr_at_1']:.3f}"
        for new, old in pairs
        if _calm(new, "asis") and _both(new, old, "tpr_at_1") and new["tpr_at_1"] < old["tpr_at_1"] - TPR_SLACK
    ]
    return _told("tpr_at_1_percent_fpr", worse, "no held-out row loses", empty=not measured)


def _false_positives(rows: Sequence[Row]) -> Criterion:
    measured = [row for row in rows if _calm(row, *CALM) and row.get("fpr")]
    high = [f"{_name(row)} FPR {row['fpr'][0]:.3f} > {MAX_FPR}" for row in measured if row["fpr"][0] > MAX_FPR]
    return _told("false_positive_rate", high, f"at most {MAX_FPR} on every real source", empty=not measured)


def _calibrated(rows: Sequence[Row]) -> Criterion:
    measured = [row for row in rows if _calm(row, "asis") and row.get("ece") is not None]
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


def _robust(rows: Sequence[Row], pairs: Sequence[tuple[Row, Row]], question: Question) -> Criterion:
    seen = {_plain(row["condition"]) for row in rows if row.get("auc")}
    grid = SOUNDS if question is Question.VOICE else PICTURES
    missing = [f"not measured: {name}" for name in grid if not any(one.startswith(name) for one in seen)]
    worse = [
        f"{_name(new)} AUC {new['auc'][0]:.3f}, the champion has {old['auc'][0]:.3f}"
        for new, old in pairs
        if not _calm(new, "asis") and _both(new, old, "auc") and new["auc"][0] < old["auc"][0] - ROBUST_SLACK
    ]
    return _told("robustness", missing + worse, "the whole grid was measured, and no row loses")


def _groups(evidence: Evidence) -> Criterion:
    if evidence.audits is None:
        return Criterion("groups", True, "no audit set of this office has audited the champion")
    if not evidence.audits:
        return Criterion("groups", False, "the champion was audited by groups and this version was not")
    flagged = sum(evidence.audits)
    return Criterion("groups", not flagged, f"{flagged} of {len(evidence.audits)} audits found a gap that is no noise")


def _membership(evidence: Evidence) -> Criterion:
    measured = evidence.evaluation.get("membership")
    if measured is None and evidence.brought:
        return Criterion("membership", True, "made elsewhere: what it was trained on is not here to ask about")
    if measured is None:
        return Criterion("membership", False, "not measured: whether scores betray what it was trained on")
    area = float(measured["auc"][0])
    return Criterion("membership", area <= MAX_MEMBERSHIP, f"AUC {area:.3f} (at most {MAX_MEMBERSHIP})")


def _reproducible(evidence: Evidence) -> Criterion:
    told = evidence.evaluation
    if evidence.brought:
        return Criterion("reproducible", True, "made elsewhere: its training is not ours to repeat")
    hashes = [str(one.get("sha256", "")) for one in told.get("data", [])]
    whole = bool(told.get("command")) and isinstance(told.get("seed"), int) and bool(hashes) and all(hashes)
    words = "command, seed and a hash of every data set" if whole else "the command, the seed or a data hash is missing"
    return Criterion("reproducible", whole, words)


def _quick(evidence: Evidence) -> Criterion:
    mine, before = evidence.trial.cpu_ms, evidence.champion_trial.cpu_ms if evidence.champion_trial else None
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
    return row["split"], row["held_out"], _plain(row["condition"])


def _both(new: Row, old: Row, name: str) -> bool:
    return new.get(name) is not None and old.get(name) is not None


def _calm(row: Row, *conditions: str) -> bool:
    return any(_plain(row["condition"]).startswith(one) for one in conditions)


def _plain(condition: str) -> str:
    return condition.replace("_", "")


def _name(row: Row) -> str:
    return f"{row['held_out']} ({row['condition']})"


# --- With the rows of this office ------------------------------------------------------------------------------------


def admit(version: ModelVersion, by: User) -> Verdict:
    """Ask the gate about a challenger; if it passes, it is in the shadow. The answer stands in the log either way.

    Raises Conflict `model.gate_refused` with every reason, or as `versions.to_shadow` does.
    """
    if version.stage != ModelVersion.Stage.CHALLENGER:
        raise Conflict(f"{version} is no challenger but {version.get_stage_display()}.", code="model.not_challenger")
    verdict, entry = ask(version, by)
    if not verdict.passed:
        reasons = [f"{one.slug}: {one.words}" for one in verdict.failed]
        raise Conflict(
            f"{version} was refused. " + " · ".join(reasons),
            code="model.gate_refused",
            next_step="Make a better one; the champion stays in service.",
        )
    versions.to_shadow(version, by, gate_entry=entry)
    return verdict


def ask(version: ModelVersion, by: User) -> tuple[Verdict, Any]:
    """The gate's verdict about any version, recorded. Returns it and its entry."""
    verdict = judge(_evidence(version))
    return verdict, versions.record_gate(version, by, verdict.facts())


def _evidence(version: ModelVersion) -> Evidence:
    artefact, champion = versions.opened(version), versions.champion(version.detector)
    info = registry.detector(version.detector)
    before = _serving(version, champion)
    return Evidence(
        evaluation=_evaluation(artefact.folder) or {},
        champion=_evaluation(before) if before else None,
        question=info.about.question,
        brought=version.brought,
        trial=trials.try_folder(artefact.folder),
        champion_trial=trials.try_folder(before) if before and (before / network.MODEL).exists() else None,
        audits=_audits(version, champion),
        wrong_again=trials.wrong_again(artefact),
    )


def _serving(version: ModelVersion, champion: ModelVersion | None) -> Path | None:
    """The folder of what a challenger must beat: the champion's, or the files beside the detector."""
    if champion is not None:
        return versions.opened(champion).folder if champion.pk != version.pk else None
    beside = registry.ROOM / "detectors" / version.detector
    return beside if (beside / cards.EVALUATION).exists() else None


def _evaluation(folder: Path) -> Evaluation | None:
    path = folder / cards.EVALUATION
    try:
        found = json.loads(path.read_text()) if path.exists() else None
    except ValueError as error:
        raise Problem("model.evaluation", "The evaluation is damaged", status=422, detail=str(error)[:200]) from error
    return found if isinstance(found, dict) else None


def _audits(version: ModelVersion, champion: ModelVersion | None) -> list[bool] | None:
    mine = list(Audit.objects.filter(digest=version.digest).values_list("flagged", flat=True))
    if mine or (champion and Audit.objects.filter(digest=champion.digest).exists()):
        return mine
    return None
