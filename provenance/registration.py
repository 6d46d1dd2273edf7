"""Registering a work: everything or nothing.

Examining and signing happen first, on scratch files; then one transaction writes the rows, the ledger entry and the job
that examines the work further. A process killed before the commit leaves scratch files and perhaps
stored files that no row names; both are swept. A file is never removed here, because a twin may be about to name it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from core import jobs, storage
from core.ids import uuid7
from core.problems import Conflict, Problem
from core.storage import Scratch
from ledger import log as ledger
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from provenance import guarded, matching, media, signing
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from provenance.vocabulary import SourceType, Training

TITLE_LENGTH = 200


@dataclass(frozen=True)
class _File:
    role: str
    path: Path
    sha256: str
    size: int
    media_type: str
    width: int
    height: int


@dataclass(frozen=True)
class _Draft:
    """A work that is examined and signed and not registered yet."""

    id: UUID
    owner: User
    title: str
    media_type: str
    source_type: str
    training: str
    description: guarded.Description
    signed: signing.Signed
    files: list[_File]

    def sha256(self, role: str) -> str:
        return next(file.sha256 for file in self.files if file.role == role)


def register_asset(
    owner: User,
    scratch: Scratch,
    *,
    title: str,
    source_type: str = SourceType.DIGITAL_CAPTURE,
    training: str = Training.NOT_ALLOWED,
    filename: str = "",
) -> Asset:
    """Examine, sign and register the file in `scratch` for `owner`; starts job `asset.process`.

    filename: as the owner sent it; refused when it promises another kind of file. An upload's own credentials become
    the parent ingredient. Raises Problem, always with nothing kept: media.* for the file, asset.exists (Conflict) when
    this owner registered the same file before, asset.title.
    """
    title = _checked_title(title)
    media_type = media.sniff(scratch.path)
    media.check_name(filename, media_type)
    _refuse_twice(owner, scratch.sha256)
    with storage.scratch_path(".jpg") as preview, storage.scratch_path(media.SUFFIXES[media_type]) as target:
        description = guarded.describe(scratch.path, media_type, preview=preview)
        has_parent = _has_credential(scratch.path, media_type)
        asset_id = uuid7()
        manifest = signing.build_manifest(
            asset=f"asset:{asset_id}",
            title=title,
            media_type=media_type,
            source_type=source_type,
            training=training,
            has_parent=has_parent,
        )
        signed = signing.sign_file(scratch.path, target, manifest, has_parent=has_parent)
        files = _files(scratch, target, preview, media_type, description)
        draft = _Draft(asset_id, owner, title, media_type, source_type, training, description, signed, files)
        return _commit(draft)


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > TITLE_LENGTH or not title.isprintable():
        raise Problem(
            "asset.title",
            "The title is missing or too long",
            detail=f"A work needs a title of 1 to {TITLE_LENGTH} characters.",
            next_step="Give the work a short title, then send it again.",
        )
    return title


def _refuse_twice(owner: User, sha256: str) -> None:
    """The same file, or the signed file this office gave back for it."""
    held = Rendition.objects.filter(asset__owner=owner, sha256=sha256).select_related("asset").first()
    if held is not None:
        raise _exists(held.asset)


def _exists(asset: Asset) -> Conflict:
    conflict = Conflict(
        f"You registered this file before, as “{asset.title}”.",
        code="asset.exists",
        next_step="Open the work you registered; nothing new was kept.",
    )
    conflict.extra = {"asset_id": str(asset.pk), "asset": f"/assets/{asset.pk}/"}
    return conflict


def _has_credential(path: Path, media_type: str) -> bool:
    """Whether the upload carries credentials that can become an ingredient. Raises Problem for those that cannot."""
    found = guarded.read_credential(path, media_type)
    match found["presence"]:
        case "none":
            return False
        case "embedded":
            return True
        case "remote":
            raise Problem(
                "media.remote_manifest",
                "The credential of this file is kept elsewhere",
                status=422,
                detail="The file names an address for its Content Credentials. This office never opens such addresses.",
                next_step="Send the file with its credential embedded, or without a reference to one.",
            )
    raise Problem(
        "media.credential_unreadable",
        "The credential in this file is damaged",
        status=422,
        detail="The file carries Content Credentials that cannot be read; registering it would cover that up.",
        next_step="Send the file as its maker gave it out, or export it again without the damaged credential.",
    )


def _files(
    scratch: Scratch, target: Path, preview: Path, media_type: str, description: guarded.Description
) -> list[_File]:
    width, height = description.width, description.height
    signed_sha256, signed_size = storage.digest(target)
    preview_sha256, preview_size = storage.digest(preview)
    small = (description.preview_width, description.preview_height)
    return [
        _File(Rendition.Role.ORIGINAL, scratch.path, scratch.sha256, scratch.size, media_type, width, height),
        _File(Rendition.Role.SIGNED, target, signed_sha256, signed_size, media_type, width, height),
        _File(Rendition.Role.PREVIEW, preview, preview_sha256, preview_size, media.JPEG, *small),
    ]


def _commit(draft: _Draft) -> Asset:
    for file in draft.files:  # before the transaction: writing large files must not hold the database
        storage.keep(file.path, file.sha256)
    try:
        with transaction.atomic():
            return _record(draft)
    except IntegrityError:
        # Two requests with the same file at once: the second one finds the first one's row.
        _refuse_twice(draft.owner, draft.sha256(Rendition.Role.ORIGINAL))
        raise


def _record(draft: _Draft) -> Asset:
    """The rows, the ledger entry and the job, in the caller's transaction."""
    asset = Asset.objects.create(
        id=draft.id,
        owner=draft.owner,
        organisation=draft.owner.organisation,
        title=draft.title,
        kind=draft.description.kind,
        media_type=draft.media_type,
        source_type=draft.source_type,
        training=draft.training,
        original_sha256=draft.sha256(Rendition.Role.ORIGINAL),
        near_duplicates=_near(draft),
        entry=_append(draft),
    )
    Rendition.objects.bulk_create(
        Rendition(
            asset=asset,
            role=file.role,
            sha256=file.sha256,
            size=file.size,
            media_type=file.media_type,
            key=storage.key_of(file.sha256),
            width=file.width,
            height=file.height,
            seconds=None if file.role == Rendition.Role.PREVIEW else draft.description.seconds,
        )
        for file in draft.files
    )
    signed = draft.signed
    Manifest.objects.create(asset=asset, label=signed.label, sha256=signed.sha256, active=signed.active)
    Fingerprint.objects.bulk_create(
        Fingerprint(asset=asset, algorithm=algorithm, value=value)
        for algorithm, value in draft.description.fingerprints.items()
    )
    jobs.enqueue("asset.process", key=f"asset.process:{asset.pk}", asset=str(asset.pk))
    return asset


def _near(draft: _Draft) -> list[Mapping[str, Any]]:
    """Works of anybody that look the same, recorded for reviewers; hidden ones too, as ids and distances alone."""
    matches = matching.near(draft.description.fingerprints, Asset.objects.all())
    return [{"asset_id": str(one.asset_id), "distance": f"{one.distance:.3f}", "tier": one.tier} for one in matches]


def _append(draft: _Draft) -> Entry:
    person = draft.owner.actor
    files = {role.value: draft.sha256(role) for role in (Rendition.Role.ORIGINAL, Rendition.Role.SIGNED)}
    return ledger.append(
        EventType.ASSET_REGISTERED,
        actor=person,
        role="creator",
        object=f"asset:{draft.id}",
        facts={
            "media_type": draft.media_type,
            "manifest": f"sha256:{draft.signed.sha256}",
            "source_type": draft.source_type,
            "training": draft.training,
        },
        sealed={"files": Sealed(files, person), "title": Sealed(draft.title, person)},
    )
