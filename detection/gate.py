"""The release gate of this office: it collects what `detection.criteria` judges, records the answer in the log either
way, and lets into the shadow what passed.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from accounts.models import User
from core.problems import Conflict, Problem
from detection import cards, criteria, registry, trials, versions
from detection.criteria import Evaluation, Evidence, Verdict, judge
from detection.models import Audit, ModelVersion


def admit(version: ModelVersion, by: User) -> Verdict:
    """Ask the gate about a challenger; if it passes, it is in the shadow. The answer stands in the log either way.

    Raises Conflict `model.gate_refused` with every reason, or as `versions.to_shadow` does.
    """
    if version.stage != ModelVersion.Stage.CHALLENGER:
        raise Conflict(f"{version} is no challenger but {version.get_stage_display()}.", code="model.not_challenger")
    verdict, entry = ask(version, by)
    if not verdict.passed:
        raise Conflict(
            f"{version} was refused. " + " · ".join(verdict.reasons()),
            code="model.gate_refused",
            next_step="Make a better one; the champion stays in service.",
        )
    versions.to_shadow(version, by, gate_entry=entry)
    return verdict


def ask(version: ModelVersion, by: User) -> tuple[Verdict, Any]:
    """The gate's verdict about any version, recorded. Returns it and its entry."""
    verdict = judge(_evidence(version))
    return verdict, versions.record_gate(version, by, verdict.facts(), verdict.reasons())


def _evidence(version: ModelVersion) -> Evidence:
    artefact, champion = versions.opened(version), versions.champion(version.detector)
    info = registry.detector(version.detector)
    before = _serving(version, champion)
    network = _network(before) if before else ""
    return Evidence(
        evaluation=_evaluation(artefact.folder) or {},
        champion=_evaluation(before) if before else None,
        grid=criteria.grid_of(info.kinds, brought=version.brought),
        brought=version.brought,
        cpu_ms=trials.try_folder(artefact.folder).cpu_ms,
        champion_cpu_ms=trials.try_folder(before).cpu_ms if before and network else None,
        audits=_audits(version, champion.digest if champion else info.model_digest),
        wrong_again=trials.wrong_again(artefact),
        model=_network(artefact.folder),
        champion_model=network,
    )


def _serving(version: ModelVersion, champion: ModelVersion | None) -> Path | None:
    """The folder of what a challenger must beat: the champion's, or the files beside the detector."""
    if champion is not None:
        return versions.opened(champion).folder if champion.pk != version.pk else None
    beside = _beside(version.detector)
    return beside if (beside / cards.EVALUATION).exists() else None


def _beside(detector: str) -> Path:
    return registry.ROOM / "detectors" / detector


def _network(folder: Path) -> str:
    """SHA-256 of its network, hex; "" where it has none."""
    path = folder / registry.MODEL
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _evaluation(folder: Path) -> Evaluation | None:
    path = folder / cards.EVALUATION
    try:
        found = json.loads(path.read_text(), parse_constant=_no_number) if path.exists() else None
    except ValueError as error:
        raise Problem("model.evaluation", "The evaluation is damaged", status=422, detail=str(error)[:200]) from error
    return found if isinstance(found, dict) else None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no figure")


def _audits(version: ModelVersion, serving: str) -> list[bool] | None:
    """serving: digest of what serves now, a version or the files as shipped."""
    mine = list(Audit.objects.filter(digest=version.digest).values_list("flagged", flat=True))
    if mine or Audit.objects.filter(digest=serving).exists():
        return mine
    return None
