"""Consent of the person shown: asked by link, answered without an account, bound to the signed file and manifest.

What a creator says about consent is an assertion; only the answer given through the link is consent. The state is a
fold over events (I9): nothing in the past is deleted, and a changed file or manifest leaves the answer unbound (I10).
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from core import jobs
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from ledger.receipts import receipt_for
from policy import people
from policy.flags import raise_flag
from policy.models import Consent, ConsentEvent, Depiction, Flag, Purpose
from provenance.models import Asset, Manifest, Rendition

RECEIPT_SCHEMA = "ISO/IEC TS 27560:2023"
UNBOUND = "unbound"
_EVENTS = {
    Consent.State.GIVEN: EventType.CONSENT_GIVEN,
    Consent.State.REFUSED: EventType.CONSENT_REFUSED,
    Consent.State.WITHDRAWN: EventType.CONSENT_WITHDRAWN,
}

# Flags that a person shown raises by their answer.
_WITHHOLDING = (Flag.Origin.CONSENT_WITHDRAWN, Flag.Origin.CONSENT_REFUSED)


class Binding(NamedTuple):
    """The bytes an answer is about: SHA-256 of the signed file and of its manifest store, hex."""

    signed_sha256: str
    manifest_sha256: str


def binding(asset: Asset) -> Binding:
    """What the asset is right now."""
    signed = asset.renditions.filter(role=Rendition.Role.SIGNED).first()
    # The one it was registered with, in the signed file if there is one: what is added later is about the same bytes.
    registered = asset.manifests.exclude(form=Manifest.Form.UPDATE)
    manifest = registered.order_by("-form", "-created_at").first()
    return Binding(signed.sha256 if signed else "", manifest.sha256 if manifest else "")


def ask_consent(asset: Asset, by: User, *, name: str, contact: str, purposes: Collection[str]) -> tuple[Consent, str]:
    """Ask a person shown in `asset`. Returns the consent and the path of the link; the link's token is kept nowhere.

    Raises Forbidden for anybody but the owner, Problem with `errors` for each wrong field.
    """
    if asset.owner_id != by.pk:
        raise Forbidden("Only the owner of a work can ask the people shown in it.", code="consent.not_owner")
    _check(name, contact, purposes)
    token, bound = secrets.token_urlsafe(32), binding(asset)
    with transaction.atomic():
        person = people.new_person(name=name, contact=contact)
        entry = log.append(
            EventType.CONSENT_REQUESTED,
            actor=by.actor,
            role="creator",
            object=f"asset:{asset.pk}",
            facts={"purposes": sorted(purposes), **bound._asdict()},
            sealed={"depicted": Sealed({"person": person.actor, "name": name.strip()}, person.actor)},
        )
        depiction = Depiction.objects.create(
            asset=asset, person=person, asserted_by=Depiction.AssertedBy.CREATOR, entry=entry
        )
        consent = Consent.objects.create(
            depiction=depiction,
            purposes=sorted(purposes),
            token_hash=_hash(token),
            requested_by=by,
            entry=entry,
            **bound._asdict(),
        )
        ConsentEvent.objects.create(consent=consent, kind=Consent.State.REQUESTED, entry=entry, **bound._asdict())
    return consent, f"/consent/{token}/"


def _check(name: str, contact: str, purposes: Collection[str]) -> None:
    errors: dict[str, list[str]] = {}
    if not 1 <= len(name.strip()) <= 120:
        errors["name"] = ["How the person is called, at most 120 characters."]
    if len(contact.strip()) > 200:
        errors["contact"] = ["At most 200 characters."]
    if not purposes:
        errors["purposes"] = ["Name at least one purpose."]
    elif unknown := set(purposes) - set(Purpose.values):
        errors["purposes"] = [f"Unknown: {', '.join(sorted(unknown))}."]
    if errors:
        raise invalid(errors)


def consent_by_token(token: str) -> Consent:
    """The consent behind a link. Raises NotFound, also once the person was erased."""
    found = Consent.objects.select_related("depiction__asset", "depiction__person").filter(
        token_hash=_hash(token), depiction__person__erased_at=None
    )
    consent = found.first()
    if consent is None:
        raise NotFound("consent request")
    return consent


def _hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


def name_of(consent: Consent) -> str:
    """The name the creator gave; empty once the person was erased."""
    return people.name_and_contact(consent.depiction.person)[0]


def is_bound(consent: Consent) -> bool:
    """Whether the asset is still what the person was asked about (I10)."""
    return binding(consent.depiction.asset) == (consent.signed_sha256, consent.manifest_sha256)


def fold(kinds: Iterable[str]) -> str:
    """The state after these events, in order. The column `state` must always equal it."""
    state: str = Consent.State.REQUESTED
    for kind in kinds:
        if kind in Consent.MOVES.get(state, frozenset()):
            state = kind
    return state


def standing(consent: Consent) -> str:
    """What the answer is worth now: its state, or "unbound" when it was given about other bytes."""
    if consent.state == Consent.State.GIVEN and not is_bound(consent):
        return UNBOUND
    return consent.state


def grant(consent: Consent) -> Consent:
    """The person agrees. Raises Conflict when the work changed since they were asked, or the move is not possible."""
    if not is_bound(consent):
        raise Conflict(
            "The work was changed since you were asked, so this answer would be about something else.",
            code="consent.unbound",
            next_step="Ask the creator for a new link.",
        )
    return _answer(consent, Consent.State.GIVEN)


def refuse(consent: Consent) -> Consent:
    """The person says no. If they were asked about publishing, a reviewer is asked to look at what is public here."""
    with transaction.atomic():
        _answer(consent, Consent.State.REFUSED)
        if Purpose.PUBLISH in consent.purposes:
            raise_flag(consent.depiction.asset, Flag.Origin.CONSENT_REFUSED)
    return consent


def withdraw(consent: Consent) -> Consent:
    """The person withdraws: future purposes stop, a reviewer is asked to look, the past stays on record."""
    with transaction.atomic():
        _answer(consent, Consent.State.WITHDRAWN)
        raise_flag(consent.depiction.asset, Flag.Origin.CONSENT_WITHDRAWN)
    return consent


def _answer(consent: Consent, state: Consent.State) -> Consent:
    depiction, bound = consent.depiction, binding(consent.depiction.asset)
    with transaction.atomic():
        move(consent, Consent.MOVES, state, answered_at=now())
        entry = log.append(
            _EVENTS[state],
            actor=depiction.person.actor,
            role="depicted",
            object=f"asset:{depiction.asset_id}",
            refs=[consent.entry] if consent.entry else [],
            facts={"purposes": consent.purposes, **bound._asdict()},
        )
        ConsentEvent.objects.create(consent=consent, kind=state, entry=entry, **bound._asdict())
        if state == Consent.State.GIVEN:
            _tell_credential(depiction.asset_id, entry)
    return consent


def _tell_credential(asset_id: UUID, entry: Entry) -> None:
    """The credential beside the file names the answer by its leaf in the log: who withdraws is found out there."""
    grant = f"sha256:{bytes(entry.leaf_hash).hex()}"
    jobs.enqueue("manifest.add_consent", key=f"manifest.add_consent:{entry.pk}", asset=str(asset_id), grant=grant)


def is_withheld(asset: Asset) -> bool:
    """Whether a person shown withdrew, or refused publication, and no reviewer has decided about it yet.

    Unlike a report, which anybody can file, this comes from somebody whom the owner says is shown in the work.
    """
    return asset.flags.filter(origin__in=_WITHHOLDING, state=Flag.State.RAISED).exists()


def leave_out_withheld(assets: QuerySet[Asset]) -> QuerySet[Asset]:
    """Without the works that `is_withheld` holds for: nobody is led to them (`provenance.restriction`)."""
    withheld = Flag.objects.filter(origin__in=_WITHHOLDING, state=Flag.State.RAISED)
    return assets.exclude(pk__in=withheld.values("asset"))


def receipt(consent: Consent) -> dict[str, Json]:
    """A record in the shape of ISO/IEC TS 27560: header, processing, events. It names nobody."""
    events: list[Json] = []
    for event in consent.events.select_related("entry"):
        proof = receipt_for(event.entry) if event.entry else None
        events.append(
            {
                "event_time": event.created_at.isoformat(),
                "event_state": event.kind,
                "signed_sha256": event.signed_sha256,
                "manifest_sha256": event.manifest_sha256,
                "log": proof.as_dict() if proof else None,
            }
        )
    return {
        "header": {"schema_version": RECEIPT_SCHEMA, "record_id": str(consent.pk)},
        "processing": {
            "asset": str(consent.depiction.asset_id),
            "purposes": consent.purposes,
            "withdrawal_method": "the same link",
        },
        "state": standing(consent),
        "events": events,
    }
