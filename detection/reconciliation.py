"""Examinations, models and labels, and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterable, Iterator
from itertools import islice

from core.canonical import Json
from detection import examination
from detection.detectors import Standing
from detection.federation import recording
from detection.models import Approval, Audit, Corroboration, FederationRound, Label, ModelVersion, PermanentTest, Run
from ledger import receipts, vault
from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states

_CHUNK = 500


def examinations() -> Iterator[str]:
    """Every examination that is over has its entry, with the same outcome and the same findings, public or sealed."""
    over = Run.objects.filter(state__in=(Run.State.DONE, Run.State.FAILED)).prefetch_related("findings")
    yield from compare(over, _recorded)
    hidden = over.filter(standing=Standing.EXPERIMENTAL.value, entry__isnull=False).select_related("entry")
    runs = hidden.prefetch_related("entry__sections").iterator(_CHUNK)
    while part := list(islice(runs, _CHUNK)):
        yield from _sealed(part)


def _recorded(run: Run) -> Said:
    facts = examination.facts_of(run, run.state)
    if run.entry is not None and b'"standing"' not in bytes(run.entry.leaf):
        del facts["standing"]  # recorded before findings were: only this much of it is compared
    elif run.standing != Standing.EXPERIMENTAL:
        facts |= _found(run)
    return Said(examination.recorded_as(run.error_code), f"asset:{run.asset_id}", facts)


def _sealed(runs: Iterable[Run]) -> Iterator[str]:
    """What was sealed and can still be opened, of experimental detectors."""
    entries = [(run, run.entry) for run in runs if run.entry is not None]
    known = vault.keys_of(bytes(one.ciphertext) for _, entry in entries for one in entry.sections.all())
    for run, entry in entries:
        for told in receipts.disclosures_for(entry, [examination.SECTION], known):
            if told.value != _found(run):
                yield f"run {run.pk}: what its entry sealed is not what the row says"


def _found(run: Run) -> dict[str, Json]:
    findings = sorted(run.findings.all(), key=lambda finding: finding.pk)
    return examination.found_of(findings, run.error_code)


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
