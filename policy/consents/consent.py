"""Consent of the person shown: asked by link, answered without an account, bound to the signed file and manifest.

What a creator says about consent is an assertion; only the answer given through the link is consent. What stands is a
fold over events (`consent_fold`, I9): nothing in the past is deleted, and a changed file or manifest leaves the answer
unbound (I10). What a withdrawal reaches is in `consent_reach`. This module is the room's door: asking
(`consent_asking`) and reading (`consent_record`) are told here too.
"""

import datetime as dt
from collections.abc import Collection
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core import beat, jobs
from core.clock import now
from core.problems import Conflict, invalid
from ledger.models import Entry
from policy import authority, parties
from policy.consents import consent_pins, consent_reach
from policy.consents.consent_asking import ask_again, ask_consent
from policy.consents.consent_fold import fold
from policy.consents.consent_record import (
    EVENTS,
    NOT_YET,
    OUR_OWN,
    UNBOUND,
    Binding,
    State,
    Who,
    allows,
    binding,
    consent_by_token,
    happen,
    is_bound,
    locked,
    name_of,
    renewal_end,
    standing,
    today,
)
from policy.filing.flags import raise_flag
from policy.models import Capacity, Consent, ConsentEvent, Flag, Person, Purpose
from provenance.models import Asset

__all__ = [
    "EVENTS",
    "NOT_YET",
    "UNBOUND",
    "Binding",
    "allows",
    "answer",
    "ask_again",
    "ask_anew",
    "ask_consent",
    "binding",
    "consent_by_token",
    "expire",
    "fold",
    "grant",
    "halt",
    "invalidate",
    "is_bound",
    "is_withheld",
    "lapse",
    "leave_out_withheld",
    "name_of",
    "refuse",
    "renew",
    "renewal_end",
    "standing",
    "today",
    "withdraw",
    "withdraw_all",
]
BATCH = 500

_SAID_NO = (State.REFUSED, State.WITHDRAWN)
# Flags that a person shown raises by their answer.
_WITHHOLDING = (Flag.Origin.CONSENT_WITHDRAWN, Flag.Origin.CONSENT_REFUSED)
_BEAT = Who("system:policy", "system")


# --- Answering -------------------------------------------------------------------------------------------------------


def answer(
    consent: Consent, purposes: Collection[str], *, entitled: bool = False, digests_of: Collection[str] = ()
) -> str:
    """The person's whole answer: the purposes they agree to from now on, none for no. Returns what it changed, of
    Consent.State, or "unchanged". entitled: a proxy declares that they may answer. digests_of: as in `withdraw`.

    Raises Conflict when it would be about something else than they were asked, Problem with `errors`.
    """
    with transaction.atomic():
        changed = _answer(consent, purposes, entitled=entitled)
        gone = consent_reach.withdraw_hashes(digests_of)
    return State.WITHDRAWN if gone and changed == "unchanged" else changed


def _answer(consent: Consent, purposes: Collection[str], *, entitled: bool) -> str:
    chosen = _chosen(consent, purposes)
    stands = consent.state in Consent.STANDS
    if set(chosen) == set(consent.granted) and (stands or (not chosen and consent.state in _SAID_NO)):
        return "unchanged"
    if not chosen:
        return (withdraw if stands or consent.state == State.HALTED else refuse)(consent).state
    if stands and set(chosen) < set(consent.granted):
        withdraw(consent, set(consent.granted) - set(chosen))
        return State.WITHDRAWN
    again = stands or consent.state in (State.EXPIRED, State.HALTED)
    return (renew if again else grant)(consent, chosen, entitled=entitled).state


def grant(consent: Consent, purposes: Collection[str] | None = None, *, entitled: bool = False) -> Consent:
    """The person agrees to these purposes (None: to all that were asked). Whoever was asked about publishing and does
    not agree to it has a reviewer look. Raises as `answer`.
    """
    _refuse_unentitled(consent, entitled)
    if consent.valid_to and consent.valid_to < today():
        raise Conflict("The time you were asked about is over.", code="consent.over", next_step="Ask for a new link.")
    return _agree(consent, State.GIVEN, _chosen(consent, purposes))


