"""Flags: reasons to look. Six origins, and a detector's opinion about pixels is not one of them (I8)."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import REVIEWERS, User
from accounts.people import reviewing_role
from core.problems import Forbidden, Problem
from core.states import move
from ledger import log
from ledger.events import EventType
from policy import cases
from policy.models import Case, Category, Flag, Notice
from provenance.models import Asset

# One sentence an origin, shown to reviewers and to the owner. They describe files and events, never a person.
REASONS: dict[str, str] = {
    Flag.Origin.NOTICE: "Somebody filed a notice about this work.",
    Flag.Origin.DECLARED_SYNTHETIC: (
        "Data inside the file declare synthetic media, and the work is registered without saying so."
    ),
    Flag.Origin.CONSENT_WITHDRAWN: "A person shown in this work has withdrawn consent.",
    Flag.Origin.CONSENT_REFUSED: "A person shown in this work has refused consent to publish it.",
    Flag.Origin.COPY_OF_HIDDEN: "This work looks the same as one that was not shown when it was registered.",
    Flag.Origin.REVIEWER: "A reviewer asked for a second look.",
}
_CATEGORY: dict[str, Category] = {
    Flag.Origin.DECLARED_SYNTHETIC: Category.UNLABELLED_SYNTHETIC,
    Flag.Origin.CONSENT_WITHDRAWN: Category.LIKENESS,
    Flag.Origin.CONSENT_REFUSED: Category.LIKENESS,
    Flag.Origin.COPY_OF_HIDDEN: Category.OTHER,
    Flag.Origin.REVIEWER: Category.OTHER,
}


def raise_flag(
    asset: Asset,
    origin: str,
    *,
    category: str | None = None,
    case: Case | None = None,
    notice: Notice | None = None,
    by: User | None = None,
) -> Flag:
    """Raise a flag on `asset` and open or join a case. Raising the same flag twice gives the first one back.

    by: the reviewer, for the origin "reviewer"; otherwise the office itself raises it. Raises Problem for an origin
    that is not one of Flag.Origin.
    """
    if origin not in REASONS:
        raise Problem("flag.origin", "No such reason to look", detail=f"“{origin}” is not an origin of flags.")
    if origin == Flag.Origin.REVIEWER and (by is None or not by.has_role(*REVIEWERS)):
        raise Forbidden("Asking for a second look needs the role of a reviewer.", code="flag.role")
    try:
        with transaction.atomic():
            return _raise(asset, origin, category or _CATEGORY.get(origin, Category.OTHER), case, notice, by)
    except IntegrityError:
        # The constraint one_raised_flag_an_origin: it is there already, from this job's earlier run or a racing one.
        return Flag.objects.get(asset=asset, origin=origin, notice=None, state=Flag.State.RAISED)


def _raise(asset: Asset, origin: str, category: str, case: Case | None, notice: Notice | None, by: User | None) -> Flag:
    case = case or cases.open_or_join(asset, category=category)
    flag = Flag(asset=asset, case=case, notice=notice, origin=origin, reason=REASONS[origin])
    flag.entry = log.append(
        EventType.FLAG_RAISED,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=f"asset:{asset.pk}",
        facts={"origin": origin, "case": str(case.pk)},
    )
    flag.save(force_insert=True)
    return flag


def flag_copy(asset: Asset) -> None:
    """For `provenance.restriction.register_copy_watch`."""
    raise_flag(asset, Flag.Origin.COPY_OF_HIDDEN)


def leave_out_copies(assets: QuerySet[Asset]) -> QuerySet[Asset]:
    """Without copies of works that were not shown, about which no reviewer has decided: nobody is led to them."""
    copies = Flag.objects.filter(origin=Flag.Origin.COPY_OF_HIDDEN, state=Flag.State.RAISED)
    return assets.exclude(pk__in=copies.values("asset"))


def settle(case: Case, to: Flag.State, *, by: User) -> None:
    """Move every flag of the case that can move to `to`, and record each. Run inside the verb's transaction."""
    for flag in case.flags.all():
        if to not in Flag.MOVES.get(flag.state, ()):
            continue
        move(flag, Flag.MOVES, to)
        log.append(
            EventType.FLAG_SETTLED,
            actor=by.actor,
            role=reviewing_role(by),
            object=f"asset:{flag.asset_id}",
            refs=[flag.entry] if flag.entry else [],
            facts={"origin": flag.origin, "case": str(case.pk), "state": to.value},
        )
