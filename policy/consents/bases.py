"""On which basis the people in a work are looked at: their own consent, or another one that somebody recorded (R08).

Faces and voices are examined only if one of these holds: everybody shown agreed to it; or a basis is recorded for this
work or for all. Who said no is heard (GDPR 21): against a no, only a legal duty, a vital interest or a legal claim
counts. What somebody said about the work that this one was made from counts as a no, never as a yes. Once a work is
reported, its owner does not keep it from being examined, nor does anybody whom they name: a no counts of who was named
before, and gave the PIN that went to their address, since the owner has their link, too.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.db.models import Min, Q, QuerySet

from accounts.models import Role, User
from core.canonical import Json
from core.clock import now
from core.health import Check
from core.problems import Conflict, invalid
from detection.permission import Permission
from ledger import log
from ledger.events import EventType
from policy import authority, parties
from policy.consents import consent, consent_reach
from policy.models import Consent, Flag, Notice, ProcessingBasis, Purpose
from policy.rights import data_requests
from provenance.models import Asset, Manifest

CONSENT, OBJECTION = "consent", "objection"
Ground = ProcessingBasis.Ground
# GDPR 21(1): who objects is heard, unless one of these asks for it all the same.
AGAINST_A_NO = (Ground.LEGAL_DUTY, Ground.VITAL, Ground.CLAIMS)
# Against these one objects without saying no to anything one was asked (`policy.rights.data_requests`).
OBJECTABLE = (Ground.LEGITIMATE, Ground.PUBLIC_TASK)
MAX_GENERATIONS = 8
# What this office does itself, and so needs a basis of its own for.
PURPOSES = (Purpose.DETECT, Purpose.TRAIN)
# Notices that are no report any more, and flags that say of a work that somebody should look at it.
_OVER = (Notice.State.WITHDRAWN, Notice.State.UNFOUNDED)
_REASONS_TO_LOOK = (Flag.Origin.COPY_OF_HIDDEN, Flag.Origin.COPY_OF_LISTED, Flag.Origin.REVIEWER)
_NO = (Consent.State.REFUSED, Consent.State.WITHDRAWN, Consent.State.HALTED, Consent.State.INVALIDATED)


# --- Recording -------------------------------------------------------------------------------------------------------


def record(
    by: User,
    *,
    purpose: str,
    ground: str,
    reference: str,
    asset: Asset | None = None,
    valid_to: dt.date | None = None,
) -> ProcessingBasis:
    """Put down another basis than consent, for one work or (asset None) for every work. reference: where the
    assessment is, in the office's own words; everybody may read it. valid_to: the last day, None until it is withdrawn.

    What was refused for want of it is tried again. Raises Forbidden (also for a party), Problem with `errors` for each
    wrong field.
    """
    authority.may(by, authority.Act.RECORD_BASIS)
    parties.refuse_party(by, asset)
    reference = " ".join(reference.split())
    _check(purpose, ground, reference, valid_to)
    row = ProcessingBasis(asset=asset, purpose=purpose, ground=ground, reference=reference, valid_to=valid_to)
    with transaction.atomic():
        row.recorded_by = by
        row.entry = log.append(
            EventType.BASIS_RECORDED, actor=by.actor, role=_role(by), object=_object(row), facts=facts_of(row)
        )
        row.save(force_insert=True)
        if purpose == Purpose.DETECT:
            consent_reach.look_again(asset.pk if asset else None)
    return row


def withdraw(row: ProcessingBasis, by: User) -> ProcessingBasis:
    """From now on it is no basis any more; what was done on it stays on record. Raises Forbidden, Conflict."""
    authority.may(by, authority.Act.RECORD_BASIS)
    parties.refuse_party(by, row)
    with transaction.atomic():
        at = now()
        if ProcessingBasis.objects.filter(pk=row.pk, withdrawn_at=None).update(withdrawn_at=at) != 1:
            raise Conflict("This basis was withdrawn before.", code="basis.withdrawn")
        row.withdrawn_at = at
        log.append(
            EventType.BASIS_WITHDRAWN,
            actor=by.actor,
            role=_role(by),
            object=_object(row),
            refs=[row.entry] if row.entry else [],
            facts=facts_of(row),
        )
    return row


def facts_of(row: ProcessingBasis) -> dict[str, Json]:
    """What the entries about a basis say in public; of the reference its digest, as leaves hold no free text."""
    return {
        "basis": str(row.pk),
        "purpose": str(row.purpose),
        "ground": str(row.ground),
        "reference_sha256": hashlib.sha256(row.reference.encode()).hexdigest(),
        "valid_to": row.valid_to.isoformat() if row.valid_to else "",
    }


def _object(row: ProcessingBasis) -> str:
    return f"asset:{row.asset_id}" if row.asset_id else f"basis:{row.pk}"


def _role(by: User) -> str:
    roles = (Role.OPERATOR, Role.LEGAL, Role.LEAD_REVIEWER)
    return next(role.value for role in roles if by.has_role(role))


def _check(purpose: str, ground: str, reference: str, valid_to: dt.date | None) -> None:
    errors: dict[str, list[str]] = {}
    if purpose not in PURPOSES:
        errors["purpose"] = [f"One of: {', '.join(PURPOSES)}; the others are between the owner and the people shown."]
    if ground not in Ground.values:
        errors["ground"] = [f"One of: {', '.join(Ground.values)}."]
    if not 10 <= len(reference) <= 300:
        errors["reference"] = ["Say where the assessment is, in 10 to 300 characters."]
    if valid_to and valid_to < consent.today():
        errors["valid_to"] = ["This day is over."]
    if errors:
        raise invalid(errors)


# --- Asking ----------------------------------------------------------------------------------------------------------


def in_force(purpose: str, asset: Asset | None = None) -> QuerySet[ProcessingBasis]:
    """The bases for this purpose that hold today: for every work, and for `asset`; the oldest first."""
    works = Q(asset=None) | Q(asset=asset) if asset else Q(asset=None)
    return in_force_anywhere().filter(works, purpose=purpose).order_by("created_at")


def in_force_anywhere() -> QuerySet[ProcessingBasis]:
    """All that hold today, whatever they are for and about."""
    running = Q(valid_to=None) | Q(valid_to__gte=consent.today())
    return ProcessingBasis.objects.filter(running, withdrawn_at=None)


def permission(asset: Asset) -> Permission:
    """Whether the people in the work may be looked at now (`detection.permission.register_permission`)."""
    recorded, refused = recorded_for(asset, Purpose.DETECT)
    if not refused and allowing(asset, Purpose.DETECT):
        return Permission(CONSENT)
    if recorded:
        return Permission(str(recorded[0].ground))
    return Permission(why=OBJECTION if refused else "no_basis")


def is_kept_off(asset: Asset) -> bool:
    """Whether the people in the work are not looked at because somebody said no, which a reviewer must be told."""
    return permission(asset).why == OBJECTION


def recorded_for(asset: Asset, purpose: str) -> tuple[list[ProcessingBasis], bool]:
    """The bases that count for this work and purpose, and whether somebody shown said no, or has what is held about
    them stored only.
    """
    rows = list(in_force(purpose, asset))
    before = reported_at(asset) if purpose == Purpose.DETECT else None
    if data_requests.objects(asset, shown_before=before) or _owner_objects(asset, purpose):
        rows = [row for row in rows if row.ground not in OBJECTABLE]
    own = purpose == Purpose.TRAIN
    refused = said_no(asset, purpose, before) or data_requests.is_restricted(asset, shown_before=before, owner=own)
    return [row for row in rows if row.ground in AGAINST_A_NO or not refused], refused


def allowing(asset: Asset, purpose: str) -> list[Consent]:
    """One consent of everybody shown that allows this purpose now; [] if nobody is shown or one of them allows none."""
    rows = Consent.objects.filter(depiction__asset=asset).order_by("pk")
    shown: dict[UUID, list[Consent]] = {pk: [] for pk in asset.depictions.order_by("pk").values_list("pk", flat=True)}
    for row in rows:
        shown[row.depiction_id].append(row)
    bound = consent.binding(asset)
    found = [next((one for one in those if consent.allows(one, purpose, bound)), None) for those in shown.values()]
    given = [one for one in found if one is not None]
    return given if len(given) == len(shown) else []


def _owner_objects(asset: Asset, purpose: str) -> bool:
    """Whether the owner objects to training with it. Looking at a work is not kept off by who made it."""
    return purpose == Purpose.TRAIN and data_requests.objects(asset.owner)


def reported_at(asset: Asset) -> dt.datetime | None:
    """When somebody first reported the work, or had a reason to look at it; None while nothing of it stands. What the
    people shown say, and what the file declares of itself, is no report.
    """
    notices = asset.notices.exclude(state__in=_OVER)
    flags = asset.flags.filter(origin__in=_REASONS_TO_LOOK).exclude(state=Flag.State.CLEARED)
    firsts = [rows.aggregate(at=Min("created_at"))["at"] for rows in (notices, flags)]
    return min((at for at in firsts if at is not None), default=None)


def said_no(asset: Asset, purpose: str, shown_before: dt.datetime | None = None) -> bool:
    """Whether somebody shown, here or in what this was made from, said no to this purpose when they were last asked.
    shown_before: only people who were said to be shown by then, and have given the PIN that was mailed to them.
    """
    rows = Consent.objects.filter(depiction__asset__in=[asset.pk, *forebears(asset)])
    if shown_before is not None:
        rows = rows.filter(depiction__created_at__lt=shown_before, depiction__person__pin_used_at__isnull=False)
    answered = rows.exclude(answered_at=None).exclude(state=Consent.State.EXPIRED)
    last: dict[UUID, Consent] = {}
    for row in answered.order_by("answered_at", "pk"):
        if purpose in row.purposes:
            last[row.depiction_id] = row
    return any(_is_no(row, purpose) for row in last.values())


def _is_no(row: Consent, purpose: str) -> bool:
    return row.state in _NO or purpose not in row.granted


def forebears(asset: Asset) -> set[UUID]:
    """Works of this office that this one was made from, and those that these were made from; at most 8 generations."""
    found: set[UUID] = set()
    level: set[UUID] = {asset.pk}
    for _ in range(MAX_GENERATIONS):
        made = Manifest.objects.filter(asset__in=level).values_list("active", flat=True)
        labels = {label for active in made for label in _ingredients(active)}
        if not labels:
            break
        earlier = Manifest.objects.filter(label__in=labels).values_list("asset", flat=True)
        level = set(earlier) - found - {asset.pk}
        found |= level
    return found


def _ingredients(active: object) -> Iterable[str]:
    told = active.get("ingredients") if isinstance(active, dict) else None
    return [str(one["active_manifest"]) for one in told or [] if one.get("active_manifest")]


# --- Health ----------------------------------------------------------------------------------------------------------


def check() -> Check:
    """Not recording one is no fault: then only who is asked, and agrees, is looked at."""
    count = in_force(Purpose.DETECT).count()
    if count:
        return Check("basis", True, f"{count} recorded for looking at faces and voices in every work")
    return Check(
        "basis",
        True,
        "none is recorded: detectors of faces and voices stay off, but for works in which everybody shown agreed; "
        "`manage.py basis record` records one",
    )
