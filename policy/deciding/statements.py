"""Statements of reasons (DSA Article 17): structured first, in the words of the EU's transparency database; the text a
person reads is generated from that structure, in their language (`policy.deciding.statement_prose`). They describe
works, rules and steps, and call nobody anything.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core import jobs
from core.clock import now
from core.problems import Conflict
from ledger import log
from ledger.events import EventType
from policy.consents import consent_pins
from policy.deciding import decision_checks as checks
from policy.deciding import plain_texts, tdb
from policy.deciding.outcomes import OUTCOMES, all_of, at_once, notify
from policy.deciding.statement_prose import language_of, prose
from policy.models import Affected, Case, Category, Clock, Decision, Notice, Person, StatementOfReasons
from provenance.vocabulary import SYNTHETIC

__all__ = ["correct", "enums", "exemptions_of", "preview", "prose", "recipients", "structure", "write"]

enums = tdb.enums
exemptions_of = checks.claimed

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
    Category.AUTHORITY_ORDER: "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE",
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
CONTENT_OF = {
    "image": "CONTENT_TYPE_IMAGE",
    "video": "CONTENT_TYPE_VIDEO",
    "audio": "CONTENT_TYPE_AUDIO",
    "document": "CONTENT_TYPE_TEXT",
}
# What pointed to the work, in our words and in the database's.
SOURCE_OF = {
    "trusted_flagger": "SOURCE_TRUSTED_FLAGGER",
    "order": "SOURCE_TYPE_OTHER_NOTIFICATION",
    "notice": "SOURCE_ARTICLE_16",
    "own": "SOURCE_VOLUNTARY",
}
# Who took a notice back, or was told that it is unfounded, has their answer already.
NOT_TOLD = (Notice.State.WITHDRAWN, Notice.State.UNFOUNDED)


@dataclass(frozen=True)
class Recipient:
    """One affected person, in one role, and the language they are written to. Exactly one of user, notice, person."""

    role: Affected
    language: str
    user: User | None = None
    notice: Notice | None = None
    person: Person | None = None


# --- Whom, and what --------------------------------------------------------------------------------------------------


def recipients(decision: Decision) -> list[Recipient]:
    """Everybody affected who can be reached: the owner, who filed a notice, who is said to be shown."""
    roles, case, found = notify(decision), decision.case, []
    if Affected.UPLOADER in roles and case.asset is not None:
        owner = case.asset.owner
        found.append(Recipient(Affected.UPLOADER, language_of(owner.language), user=owner))
    if Affected.NOTIFIER in roles:
        filed = case.notices.exclude(state__in=NOT_TOLD).select_related("filer").order_by("pk")
        found += [Recipient(Affected.NOTIFIER, language_of(row.language), notice=row) for row in filed]
    if Affected.DEPICTED in roles:
        found += [Recipient(Affected.DEPICTED, language_of(one.language), person=one) for one in _shown(case)]
    return found


def _shown(case: Case) -> QuerySet[Person]:
    """People said to be shown who have a link about their consent. Who filed a notice besides has two statements, each
    behind its own secret: nothing here says that they are the same person. Nothing is told to who said that it was not
    they who answered.
    """
    known = Person.objects.filter(depictions__asset=case.asset_id, depictions__consents__isnull=False, erased_at=None)
    return known.exclude(pk__in=consent_pins.disowned().values("pk")).distinct().order_by("pk")


def structure(decision: Decision, recipient: str, until: Clock | None) -> dict[str, Any]:
    """The statement as data. Enumerations are those of the transparency database; automation is derived (I7)."""
    case, source = decision.case, source_of(decision.case)
    return {
        "recipient": recipient,
        "outcome": decision.outcome,
        "also": list(decision.also),
        "interim": decision.interim,
        "territory": list(decision.territory),
        "ends_at": decision.ends_at.isoformat() if decision.ends_at else None,
        "removed_at_once": decision.outcome == Decision.Outcome.REMOVE and bool(at_once(decision)),
        "decision_visibility": [each.visibility for each in all_of(decision) if each.visibility],
        "decision_account": OUTCOMES[Decision.Outcome.SUSPEND].account if _suspends(decision) else "",
        "decision_ground": GROUND_OF[Decision.Ground(decision.ground)],
        "category": CATEGORY_OF[case.category],
        "keyword": KEYWORD_OF.get(case.category, ""),
        "content_types": _content_types(case),
        "source": source,
        "source_type": SOURCE_OF[source],
        "automated_detection": f"AUTOMATED_DETECTION_{'YES' if decision.automated_detection else 'NO'}",
        "automated_decision": decision.automated_decision,
        "rules": decision.rule_refs,
        "facts": decision.facts_text,
        "explanation": decision.explanation,
        "exemptions_considered": sorted({*decision.exemptions, *checks.claimed(case)}),
        "application_date": (decision.starts_at or decision.created_at).date().isoformat(),
        "redress": _redress(until),
    }


def _suspends(decision: Decision) -> bool:
    return Decision.Outcome.SUSPEND in (decision.outcome, *decision.also)


def _content_types(case: Case) -> list[str]:
    if case.asset is None:
        return ["CONTENT_TYPE_OTHER"]
    kinds = [CONTENT_OF.get(case.asset.kind, "CONTENT_TYPE_OTHER")]
    return [*kinds, "CONTENT_TYPE_SYNTHETIC_MEDIA"] if case.asset.source_type in SYNTHETIC else kinds


def source_of(case: Case) -> str:
    """What pointed to the work: a key of SOURCE_OF."""
    filed = list(case.notices.all())
    if any(notice.kind == Notice.Kind.ORDER for notice in filed):
        return "order"
    if any(notice.flagger_id for notice in filed):
        return "trusted_flagger"
    return "notice" if filed else "own"


def _redress(until: Clock | None) -> dict[str, Any]:
    return {
        "internal": "/appeals/",
        "until": until.due_at.isoformat() if until and until.due_at else None,
        "rule": until.rule_id if until else None,
        "out_of_court": "EU" in checks.served(),
        "court": True,
        "contact": parseaddr(settings.DEFAULT_FROM_EMAIL)[1],
    }


# --- Writing ---------------------------------------------------------------------------------------------------------


def write(decision: Decision, windows: Iterable[Clock]) -> list[StatementOfReasons]:
    """One statement for each affected recipient, in the decision's transaction, before its actions take effect (I5)."""
    until = max((clock for clock in windows if clock.due_at), key=lambda clock: clock.due_at or now(), default=None)
    said = structure(decision, "", until)
    made = [_write(decision, one, {**said, "recipient": one.role.value}) for one in recipients(decision)]
    for statement in made:
        jobs.enqueue("policy.deliver", statement=str(statement.pk))
    return made


