"""From a file that lost its credential, or from its fingerprint, back to the registered manifest.

What the C2PA Soft Binding Resolution API (spec 2.4, “Soft Binding API” §1.4) answers, without HTTP. It speaks to
the public alone, whoever asks: a hidden work is not there, for its owner neither, and what upper rooms block is not
there from the moment on in which they say so. Nothing is cached.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from core import storage
from core.problems import NotFound, Problem
from core.storage import Scratch
from provenance import descent, guarded, manifests, matching, media, softbinding
from provenance.delivery import Viewer, refusal
from provenance.models import Asset, Manifest, Rendition
from provenance.restriction import public

MAX_RESULTS = 20  # as many as matching.near looks for
EXACT = 100
ALGORITHMS = (softbinding.ALG,)


@dataclass(frozen=True)
class Found:
    """manifest_id: label of the manifest. score: 0 to 100, and 100 for equal bytes alone."""

    manifest_id: str
    score: int


def by_value(alg: str, value: bytes, *, limit: int) -> list[Found]:
    """Manifests whose soft binding is near `value`, best first. Raises Problem for an algorithm or value it is not."""
    return _answer(_alike(codes_of(alg, value)), limit)


def by_file(scratch: Scratch, *, limit: int, hint: Mapping[str, bytes] | None = None) -> list[Found]:
    """Manifests of the works with these bytes or like them, best first. Nothing of the file is kept.

    hint: codes that the asker knows of it, looked up as well. Raises Problem media.* for a file that is neither
    registered nor can be compared.
    """
    found = _exact(scratch.sha256)
    if not found:  # equal bytes leave nothing to be looked for, and cost no decoding
        found = _better(_alike(_codes(scratch.path)), _alike(hint or {}))
    return _answer(found, limit)


def check_algorithm(alg: str) -> None:
    """Raises Problem for a soft binding algorithm without an index here."""
    if alg in ALGORITHMS:
        return
    raise Problem(
        "resolution.algorithm",
        "This soft binding algorithm is not looked up here",
        detail=f"“{alg[:60]}” is none of the algorithms this office has an index for.",
        next_step=f"Use one of: {', '.join(ALGORITHMS)}.",
    )


def codes_of(alg: str, value: bytes) -> dict[str, bytes]:
    """The fingerprints in a soft binding value. Raises Problem."""
    check_algorithm(alg)
    try:
        codes = softbinding.codes_in(value)
    except ValueError as error:
        raise bad_value(f"The value is no ISCC-SEQ (IEP-0020): {error}.") from None
    if not codes:
        raise bad_value("It holds no Content-Code Image or Audio of 256 bits.")
    return codes


def bad_value(detail: str) -> Problem:
    """The refusal of a value that is no soft binding."""
    return Problem(
        "resolution.value",
        "The value of the soft binding cannot be used",
        detail=detail,
        next_step="Send the units of the file's ISCC, 256 bits each, one after another, in base64.",
    )


# --- Works ----------------------------------------------------------------------------------------------------------


def _exact(sha256: str) -> dict[UUID, Found]:
    """Works one of whose files has these very bytes, with the manifest that was made over them."""
    kept = Rendition.objects.filter(sha256=sha256, asset__in=public()).order_by("asset_id", "role")
    roles = {pk: Rendition.Role(role) for pk, role in kept.values_list("asset_id", "role")[:MAX_RESULTS]}
    # By its hash alone, also a work whose file this office never had.
    originals = public().filter(original_sha256=sha256).order_by("pk").values_list("pk", flat=True)
    roles.update(dict.fromkeys(originals[:MAX_RESULTS], Rendition.Role.ORIGINAL))
    return _named({pk: (role, EXACT) for pk, role in roles.items()})


def _alike(codes: Mapping[str, bytes] | matching.Queries) -> dict[UUID, Found]:
    if not codes:
        return {}
    matches = matching.near(codes, public())
    return _named({one.asset_id: (Rendition.Role.SIGNED, score(one.distance)) for one in matches})


def _better(one: Mapping[UUID, Found], other: Mapping[UUID, Found]) -> dict[UUID, Found]:
    """Of each work the higher score."""
    worse_first = sorted([*one.items(), *other.items()], key=lambda item: item[1].score)
    return dict(worse_first)


def score(distance: float) -> int:
    """Of a likeness: the share of equal bits in per cent, below that of equal bytes."""
    return max(0, min(EXACT - 1, round(100 * (1 - distance))))


def _named(works: Mapping[UUID, tuple[Rendition.Role, int]]) -> dict[UUID, Found]:
    """The manifest of each work that has one, by the work's id."""
    found: dict[UUID, Found] = {}
    for asset in public().filter(pk__in=list(works)).prefetch_related("manifests"):
        role, points = works[asset.pk]
        manifest = manifests.fitting(asset, role)
        if manifest is not None and descent.refusal(asset, None) is None:
            found[asset.pk] = Found(manifest.label, points)
    return found


def _answer(found: Mapping[UUID, Found], limit: int) -> list[Found]:
    """Best first, and among equals the work that was registered first: its id begins with the time."""
    best = sorted(found.items(), key=lambda item: (-item[1].score, item[0]))
    return [one for _, one in best[: min(limit, MAX_RESULTS)]]


def _codes(path: Path) -> matching.Queries:
    """Of the file as it is, and of what it may have been made of."""
    media_type = media.sniff(path)
    with storage.scratch_path(".jpg") as preview:
        return guarded.describe(path, media_type, preview=preview, search=True).looked_for


# --- Manifests ------------------------------------------------------------------------------------------------------


def manifest_called(name: str) -> Manifest:
    """The manifest in force for a manifest's label, or for the id of a work. Raises NotFound, for blocked ones too.

    Numbers of rows are no names here: they could be counted up. What was replaced leads to what replaced it.
    """
    named = Manifest.objects.filter(label=name, asset__in=public()).select_related("asset")
    manifest = named.order_by("pk").last()
    return manifests.of_form(_work(name)) if manifest is None else manifests.successor(manifest)


def _work(name: str) -> Asset:
    try:
        pk = UUID(name)
    except ValueError:
        raise NotFound("manifest") from None
    asset = public().prefetch_related("manifests").filter(pk=pk).first()
    if asset is None or name != str(pk):  # braces, capitals: other spellings are no names
        raise NotFound("manifest")
    return asset


def store_for(manifest: Manifest, viewer: Viewer) -> bytes:
    """The Manifest Store, if `viewer` may have what is in it. Raises what `delivery.refusal` tells.

    It tells facts about a work that may be known of; a thumbnail in it is as restricted as the file itself.
    """
    carried = descent.refusal(manifest.asset, viewer)
    if carried is not None:
        raise carried
    store = manifests.store_of(manifest)
    refused = refusal(manifest.asset, viewer) if manifests.holds_pictures(store) else None
    if refused is not None:
        refused.detail += " A picture of it is in the manifest."
        raise refused
    return store
