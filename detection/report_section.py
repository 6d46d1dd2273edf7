"""What detection adds to the report on any file: what the file declares, and what the register knows of it or its
likes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from core import storage
from core.canonical import Json
from core.problems import Problem
from detection import examination, guarded, registry, wording
from detection.models import Finding, Run
from detection.shown import runs_of
from provenance import media
from provenance.verification import Report, register_section

log = structlog.get_logger()

MOST_WORKS = 5


def section(report: Report) -> dict[str, Json]:
    """{"runs": [run], "note", "not_examined": [why]}: runs as in the API, each with `about` and `asset_id`.

    about: "this_file" for what was examined just now and is not kept (no ids), "registered_work" for a work with these
    very bytes, "similar_work" for one that only looks like it. A file that could not be examined has no run of its own;
    the rest of the report stands. What experimental detectors found is in no report.
    """
    runs: list[Any] = [*_of_this_file(report), *_of_register(report)]
    return {"runs": runs, "note": note_on(runs), "not_examined": _not_examined(report)}


def note_on(runs: Sequence[Mapping[str, Any]]) -> str:
    """How far to trust these runs (as JSON values)."""
    return wording.note(calibrated=any(finding["calibrated"] for run in runs for finding in run["findings"]))


def _not_examined(report: Report) -> list[Json]:
    why = registry.why_not(
        registry.detector(registry.AT_ONCE),
        media.kind_of(report.media_type),
        report.media_type,
        held=report.path is not None,
    )
    return [why] if why else []


def _of_this_file(report: Report) -> list[Json]:
    info = registry.detector(registry.AT_ONCE)
    if report.path is None or _not_examined(report):
        return []
    try:
        with storage.scratch_path() as work:
            found = guarded.examine(info, report.path, report.media_type, work.parent)
    except Problem as problem:
        log.info("detection.not_declared", code=problem.code)
        return []
    # Rows that are never saved, so that both kinds of run have one shape.
    run = Run(
        detector=info.name,
        version=info.version,
        model_digest=info.model_digest,
        question=info.about.question.value,
        standing=info.standing.value,
        state=Run.State.DONE,
    )
    findings = [{**finding_as_dict(examination.finding_of(run, one)), "id": None} for one in found]
    return [{**_run_as_dict(run), "id": None, "findings": findings, "about": "this_file", "asset_id": None}]


def _of_register(report: Report) -> list[Json]:
    """The works are those the report may name already; their findings are no more secret than they are."""
    works = {match.asset_id: match for match in report.matches[:MOST_WORKS]}
    runs = runs_of(None, *works, state=Run.State.DONE)
    order = list(works)
    shown: list[Json] = []
    for run in sorted(runs, key=lambda run: (order.index(run.asset_id), run.detector, run.pk)):
        about = "registered_work" if works[run.asset_id].tier == "exact" else "similar_work"
        shown.append({**run_as_dict(run), "about": about, "asset_id": str(run.asset_id)})
    return shown


def run_as_dict(run: Run, *, prevalence: str = "") -> dict[str, Any]:
    """A run and its findings as JSON values, no floats. prevalence: see `finding_as_dict`."""
    return {
        **_run_as_dict(run),
        "findings": [finding_as_dict(one, prevalence=prevalence) for one in run.findings.all()],
    }


def _run_as_dict(run: Run) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "detector": run.detector,
        "title": _title(run.detector),
        "version": run.version,
        "model_digest": run.model_digest,
        "question": run.question,
        "standing": run.standing,
        "state": run.state,
        "started_at": _moment(run.started_at),
        "finished_at": _moment(run.finished_at),
        "error_code": run.error_code,
        "error_detail": run.error_detail,
    }


def finding_as_dict(finding: Finding, *, prevalence: str = "") -> dict[str, Any]:
    """prevalence: a share of files that the reader takes to be what was looked for, decimal text; then `posterior` is
    the share among files with this likelihood ratio, else null.
    """
    return {
        "id": str(finding.pk),
        "signal": finding.signal,
        "strength": finding.strength,
        "strength_words": finding.strength_words,
        "calibrated": finding.calibrated,
        "answer": finding.answer or None,
        "answer_words": finding.answer_words,
        "reason": finding.reason,
        "log_likelihood_ratio": finding.llr or None,
        "interval": [finding.low, finding.high] if finding.low and finding.high else None,
        "calibration": finding.calibration,
        "error_rates": finding.details.get("error_rates", []),
        "error_rate_words": finding.error_rate_words,
        "posterior": f"{wording.posterior(finding.llr, prevalence):.6f}" if prevalence and finding.llr else None,
        "statement": finding.statement,
        "score": finding.score,
        "what_would_change": finding.what_would_change,
        "details": {name: value for name, value in finding.details.items() if name not in _APART},
        "regions": finding.places.get("regions", []),
        "spans": finding.places.get("spans", []),
        "timeline": finding.places.get("timeline", []),
        "heatmap": f"/api/v1/findings/{finding.pk}/heatmap" if finding.heatmap_key else None,
        "picture": finding.picture or None,
        "alternative": finding.alternative,
    }


# What stands under a name of its own, and not among the details too.
_APART = ("error_rates", "what_would_change", "picture", "alternative")


def _moment(when: Any) -> str | None:
    return when.isoformat() if when else None


def _title(name: str) -> str:
    """A detector that was removed since is called by its name."""
    return next((info.title for info in registry.all_detectors() if info.name == name), name)


register_section("findings", section)
