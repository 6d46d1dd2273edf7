"""Works and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from provenance.manifests import FACT
from provenance.models import Asset, Manifest


def works() -> Iterator[str]:
    """Every work has its entry, every registration its work, and nothing is hidden or shown but by an entry."""
    yield from compare(Asset.objects.all(), _registered)
    known = set(Asset.objects.values_list("pk", flat=True).iterator())
    ids = {f"asset:{pk}" for pk in known}
    for leaf in leaves(EventType.ASSET_REGISTERED):
        if leaf["object"] not in ids:
            yield f"{leaf['object']} was registered, and there is no such work"
    yield from _manifests(ids)
    yield from _restrictions()


def _registered(asset: Asset) -> Said:
    facts = {"media_type": asset.media_type, "source_type": asset.source_type, "training": asset.training}
    return Said(EventType.ASSET_REGISTERED, f"asset:{asset.pk}", facts)


def _manifests(works: set[str]) -> Iterator[str]:
    """Each manifest is named by the registration, each update by an entry of its own; and the other way round."""
    rows = list(Manifest.objects.order_by("pk").values_list("asset_id", "form", "sha256"))
    registered = list(leaves(EventType.ASSET_REGISTERED))
    for form, fact in FACT.items():
        recorded = {leaf["object"]: leaf["facts"][fact] for leaf in registered if fact in leaf["facts"]}
        held = {f"asset:{pk}": f"sha256:{digest}" for pk, its, digest in rows if its == form}
        yield from states("the manifest of", held.items(), recorded)
        lost = sorted(works & recorded.keys() - held.keys())
        yield from (f"the manifest of {name} ({form}) is gone" for name in lost)
    updates = {(f"asset:{pk}", f"sha256:{digest}") for pk, its, digest in rows if its == Manifest.Form.UPDATE}
    yield from _updates(updates, works)


def _updates(held: set[tuple[str, str]], works: set[str]) -> Iterator[str]:
    changed = leaves(EventType.MANIFEST_UPDATED, EventType.MANIFEST_REDACTED)
    facts = ((leaf["object"], leaf["facts"]) for leaf in changed)
    recorded = {(name, said[fact]) for name, said in facts if name in works for fact in FACT.values() if fact in said}
    yield from (f"the update {digest} of {name} has no entry" for name, digest in sorted(held - recorded))
    yield from (f"the update {digest} of {name} is gone" for name, digest in sorted(recorded - held))


def _restrictions() -> Iterator[str]:
    changed = leaves(EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED)
    recorded = {leaf["object"]: leaf["facts"]["restriction"] for leaf in changed}
    rows = Asset.objects.order_by("pk").values_list("pk", "restriction").iterator()
    yield from states("the restriction of", ((f"asset:{pk}", kind) for pk, kind in rows), recorded, "")
    changed = leaves(EventType.ASSET_RESTRICTED, EventType.ASSET_RESTORED)
    hidden_in = {leaf["object"]: ",".join(leaf["facts"].get("hidden_in", [])) for leaf in changed}
    places = Asset.objects.order_by("pk").values_list("pk", "hidden_in").iterator()
    yield from states("the places of", ((f"asset:{pk}", ",".join(where)) for pk, where in places), hidden_in, "")
