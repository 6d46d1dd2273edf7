"""People, notices, cases, decisions and what follows from them. States and shapes; the verbs live beside.

A column that can hold personal data is either a foreign key to the one row that can be forgotten (Person, User)
or ciphertext under that person's key (`sealed…`), so that destroying the key erases it. `policy.rights.personal_fields`
lists them all.
"""

from policy.models.cases import (
    NO_DEADLINE,
    SEVERITY,
    Attachment,
    Case,
    Category,
    Exemption,
    Flag,
    Notice,
    TrustedFlagger,
)
from policy.models.decisions import (
    Action,
    Affected,
    Appeal,
    AppealMessage,
    CounterNotice,
    Decision,
    HashEntry,
    Misuse,
    OutOfCourt,
    StatementOfReasons,
    Strike,
    Suspension,
)
from policy.models.desk import DeclaredConflict, MediaView, Recusal, ReviewerProfile, SecondReview
from policy.models.hooks import HookDelivery, TdbSubmission, Webhook
from policy.models.packs import PackApproval, PackVersion
from policy.models.people import (
    Capacity,
    Consent,
    ConsentEvent,
    Depiction,
    Person,
    ProcessingBasis,
    Purpose,
    Signal,
)
from policy.models.records import Breach, BreachParty, Clock, DataRequest, Export, Hold, PipelineStep
from policy.models.regulators import Consultation, ConsultationMessage, Referral, RegulatorAccount, SavedQuery
from policy.models.transparency import (
    Comment,
    Figure,
    Proposal,
    RegisterEntry,
    ResearchAccess,
    TransparencyReport,
)

__all__ = [
    "NO_DEADLINE",
    "SEVERITY",
    "Action",
    "Affected",
    "Appeal",
    "AppealMessage",
    "Attachment",
    "Breach",
    "BreachParty",
    "Capacity",
    "Case",
    "Category",
    "Clock",
    "Comment",
    "Consent",
    "ConsentEvent",
    "Consultation",
    "ConsultationMessage",
    "CounterNotice",
    "DataRequest",
    "Decision",
    "DeclaredConflict",
    "Depiction",
    "Exemption",
    "Export",
    "Figure",
    "Flag",
    "HashEntry",
    "Hold",
    "HookDelivery",
    "MediaView",
    "Misuse",
    "Notice",
    "OutOfCourt",
    "PackApproval",
    "PackVersion",
    "Person",
    "PipelineStep",
    "ProcessingBasis",
    "Proposal",
    "Purpose",
    "Recusal",
    "Referral",
    "RegisterEntry",
    "RegulatorAccount",
    "ResearchAccess",
    "ReviewerProfile",
    "SavedQuery",
    "SecondReview",
    "Signal",
    "StatementOfReasons",
    "Strike",
    "Suspension",
    "TdbSubmission",
    "TransparencyReport",
    "TrustedFlagger",
    "Webhook",
]
