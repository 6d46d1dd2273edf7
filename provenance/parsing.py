"""Everything that touches untrusted bytes: pure functions, run in guarded children only (provenance.guarded).

No Django, no database, no keys: paths and JSON go in, JSON comes out, a `Problem` says in words what is wrong.
"""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.problems import Problem
from provenance import c2pa, containers, documents, images, media, parts, sounds, videos, watermark


def describe(
    path: str,
    media_type: str,
    *,
    preview: str,
    max_pixels: int,
    max_seconds: int,
    search: bool = False,
    mark: bool = False,
) -> dict[str, Any]:
    """Decode the file as far as this office can, write a preview, compute fingerprints.

    preview: where a JPEG of at most 960 pixels a side, without any metadata, is written. search: whether to tell the
    codes of what the picture may have been made of too (`fingerprints.queries`). mark: and the code of an invisible
    watermark in it (`provenance.watermark`, which must be installed).
    Returns {"kind": image|video|audio|document|file, "width", "height": pixels as shown or None, "seconds": str|None,
    "preview": {"width", "height"}|None, "fingerprints": {algorithm: hex}, "queries": {algorithm: [[how, hex]]},
    "notes": [what was not examined, and why]}. Raises Problem media.*; of a format that takes no credential inside,
    nothing is refused, but noted.
    """
    source = Path(path)
    limits = {"max_pixels": max_pixels, "max_seconds": max_seconds}
    try:
        parts.check_parts(source, media_type)
        containers.check_dimensions(source, media_type, max_pixels=max_pixels)
        containers.check_whole(source, media_type)
        told = _decoded(source, media_type, preview, limits, search=search, mark=mark)
    except Problem as problem:
        if media_type in media.EMBEDDABLE:
            raise
        told = _not_decoded(media_type, problem.detail)
    return {"queries": {}, "notes": [], **told}


def _decoded(
    path: Path, media_type: str, preview: str, limits: dict[str, int], *, search: bool, mark: bool
) -> dict[str, Any]:
    if media_type in media.PICTURES:
        picture = images.decode(path, media_type, max_pixels=limits["max_pixels"])
        told = images.describe(picture, preview=preview, search=search)
        if mark:
            told["queries"][watermark.ALGORITHM] = [("watermark", watermark.code_in(images.flat_rgb(picture)).hex())]
        return told
    if media_type in media.DEMUXERS:
        seen = videos.describe(path, media_type, preview=preview, search=search, **limits)
        return seen or sounds.describe(path, media_type, preview=preview, max_seconds=limits["max_seconds"])
    if media_type in (media.SVG, media.PDF):
        return documents.describe(path, media_type)
    return _not_decoded(media_type, f"This office does not open files of this kind ({media.name_of(media_type)}).")


def _not_decoded(media_type: str, why: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("width", "height", "seconds", "preview"))
    return {
        "kind": media.kind_of(media_type),
        **nothing,
        "fingerprints": {},
        "notes": [f"{documents.NOT_EXAMINED}: {why}"],
    }


def read_credential(
    path: str, media_type: str, *, anchors: list[dict[str, str]], manifest: str = "", as_of: str = ""
) -> dict[str, Any]:
    """See provenance.c2pa.read. manifest: path of a manifest store that stands beside the file; empty for none.

    Raises Problem `media.too_many_parts`.
    """
    parts.check_parts(Path(path), media_type)
    return c2pa.read(
        Path(path),
        media_type,
        anchors=anchors,
        manifest=Path(manifest) if manifest else None,
        as_of=dt.datetime.fromisoformat(as_of) if as_of else None,
    )


def sign(
    path: str,
    target: str,
    media_type: str,
    *,
    manifest: str,
    parent: str,
    ingredient: str,
    signer: dict[str, Any],
    thumbnail: bool,
    update: bool,
    ask: Callable[[bytes], bytes],
) -> dict[str, str]:
    """See provenance.c2pa.sign. manifest, ingredient: JSON. parent: a path, empty for none.

    Returns {"store": hex of the JUMBF bytes}.
    """
    # Where the library may put what is too large for its memory: of all folders, this child writes to that one alone.
    os.environ["TMPDIR"] = str(Path(target).parent)
    store = c2pa.sign(
        Path(path),
        Path(target),
        media_type,
        manifest=json.loads(manifest),
        parent=Path(parent) if parent else None,
        ingredient=json.loads(ingredient),
        signer=signer,
        ask=ask,
        thumbnail=thumbnail,
        update=update,
    )
    return {"store": store.hex()}


def sign_detached(
    sha256: str, *, manifest: str, parent: str, ingredient: str, signer: dict[str, Any], ask: Callable[[bytes], bytes]
) -> dict[str, str]:
    """See provenance.c2pa.sign_detached. manifest, ingredient: JSON. parent: a path, empty for none."""
    store = c2pa.sign_detached(
        bytes.fromhex(sha256),
        manifest=json.loads(manifest),
        parent=Path(parent) if parent else None,
        ingredient=json.loads(ingredient),
        signer=signer,
        ask=ask,
    )
    return {"store": store.hex()}


def update_detached(
    path: str, *, manifest: str, ingredient: str, signer: dict[str, Any], ask: Callable[[bytes], bytes]
) -> dict[str, str]:
    """See provenance.c2pa.update_detached. path: of the manifest store. manifest, ingredient: JSON."""
    store = c2pa.update_detached(
        Path(path).read_bytes(),
        manifest=json.loads(manifest),
        ingredient=json.loads(ingredient),
        signer=signer,
        ask=ask,
    )
    return {"store": store.hex()}
