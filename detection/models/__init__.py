"""Examinations, model versions, labels and audits. One module each; import from here."""

from detection.models.federation import FederationRound
from detection.models.learning import Audit, Claim, Corroboration, Label, PermanentTest
from detection.models.runs import RANK, Finding, Run
from detection.models.versions import Approval, DriftWindow, ModelVersion, ShadowReading

__all__ = [
    "RANK",
    "Approval",
    "Audit",
    "Claim",
    "Corroboration",
    "DriftWindow",
    "FederationRound",
    "Finding",
    "Label",
    "ModelVersion",
    "PermanentTest",
    "Run",
    "ShadowReading",
]
