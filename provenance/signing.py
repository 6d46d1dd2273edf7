"""Signing what this office says about a work, and reading it back as a stranger would before anybody relies on it.

Each work has its statement twice: in the signed file, for the web, and beside the file as it was sent, over all its
bytes, for the register. The second form needs no more of a file than its SHA-256.
"""

import base64
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from core import storage
from core.problems import Problem
from provenance import codes, guarded
from provenance import manifest_reading as reading
from provenance.assertions import PARENT, Statement, build_manifest
from provenance.validity import THIS_OFFICE, moment_of

log = structlog.get_logger()

STORE_TYPE: Final = "application/c2pa"
# Of C2PA 2.4 §15.2.2. All of them, or what was signed is thrown away.
_WANTED: Final = frozenset({codes.SIGNATURE_VALID, codes.TRUSTED})
# What binds a manifest to its file, and what was taken in: judged by the codes of the validation.
_BY_LIBRARY: Final = ("c2pa.hash.", "c2pa.thumbnail.", "c2pa.ingredient")
_PARENTS: Final = frozenset({"ingredientIds", "ingredients"})  # in an action's parameters: before signing, and after
# What a manifest says whose file is not here.
NO_FILE: Final = codes.HASH_MISMATCH


@dataclass(frozen=True)
class Signed:
    """label: of the active manifest. sha256: of `store`, the manifest store (JUMBF bytes). active: the manifest as
    read back. serial: of the signing certificate, decimal. stamped_at: by the time-stamp, None without one.
    """

    label: str
    sha256: str
    store: bytes = field(repr=False)
    active: dict[str, Any] = field(repr=False)
    serial: str
    stamped_at: dt.datetime | None


def sign_file(source: Path, target: Path, said: Statement, *, parent: Path | None = None) -> Signed:
    """Write `source` with the signed statement in it to `target`, and read it back.

    parent: the file whose credentials are taken in, if the statement has a parent; `source` itself by default.
    Raises Problem `office.signing_failed` (500) when what was written is not valid and this office's own.
    """
    parent = (parent or source) if said.has_parent else None
    return embed(source, target, build_manifest(said), parent=parent, thumbnail=said.thumbnail)


def embed(
    source: Path, target: Path, manifest: Mapping[str, Any], *, parent: Path | None = None, thumbnail: bool = False
) -> Signed:
    """As `sign_file`, for a manifest definition that is built already. parent: whose credentials are taken in."""
    store = guarded.sign(
        source,
        target,
        manifest["format"],
        manifest=manifest,
        parent=parent,
        ingredient=_ingredient() if parent is not None else None,
        thumbnail=thumbnail,
    )
    return read_back(guarded.read_credential(target, manifest["format"]), store, manifest)


def sign_detached(sha256: str, said: Statement, *, path: Path | None = None) -> Signed:
    """Sign the statement about the file with that SHA-256 (lower-case hex), over all its bytes, and read it back.

    path: the file, when it is here: it is then checked against the manifest, and its credentials, if the statement
    has a parent, are taken in. Raises Problem `office.signing_failed` (500).
    """
    manifest, parent = build_manifest(said), path if said.has_parent else None
    store = guarded.sign_detached(
        sha256, manifest=manifest, parent=parent, ingredient=_ingredient() if parent is not None else None
    )
    found = read_store(store, path=path, media_type=said.media_type)
    signed = read_back(found, store, manifest, file_is_here=path is not None)
    bound = found["detailed"]["bindings"].get(signed.label) or {}
    if bound != {"c2pa.hash.data": {"alg": "sha256", "hash": sha256, "exclusions": 0}}:
        raise _failed(bound=bound)
    return signed


def read_store(store: bytes, *, path: Path | None, media_type: str) -> dict[str, Any]:
    """What provenance.c2pa.read says of a detached manifest store, with its file where it is here."""
    with storage.scratch_path(".c2pa") as sidecar:
        sidecar.write_bytes(store)
        if path is None:
            return guarded.read_credential(sidecar, STORE_TYPE)
        return guarded.read_credential(path, media_type, manifest=sidecar)


def read_back(
    found: Mapping[str, Any], store: bytes, manifest: Mapping[str, Any], *, file_is_here: bool = True
) -> Signed:
    """`store` as signed, when what was read of it is valid, this office's own, and says what `manifest` says.

    file_is_here: without the file, its hash cannot be compared. Raises Problem `office.signing_failed` (500).
    """
    if len(store) > reading.MAX_STORE:
        raise _failed(size=len(store))
    read = reading.mapping(found.get("store"))
    active, uri = dict(reading.active(read)), reading.mapping(read.get("validation_results")).get("trustListUri")
    success, failure = (set(reading.status_codes(reading.results(read), kind)) for kind in ("success", "failure"))
    if not file_is_here:
        failure -= {NO_FILE}
    bound = not file_is_here or bool(success & codes.BOUND)
    ours = uri == THIS_OFFICE and success >= _WANTED
    if failure or not bound or not ours or not _says(active, manifest):
        raise _failed(presence=found.get("presence"), success=sorted(success), failure=sorted(failure))
    signature = reading.mapping(active.get("signature_info"))
    return Signed(
        label=str(read["active_manifest"]),
        sha256=hashlib.sha256(store).hexdigest(),
        store=store,
        active=active,
        serial=str(signature.get("cert_serial_number") or ""),
        stamped_at=moment_of(signature.get("time")) if codes.STAMP_VALID in success else None,
    )


def _says(active: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether title and assertions are those asked for, each with the data asked for, and nothing is said besides."""
    told = [one for one in active.get("assertions") or [] if not str(one.get("label")).startswith(_BY_LIBRARY)]
    return active.get("title") == manifest["title"] and _statements(told) == _statements(manifest["assertions"])


def _statements(assertions: Iterable[Mapping[str, Any]]) -> list[str]:
    """In one spelling: the library numbers repeated labels, reads bytes as Base64, and names a parent by its place."""
    return sorted(
        json.dumps([str(one.get("label")).split("__")[0], _plain(one.get("data"))], sort_keys=True)
        for one in assertions
    )


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items() if key not in _PARENTS}
        case [int(), *_] if all(isinstance(item, int) and 0 <= item < 256 for item in value):
            return base64.b64encode(bytes(value)).decode()
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _ingredient() -> dict[str, str]:
    return {"title": "The file as it was sent", "relationship": "parentOf", "label": PARENT}


def _failed(**why: Any) -> Problem:
    log.error("signing.not_read_back", **why)
    return Problem(
        "office.signing_failed",
        "The credential could not be made",
        status=500,
        detail="What was signed was read back and did not verify, so it was thrown away. Nothing was kept.",
        next_step="Try again; if it happens again, tell the operator.",
    )
