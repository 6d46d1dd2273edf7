"""Statements of reasons (DSA Article 17): structured first, in the words of the EU's transparency database; the text a
person reads is generated from that structure. They describe works, rules and steps, and call nobody anything.
"""

import functools
from collections.abc import Iterable
from typing import Any

import yaml
from django.conf import settings
from django.core.mail import send_mail

from accounts.models import User
from core import jobs
from core.clock import now
from core.models import Job
from policy import people, rules
from policy.models import Affected, Appeal, Case, Category, Clock, Decision, Exemption, Notice, StatementOfReasons
from policy.outcomes import OUTCOMES

ENUMS = rules.FOLDER / "dsa_tdb_enums.yaml"

CATEGORY_OF: dict[str, str] = {
    Category.NCII: "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    Category.NCII_DEEPFAKE: "STATEMENT_CATEGORY_CYBER_VIOLENCE",
    Category.LIKENESS: "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    Category.IMPERSONATION: "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    Category.UNLABELLED_SYNTHETIC: "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
    Category.COPYRIGHT: "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    Category.DEFAMATION: "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    Category.PRIVACY: "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
    Category.CHILD_SAFETY: "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
    Category.ELECTION: "STATEMENT_CATEGORY_NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
    Category.FRAUD: "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    Category.OTHER: "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
}
KEYWORD_OF: dict[str, str] = {
    Category.NCII: "KEYWORD_NON_CONSENSUAL_IMAGE_SHARING",
    Category.NCII_DEEPFAKE: "KEYWORD_NON_CONSENSUAL_MATERIAL_DEEPFAKE",
    Category.COPYRIGHT: "KEYWORD_COPYRIGHT_INFRINGEMENT",
    Category.DEFAMATION: "KEYWORD_DEFAMATION",
    Category.ELECTION: "KEYWORD_MISINFORMATION_DISINFORMATION",
}
GROUND_OF = {
    Decision.Ground.ILLEGAL: "DECISION_GROUND_ILLEGAL_CONTENT",
    Decision.Ground.TERMS: "DECISION_GROUND_INCOMPATIBLE_CONTENT",
}
CONTENT_OF = {"image": "CONTENT_TYPE_IMAGE", "video": "CONTENT_TYPE_VIDEO"}
EFFECT = {
    Decision.Outcome.NO_ACTION: "Nothing about the work was changed.",
    Decision.Outcome.LABEL: "The work now carries a label. It stays public.",
    Decision.Outcome.AGE_RESTRICT: "The work is now shown to adults only.",
    Decision.Outcome.HIDE: "The work is now hidden from the public. It was not deleted.",
}
COURT = "Independently of this, a court remains open to you, and in the EU a certified out-of-court body."


@functools.cache
def enums() -> dict[str, list[str]]:
    """The enumerations of the transparency database, as carried in `policy/rules/dsa_tdb_enums.yaml`."""
    values: dict[str, list[str]] = yaml.safe_load(ENUMS.read_text())["enums"]
    return values


def write(decision: Decision, windows: Iterable[Clock]) -> list[StatementOfReasons]:
    """One statement for each affected recipient, in the decision's transaction, before its actions take effect (I5)."""
    until = max((clock for clock in windows if clock.due_at), key=lambda clock: clock.due_at or now(), default=None)
    roles, made = OUTCOMES[decision.outcome].notify(), []
    asset = decision.case.asset
    if Affected.UPLOADER in roles and asset is not None:
        made.append(_statement(decision, Affected.UPLOADER, until, user=asset.owner))
    if Affected.NOTIFIER in roles:
        made += [
            _statement(decision, Affected.NOTIFIER, until, notice=notice) for notice in decision.case.notices.all()
        ]
    for statement in made:
        jobs.enqueue("policy.deliver", statement=str(statement.pk))
    return made


def _statement(
    decision: Decision,
    recipient: Affected,
    until: Clock | None,
    *,
    user: User | None = None,
    notice: Notice | None = None,
) -> StatementOfReasons:
    structured = structure(decision, recipient, until)
    return StatementOfReasons.objects.create(
        decision=decision,
        recipient=recipient,
        user=user,
        notice=notice,
        structured=structured,
        text=prose(structured),
        entry=decision.entry,
    )


