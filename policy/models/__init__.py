"""People, notices, cases, decisions and what follows from them. States and shapes; the verbs live beside.

A column that can hold personal data is either a foreign key to the one row that can be forgotten (Person, User)
or ciphertext under that person's key (`sealed…`), so that destroying the key erases it. `policy.personal_fields`
lists them all.
"""

from policy.models.cases import SEVERITY, Case, Category, Exemption, Flag, Notice
from policy.models.decisions import Action, Affected, Appeal, Decision, StatementOfReasons
from policy.models.people import Consent, ConsentEvent, Depiction, Person, Purpose
from policy.models.records import Clock, DataRequest, Export, Hold, MediaView, PipelineStep

__all__ = [
    "SEVERITY",
    "Action",
    "Affected",
    "Appeal",
    "Case",
    "Category",
    "Clock",
    "Consent",
    "ConsentEvent",
    "DataRequest",
    "Decision",
    "Depiction",
    "Exemption",
    "Export",
    "Flag",
    "Hold",
    "MediaView",
    "Notice",
    "Person",
    "PipelineStep",
    "Purpose",
    "StatementOfReasons",
]
