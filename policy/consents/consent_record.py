"""The record of a consent: what it is bound to, what it is worth now, and how one event is put down.

An answer is bound to the signed file and its manifest; a changed one leaves it unbound (I10).
"""

import datetime as dt
import hashlib
from collections.abc import Collection
from typing import Any, NamedTuple

from django.conf import settings
from django.core import signing
from django.db.models import Q

from core.clock import now
from core.problems import NotFound
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy.consents.consent_fold import Folded, after
from policy.law.rules import widen
from policy.models import Consent, ConsentEvent, Purpose
from policy.rights import people
from provenance.models import Asset, Manifest, Rendition

# What this office does itself.
OUR_OWN = frozenset({Purpose.DETECT, Purpose.TRAIN})
# What an answer may be worth besides its state.
UNBOUND, NOT_YET = "unbound", "not_yet"
MAILED = "policy.consent.mailed"
State = Consent.State
EVENTS: dict[str, EventType] = {
    State.REQUESTED: EventType.CONSENT_REQUESTED,
    State.GIVEN: EventType.CONSENT_GIVEN,
    State.REFUSED: EventType.CONSENT_REFUSED,
    State.WITHDRAWN: EventType.CONSENT_WITHDRAWN,
    State.RENEWED: EventType.CONSENT_RENEWED,
    State.EXPIRED: EventType.CONSENT_EXPIRED,
    State.HALTED: EventType.CONSENT_HALTED,
    State.INVALIDATED: EventType.CONSENT_INVALIDATED,
}


class Binding(NamedTuple):
    """The bytes an answer is about: SHA-256 of the signed file and of its manifest store, hex."""

    signed_sha256: str
    manifest_sha256: str


class Who(NamedTuple):
    """Who makes something happen, as the log knows them."""

    actor: str
    role: str


def binding(asset: Asset) -> Binding:
    """What the asset is right now."""
    signed = asset.renditions.filter(role=Rendition.Role.SIGNED).first()
    # The one it was registered with, in the signed file if there is one: what is added later is about the same bytes.
    registered = asset.manifests.exclude(form=Manifest.Form.UPDATE)
    manifest = registered.order_by("-form", "-created_at").first()
    return Binding(signed.sha256 if signed else "", manifest.sha256 if manifest else "")


def consent_by_token(token: str) -> Consent:
    """The consent behind a link: the one that was made when they were asked, or one that this office mailed.

    Raises NotFound, also once the person, or who answers for them, was erased, or has another address than was mailed.
    """
    found = Consent.objects.select_related("depiction__asset", "depiction__person", "proxy", "requested_by")
    remembered = found.filter(Q(proxy=None) | Q(proxy__erased_at=None), depiction__person__erased_at=None)
    consent = remembered.filter(_mailed(token) if ":" in token else Q(token_hash=token_hash(token))).first()
    if consent is None:
        raise NotFound("consent request")
    return consent


def mailed_token(consent: Consent) -> str:
    """Of a link for whoever reads the mail of the address: of the other one this office keeps only the digest."""
    told = {"consent": str(consent.pk), "mark": (consent.proxy or consent.depiction.person).contact_mark}
    return signing.dumps(told, salt=MAILED)


def _mailed(token: str) -> Q:
    try:
        told = signing.loads(token, salt=MAILED)
    except signing.BadSignature:
        raise NotFound("consent request") from None
    theirs = Q(proxy=None, depiction__person__contact_mark=told["mark"]) | Q(proxy__contact_mark=told["mark"])
    return theirs & Q(pk=told["consent"])


def token_hash(token: str) -> str:
    # 256 random bits need no salt and no slow hash.
    return hashlib.sha256(token.encode()).hexdigest()


def name_of(consent: Consent) -> str:
    """The name the creator gave; empty once the person was erased."""
    return people.name_and_contact(consent.depiction.person)[0]


def today() -> dt.date:
    """The day by which periods are counted, in UTC."""
    return now().date()


def is_bound(consent: Consent, bytes_now: Binding | None = None) -> bool:
    """Whether the asset is still what the person was asked about (I10). bytes_now: `binding`, where it is known."""
    about = bytes_now or binding(consent.depiction.asset)
    return about == (consent.signed_sha256, consent.manifest_sha256)


def standing(consent: Consent, bytes_now: Binding | None = None) -> str:
    """What the answer is worth now: its state; of one that stands also “unbound” when it was given about other bytes,
    “expired” and “not_yet” outside its time.
    """
    if consent.state not in Consent.STANDS:
        return consent.state
    if not is_bound(consent, bytes_now):
        return UNBOUND
    if consent.valid_to and consent.valid_to < today():
        return State.EXPIRED
    return NOT_YET if consent.valid_from and consent.valid_from > today() else consent.state


def allows(consent: Consent, purpose: str, bytes_now: Binding | None = None) -> bool:
    """Whether the person agrees to this purpose now, about the work as it is; to what this office does itself, also
    for every place where it serves people. The other purposes are between the owner and the person.
    """
    if purpose in OUR_OWN and not reaches_us(consent):
        return False
    return purpose in consent.granted and standing(consent, bytes_now) in Consent.STANDS


def reaches_us(consent: Consent) -> bool:
    """Whether the consent holds wherever this office serves people: one for the EU holds in Denmark too."""
    places = set(consent.territory)
    return not places or all(places & set(widen([ours])) for ours in settings.ASSAY_JURISDICTIONS)


def renewal_end(consent: Consent) -> dt.date | None:
    """Until when a consent that ran out would stand if it were given again today: as long as it was asked for."""
    if consent.valid_to is None:
        return None
    return today() + (consent.valid_to - (consent.valid_from or consent.created_at.date()))


# --- Putting down ---------------------------------------------------------------------------------------------------


def locked(consent: Consent) -> Consent:
    """The row as it is now: two answers about different purposes at once must both count."""
    return Consent.objects.select_for_update().get(pk=consent.pk)


def happen(consent: Consent, kind: str, purposes: Collection[str], who: Who, **also: Any) -> ConsentEvent:
    """The new state, its event and its entry, in the caller's transaction. also: other fields of the row, all but
    `answered_at` days that the entry tells. Raises Conflict for what cannot be.
    """
    bound, about = binding(consent.depiction.asset), sorted(purposes)
    folded = after(Folded(consent.state, tuple(locked(consent).granted)), kind, about)
    partly = kind == State.WITHDRAWN and folded.granted
    moves = {consent.state: {folded.state}} if partly else Consent.MOVES
    move(consent, moves, folded.state if partly else kind, granted=list(folded.granted), **also)
    renewed = {name: day.isoformat() for name, day in also.items() if name != "answered_at" and day}
    entry = log.append(
        EVENTS[kind],
        actor=who.actor,
        role=who.role,
        object=f"asset:{consent.depiction.asset_id}",
        refs=[consent.entry] if consent.entry else [],
        facts={"purposes": about, **renewed, **bound._asdict()},
    )
    return note(consent, kind, about, bound, entry)


def note(consent: Consent, kind: str, purposes: Collection[str], bound: Binding, entry: Entry) -> ConsentEvent:
    return ConsentEvent.objects.create(
        consent=consent, kind=kind, purposes=list(purposes), entry=entry, **bound._asdict()
    )