def renew(consent: Consent, purposes: Collection[str] | None = None, *, entitled: bool = False) -> Consent:
    """The person agrees again: before the end, after it, or after a stop; after the end for as long as before. What
    they do not agree to again is withdrawn. Raises as `answer`.
    """
    _refuse_unentitled(consent, entitled)
    times: dict[str, dt.date | None] = {}
    if consent.valid_to and consent.valid_to < today():
        times = {"valid_from": today(), "valid_to": renewal_end(consent)}
    with transaction.atomic():
        before = locked(consent).granted
        _agree(consent, State.RENEWED, _chosen(consent, purposes), **times)
        if dropped := sorted(set(before) - set(consent.granted)):
            _stopped(consent, dropped, consent.events.latest("pk"))
    return consent


def refuse(consent: Consent) -> Consent:
    """The person says no. If they were asked about publishing, a reviewer is asked to look at what is public here."""
    with transaction.atomic():
        happen(consent, State.REFUSED, consent.purposes, _answering(consent), answered_at=now())
        if Purpose.PUBLISH in consent.purposes:
            raise_flag(consent.depiction.asset, Flag.Origin.CONSENT_REFUSED)
    return consent


def withdraw(consent: Consent, purposes: Collection[str] | None = None, *, digests_of: Collection[str] = ()) -> Consent:
    """The person withdraws these purposes (None: all): they stop from now on, here and in what was made from the work;
    where others use it, a reviewer is asked to look. The past stays on record. Raises Conflict for what was not given.

    digests_of: numbers of notices of which the person has shown the PIN: what they gave us with them to compare with
    other media is withdrawn too (I9).
    """
    with transaction.atomic():
        granted = locked(consent).granted
        gone = sorted(granted if purposes is None else set(purposes))
        if not set(gone) <= set(granted):
            raise Conflict("This was not agreed to, so it cannot be withdrawn.", code="consent.not_given")
        _end(consent, State.WITHDRAWN, gone or consent.purposes, _answering(consent), answered_at=now())
        consent_reach.withdraw_hashes(digests_of)
    return consent


def halt(consent: Consent, by: User | None = None) -> Consent:
    """Nothing more is done until the person agrees again. by: a lead reviewer; None: the person. Raises Forbidden."""
    return _stop(consent, State.HALTED, by)


def invalidate(consent: Consent, by: User | None = None) -> Consent:
    """It counts for nothing and never did: somebody else answered, or the proxy might not. The person's PIN went to who
    it was not meant for, so it opens nothing any more. by: a lead reviewer; None: the person. Raises Forbidden.
    """
    with transaction.atomic():
        _stop(consent, State.INVALIDATED, by)
        consent_pins.void(consent.depiction.person)
    return consent


def ask_anew(consent: Consent, by: User) -> Consent:
    """A lead reviewer allows that somebody is asked anew whose answer was declared not valid: the question is open.

    Raises Forbidden, Conflict.
    """
    authority.may(by, authority.Act.STOP_CONSENT)
    parties.refuse_party(by, consent)
    with transaction.atomic():
        who = Who(by.actor, reviewing_role(by))
        happen(consent, State.REQUESTED, consent.purposes, who, answered_at=None)
    return consent


def withdraw_all(person: Person) -> int:
    """Everything that this person, or somebody for them, agreed to and that is not over. Returns how many consents."""
    rows = Consent.objects.filter(depiction__person=person, state__in=[*Consent.STANDS, State.HALTED])
    found = list(rows.select_related("depiction__asset", "depiction__person", "proxy"))
    for each in found:
        withdraw(each)
    return len(found)


def expire() -> None:
    """Asked by beat: end what has run out, also questions that nobody answered in time."""
    over = Consent.objects.filter(valid_to__lt=today(), state__in=[*Consent.STANDS, State.REQUESTED])
    beat.each(over.select_related("depiction__asset", "depiction__person").order_by("pk")[:BATCH], _run_out)


def _run_out(consent: Consent) -> None:
    if consent.state in Consent.STANDS:
        _end(consent, State.EXPIRED, consent.granted, _BEAT)
    else:
        lapse(consent)


