"""Registering a work: everything or nothing.

Examining and signing happen first, on scratch files; then one transaction writes the rows, the ledger entry and the job
that examines the work further. A process killed before the commit leaves scratch files and perhaps
stored files that no row names; both are swept. A file is never removed here, because a twin may be about to name it.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from core import jobs, storage
from core.canonical import Json
from core.ids import uuid7
from core.problems import Conflict, Problem
from core.storage import Scratch
from ledger import log as ledger
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from provenance import guarded, marking, matching, media, restriction, signing
from provenance.assertions import Statement
from provenance.manifests import FACT
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from provenance.signing import Signed
from provenance.vocabulary import SourceType, Training

TITLE_LENGTH: Final = 200
_MARKS: Final = 8  # combining marks in a row; no language needs as many
# Letters by Unicode that show nothing: the fillers of Hangul, and Braille's empty cell.
_BLANK: Final = frozenset(" \u115f\u1160\u3164\uffa0\u2800")
MAX_SIZE: Final = 1 << 53  # bytes; what JSON readers hold exactly
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

ORIGINAL, SIGNED, PREVIEW = Rendition.Role.ORIGINAL, Rendition.Role.SIGNED, Rendition.Role.PREVIEW
EMBEDDED, DETACHED = Manifest.Form.EMBEDDED, Manifest.Form.DETACHED


@dataclass(frozen=True)
class _File:
    role: str
    path: Path
    sha256: str
    size: int
    media_type: str
    width: int | None
    height: int | None
    seconds: Decimal | None = None


@dataclass(frozen=True)
class _Draft:
    """A work that is examined and signed and not registered yet. sha256, size: of the file as its owner has it.

    signed: by the form of the manifest. files: none for a work whose file was not sent.
    """

    id: UUID
    owner: User
    statement: Statement
    sha256: str
    size: int
    kind: str
    signed: dict[str, Signed]
    files: list[_File] = field(default_factory=list)

    def digests(self) -> dict[str, Json]:
        """What is sealed in the entry: SHA-256 of the file as it was sent and as it was signed."""
        held = {file.role: file.sha256 for file in self.files if file.role != PREVIEW}
        return {str(role): sha256 for role, sha256 in (held or {ORIGINAL: self.sha256}).items()}


def register_asset(
    owner: User,
    scratch: Scratch,
    *,
    title: str,
    source_type: str = SourceType.DIGITAL_CAPTURE,
    training: str = Training.NOT_ALLOWED,
    filename: str = "",
    thumbnail: bool = False,
    watermark: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Asset:
    """Examine, sign and register the file in `scratch` for `owner`; starts job `asset.process`.

    filename: as the owner sent it; refused when it promises another kind of file. An upload's own credentials become
    the parent ingredient. thumbnail: put a small picture into the credential. watermark: mark the signed file
    invisibly. metadata: properties for `cawg.metadata`, such as “dc:creator”. Raises Problem, always with nothing
    kept: media.* for the file, asset.exists (Conflict) when this owner registered the same file before, asset.title,
    asset.metadata, office.not_stamped.
    """
    title = _checked_title(title)
    media_type = media.sniff(scratch.path)
    media.check_name(filename, media_type)
    _refuse_twice(owner, scratch.sha256)
    asset_id = uuid7()
    name = f"asset:{asset_id}"
    said = Statement(
        name,
        title,
        media_type,
        source_type,
        training,
        metadata=metadata or {},
        watermark=marking.code_of(name) if watermark else None,
        thumbnail=thumbnail,
    )
    marked = marking.marked(scratch.path, media_type, name) if watermark else nullcontext(scratch.path)
    suffix = media.suffix(media_type)
    with storage.scratch_path(".jpg") as preview, storage.scratch_path(suffix) as target, marked as source:
        seen = guarded.describe(scratch.path, media_type, preview=preview)
        parent = _has_credential(scratch.path, media_type)
        said = replace(said, has_parent=parent, fingerprints=seen.fingerprints)
        signed = _sign(scratch, source, target, said)
        files = list(_files(scratch, target, preview, media_type, seen))
        return _commit(_Draft(asset_id, owner, said, scratch.sha256, scratch.size, seen.kind, signed, files))


def register_hash(
    owner: User,
    *,
    sha256: str,
    size: int,
    media_type: str,
    title: str,
    source_type: str = SourceType.DIGITAL_CAPTURE,
    training: str = Training.NOT_ALLOWED,
    filename: str = "",
) -> Asset:
    """Register a file of which nothing but its SHA-256 is sent: it gets a manifest beside it, over all its bytes.

    sha256: hex. size: bytes, as the owner says. media_type: as the owner says, or their computer; the file is not
    here to be looked at, so it has no picture, no fingerprint, and nobody examines it. Raises Problem as
    `register_asset` does, media.sha256, media.size.
    """
    title, sha256, media_type = _checked_title(title), _checked_sha256(sha256), media.checked_type(media_type)
    if not 1 <= size <= MAX_SIZE:
        raise Problem(
            "media.size",
            "This is no size of a file",
            detail=f"A file has 1 to {MAX_SIZE} bytes.",
            next_step="Give the number of bytes, for example as “wc -c FILE” prints it.",
        )
    if media_type in media.NAMES:
        media.check_name(filename, media_type)
    _refuse_twice(owner, sha256)
    asset_id = uuid7()
    statement = Statement(f"asset:{asset_id}", title, media_type, source_type, training)
    signed: dict[str, Signed] = {DETACHED: signing.sign_detached(sha256, statement)}
    return _commit(_Draft(asset_id, owner, statement, sha256, size, media.kind_of(media_type), signed))


def registered_before(
    owner: User, *, sha256: str, size: int, media_type: str, title: str, source_type: str, training: str, filename: str
) -> Asset | None:
    """The work that the very same words registered by their hash before: the answer to them may have been lost."""
    works = Asset.objects.filter(owner=owner, held=False, original_sha256=sha256, title=" ".join(title.split()))
    same = works.filter(size=size, media_type=media_type, source_type=source_type, training=training)
    return same.select_related("entry").first()


def _checked_sha256(sha256: str) -> str:
    plain = sha256.strip().lower()
    if _SHA256.fullmatch(plain) and plain != _EMPTY:
        return plain
    raise Problem(
        "media.sha256",
        "This is no SHA-256 of a file",
        detail="A SHA-256 has 64 hexadecimal digits; that of an empty file is not accepted.",
        next_step="Compute it over the whole file, for example with “sha256sum FILE”.",
    )


def _sign(scratch: Scratch, source: Path, target: Path, statement: Statement) -> dict[str, Signed]:
    """Both forms where the format takes a credential inside, else the one beside the file.

    The one beside it is about the file as it was sent, so that its owner can check the copy they kept.
    """
    signed: dict[str, Signed] = {}
    if media.embeds(scratch.path, statement.media_type):
        signed[EMBEDDED] = signing.sign_file(source, target, statement, parent=scratch.path)
    # The file as it was sent is not marked.
    plain = replace(statement, watermark=None)
    signed[DETACHED] = signing.sign_detached(scratch.sha256, plain, path=scratch.path)
    return signed


def _checked_title(title: str) -> str:
    title = " ".join(title.split())
    if len(title) <= TITLE_LENGTH and title.isprintable() and _is_legible(title):
        return title
    raise Problem(
        "asset.title",
        "The title is missing or too long",
        detail=f"A work needs a title of 1 to {TITLE_LENGTH} characters, some of which can be seen, with at most "
        f"{_MARKS} combining marks on one letter.",
        next_step="Give the work a short title, then send it again.",
    )


def _is_legible(title: str) -> bool:
    """Whether something of it can be seen, and no letter carries so many marks that they cover other lines."""
    kinds = "".join("M" if unicodedata.category(sign)[0] == "M" else "-" if sign in _BLANK else "L" for sign in title)
    return "L" in kinds and "M" * (_MARKS + 1) not in kinds


def _refuse_twice(owner: User, sha256: str) -> None:
    """The same file, sent or not, or the signed file this office gave back for it; and from whom nothing is taken."""
    restriction.refuse_uploader(owner)
    known = Asset.objects.filter(owner=owner, original_sha256=sha256).first()
    held = Rendition.objects.filter(asset__owner=owner, sha256=sha256).select_related("asset").first()
    if known is not None or held is not None:
        raise _exists(known or held.asset)  # type: ignore[union-attr]  # one of them is there
    restriction.refuse_blocked(sha256)


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
    if not media.embeds(path, media_type):
        return False
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
) -> Iterator[_File]:
    """What there is: no signed file where the credential stands beside it, no preview of what is not decoded."""
    width, height, seconds = description.width, description.height, description.seconds
    yield _File(ORIGINAL, scratch.path, scratch.sha256, scratch.size, media_type, width, height, seconds)
    if target.exists():
        yield _File(SIGNED, target, *storage.digest(target), media_type, width, height, seconds)
    if description.preview_width and preview.exists():
        small = (description.preview_width, description.preview_height)
        yield _File(PREVIEW, preview, *storage.digest(preview), media.JPEG, *small)


def _commit(draft: _Draft) -> Asset:
    for file in draft.files:  # before the transaction: writing large files must not hold the database
        storage.keep(file.path, file.sha256)
    for signed in draft.signed.values():
        storage.keep_bytes(signed.store)
    try:
        with transaction.atomic():
            return _record(draft)
    except IntegrityError:
        # Two requests with the same file at once: the second one finds the first one's row.
        _refuse_twice(draft.owner, draft.sha256)
        raise


def _record(draft: _Draft) -> Asset:
    """The rows, the ledger entry and the job, in the caller's transaction."""
    said = draft.statement
    asset = Asset.objects.create(
        id=draft.id,
        owner=draft.owner,
        organisation=draft.owner.organisation,
        title=said.title,
        kind=draft.kind,
        media_type=said.media_type,
        size=draft.size,
        held=bool(draft.files),
        source_type=said.source_type,
        training=said.training,
        original_sha256=draft.sha256,
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
            seconds=file.seconds,
        )
        for file in draft.files
    )
    Manifest.objects.bulk_create(manifest_row(asset, form, signed) for form, signed in draft.signed.items())
    codes = dict(said.fingerprints)
    if said.watermark is not None:
        codes[Fingerprint.Algorithm.WATERMARK] = said.watermark
    Fingerprint.objects.bulk_create(
        Fingerprint(asset=asset, algorithm=algorithm, value=value) for algorithm, value in codes.items()
    )
    restriction.watch(asset)
    if asset.held:  # of a file that was not sent there is nothing to examine
        jobs.enqueue("asset.process", key=f"asset.process:{asset.pk}", asset=str(asset.pk))
    return asset


