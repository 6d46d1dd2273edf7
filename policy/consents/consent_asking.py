"""Asking the people shown for consent: by a link that is made once and kept nowhere."""

import datetime as dt
import secrets
from collections.abc import Collection

from django.db import transaction

from accounts.models import User
from core.canonical import Json
from core.problems import Conflict, Forbidden, invalid
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy.consents import consent_pins, consent_wording
from policy.consents.consent_record import (
    UNBOUND,
    State,
    Who,
    binding,
    happen,
    note,
    renewal_end,
    standing,
    today,
    token_hash,
)
from policy.law.rules import JURISDICTIONS
from policy.models import Capacity, Consent, Depiction, Purpose
from policy.rights import data_requests, people
from provenance.models import Asset

LONGEST = dt.timedelta(days=36525)  # a slip of the keyboard, not a rule


def ask_consent(
    asset: Asset,
    by: User,
    *,
    name: str,
    contact: str,
    purposes: Collection[str],
    territory: Collection[str] = (),
    valid_from: dt.date | None = None,
    valid_to: dt.date | None = None,
    language: str = "en",
    capacity: str = Capacity.SELF,
    proxy_name: str = "",
    proxy_contact: str = "",
) -> tuple[Consent, str]:
    """Ask a person shown in `asset`. Returns the consent and the path of the link; the link's token is kept nowhere.

    territory: places of JURISDICTIONS, none for everywhere. valid_to: the last day, None until it is withdrawn.
    capacity: who answers; a guardian or who acts for an estate is named by `proxy_name`.
    Raises Forbidden for anybody but the owner, Problem with `errors` for each wrong field.
    """
    _refuse_stranger(asset, by)
    asked = Consent(
        purposes=sorted(set(purposes)),
        territory=sorted(set(territory)),
        valid_from=valid_from,
        valid_to=valid_to,
        notice_version=consent_wording.CURRENT,
        language=language,
        capacity=capacity,
        requested_by=by,
    )
    errors = {**_wrong_person(name, contact, capacity, proxy_name, proxy_contact), **_wrong_terms(asked)}
    if errors:
        raise invalid(errors)
    with transaction.atomic():
        person = people.new_person(name=name, contact=contact, language=language)
        if capacity != Capacity.SELF:
            asked.proxy = people.new_person(name=proxy_name, contact=proxy_contact, language=language)
        asked.depiction = Depiction(asset=asset, person=person, asserted_by=Depiction.AssertedBy.CREATOR)
        return _ask(asked, sealed={"depicted": Sealed({"person": person.actor, "name": name.strip()}, person.actor)})


def ask_again(consent: Consent, by: User) -> tuple[Consent, str]:
    """Ask the same person for the same about the work as it is now, by a new link (I10): when it was changed, when the
    time is over, or when a link was lost before it was answered. Raises Forbidden, Conflict.
    """
    asset = consent.depiction.asset
    _refuse_stranger(asset, by)
    with transaction.atomic():
        people.refuse_erased(consent.depiction.person)
        data_requests.refuse_restricted(consent.depiction.person)
        consent_pins.refuse_disowned(consent.depiction.person)
        if standing(consent) not in (UNBOUND, State.REQUESTED, State.EXPIRED):
            raise Conflict(
                "This person has answered about the work as it is.",
                code="consent.answered",
                next_step="They can change their mind with the link they have.",
            )
        if consent.state == State.REQUESTED:  # the old link answers nothing any more
            happen(consent, State.EXPIRED, consent.purposes, Who(by.actor, "creator"))
        asked = Consent(
            depiction=consent.depiction,
            notice_version=consent_wording.CURRENT,
            requested_by=by,
            **{name: getattr(consent, name) for name in ("purposes", "territory", "language", "capacity", "proxy")},
            **_same_time_again(consent),
        )
        return _ask(asked)


def _same_time_again(consent: Consent) -> dict[str, dt.date | None]:
    if consent.valid_to is None or consent.valid_to >= today():
        return {"valid_from": consent.valid_from, "valid_to": consent.valid_to}
    return {"valid_from": None, "valid_to": renewal_end(consent)}


def _ask(asked: Consent, sealed: dict[str, Sealed] | None = None) -> tuple[Consent, str]:
    """The rows and the entry, in the caller's transaction."""
    token, depiction = secrets.token_urlsafe(32), asked.depiction
    bound = binding(depiction.asset)
    entry = log.append(
        EventType.CONSENT_REQUESTED,
        actor=asked.requested_by.actor,
        role="creator",
        object=f"asset:{depiction.asset_id}",
        facts={**_terms_of(asked), **bound._asdict()},
        sealed=sealed or {},
    )
    if depiction._state.adding:
        depiction.entry = entry
        depiction.save(force_insert=True)
    asked.depiction, asked.entry, asked.token_hash = depiction, entry, token_hash(token)
    asked.signed_sha256, asked.manifest_sha256 = bound
    asked.save(force_insert=True)
    note(asked, State.REQUESTED, asked.purposes, bound, entry)
    return asked, f"/consent/{token}/"


def _terms_of(asked: Consent) -> dict[str, Json]:
    days = {"valid_from": asked.valid_from, "valid_to": asked.valid_to}
    return {
        "purposes": asked.purposes,
        "territory": asked.territory,
        "notice": asked.notice_version,
        "language": asked.language,
        "capacity": str(asked.capacity),
        **{name: day.isoformat() for name, day in days.items() if day},
    }


def _refuse_stranger(asset: Asset, by: User) -> None:
    if asset.owner_id != by.pk:
        raise Forbidden("Only the owner of a work can ask the people shown in it.", code="consent.not_owner")


def _wrong_person(name: str, contact: str, capacity: str, proxy_name: str, proxy_contact: str) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not 1 <= len(name.strip()) <= 120:
        errors["name"] = ["How the person is called, at most 120 characters."]
    if len(contact.strip()) > 200:
        errors["contact"] = ["At most 200 characters."]
    if capacity not in Capacity.values:
        errors["capacity"] = [f"One of: {', '.join(Capacity.values)}."]
    elif capacity != Capacity.SELF and not 1 <= len(proxy_name.strip()) <= 120:
        errors["proxy_name"] = ["How the person who answers is called, at most 120 characters."]
    elif capacity == Capacity.SELF and proxy_name.strip():
        errors["proxy_name"] = ["Leave this empty where people answer for themselves, or say in which capacity."]
    if len(proxy_contact.strip()) > 200:
        errors["proxy_contact"] = ["At most 200 characters."]
    return errors


def _wrong_terms(asked: Consent) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if not asked.purposes:
        errors["purposes"] = ["Name at least one purpose."]
    elif unknown := set(asked.purposes) - set(Purpose.values):
        errors["purposes"] = [f"Unknown: {', '.join(sorted(unknown))}."]
    if unknown := set(asked.territory) - set(JURISDICTIONS):
        errors["territory"] = [f"Unknown: {', '.join(sorted(unknown))}."]
    if asked.valid_to and asked.valid_to < today():
        errors["valid_to"] = ["This day is over."]
    elif asked.valid_to and asked.valid_to > today() + LONGEST:
        errors["valid_to"] = ["At most a hundred years from now."]
    elif asked.valid_to and asked.valid_from and asked.valid_to < asked.valid_from:
        errors["valid_to"] = ["It ends before it begins."]
    if asked.language not in consent_wording.languages():
        errors["language"] = [f"The consent notice is there in: {', '.join(consent_wording.languages())}."]
    return errors
