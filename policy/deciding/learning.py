"""What cases teach detectors, and what detectors owe to cases.

A decision that calls a work synthetic proposes a label; an appeal that overturns it withdraws that label, proposes
the opposite and makes the work a permanent test: no later model may be wrong about it again. Whether anything may be
trained on is decided here, by consent: `detection.labels` asks, this room answers. A gap between groups of people
opens a case against the model.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from detection import fairness, labels, registry
from detection.detectors import Answer, Question
from detection.models import Audit, Claim, Finding, Label, ModelVersion
from detection.registry import DetectorInfo
from ledger.models import Entry
from policy.consents import bases, consent
from policy.desk import cases
from policy.models import Appeal, Case, Category, Decision, Purpose
from provenance.models import Asset
from provenance.vocabulary import Training

# Of a case about this, a restriction means that the office believes the work is what the question looks for.
QUESTION_OF: dict[str, Question] = {
    Category.UNLABELLED_SYNTHETIC: Question.SYNTHETIC,
    Category.NCII_DEEPFAKE: Question.FACE,
}


def register() -> None:
    """Called once at start-up (AppConfig.ready)."""
    labels.register_basis(basis_of)
    fairness.register_on_gap(open_case)
    fairness.register_lines(overturn_lines)


def basis_of(asset: Asset) -> str:
    """What allows training with the work now: the owner, and everybody shown (purpose “train”) or another recorded
    basis. "" if anything is missing.

    An answer about other bytes, a withdrawn one and a refused one allow nothing; nor does a work that is hidden, or one
    made from a work in which somebody said no.
    """
    if asset.training != Training.ALLOWED or asset.is_hidden or consent.is_withheld(asset):
        return ""
    recorded, refused = bases.recorded_for(asset, Purpose.TRAIN)
    if refused:
        return ""
    if not asset.depictions.exists():
        return f"owner:{asset.pk}"
    given = sorted(str(one.pk) for one in bases.allowing(asset, Purpose.TRAIN))
    if len(given) > 1:
        return f"consents:{hashlib.sha256(' '.join(given).encode()).hexdigest()[:40]}"
    if given:
        return f"consent:{given[0]}"
    return f"basis:{recorded[0].pk}" if recorded else ""


# --- From cases to labels --------------------------------------------------------------------------------------------


def from_decision(decision: Decision) -> None:
    """In the decision's transaction: a restriction in a case about synthetic media proposes a label."""
    asset, question = decision.case.asset, QUESTION_OF.get(decision.case.category)
    if asset is None or question is None or decision.outcome == Decision.Outcome.NO_ACTION:
        return
    refs, origin = _refs(decision.entry), Label.Origin.DECISION
    labels.propose(asset, question, Claim.MADE, origin, decided_by=decision.decider, refs=refs)


def from_appeal(appeal: Appeal) -> None:
    """In the transaction of an appeal that overturned. Only what undoes a decision says that the work is real."""
    decision, asset = appeal.decision, appeal.decision.case.asset
    if asset is None or decision.state != Decision.State.REVERSED or decision.case.category not in QUESTION_OF:
        return
    refs = _refs(appeal.entry)
    for question in _questions(asset, decision.case.category):
        for label in asset.labels.filter(question=question, origin=Label.Origin.DECISION):
            if label.state != Label.State.EXCLUDED:
                labels.exclude(label, "overturned")
        labels.propose(asset, question, Claim.REAL, Label.Origin.APPEAL, decided_by=appeal.decider, refs=refs)
        labels.remember(asset, question, Claim.REAL, refs=refs)


def _questions(asset: Asset, category: str) -> list[str]:
    """What the case was about, and every question whose detector said “signals” of this work."""
    wrong = Finding.objects.filter(run__asset=asset, answer=Answer.SIGNALS.value).exclude(run__question="")
    said = set(wrong.values_list("run__question", flat=True)) - {Question.DECLARED.value, Question.HISTORY.value}
    return sorted(said | {QUESTION_OF[category].value})


def _refs(entry: Entry | None) -> list[Entry]:
    return [entry] if entry else []


# --- From audits to cases --------------------------------------------------------------------------------------------


def open_case(info: DetectorInfo) -> str:
    """A case against the model: about no work, so about none of anybody's. Runs in the audit's transaction, which
    writes down which case it opened: `audits_of` finds the model from there.
    """
    return str(cases.open_or_join(None, category=Category.OTHER).pk)


@dataclass(frozen=True)
class AuditedModel:
    """What a case against a model is about. title: of the detector. version: of the model, or the detector's own where
    the network as shipped was audited. lines: the table, for people.
    """

    audit: Audit
    title: str
    version: str
    lines: tuple[str, ...]


def audits_of(case: Case) -> list[AuditedModel]:
    """The audits that opened this case; [] of a case about a work."""
    return [_audited(row) for row in Audit.objects.filter(case=str(case.pk)).order_by("created_at")]


def _audited(row: Audit) -> AuditedModel:
    version = ModelVersion.objects.filter(detector=row.detector, digest=row.digest).first()
    info = next((one for one in registry.all_detectors() if one.name == row.detector), None)
    shipped = f"{info.version}, as shipped" if info and info.model_digest == row.digest else row.digest[:19]
    lines = tuple(fairness.report(row))
    return AuditedModel(row, info.title if info else row.detector, version.version if version else shipped, lines)


def overturn_lines() -> list[str]:
    """How often appeals overturned decisions in cases that a machine had flagged, and in the others."""
    return list(_overturned())


def _overturned() -> Iterator[str]:
    from detection import metrics

    for flagged, words in ((True, "flagged by a machine"), (False, "not flagged by a machine")):
        decided = Appeal.objects.filter(state=Appeal.State.DECIDED, decision__automated_detection=flagged)
        n, k = decided.count(), decided.filter(outcome=Appeal.Outcome.OVERTURN).count()
        decisions = Decision.objects.filter(automated_detection=flagged).count()
        low, high = metrics.rate_interval(k, n)
        share = f"{k / n:.3f} ({low:.3f} to {high:.3f})" if n else "no appeal was decided"
        yield f"cases {words}: {decisions} decisions, {n} appeals decided, {k} overturned, {share}"