def manifest_row(asset: Asset, form: str, signed: Signed, *, replaces: Manifest | None = None) -> Manifest:
    """The row for what was signed; not saved. Its store is kept by the caller (`storage.keep_bytes`)."""
    return Manifest(
        asset=asset,
        form=form,
        label=signed.label,
        sha256=signed.sha256,
        key=storage.key_of(signed.sha256),
        serial=signed.serial,
        stamped_at=signed.stamped_at,
        replaces=replaces,
        active=signed.active,
    )


def _near(draft: _Draft) -> list[Mapping[str, Any]]:
    """Works of anybody that look the same, recorded for reviewers; hidden ones too, as ids and distances alone."""
    if not draft.statement.fingerprints:
        return []
    matches = matching.near(draft.statement.fingerprints, Asset.objects.all())
    return [{"asset_id": str(one.asset_id), "distance": f"{one.distance:.3f}", "tier": one.tier} for one in matches]


def _append(draft: _Draft) -> Entry:
    person, said = draft.owner.actor, draft.statement
    named = {FACT[Manifest.Form(form)]: signed.sha256 for form, signed in draft.signed.items()}
    return ledger.append(
        EventType.ASSET_REGISTERED,
        actor=person,
        role="creator",
        object=said.asset,
        facts={
            "media_type": said.media_type,
            **{fact: f"sha256:{sha256}" for fact, sha256 in named.items()},
            "source_type": said.source_type,
            "training": said.training,
        },
        sealed={"files": Sealed(draft.digests(), person), "title": Sealed(said.title, person)},
    )
