"""What the public sees of a work. Policy calls these inside its own transaction and records why in the ledger."""

from collections.abc import Callable
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from provenance import matching
from provenance.models import SEE_HIDDEN, Asset, Rendition

Blocklist = Callable[["QuerySet[Asset]"], "QuerySet[Asset]"]
_blocklists: list[Blocklist] = []
CopyWatch = Callable[[Asset], object]
_copy_watches: list[CopyWatch] = []


def register_blocklist(leave_out: Blocklist) -> None:
    """Called at start-up by upper rooms: `leave_out(works)` is `works` without those that must not be led to."""
    _blocklists.append(leave_out)


def register_copy_watch(tell: CopyWatch) -> None:
    """Called at start-up by upper rooms: `tell(copy)` of a work that looks the same as a blocked one, in the
    transaction that registers it."""
    _copy_watches.append(tell)


def public() -> QuerySet[Asset]:
    """The works that anybody may be led to from a file or its fingerprint."""
    return nameable(None)


def nameable(viewer: User | AnonymousUser | None) -> QuerySet[Asset]:
    """The works that may be named to `viewer` who brings a file: of blocked ones, only their own.

    Reviewers are told of all, since they decide on them.
    """
    visible: QuerySet[Asset] = Asset.objects.visible_to(viewer)
    known = viewer if isinstance(viewer, User) and viewer.is_active else None
    if known is not None and known.has_role(*SEE_HIDDEN):
        return visible
    led_to = visible
    for leave_out in _blocklists:
        led_to = leave_out(led_to)
    return led_to if known is None else visible.filter(Q(owner=known) | Q(pk__in=led_to.values("pk")))


def refuse_blocked(sha256: str) -> None:
    """Raises Forbidden when a file of a hidden or withheld work has this SHA-256. It says nothing of the work."""
    same = Q(original_sha256=sha256) | Q(pk__in=Rendition.objects.filter(sha256=sha256).values("asset"))
    if _blocked(Asset.objects.filter(same)):
        raise Forbidden(
            "A work with exactly these bytes is not shown for now.",
            code="asset.blocked",
            next_step="If that is wrong, object to the decision with the case number or the link you were sent, or "
            "file a notice that says why. Nothing was kept.",
        )


def watch(asset: Asset) -> None:
    """Tell the upper rooms when a work just registered looks the same as a hidden or withheld one, whosever that is."""
    alike = [one["asset_id"] for one in asset.near_duplicates if one["tier"] == matching.SAME]
    if alike and _blocked(Asset.objects.filter(pk__in=alike)):
        for tell in _copy_watches:
            tell(asset)


def _blocked(works: QuerySet[Asset]) -> bool:
    named = set(works.values_list("pk", flat=True))
    return public().filter(pk__in=named).count() < len(named)


class Restricted(NamedTuple):
    """A restriction that was in force: `restrict(asset, kind, label=label)` brings it back."""

    kind: str
    label: str


def restrict(asset: Asset, kind: str, *, label: str = "") -> Restricted:
    """Put `asset` under the restriction `kind` ("" for none) and return the one it replaces.

    label: the words shown with a labelled work. Raises Problem for an unknown kind or a label without words, Conflict
    when somebody else changed the restriction since `asset` was read.
    """
    if kind not in Asset.Restriction.values:
        raise Problem(
            "restriction.unknown",
            "No such restriction",
            detail=f"“{kind[:60]}” is none of this office's.",
            next_step=f"Use one of: {', '.join(filter(None, Asset.Restriction.values))}; or none, to lift it.",
        )
    if kind == Asset.Restriction.LABELLED and not label.strip():
        raise Problem(
            "restriction.label_missing",
            "The label has no words",
            detail="A labelled work shows its label.",
            next_step="Give the words that the public shall read.",
        )
    previous = Restricted(asset.restriction, asset.label_text)
    changed = Asset.objects.filter(pk=asset.pk, restriction=previous.kind, label_text=previous.label).update(
        restriction=kind, label_text=label.strip()
    )
    if changed != 1:
        raise Conflict(
            "The restriction of this work was changed a moment ago.",
            code="restriction.race",
            next_step="Reload the page and look at it again.",
        )
    asset.restriction, asset.label_text = kind, label.strip()
    return previous


def lift(asset: Asset) -> Restricted:
    """Make `asset` public without restriction and return the restriction it had."""
    return restrict(asset, Asset.Restriction.NONE)
