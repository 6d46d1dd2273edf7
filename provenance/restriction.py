"""What the public sees of a work. Policy calls these inside its own transaction and records why in the ledger."""

from typing import NamedTuple

from core.problems import Conflict, Problem
from provenance.models import Asset


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
        raise Problem("restriction.unknown", "No such restriction", detail=f"“{kind}” is none of this office's.")
    if kind == Asset.Restriction.LABELLED and not label.strip():
        raise Problem("restriction.label_missing", "The label has no words", detail="A labelled work shows its label.")
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
