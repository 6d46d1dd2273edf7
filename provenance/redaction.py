"""Later words about a registered work: update manifests (C2PA 2.4 §11.2.3) that add to its credential or redact it.

An addition goes into the manifest that stands beside the file. The signed file stays as it is, because consent is
bound to its bytes; the bytes of a redacted statement must be gone everywhere, so the signed file is made anew.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.db import transaction

from core import jobs, storage
from core.canonical import Json
from core.models import Job
from core.problems import Conflict, Problem
from ledger import log as ledger
from ledger import vault
from ledger.events import EventType
from ledger.log import Sealed
from provenance import assertions, descent, guarded, manifests, media, signing
from provenance.assertions import CONSENT, LEDGER, METADATA, PARENT, Statement
from provenance.manifests import FACT
from provenance.models import Asset, Fingerprint, Manifest, Rendition
from provenance.registration import manifest_row
from provenance.signing import Signed

ADD_CONSENT: Final = "manifest.add_consent"
REDACT: Final = "manifest.redact"
ACTOR: Final = "system:provenance"
ROLE: Final = "system"

EMBEDDED, DETACHED, UPDATE = Manifest.Form.EMBEDDED, Manifest.Form.DETACHED, Manifest.Form.UPDATE
# Formats in which the bytes that are hashed do not change when the store beside them grows. In the others a chunk's or
# a file's own length, or an offset, is hashed too, and an update breaks the hash (found by trying them all); in ISO
# base media files the old store, with the redacted bytes, would stay in the file.
UPDATABLE: Final = frozenset({media.JPEG, media.PNG, media.GIF, media.JXL, media.SVG})
# C2PA 2.4 §6.8: what was done, and what binds a manifest to its file, are never redacted; nor is where our record is.
_KEPT: Final = ("c2pa.actions", "c2pa.hash.", LEDGER)
# “erasure:<id>”, “decision:<id>”, …: what the redaction follows from, never a person.
_GROUND: Final = re.compile(r"[a-z_]{3,30}:[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class _Made:
    """An update on top of `old`. form: embedded or detached. file: the signed file made anew, if there is one."""

    old: Manifest
    form: str
    signed: Signed
    file: Path | None = None


def update(asset: Asset, *, consents: Sequence[str] = ()) -> Manifest:
    """Add `consents` to the manifest beside the file of `asset`; returns the update, with `manifest:updated` logged.

    consents: digests of grants (assertions.consent). Raises Problem, Conflict when there is nothing to add to or
    somebody else was quicker.
    """
    if not consents:
        raise Problem(
            "manifest.nothing",
            "There is nothing to add",
            detail="An update adds at least one consent.",
            next_step="Name the grants to add.",
        )
    added = assertions.consent(f"asset:{asset.pk}", consents)
    action = {"action": "c2pa.edited.metadata"}
    with _originals(asset) as originals:
        made = _update_detached(asset, originals, _manifest(asset, [action], [added]))
    facts: dict[str, Json] = {"labels": [CONSENT], "grants": list(consents)}
    return _keep(asset, [made], EventType.MANIFEST_UPDATED, facts)[0]


def redact(asset: Asset, labels: Collection[str], *, ground: str) -> Manifest:
    """Take the assertions called `labels` out of every manifest of `asset`, for good; logs `manifest:redacted`.

    ground: what it follows from, `erasure:<id>` or `decision:<id>`; public. The signed file is made anew: with an
    update manifest that says what was redacted, or, in formats that take none, signed again from the file as it was
    sent. The old file and the old manifests are deleted. Returns the manifest of the signed file, or, where there is
    none, the one beside the file. Raises Problem for what may not be redacted or is not there, Conflict.
    """
    _check(labels, ground)
    with _originals(asset) as originals, storage.scratch_path(media.suffix(asset.media_type)) as target:
        made = list(_redacted(asset, labels, originals, target))
        if not made:
            raise Problem(
                "manifest.no_such_assertion",
                "There is nothing to redact",
                detail=f"No manifest of this work in force says {', '.join(sorted(labels))}.",
                next_step="Look at what its manifests say: what was redacted before is there no more.",
            )
        # What was made from this work still holds the statement, and is handed out no more (`provenance.descent`).
        made_from = descent.descendants(asset.manifests.values_list("label", flat=True)) - {asset.pk}
        facts: dict[str, Json] = {"labels": sorted(labels), "ground": ground, "descendants": len(made_from)}
        return _keep(asset, made, EventType.MANIFEST_REDACTED, facts, redacted=labels)[0]


def _check(labels: Collection[str], ground: str) -> None:
    kept = sorted(label for label in labels if label.startswith(_KEPT))
    if kept or not labels:
        raise Problem(
            "manifest.not_redactable",
            "This cannot be redacted",
            detail=f"What was done, what binds a credential to its file and where its record is stay: "
            f"{', '.join(kept) or 'nothing was named'}.",
            next_step=f"Name another assertion, such as “{METADATA}”.",
        )
    if not _GROUND.fullmatch(ground):
        raise Problem(
            "manifest.ground",
            "A redaction has a ground",
            detail="It names the decision or the erasure it follows from.",
            next_step="Give it as “decision:…” or “erasure:…”, with the id.",
        )


def _redacted(asset: Asset, labels: Collection[str], originals: Path | None, target: Path) -> Iterator[_Made]:
    for form, old in _in_force(asset).items():
        addresses = [f"self#jumbf=/c2pa/{old_label}/c2pa.assertions/{label}" for old_label, label in _said(old, labels)]
        if not addresses:
            continue
        actions = [
            {"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": address}}
            for address in addresses
        ]
        manifest = {**_manifest(asset, actions, []), "redactions": addresses}
        if form == DETACHED:
            yield _update_detached(asset, originals, manifest)
        elif asset.media_type in UPDATABLE:
            yield _update_embedded(asset, old, manifest, target)
        elif originals is not None:
            yield _sign_anew(asset, old, labels, originals, target)


def _said(manifest: Manifest, labels: Collection[str]) -> Iterator[tuple[str, str]]:
    """(label of the manifest, label of the assertion) for those of `labels` that this manifest or, before its updates,
    an earlier one says; repeated assertions (“cawg.metadata__1”) count by their name."""
    step: Manifest | None = manifest
    while step is not None:
        for one in step.active.get("assertions") or []:
            if _is_called(one, labels):
                yield step.label, str(one["label"])
        step = step.replaces


def _is_called(assertion: Mapping[str, Any], labels: Collection[str]) -> bool:
    label = str(assertion.get("label", ""))
    return label in labels or label.split("__")[0] in labels


def _manifest(asset: Asset, actions: Sequence[Mapping[str, Any]], added: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    told = {"actions": [assertions.opened(), *actions], "allActionsIncluded": True}
    listed = [assertions.created(assertions.ACTIONS, told), *added]
    return {**assertions.definition(asset.title, asset.media_type), "assertions": listed}


def _ingredient() -> dict[str, str]:
    return {"title": "The credential before this update", "relationship": "parentOf", "label": PARENT}


def _in_force(asset: Asset) -> dict[str, Manifest]:
    """The signed file's manifest first."""
    held = manifests.in_force(asset)
    return {str(form): held[form] for form in (EMBEDDED, DETACHED) if form in held}