def _write(
    decision: Decision, to: Recipient, structured: dict[str, Any], corrects: StatementOfReasons | None = None
) -> StatementOfReasons:
    puid, record = _for_database(decision, to.role, structured)
    return StatementOfReasons.objects.create(
        decision=decision,
        recipient=to.role,
        user=to.user,
        notice=to.notice,
        person=to.person,
        locale=to.language,
        structured=structured,
        text=prose(structured, to.language),
        puid=puid,
        tdb=record,
        corrects=corrects,
        entry=decision.entry,
    )


def _for_database(
    decision: Decision, role: str, structured: dict[str, Any]
) -> tuple[str | None, dict[str, Any] | None]:
    """(number, record) for the transparency database, of the uploader's statement; (None, None) where it takes none.

    Of a case said to be about a child there is one, too: `may_leave` keeps it here while nobody finds otherwise.
    """
    case = decision.case
    if role != Affected.UPLOADER or case.asset is None or case.category in _NO_RECORD:
        return None, None
    puid = f"assay-{uuid.uuid4().hex}"
    record = tdb.record(structured, puid=puid, content_date=case.asset.created_at.date())
    return (puid, record) if record else (None, None)


# A child's, whoever says otherwise (I24); and what follows an order (DSA 17(5)).
_NO_RECORD: Final = (Category.CHILD_SAFETY, Category.AUTHORITY_ORDER)


def may_leave(case: Case) -> bool:
    """Whether something about the case may go into a public database: never a child's (I24), nor what follows an order
    (DSA 17(5): orders of Article 9 need no statement there).
    """
    return not case.minor and case.category != Category.AUTHORITY_ORDER


def preview(decision: Decision) -> list[tuple[str, str]]:
    """(recipient in words, text) of each statement that a decision that is not saved would send, one a role and
    language; the window to appeal is computed when it is made.
    """
    found: dict[tuple[str, str], tuple[str, str]] = {}
    said = structure(decision, "", None)
    for one in recipients(decision):
        name = str(one.role.label) if one.language == "en" else f"{one.role.label} ({one.language})"
        found[one.role, one.language] = (name, prose(said, one.language))
    return list(found.values())


def correct(
    decision: Decision, by: User, *, facts_text: str, explanation: str, no_names: bool = False
) -> list[StatementOfReasons]:
    """New statements in the place of those in force, with other words: what was decided stays as it is.

    Only who decided, or who approved, corrects; the old statements stay on record. Raises Conflict for anybody else,
    or when the decision is not in effect; Problem with `errors`.
    """
    if by.pk not in (decision.decider_id, decision.approver_id):
        raise Conflict("A statement is corrected by who decided.", code="statement.not_yours")
    said = {"facts_text": facts_text.strip(), "explanation": explanation.strip()}
    checks.refuse(plain_texts.objections(said, decision.case, no_names=no_names))
    with transaction.atomic():
        # Two corrections at once come one after the other.
        locked = Decision.objects.select_for_update().get(pk=decision.pk)
        if locked.state != Decision.State.IN_EFFECT:
            raise Conflict(f"The decision is {locked.get_state_display()}.", code="statement.not_in_effect")
        old = list(decision.statements.filter(corrected_by=None).select_related("user", "notice", "person"))
        entry = log.append(
            EventType.STATEMENT_CORRECTED,
            actor=by.actor,
            role=reviewing_role(by),
            object=decision.case.object,
            refs=[decision.entry] if decision.entry else [],
            facts={"decision": str(decision.pk), "statements": len(old), **plain_texts.said_so(no_names)},
            sealed={"reasons": log.Sealed(said, decision.case.object)},
        )
        made = [_correct(row, said) for row in old]
        StatementOfReasons.objects.filter(pk__in=[row.pk for row in made]).update(entry=entry)
        for row in made:
            jobs.enqueue("policy.deliver", statement=str(row.pk))
    return made


def _correct(old: StatementOfReasons, said: dict[str, str]) -> StatementOfReasons:
    """As it would be written today, with these words, and with what was weighed then."""
    decision = old.decision
    windows = decision.clocks.filter(purpose=Clock.Purpose.APPEAL, due_at__isnull=False)
    structured = {
        **structure(decision, old.recipient, windows.order_by("-due_at").first()),
        "exemptions_considered": old.structured["exemptions_considered"],
        "facts": said["facts_text"],
        "explanation": said["explanation"],
        "corrects": str(old.pk),
    }
    to = Recipient(Affected(old.recipient), old.locale, user=old.user, notice=old.notice, person=old.person)
    return _write(decision, to, structured, corrects=old)
