"""Accounts of authorities, their bundles, what was talked about with them and handed to them, and what the log says."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.audits import referrals
from policy.models import Consultation, ConsultationMessage, Export, Referral, RegulatorAccount

_ACCOUNT = {
    EventType.REGULATOR_INVITED: RegulatorAccount.State.INVITED,
    EventType.REGULATOR_ACTIVATED: RegulatorAccount.State.ACTIVE,
    EventType.REGULATOR_SUSPENDED: RegulatorAccount.State.SUSPENDED,
    EventType.REGULATOR_EXPIRED: RegulatorAccount.State.EXPIRED,
}
_EXPORT = {
    EventType.EXPORT_REQUESTED: Export.State.REQUESTED,
    EventType.EXPORT_MADE: Export.State.BUILT,
    EventType.EXPORT_FETCHED: Export.State.FETCHED,
    EventType.EXPORT_FAILED: Export.State.FAILED,
    EventType.EXPORT_EXPIRED: Export.State.EXPIRED,
}
_CONSULTATION = {
    EventType.CONSULTATION_OPENED: Consultation.State.OPEN,
    EventType.CONSULTATION_MESSAGED: Consultation.State.OPEN,
    EventType.CONSULTATION_CLOSED: Consultation.State.CLOSED,
}


def regulators() -> Iterator[str]:
    """Every account, bundle, consultation and referral has its entry, and is as the log left it."""
    yield from compare(
        RegulatorAccount.objects.all(), lambda row: Said(EventType.REGULATOR_INVITED, f"regulator:{row.pk}")
    )
    yield from _terms()
    yield from _exports()
    yield from compare(Consultation.objects.all(), _consultation)
    yield from compare(ConsultationMessage.objects.all(), _message)
    yield from _last(Consultation.objects.all(), "consultation", _CONSULTATION)
    yield from compare(Referral.objects.all(), _referral)


def _terms() -> Iterator[str]:
    """What an account may do, until when: what was said last. Renewed and resumed ones are `regulator:changed`."""
    said: dict[str, dict[str, Any]] = {}
    state: dict[str, str] = {}
    for leaf in leaves(*_ACCOUNT, EventType.REGULATOR_CHANGED):
        name, type = leaf["object"], leaf["type"]
        facts = said.setdefault(name, {})
        facts.update(leaf["facts"])
        if type in _ACCOUNT:
            state[name] = _ACCOUNT[type]
        elif leaf["facts"]["change"] == "resumed":
            state[name] = RegulatorAccount.State.ACTIVE
    rows = list(RegulatorAccount.objects.order_by("pk"))
    yield from states("the state of", ((f"regulator:{row.pk}", row.state) for row in rows), state)
    for column in ("authority", "jurisdictions", "legal_basis", "scopes", "expires_at"):
        last = {name: _text(facts.get(column)) for name, facts in said.items()}
        yield from states(f"{column} of", ((f"regulator:{row.pk}", _text(getattr(row, column))) for row in rows), last)


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _exports() -> Iterator[str]:
    yield from compare(Export.objects.all(), _exported)
    yield from _last(Export.objects.exclude(watermark=""), "export", _EXPORT)
    made = {leaf["object"]: leaf["facts"]["sha256"] for leaf in leaves(EventType.EXPORT_MADE)}
    rows = Export.objects.order_by("pk").values_list("pk", "sha256").iterator()
    yield from states("the digest of", ((f"export:{pk}", sha256) for pk, sha256 in rows), made, "")


def _exported(export: Export) -> Said:
    """Before registry version 6 a bundle was made while it was asked for, and that was its entry."""
    name = f"export:{export.pk}"
    if not export.watermark:
        return Said(EventType.EXPORT_MADE, name, {"sha256": export.sha256, "types": export.query["types"]})
    sealed = {"asked": {"query": export.query}}
    return Said(EventType.EXPORT_REQUESTED, name, {"watermark": export.watermark}, sealed)


def _last(rows: QuerySet[Any], name: str, moves: dict[EventType, Any]) -> Iterator[str]:
    last = {leaf["object"]: str(moves[leaf["type"]]) for leaf in leaves(*moves)}
    found = rows.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of", ((f"{name}:{pk}", state) for pk, state in found), last)


def _consultation(row: Consultation) -> Said:
    sealed = {"subject": row.subject, "case": str(row.case_id or "")}
    return Said(EventType.CONSULTATION_OPENED, f"consultation:{row.pk}", sealed={"about": sealed})


def _message(row: ConsultationMessage) -> Said:
    facts = {"message": str(row.pk), "from_office": row.from_office}
    return Said(EventType.CONSULTATION_MESSAGED, f"consultation:{row.consultation_id}", facts)


def _referral(row: Referral) -> Said:
    facts = {"referral": str(row.pk)}
    return Said(EventType.REFERRAL_RECORDED, f"case:{row.case_id}", facts, {"about": referrals.about(row)})
