"""Trusted flaggers (DSA 22): whose notices are worked first, within an area and between two days.

Priority is a place in the queue and nothing else: what they flag is decided like everything else.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from accounts.models import Organisation, User
from accounts.people import leading_role
from core.clock import now
from core.problems import Conflict
from core.states import move
from ledger import log
from ledger.events import EventType
from policy import authority, parties
from policy.filing.notice_checks import refuse
from policy.law import rules
from policy.models import Category, Notice, TrustedFlagger


@dataclass(frozen=True)
class Quality:
    """What became of a flagger's notices. accepted_percent: of those answered or unfounded; None before any is."""

    filed: int
    answered: int
    accepted: int
    unfounded: int

    @property
    def accepted_percent(self) -> int | None:
        judged = self.answered + self.unfounded
        return 100 * self.accepted // judged if judged else None


def designate(
    organisation: Organisation,
    *,
    authority_name: str,
    jurisdiction: str,
    areas: Collection[str],
    valid_from: dt.date,
    valid_to: dt.date | None,
    by: User,
) -> TrustedFlagger:
    """Enter that a coordinator designated this organisation. Raises Forbidden, Conflict while one stands, Problem with
    `errors` for each wrong field.
    """
    authority.may(by, authority.Act.DESIGNATE_FLAGGER)
    parties.refuse_party(by, organisation)
    named = authority_name.strip()
    refuse(
        {
            "authority": not 3 <= len(named) <= 120 and "Between 3 and 120 characters.",
            "jurisdiction": jurisdiction not in rules.JURISDICTIONS and "Choose one of the places.",
            "areas": (not areas or bool(set(areas) - set(Category.values))) and "At least one category of the list.",
            "valid_to": bool(valid_to and valid_to < valid_from) and "It ends before it begins.",
        }
    )
    if TrustedFlagger.objects.filter(organisation=organisation).exclude(state=TrustedFlagger.State.ENDED).exists():
        raise Conflict("This organisation is entered already; end that first.", code="flagger.again")
    row = TrustedFlagger(
        organisation=organisation,
        authority=named,
        jurisdiction=jurisdiction,
        areas=sorted(areas),
        valid_from=valid_from,
        valid_to=valid_to,
    )
    with transaction.atomic():
        row.entry = log.append(
            EventType.FLAGGER_DESIGNATED,
            actor=by.actor,
            role=leading_role(by),
            object=f"flagger:{row.pk}",
            facts={
                "organisation": str(organisation.pk),
                "authority": named,
                "jurisdiction": jurisdiction,
                "areas": row.areas,
                "valid_from": valid_from.isoformat(),
                "valid_to": valid_to.isoformat() if valid_to else None,
            },
        )
        row.save(force_insert=True)
    return row


def change(row: TrustedFlagger, to: str, *, by: User) -> TrustedFlagger:
    """Suspend (DSA 22(6)), resume or end a designation. Raises Forbidden (also for a member of it), Conflict."""
    authority.may(by, authority.Act.DESIGNATE_FLAGGER)
    parties.refuse_party(by, row)
    with transaction.atomic():
        move(row, TrustedFlagger.MOVES, to)
        log.append(
            EventType.FLAGGER_CHANGED,
            actor=by.actor,
            role=leading_role(by),
            object=f"flagger:{row.pk}",
            refs=[row.entry] if row.entry else [],
            facts={"state": to},
        )
    return row


def of(user: User) -> TrustedFlagger | None:
    """The designation of the person's organisations that stands now, also outside its dates; None for others."""
    rows = TrustedFlagger.objects.filter(organisation__memberships__user=user)
    return rows.exclude(state=TrustedFlagger.State.ENDED).select_related("organisation", "entry").order_by("pk").first()


def why_ordinary(
    row: TrustedFlagger | None, category: str, on: dt.date | None = None, *, kind: str = Notice.Kind.REPORT
) -> str:
    """Why a notice is an ordinary one although a designated organisation files it; "" when it goes first.

    category, kind: as the case will have them, whatever the form said: DSA 22 is about reports of media alone.
    """
    on = on or now().date()
    if row is None:
        return "Your organisation is not designated as a trusted flagger."
    if row.state != TrustedFlagger.State.ACTIVE:
        return f"The designation is {row.get_state_display()}."
    if on < row.valid_from or (row.valid_to and on > row.valid_to):
        return f"The designation is for {row.valid_from} to {row.valid_to or 'an open end'}."
    if kind != Notice.Kind.REPORT:
        return "Reports of media go first; this is another kind of notice."
    if category not in row.areas:
        return f"“{category}” is not among the areas of the designation: {', '.join(row.areas)}."
    return ""


_COUNTS = {
    "filed": Count("notices"),
    "answered": Count("notices", filter=Q(notices__state=Notice.State.ANSWERED)),
    "accepted": Count(
        "notices",
        filter=Q(notices__state=Notice.State.ANSWERED, notices__outcome=Notice.Outcome.ACCEPTED),
    ),
    "unfounded": Count("notices", filter=Q(notices__state=Notice.State.UNFOUNDED)),
}


def quality(row: TrustedFlagger) -> Quality:
    """One query."""
    return Quality(**TrustedFlagger.objects.filter(pk=row.pk).aggregate(**_COUNTS))


def with_quality(rows: QuerySet[TrustedFlagger]) -> list[tuple[TrustedFlagger, Quality]]:
    """One query, however many."""
    counted = rows.annotate(**_COUNTS)
    return [(row, Quality(**{name: getattr(row, name) for name in _COUNTS})) for row in counted]
