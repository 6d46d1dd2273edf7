"""Works and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from provenance.models import Asset, Manifest


def works() -> Iterator[str]:
    """Every work has its entry, every registration its work, and nothing is hidden or shown but by an entry."""
    yield from compare(Asset.objects.all(), _registered)
    known = set(Asset.objects.values_list("pk", flat=True).iterator())
    ids = {f"asset:{pk}" for pk in known}
    for leaf in leaves(EventType.ASSET_REGISTERED):
        if leaf["object"] not in ids:
            yield f"{leaf['object']} was registered, and there is no such work"
    yield from _manifests()
    yield from _restrictions()


def _registered(asset: Asset) -> Said:
    facts = {"media_type": asset.media_type, "source_type": asset.source_type, "training": asset.training}
    return Said(EventType.ASSET_REGISTERED, f"asset:{asset.pk}", facts)


def _manifests() -> Iterator[str]:
    recorded = {leaf["object"]: leaf["facts"].get("manifest") for leaf in leaves(EventType.ASSET_REGISTERED)}
    rows = Manifest.objects.order_by("pk").values_list("asset_id", "sha256").iterator()
    yield from states("the manifest of", ((f"asset:{pk}", f"sha256:{digest}") for pk, digest in rows), recorded)


def _restrictions() -> Iterator[str]:
    changed = leaves(EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED)
    recorded = {leaf["object"]: leaf["facts"]["restriction"] for leaf in changed}
    rows = Asset.objects.order_by("pk").values_list("pk", "restriction").iterator()
    yield from states("the restriction of", ((f"asset:{pk}", kind) for pk, kind in rows), recorded, "")
