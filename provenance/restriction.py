"""What the public sees of a work. Policy calls these inside its own transaction and records why in the ledger."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from accounts.models import User
from core.problems import Conflict, Forbidden, Problem
from provenance import matching, places
from provenance.models import SEE_HIDDEN, Asset, Rendition

Blocklist = Callable[["QuerySet[Asset]"], "QuerySet[Asset]"]
_blocklists: list[Blocklist] = []
CopyWatch = Callable[[Asset, bool], object]
_copy_watches: list[CopyWatch] = []
# Whether a list of digests keeps out a file of this SHA-256.
ListedFile = Callable[[str], bool]
_listed_files: list[ListedFile] = []
Refusal = Callable[[User], object]
_upload_refusals: list[Refusal] = []


def register_blocklist(leave_out: Blocklist) -> None:
    """Called at start-up by upper rooms: `leave_out(works)` is `works` without those that must not be led to."""
    _blocklists.append(leave_out)


def register_copy_watch(tell: CopyWatch) -> None:
    """Called at start-up by upper rooms: `tell(work, copy)` of every new work, in the transaction that registers it.
    copy: whether it looks the same as a hidden or withheld one, whosever that is."""
    _copy_watches.append(tell)


def register_hash_list(file: ListedFile) -> None:
    """Called at start-up by upper rooms: `file(sha256)` is whether a list keeps out a file of these bytes."""
    _listed_files.append(file)


def register_upload_refusal(refuse: Refusal) -> None:
    """Called at start-up by upper rooms: `refuse(owner)` raises Forbidden for who may not register works for now."""
    _upload_refusals.append(refuse)


def refuse_uploader(owner: User) -> None:
    """Raises Forbidden while `owner` may not register works."""
    for refuse in _upload_refusals:
        refuse(owner)


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
    """Raises Forbidden when a file of a hidden or withheld work has this SHA-256, or a list keeps it out (I8: exact
    bytes that a person decided about). It says nothing of the work.
    """
    same = Q(original_sha256=sha256) | Q(pk__in=Rendition.objects.filter(sha256=sha256).values("asset"))
    if _blocked(Asset.objects.filter(same)) or any(listed(sha256) for listed in _listed_files):
        raise Forbidden(
            "A file with exactly these bytes is not taken for now.",
            code="asset.blocked",
            next_step="If that is wrong, object to the decision with the case number or the link you were sent, or "
            "file a notice that says why. Nothing was kept.",
        )


def watch(asset: Asset) -> None:
    """Tell the upper rooms of a work just registered, and whether it looks the same as a hidden or withheld one."""
    alike = [one["asset_id"] for one in asset.near_duplicates if one["tier"] == matching.SAME]
    copy = bool(alike) and _blocked(Asset.objects.filter(pk__in=alike))
    for tell in _copy_watches:
        tell(asset, copy)


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


def hide_in(asset: Asset, where: Collection[str]) -> None:
    """Do not show `asset` in these places (codes of countries, of their parts, or EU), and only there. None: lift it.

    Raises Conflict when somebody else changed the places since `asset` was read.
    """
    wanted = sorted(set(where))
    if wanted == asset.hidden_in:
        return
    if Asset.objects.filter(pk=asset.pk, hidden_in=asset.hidden_in).update(hidden_in=wanted) != 1:
        raise Conflict(
            "The restriction of this work was changed a moment ago.",
            code="restriction.race",
            next_step="Reload the page and look at it again.",
        )
    asset.hidden_in = wanted


def refusal_here(asset: Asset) -> Forbidden | None:
    """Why the viewer of this request does not get the media of a work that is not shown where they are."""
    if not places.is_among(asset.hidden_in):
        return None
    refused = Forbidden(
        "This work is not shown where you are.",
        code="asset.not_shown_here",
        next_step="The law of that place asked for it; the work’s page says which decision it follows from.",
    )
    refused.status = 451  # RFC 7725
    return refused
