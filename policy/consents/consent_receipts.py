"""The receipt of a consent, in the shape of ISO/IEC TS 27560:2023 with terms of the DPV, and the check of one.

Header, processing, parties, events. It names nobody: the person shown is a number, and who asked an organisation. Each
event carries the log's own receipt, so that whoever holds it can prove what was asked and answered without us.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings

from core.canonical import Json, canonical_json
from core.problems import NotFound
from ledger import reading
from ledger.receipts import receipt_for
from ledger.verify_checks import Trust
from ledger.verify_receipt import Receipt
from policy.consents import consent_terms as terms
from policy.consents import consent_wording
from policy.consents.consent_fold import Happened, fold
from policy.consents.consent_record import EVENTS, standing
from policy.models import Capacity, Consent, ConsentEvent
from provenance.manifest_reading import mapping, mappings, text

SCHEMA: Final = "ISO/IEC TS 27560:2023"
MOST_EVENTS: Final = 200
_HEADER = ("schema_version", "record_id", "pii_principal_id")
_EVENT = ("event_time", "event_state", "@id", "purposes", "signed_sha256", "manifest_sha256", "log")
_BY = {Consent.State.REQUESTED: "controller", Consent.State.EXPIRED: "controller"}


def receipt(consent: Consent) -> dict[str, Json]:
    """The record as JSON (JSON-LD with the context of the DPV)."""
    events = list(consent.events.select_related("entry").order_by("pk"))
    worth = standing(consent)
    return {
        "@context": dict(terms.CONTEXT),
        "@type": terms.RECORD,
        "header": {
            "schema_version": SCHEMA,
            "record_id": str(consent.pk),
            "pii_principal_id": str(consent.depiction_id),
        },
        "processing": _processing(consent),
        "parties": _parties(consent),
        "state": worth,
        "hasConsentStatus": terms.STATUS[worth],
        "events": [_event(event, consent) for event in events],
    }


def _processing(consent: Consent) -> dict[str, Json]:
    text_shown = consent_wording.wording(consent.notice_version, consent.language)
    return {
        "asset": str(consent.depiction.asset_id),
        "privacy_notice": f"{settings.ASSAY_URL}/consent-notice/{text_shown.version}/{text_shown.language}/",
        "notice_version": text_shown.version,
        "notice_sha256": text_shown.sha256,
        "language": text_shown.language,
        "lawful_basis": terms.BASIS,
        "purposes": [_purpose(value, consent.granted) for value in consent.purposes],
        "geographic_restrictions": consent.territory,
        "valid_from": consent.valid_from.isoformat() if consent.valid_from else None,
        "valid_to": consent.valid_to.isoformat() if consent.valid_to else None,
        "withdrawal_method": "the same link",
        "bound_to": {"signed_sha256": consent.signed_sha256, "manifest_sha256": consent.manifest_sha256},
    }


def _purpose(value: str, granted: list[str]) -> Json:
    why, what = terms.PURPOSE[value]
    return {"purpose": value, "@id": why, "hasProcessing": what, "granted": value in granted}


def _parties(consent: Consent) -> list[Json]:
    asker = consent.requested_by.organisation
    controller: dict[str, Json] = {"party_id": "controller", "party_role": terms.ROLE["controller"]}
    controller["party_name"] = asker.name if asker else "the owner of the work"
    found: list[Json] = [
        controller,
        {"party_id": "principal", "party_role": terms.ROLE["principal"]},
        {"party_id": "office", "party_name": settings.ASSAY_OFFICE_NAME, "party_url": settings.ASSAY_URL},
    ]
    if consent.capacity != Capacity.SELF:
        role = terms.ROLE[consent.capacity]
        found.append({"party_id": "proxy", "party_role": role, "capacity": str(consent.capacity)})
    return found


def _event(event: ConsentEvent, consent: Consent) -> Json:
    proof = receipt_for(event.entry) if event.entry else None
    answered = "proxy" if consent.capacity != Capacity.SELF else "principal"
    return {
        "event_time": event.created_at.isoformat(),
        "event_type": terms.EXPRESSED if event.kind in Consent.STANDS else None,
        "event_state": event.kind,
        "@id": terms.STATUS[event.kind],
        "entity_id": _BY.get(Consent.State(event.kind), answered),
        "purposes": event.purposes or consent.purposes,
        "signed_sha256": event.signed_sha256,
        "manifest_sha256": event.manifest_sha256,
        "log": proof.as_dict() if proof else None,
    }


# --- Checking --------------------------------------------------------------------------------------------------------


def check(told: Any, trust: Trust | None = None) -> list[str]:
    """Everything that a receipt says and that does not follow from itself; [] if all of it does. Never raises.

    Computed anew: the state and the granted purposes from the events, the DPV terms, the digest of the notice, and of
    each event the log's leaf, its inclusion and the signed checkpoint. trust: whose log is believed; None: this
    office's.
    """
    told = mapping(told)
    header, processing = mapping(told.get("header")), mapping(told.get("processing"))
    events = mappings(told.get("events"))[:MOST_EVENTS]
    found = [f"The header has no “{name}”." for name in _HEADER if not text(header.get(name))]
    if header.get("schema_version") != SCHEMA:
        found.append(f"It is not in the shape of {SCHEMA}.")
    found += _wrong_purposes(processing)
    found += _wrong_notice(processing)
    found += _wrong_state(told, processing, events)
    for number, event in enumerate(events, 1):
        found += (f"Event {number}: {why}" for why in _wrong_event(event, processing, trust))
    return found


def _wrong_purposes(processing: Mapping[str, Any]) -> Iterator[str]:
    rows = mappings(processing.get("purposes"))
    if not rows:
        yield "It names no purposes."
    for row in rows:
        value = text(row.get("purpose"), 20)
        if (row.get("@id"), row.get("hasProcessing")) != terms.PURPOSE.get(value, ("", "")):
            yield f"The terms for the purpose “{value}” are not those of the vocabulary."


def _wrong_notice(processing: Mapping[str, Any]) -> Iterator[str]:
    version, language = text(processing.get("notice_version"), 20), text(processing.get("language"), 20)
    try:
        shown = consent_wording.wording(version, language)
    except NotFound:
        yield "There is no consent notice of this version and language."
        return
    if shown.sha256 != processing.get("notice_sha256"):
        yield "The digest of the consent notice is another one."


def _wrong_state(
    told: Mapping[str, Any], processing: Mapping[str, Any], events: list[Mapping[str, Any]]
) -> Iterator[str]:
    rows = mappings(processing.get("purposes"))
    asked = [text(row.get("purpose"), 20) for row in rows]
    happened = [Happened(text(one.get("event_state"), 20), _listed(one.get("purposes"))) for one in events]
    folded = fold(asked, happened)
    said = sorted(text(row.get("purpose"), 20) for row in rows if row.get("granted") is True)
    if not events or happened[0].kind != Consent.State.REQUESTED:
        yield "Its events do not begin with a question."
    if said != sorted(folded.granted):
        yield "The purposes it calls granted do not follow from its events."
    # These follow from the events and the day, or from the work as it was on that day.
    today = ("unbound", "not_yet", Consent.State.EXPIRED) if folded.state in Consent.STANDS else ()
    state = text(told.get("state"), 20)
    if state != folded.state and state not in today:
        yield f"It says “{state}”, and its events say “{folded.state}”."
    if told.get("hasConsentStatus") != terms.STATUS.get(state):
        yield "The term for its state is not that of the vocabulary."


def _listed(value: Any) -> list[str]:
    return [text(one, 20) for one in value] if isinstance(value, list) else []


def _wrong_event(event: Mapping[str, Any], processing: Mapping[str, Any], trust: Trust | None) -> Iterator[str]:
    if missing := [name for name in _EVENT if name not in event]:
        yield f"it has no “{missing[0]}”."
        return
    kind = text(event["event_state"], 20)
    if event["@id"] != terms.STATUS.get(kind):
        yield "the term for its state is not that of the vocabulary."
    if event["log"] is None:
        yield "the log has not proved it yet; ask for the receipt again in a minute."
        return
    verdict = Receipt(_encoded(event["log"]), trust or Trust(policy=reading.policy())).verdict
    yield from (f"the log’s receipt does not hold: {one.message}" for one in verdict.checks if one.ok is not True)
    yield from _other_leaf(event, kind, processing)


def _other_leaf(event: Mapping[str, Any], kind: str, processing: Mapping[str, Any]) -> Iterator[str]:
    leaf = mapping(mapping(event["log"]).get("entry"))
    facts = mapping(leaf.get("facts"))
    if leaf.get("type") != EVENTS.get(kind) or leaf.get("object") != f"asset:{text(processing.get('asset'), 40)}":
        yield "the log’s entry is about something else."
    for name in ("signed_sha256", "manifest_sha256", "purposes"):
        if facts.get(name) != event[name]:
            yield f"the log says another “{name}”."


def _encoded(value: Any) -> bytes:
    try:
        return canonical_json(value)
    except (ValueError, TypeError, RecursionError):
        return b""
