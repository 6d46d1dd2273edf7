"""Examinations and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from detection.models import Run
from ledger.events import EventType
from ledger.reconciliation import Said, compare


def examinations() -> Iterator[str]:
    """Every examination that is over has its entry, with the same outcome."""
    yield from compare(Run.objects.filter(state__in=(Run.State.DONE, Run.State.FAILED)), _recorded)


def _recorded(run: Run) -> Said:
    facts = {
        "detector": run.detector,
        "version": run.version,
        "model_digest": run.model_digest,
        "outcome": run.state,
    }
    if run.state == Run.State.FAILED:
        return Said(EventType.DETECTION_RECORDED, f"asset:{run.asset_id}", facts)
    strongest = run.strongest
    found = {"strength": strongest.strength, "score": strongest.score} if strongest else {}
    return Said(EventType.DETECTION_RECORDED, f"asset:{run.asset_id}", {**facts, **found})
