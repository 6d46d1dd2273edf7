"""What was handed to an authority about a case: a suspicion of a crime that threatens life or safety (DSA 18), or what
an order asked for. Recorded for good, so that it can be shown who knew what, and when (R37).

Nothing is sent from here: a person hands it over, and writes down that they did.
"""

from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core.canonical import Json
from core.clock import now
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.audits.regulators import unfit
from policy.authority import Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse, refuse_fields
from policy.law import rules
from policy.models import Case, Referral

WHAT: Final = (10, 600)


def of(case: Case) -> QuerySet[Referral]:
    """The newest first."""
    return case.referrals.order_by("-created_at")


def grounds() -> list[tuple[str, str]]:
    """(id, words) of the rules that can be cited today."""
    return [(rule.id, f"{rule.instrument}, {rule.article}") for rule in rules.citable(now().date())]


def record(
    by: User,
    case: Case,
    *,
    kind: str,
    authority_name: str,
    jurisdiction: str,
    rule_id: str,
    what: str,
    reference: str = "",
    no_names: bool = False,
) -> Referral:
    """Write down that something about this case was handed to an authority.

    what: in the office's words, without names. no_names: as in a decision. Raises Forbidden (also for parties and who
    was not trained for the case), Problem with `errors`.
    """
    authority.may(by, Act.REFER)
    authority.may_open(case, by)
    refuse(
        {
            "kind": kind not in Referral.Kind.values and "Choose from the list.",
            "authority": unfit(authority_name, 3, 120),
            "jurisdiction": jurisdiction not in rules.JURISDICTIONS and "Choose one of the places.",
            "rule_id": rule_id not in dict(grounds()) and "Name a rule that is in force.",
            "reference": bool(reference.strip()) and unfit(reference, 1, 60),
            "what": not WHAT[0] <= len(what.strip()) <= WHAT[1] and f"Between {WHAT[0]} and {WHAT[1]} characters.",
        }
    )
    named = plain_texts.objections({"what": what.strip()}, _with_owner(case), no_names=no_names)
    refuse_fields({field: words for field, words in named.items() if words})
    row = Referral(
        case=case,
        kind=kind,
        authority=authority_name.strip(),
        jurisdiction=jurisdiction,
        rule_id=rule_id,
        reference=reference.strip(),
        what=what.strip(),
        by=by,
    )
    return _keep(row, plain_texts.said_so(no_names))


def _with_owner(case: Case) -> Case:
    return Case.objects.select_related("asset__owner").get(pk=case.pk)


def _keep(row: Referral, said: dict[str, Json]) -> Referral:
    with transaction.atomic():
        row.entry = log.append(
            EventType.REFERRAL_RECORDED,
            actor=row.by.actor,
            role=reviewing_role(row.by),
            object=row.case.object,
            refs=[row.case.entry] if row.case.entry else [],
            # Under seal: beside a work it would accuse (R22, I8).
            facts={"referral": str(row.pk), **said},
            sealed={"about": Sealed(about(row), row.case.object)},
        )
        row.save(force_insert=True)
    return row


def about(row: Referral) -> dict[str, Json]:
    """What its entry says under seal."""
    names = ("kind", "authority", "jurisdiction", "rule_id", "reference", "what")
    return {name: str(getattr(row, name)) for name in names}
