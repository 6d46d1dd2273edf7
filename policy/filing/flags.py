"""Flags: reasons to look. Seven origins, and a detector's opinion about pixels is not one of them (I8)."""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core.problems import Forbidden, Problem
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.deciding import hashlist
from policy.desk import cases
from policy.models import Case, Category, Flag, Notice
from provenance.models import Asset

# One sentence an origin, shown to reviewers and to the owner. They describe files and events, never a person.
REASONS: dict[str, str] = {
    Flag.Origin.NOTICE: "Somebody filed a notice about this work.",
    Flag.Origin.DECLARED_SYNTHETIC: (
        "Data inside the file declare synthetic media, and the work is registered without saying so."
    ),
    Flag.Origin.CONSENT_WITHDRAWN: "The consent of a person shown in this work was withdrawn, stopped, or has run out.",
    Flag.Origin.CONSENT_REFUSED: "A person shown in this work has refused consent to publish it.",
    Flag.Origin.COPY_OF_HIDDEN: (
        "This work looks the same as one that was not shown, or whose copies are kept out, when it was registered."
    ),
    Flag.Origin.COPY_OF_LISTED: "This work looks the same as something of which we were asked to look at copies.",
    Flag.Origin.REVIEWER: "A reviewer asked for a second look.",
}
_CATEGORY: dict[str, Category] = {
    Flag.Origin.DECLARED_SYNTHETIC: Category.UNLABELLED_SYNTHETIC,
    Flag.Origin.CONSENT_WITHDRAWN: Category.LIKENESS,
    Flag.Origin.CONSENT_REFUSED: Category.LIKENESS,
    Flag.Origin.COPY_OF_HIDDEN: Category.OTHER,
    Flag.Origin.COPY_OF_LISTED: Category.OTHER,
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
    if origin == Flag.Origin.REVIEWER:
        if by is None:
            raise Forbidden("Asking for a second look needs the role of a reviewer.", code="flag.role")
        authority.may(by, authority.Act.ASK_SECOND_LOOK)
    room = category or _CATEGORY.get(origin, Category.OTHER)
    try:
        with transaction.atomic():
            return _raise(asset, origin, room, case, notice, by)
    except IntegrityError:
        # The constraint one_raised_flag_an_origin: it is there already, from this job's earlier run or a racing one.
        raised = Flag.objects.filter(asset=asset, origin=origin, notice=notice, state=Flag.State.RAISED).first()
    if raised is not None:
        return raised
    # It was settled a moment ago, or another row stood in the way: once more, and what is then wrong is said.
    with transaction.atomic():
        return _raise(asset, origin, room, case, notice, by)


def _raise(asset: Asset, origin: str, category: str, case: Case | None, notice: Notice | None, by: User | None) -> Flag:
    case = case or cases.open_or_join(asset, category=category)
    flag = Flag(asset=asset, case=case, notice=notice, origin=origin, reason=REASONS[origin])
    flag.entry = log.append(
        EventType.FLAG_RAISED,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=case.object,
        sealed=_about(flag),
    )
    flag.save(force_insert=True)
    return flag


def flag_copy(asset: Asset, copy: bool) -> None:
    """For `provenance.restriction.register_copy_watch`. What a person asked us to look at is shown to a reviewer and
    otherwise left alone: only what somebody decided keeps copies out of sight (I8).
    """
    named = hashlist.naming(asset)
    # A child's case is nobody's but theirs who are trained for it (I24).
    child = any(hashlist.case_of(row).minor for row in named)
    category = Category.CHILD_SAFETY if child else None
    if copy or hashlist.keep_out(named):
        raise_flag(asset, Flag.Origin.COPY_OF_HIDDEN, category=category)
    elif named:
        raise_flag(asset, Flag.Origin.COPY_OF_LISTED, category=category)


def leave_out_copies(assets: QuerySet[Asset]) -> QuerySet[Asset]:
    """Without copies of works that were not shown or are kept out, about which no reviewer has decided: nobody is led
    to them.
    """
    copies = Flag.objects.filter(origin=Flag.Origin.COPY_OF_HIDDEN, state=Flag.State.RAISED)
    return assets.exclude(pk__in=copies.values("asset"))


def settle(case: Case, to: Flag.State, *, by: User | None) -> None:
    """Move every flag of the case that can move to `to`, and record each. Run inside the verb's transaction.

    by: None where the office itself does it.
    """
    for flag in case.flags.select_related("entry"):
        settle_one(flag, to, by=by)


def settle_one(flag: Flag, to: Flag.State, *, by: User | None) -> bool:
    """Move this flag to `to` if it can move there, and record it. Run inside the verb's transaction."""
    if to not in Flag.MOVES.get(flag.state, ()):
        return False
    move(flag, Flag.MOVES, to)
    log.append(
        EventType.FLAG_SETTLED,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=f"case:{flag.case_id}",
        refs=[flag.entry] if flag.entry else [],
        facts={"state": to.value},
        sealed=_about(flag),
    )
    return True


def _about(flag: Flag) -> dict[str, Sealed]:
    """Which work and why, sealed under the case: a reason to look is no mark on somebody's work (R22, I8)."""
    return {"about": Sealed({"asset": str(flag.asset_id), "origin": flag.origin}, f"case:{flag.case_id}")}