@contextmanager
def _originals(asset: Asset) -> Iterator[Path | None]:
    """A local copy of the file as it was sent; None for one that never was."""
    if not asset.held:
        yield None
        return
    with storage.local_copy(asset.rendition(Rendition.Role.ORIGINAL).key) as path:
        yield path


def _update_embedded(asset: Asset, old: Manifest, manifest: Mapping[str, Any], target: Path) -> _Made:
    with storage.local_copy(asset.rendition(Rendition.Role.SIGNED).key) as source:
        store = guarded.sign(
            source,
            target,
            asset.media_type,
            manifest=manifest,
            parent=source,
            ingredient=_ingredient(),
            update=True,
        )
    found = guarded.read_credential(target, asset.media_type)
    return _Made(old, EMBEDDED, signing.read_back(found, store, manifest), target)


def _sign_anew(asset: Asset, old: Manifest, labels: Collection[str], original: Path, target: Path) -> _Made:
    """The file as it was sent, signed as at registration, but for what is redacted now or was before."""
    first = old
    while first.replaces is not None:
        first = first.replaces
    left = [one for one in first.active.get("assertions") or [] if not _is_called(one, labels)]
    said = {str(one.get("label", "")).split("__")[0]: one.get("data") or {} for one in left}
    codes = {row.algorithm: bytes(row.value) for row in asset.fingerprints.all()}
    statement = Statement(
        asset=f"asset:{asset.pk}",
        title=asset.title,
        media_type=asset.media_type,
        source_type=asset.source_type,
        training=asset.training,
        has_parent=bool(first.active.get("ingredients")),
        fingerprints=codes,
        metadata={name: text for name, text in said.get(METADATA, {}).items() if name != "@context"},
        watermark=codes.get(Fingerprint.Algorithm.WATERMARK),
    )
    manifest = assertions.build_manifest(statement)
    manifest["assertions"] = [one for one in manifest["assertions"] if one["label"] in said]
    parent, thumbnail = original if statement.has_parent else None, bool(first.active.get("thumbnail"))
    with _marked(original, statement) as source:
        return _Made(old, EMBEDDED, signing.embed(source, target, manifest, parent=parent, thumbnail=thumbnail), target)