def structure(decision: Decision, recipient: str, until: Clock | None) -> dict[str, Any]:
    """The statement as data. Enumerations are those of the transparency database; automation is derived (I7)."""
    case = decision.case
    return {
        "recipient": recipient,
        "outcome": decision.outcome,
        "effect": EFFECT[Decision.Outcome(decision.outcome)],
        "decision_visibility": OUTCOMES[decision.outcome].visibility,
        "decision_ground": GROUND_OF[Decision.Ground(decision.ground)],
        "category": CATEGORY_OF[case.category],
        "keyword": KEYWORD_OF.get(case.category, ""),
        "content_type": CONTENT_OF.get(case.asset.kind, "CONTENT_TYPE_OTHER") if case.asset else "CONTENT_TYPE_OTHER",
        "source_type": "SOURCE_ARTICLE_16" if case.notices.exists() else "SOURCE_VOLUNTARY",
        "automated_detection": f"AUTOMATED_DETECTION_{'YES' if decision.automated_detection else 'NO'}",
        "automated_decision": decision.automated_decision,
        "rules": decision.rule_refs,
        "facts": decision.facts_text,
        "explanation": decision.explanation,
        "exemptions_considered": exemptions_of(case),
        "application_date": decision.created_at.date().isoformat(),
        "redress": {
            "internal": "An appeal, free of charge, decided by somebody else.",
            "until": until.due_at.isoformat() if until and until.due_at else None,
            "rule": until.rule_id if until else None,
            "other": COURT,
        },
    }


def exemptions_of(case: Case) -> list[str]:
    """What the filers said might speak against a restriction."""
    return sorted({value for notice in case.notices.all() for value in notice.exemptions})


def prose(structured: dict[str, Any]) -> str:
    """The statement in plain sentences, from nothing but its structure."""
    cited = "; ".join(f"{rule['instrument']}, {rule['article']} ({rule['status']})" for rule in structured["rules"])
    machine = structured["automated_detection"] == "AUTOMATED_DETECTION_YES"
    lines = [
        structured["effect"],
        f"This was decided on the ground of {cited}. The rows of law in this office are drafts, not legal advice.",
        f"What the decision rests on: {structured['facts']}",
        f"Why the rule applies: {structured['explanation']}",
        _considered(structured["exemptions_considered"]),
        "A program pointed the office to the work; a person decided." if machine else "A person decided.",
        _redress(structured["redress"]),
    ]
    return "\n\n".join(line for line in lines if line)


def _considered(values: list[str]) -> str:
    words = [str(Exemption(value).label) for value in values]
    return f"Considered as well: {'; '.join(words)}." if words else ""


def _redress(redress: dict[str, Any]) -> str:
    when = f" until {redress['until'][:10]}" if redress["until"] else ""
    return f"You can appeal{when}, free of charge; somebody else will decide. {redress['other']}"


# --- Delivery ------------------------------------------------------------------------------------------------------


@jobs.handler("policy.deliver")
def _deliver(job: Job) -> None:
    """Tell the recipient that a statement is there. The message holds no reasons: mail is read by others."""
    statement = StatementOfReasons.objects.select_related("user", "notice__filer").get(pk=job.args["statement"])
    if statement.delivered_at is not None:
        return
    address, path = _address(statement)
    if address:
        _send(address, "A decision about a work", "There is a decision that concerns you, with its reasons", path)
    StatementOfReasons.objects.filter(pk=statement.pk).update(delivered_at=now())


@jobs.handler("policy.deliver_appeal")
def _deliver_appeal(job: Job) -> None:
    appeal = Appeal.objects.select_related("user", "notice__filer").get(pk=job.args["appeal"])
    address, path = _address(appeal)
    if address:
        _send(address, "Your appeal was decided", "Your appeal was decided by somebody else", path)


def _address(row: StatementOfReasons | Appeal) -> tuple[str, str]:
    """(e-mail or "", page). Who left no address reads the statement with number and PIN."""
    if row.user is not None:
        return (row.user.email if row.user.is_active else ""), "/desk/"
    assert row.notice is not None
    return people.name_and_contact(row.notice.filer)[1], "/notice/"


def _send(address: str, subject: str, sentence: str, path: str) -> None:
    office = settings.ASSAY_OFFICE_NAME
    body = f"{sentence}, at {settings.ASSAY_URL}{path}\n\nThis office is {office}. You need not answer.\n"
    send_mail(f"{office}: {subject}", body, None, [address])