def lapse(consent: Consent) -> None:
    """A question that was not answered in time: it runs out, and ends nothing. In the caller's transaction."""
    happen(consent, State.EXPIRED, consent.purposes, _BEAT)


def _chosen(consent: Consent, purposes: Collection[str] | None) -> list[str]:
    chosen = sorted(set(consent.purposes if purposes is None else purposes))
    if unknown := set(chosen) - set(consent.purposes):
        raise invalid({"purposes": [f"You were not asked for: {', '.join(sorted(unknown))}."]})
    return chosen


def _refuse_unentitled(consent: Consent, entitled: bool) -> None:
    if consent.capacity != Capacity.SELF and not entitled:
        raise invalid({"entitled": ["Say that you may answer for this person."]})


def _answering(consent: Consent) -> Who:
    if consent.proxy is not None:
        return Who(consent.proxy.actor, "proxy")
    return Who(consent.depiction.person.actor, "depicted")


def _agree(consent: Consent, state: str, chosen: Collection[str], **times: dt.date | None) -> Consent:
    if not chosen:
        raise invalid({"purposes": ["Choose at least one purpose, or say no."]})
    if not is_bound(consent):
        raise Conflict(
            "The work was changed since you were asked, so this answer would be about something else.",
            code="consent.unbound",
            next_step="Ask the creator for a new link.",
        )
    asset_id = consent.depiction.asset_id
    with transaction.atomic():
        event = happen(consent, state, chosen, _answering(consent), answered_at=now(), **times)
        _tell_credential(asset_id, event.entry)
        if Purpose.PUBLISH in consent.purposes and Purpose.PUBLISH not in chosen:
            raise_flag(consent.depiction.asset, Flag.Origin.CONSENT_REFUSED)
        if Purpose.DETECT in chosen:
            consent_reach.look_again(asset_id)
    return consent


def _stop(consent: Consent, state: str, by: User | None) -> Consent:
    who = _answering(consent)
    if by is not None:
        authority.may(by, authority.Act.STOP_CONSENT)
        parties.refuse_party(by, consent)
        who = Who(by.actor, reviewing_role(by))
    with transaction.atomic():
        gone = locked(consent).granted or consent.purposes
        _end(consent, state, gone, who, **({} if by else {"answered_at": now()}))
    return consent


def _end(consent: Consent, state: str, gone: Collection[str], who: Who, **also: dt.datetime) -> None:
    event = happen(consent, state, gone, who, **also)
    _stopped(consent, gone, event)


def _stopped(consent: Consent, gone: Collection[str], event: ConsentEvent) -> None:
    """In the transaction of the event by which these purposes ended."""
    look = bool(set(gone) - OUR_OWN)  # what this office does itself stops by itself
    if look:
        raise_flag(consent.depiction.asset, Flag.Origin.CONSENT_WITHDRAWN)
    consent_reach.fan_out(consent, gone, event, look=look)


def _tell_credential(asset_id: UUID, entry: Entry | None) -> None:
    """The credential beside the file names the answer by its leaf in the log: who withdraws is found out there."""
    if entry is not None:
        grant = f"sha256:{bytes(entry.leaf_hash).hex()}"
        jobs.enqueue("manifest.add_consent", key=f"manifest.add_consent:{entry.pk}", asset=str(asset_id), grant=grant)


# --- What is withheld ------------------------------------------------------------------------------------------------


def is_withheld(asset: Asset) -> bool:
    """Whether a person shown withdrew, or refused publication, and no reviewer has decided about it yet.

    Unlike a report, which anybody can file, this comes from somebody whom the owner says is shown in the work.
    """
    return asset.flags.filter(origin__in=_WITHHOLDING, state=Flag.State.RAISED).exists()


def leave_out_withheld(assets: QuerySet[Asset]) -> QuerySet[Asset]:
    """Without the works that `is_withheld` holds for: nobody is led to them (`provenance.restriction`)."""
    withheld = Flag.objects.filter(origin__in=_WITHHOLDING, state=Flag.State.RAISED)
    return assets.exclude(pk__in=withheld.values("asset"))
