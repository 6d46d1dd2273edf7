"""Examinations, models and labels, and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from detection.federation import recording
from detection.models import Approval, Audit, Corroboration, FederationRound, Label, ModelVersion, PermanentTest, Run
from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states


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


def model_versions() -> Iterator[str]:
    """Every version, approval and audit has its entry, and each version is in the stage the log left it in."""
    yield from compare(ModelVersion.objects.all(), _registered)
    yield from compare(Approval.objects.select_related("version"), _approved)
    yield from compare(Audit.objects.all(), _audited)
    last = {leaf["object"]: leaf["facts"]["to"] for leaf in leaves(EventType.MODEL_STAGED) if "to" in leaf["facts"]}
    rows = ModelVersion.objects.order_by("pk").values_list("pk", "stage").iterator()
    yield from states("the stage of", ((f"model:{pk}", stage) for pk, stage in rows), last, "challenger")


def _registered(row: ModelVersion) -> Said:
    facts = {"detector": row.detector, "version": row.version, "digest": row.digest, "brought": row.brought}
    return Said(EventType.MODEL_REGISTERED, row.object, facts)


def _approved(row: Approval) -> Said:
    return Said(EventType.MODEL_STAGED, row.version.object, {"step": "approved", "digest": row.version.digest})


def _audited(row: Audit) -> Said:
    facts = {"detector": row.detector, "digest": row.digest, "attribute": row.attribute, "flagged": row.flagged}
    return Said(EventType.MODEL_AUDITED, f"audit_set:{row.set_sha256}", {**facts, "case": row.case})


def labels() -> Iterator[str]:
    """Every label, corroboration and permanent test has its entry, and each label is where the log left it."""
    yield from compare(Label.objects.all(), _labelled)
    yield from compare(Corroboration.objects.select_related("label"), _corroborated)
    yield from compare(PermanentTest.objects.all(), _tested)
    steps = (leaf["facts"] for leaf in leaves(EventType.LABEL_RECORDED))
    last = {facts["label"]: facts["step"] for facts in steps if "label" in facts}
    rows = Label.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of label", ((str(pk), state) for pk, state in rows), last)


def _labelled(row: Label) -> Said:
    facts = {"label": str(row.pk), "question": row.question, "claim": row.claim, "origin": row.origin}
    return Said(EventType.LABEL_RECORDED, f"asset:{row.asset_id}", facts)


def _corroborated(row: Corroboration) -> Said:
    facts = {"label": str(row.label_id), "step": "corroborated"}
    return Said(EventType.LABEL_RECORDED, f"asset:{row.label.asset_id}", facts)


def _tested(row: PermanentTest) -> Said:
    facts = {"test": str(row.pk), "question": row.question, "claim": row.claim}
    return Said(EventType.LABEL_RECORDED, f"asset:{row.asset_id}", facts)


def federation_rounds() -> Iterator[str]:
    """Every round of a federation has its entry, with the same digests and outcomes."""
    yield from compare(FederationRound.objects.all(), _played)


def _played(row: FederationRound) -> Said:
    return Said(EventType.FEDERATION_ROUND, recording.object_of(row), recording.facts_of(row))
