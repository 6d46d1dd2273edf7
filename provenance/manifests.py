"""The manifests of a work: which one is in force, its store, and where others find it."""

import struct
from collections.abc import Iterator

from django.conf import settings
from django.urls import reverse

from core import storage
from core.problems import NotFound, Problem
from provenance.manifest_reading import MAX_STORE
from provenance.models import Asset, Manifest, Rendition

MEDIA_TYPE = "application/c2pa"

Form = Manifest.Form
# Which manifest was made over the bytes of a rendition; a preview is nobody's.
MADE_OVER = {Rendition.Role.ORIGINAL: Form.DETACHED, Rendition.Role.SIGNED: Form.EMBEDDED}
# What an entry of the log calls a manifest (`facts`): the one in the signed file, and the one beside the file.
FACT = {Form.EMBEDDED: "manifest", Form.DETACHED: "detached"}


def in_force(asset: Asset) -> dict[str, Manifest]:
    """The manifests of `asset` that hold now, by form (embedded, detached); an update stands for what it replaces.

    What was replaced is handed out no more: its store may still hold what was redacted from it.
    """
    rows = {row.pk: row for row in asset.manifests.all()}
    replaced = {row.replaces_id for row in rows.values()}
    return {_first(row, rows).form: row for pk, row in sorted(rows.items()) if row.key and pk not in replaced}


def _first(row: Manifest, rows: dict[int, Manifest]) -> Manifest:
    """The manifest at the beginning of the updates that end in `row`."""
    while row.replaces_id in rows:
        row = rows[row.replaces_id]
    return row


def fitting(asset: Asset, role: str = Rendition.Role.SIGNED) -> Manifest | None:
    """The manifest in force that was made over this rendition of `asset`, or else one that it has."""
    held = in_force(asset)
    wanted = MADE_OVER.get(Rendition.Role(role), Form.EMBEDDED)
    return held.get(wanted) or next(iter(held.values()), None)


def of_form(asset: Asset, form: str = "") -> Manifest:
    """The manifest in force of that form; without a form the one that fits the file handed out. Raises NotFound."""
    found = in_force(asset).get(form) if form else fitting(asset)
    if found is None:
        raise NotFound("manifest")
    return found


def successor(manifest: Manifest) -> Manifest:
    """The manifest that holds now in place of `manifest`: itself, or the last of its updates."""
    while (later := manifest.replaced_by.order_by("pk").last()) is not None:
        manifest = later
    return manifest


def store_of(manifest: Manifest) -> bytes:
    """The C2PA Manifest Store, JUMBF bytes. Raises NotFound for one that was not kept, storage.Missing, Problem."""
    if not manifest.key:
        raise NotFound("manifest")
    with storage.open_file(manifest.key) as file:
        store = file.read(MAX_STORE + 1)
    if len(store) > MAX_STORE:  # nobody, we ourselves neither, would read it
        raise Problem("office.manifest_too_large", "The manifest is too large to be handed out", status=500)
    return store


def address(asset: Asset, form: str) -> str:
    """Where the manifest of that form is handed out, to whom may see the work: an absolute address."""
    return f"{settings.ASSAY_URL}{reverse('api_asset_manifest', args=[asset.pk])}?form={form}"


def link(asset: Asset, role: str = Rendition.Role.SIGNED, *, anchor: str = "") -> str:
    """Value of the `Link` header (C2PA 2.4 §11.5, RFC 8288) that leads from a rendition to its manifest, or empty.

    Only for the manifest that was made over these very bytes: any other would make the file look tampered with.
    anchor: the file the link is about, when it is not the answer itself.
    """
    form = MADE_OVER.get(Rendition.Role(role))
    if form is None or form not in in_force(asset):
        return ""
    about = f'; anchor="{anchor}"' if anchor else ""
    return f'<{address(asset, form)}>; rel="c2pa-manifest"; type="{MEDIA_TYPE}"{about}'


def holds_pictures(store: bytes) -> bool:
    """Whether a thumbnail is in the store, of the work or of an earlier file (labels of C2PA 2.4 §18.13)."""
    return b"c2pa.thumbnail" in store


# --- One manifest of a store ----------------------------------------------------------------------------------------


def alone(store: bytes, label: str) -> bytes:
    """A Manifest Store with nothing but the manifest called `label` (C2PA 2.4 §11.1: a superbox of superboxes).

    Raises NotFound when it is not there, ValueError for what is no store.
    """
    kind, begin, end = next(_boxes(store, 0, len(store)), (b"", 0, 0))
    if kind != b"jumb":
        raise ValueError("a manifest store is a JUMBF superbox")
    description, *within = _boxes(store, begin, end)
    for kind, inside, after in within:
        if kind == b"jumb" and _label(store, inside, after) == label:
            body = _box(store, description) + _box(store, (kind, inside, after))
            return struct.pack(">I4s", 8 + len(body), b"jumb") + body
    raise NotFound("manifest")


def labels(store: bytes) -> list[str]:
    """Of all manifests in a Manifest Store. Raises ValueError for what is no store."""
    kind, begin, end = next(_boxes(store, 0, len(store)), (b"", 0, 0))
    if kind != b"jumb":
        raise ValueError("a manifest store is a JUMBF superbox")
    return [_label(store, inside, after) for kind, inside, after in _boxes(store, begin, end) if kind == b"jumb"]


Span = tuple[bytes, int, int]  # type of the box, where its content begins, where it ends


def _boxes(data: bytes, at: int, end: int) -> Iterator[Span]:
    """The boxes between `at` and `end` (ISO/IEC 19566-5 §5.2; lengths of 32 bits, which is what stores have)."""
    while at < end:
        if end - at < 8:
            raise ValueError("a box is cut off")
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > end:
            raise ValueError("a box is longer than what holds it")
        yield kind, at + 8, at + length
        at += length


def _box(data: bytes, span: Span) -> bytes:
    return data[span[1] - 8 : span[2]]


def _label(data: bytes, at: int, end: int) -> str:
    """The label in a superbox's description box: 16 bytes of type, toggles, then the label up to a zero byte."""
    kind, begin, after = next(_boxes(data, at, end), (b"", 0, 0))
    if kind != b"jumd" or after - begin < 18:
        raise ValueError("a superbox begins with its description")
    return data[begin + 17 : after].partition(b"\0")[0].decode("utf-8", "replace")