@contextmanager
def _marked(original: Path, said: Statement) -> Iterator[Path]:
    """The picture with the mark it was registered with, whether or not marks are switched on now."""
    if said.watermark is None:
        yield original
        return
    with storage.scratch_path(media.suffix(said.media_type)) as path:
        guarded.mark(original, path, said.media_type, said.watermark)
        yield path


def _update_detached(asset: Asset, original: Path | None, manifest: Mapping[str, Any]) -> _Made:
    old = _in_force(asset).get(DETACHED)
    if old is None:
        raise Conflict(
            "This work was registered before there were manifests beside the file.",
            code="manifest.none",
            next_step="Register the signed file again, as a work of its own.",
        )
    before = manifests.store_of(old)
    state = signing.read_store(before, path=original, media_type=asset.media_type)["store"]
    with storage.scratch_path(".c2pa") as path:
        path.write_bytes(before)
        ingredient = {**_ingredient(), "active_manifest": old.label, "validation_results": _results(state, original)}
        store = guarded.update_detached(path, manifest=manifest, ingredient=ingredient)
    found = signing.read_store(store, path=original, media_type=asset.media_type)
    signed = signing.read_back(found, store, manifest, file_is_here=original is not None)
    return _Made(old, DETACHED, signed)


def _results(state: Mapping[str, Any], original: Path | None) -> dict[str, Any]:
    """What the manifest was found to be just now. Without its file, nothing is said about the file's hash."""
    active: Mapping[str, Any] = (state.get("validation_results") or {}).get("activeManifest") or {}
    told = {kind: list(active.get(kind) or []) for kind in ("success", "informational", "failure")}
    if original is None:
        told["failure"] = [one for one in told["failure"] if one.get("code") != signing.NO_FILE]
    return {"activeManifest": told}


# --- Keeping ---------------------------------------------------------------------------------------------------------


def _keep(
    asset: Asset,
    made: Sequence[_Made],
    event: EventType,
    facts: Mapping[str, Json],
    *,
    redacted: Collection[str] = (),
) -> list[Manifest]:
    """The rows and the entry of updates that were signed; what a redaction leaves behind is deleted."""
    for one in made:
        storage.keep_bytes(one.signed.store)
    file = next((one.file for one in made if one.file is not None), None)
    fresh = (*storage.digest(file), file) if file is not None else None
    if fresh is not None:
        storage.keep(fresh[2], fresh[0])
    with transaction.atomic():
        named: dict[str, Json] = {FACT[Manifest.Form(one.form)]: f"sha256:{one.signed.sha256}" for one in made}
        replaced: dict[str, Json] = {FACT[Manifest.Form(one.form)]: f"sha256:{one.old.sha256}" for one in made}
        ledger.append(
            event,
            actor=ACTOR,
            role=ROLE,
            object=f"asset:{asset.pk}",
            refs=[asset.entry],
            facts={**facts, **named, "replaces": replaced},
            # Not under the owner's key, which the erasure that this may follow from has destroyed.
            sealed={"files": Sealed({"signed": fresh[0]}, f"asset:{asset.pk}")} if fresh is not None else {},
        )
        rows = [_replace(asset, one) for one in made]
        if redacted:
            _forget(made, asset, redacted, fresh[:2] if fresh is not None else None)
    return rows


def _replace(asset: Asset, one: _Made) -> Manifest:
    """Raises Conflict when another update of the same manifest was kept meanwhile."""
    old = Manifest.objects.select_for_update().get(pk=one.old.pk)
    if old.replaced_by.exists():
        raise Conflict("The credential was changed a moment ago.", code="manifest.race", next_step="Try again.")
    row = manifest_row(asset, UPDATE, one.signed, replaces=old)
    row.save()
    return row


def _forget(made: Sequence[_Made], asset: Asset, labels: Collection[str], fresh: tuple[str, int] | None) -> None:
    """The old stores and the old signed file go; the rows stay, as the log knows them, without what was redacted."""
    gone = []
    for one in made:
        step: Manifest | None = one.old
        while step is not None:
            gone.append(step.key)
            told = [said for said in step.active.get("assertions") or [] if not _is_called(said, labels)]
            Manifest.objects.filter(pk=step.pk).update(key="", active={**step.active, "assertions": told})
            step = step.replaces
    if fresh is not None:
        signed = asset.rendition(Rendition.Role.SIGNED)
        gone.append(signed.key)
        changed = Rendition.objects.filter(pk=signed.pk, sha256=signed.sha256).update(
            sha256=fresh[0], size=fresh[1], key=storage.key_of(fresh[0])
        )
        if changed != 1:
            raise Conflict("The signed file was changed a moment ago.", code="manifest.race", next_step="Try again.")
    # What cannot be deleted now is named by no row any more, and is swept.
    transaction.on_commit(lambda: _delete(gone), robust=True)
    transaction.on_commit(vault.leave_no_copy, robust=True)  # the rows that said it, as the database still has them


def _delete(keys: Collection[str]) -> None:
    for key in filter(None, keys):
        if not Rendition.objects.filter(key=key).exists() and not Manifest.objects.filter(key=key).exists():
            storage.remove(key)


# --- For upper rooms -------------------------------------------------------------------------------------------------


@jobs.handler(ADD_CONSENT)
def add_consent(job: Job) -> None:
    """Args: asset (id), grant (digest, `sha256:…`). Adds the grant to those the credential names; once is enough."""
    asset = Asset.objects.select_related("entry").get(pk=str(job.args["asset"]))
    held, grant = _in_force(asset).get(DETACHED), str(job.args["grant"])
    if held is not None and grant not in _grants(held):
        update(asset, consents=[grant])


@jobs.handler(REDACT)
def redact_later(job: Job) -> None:
    """Args: asset (id), labels, ground. Redacts what is still said; nothing is left to do the second time."""
    asset = Asset.objects.select_related("entry").get(pk=str(job.args["asset"]))
    labels = [str(label) for label in job.args["labels"]]
    if any(list(_said(manifest, labels)) for manifest in _in_force(asset).values()):
        redact(asset, labels, ground=str(job.args["ground"]))


def _grants(manifest: Manifest) -> list[str]:
    """Those named by a manifest and what it replaces."""
    found: list[str] = []
    step: Manifest | None = manifest
    while step is not None:
        for one in step.active.get("assertions") or []:
            if one.get("label") == CONSENT:
                found += (one.get("data") or {}).get("grants") or []
        step = step.replaces
    return found
