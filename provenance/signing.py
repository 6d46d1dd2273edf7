"""What this office says in a credential, and that it says it.

Claim version 2 after C2PA 2.4: every assertion is a created one (vouched for by the signer), an upload that carries
credentials becomes the parent ingredient of a `c2pa.opened`, any other upload is a `c2pa.created` with its source type.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings

from core.problems import Problem
from ledger import custody
from provenance import guarded
from provenance.credential import Credential, judge
from provenance.vocabulary import TRAINING_USES, SourceType, Training

log = structlog.get_logger()

VERSION = "0.1.0"
LEDGER_ASSERTION = "org.assay.ledger"
_PARENT = "parent"


@dataclass(frozen=True)
class Signed:
    """label: of the active manifest. sha256: of the manifest store. active: the manifest as read back."""

    label: str
    sha256: str
    active: dict[str, Any]


def build_manifest(
    *, asset: str, title: str, media_type: str, source_type: str, training: str, has_parent: bool
) -> dict[str, Any]:
    """The manifest definition for one work. asset: its ledger object, `asset:<uuid>`.

    Raises Problem for a source type or training preference outside the vocabulary: the library would sign any word.
    """
    action = _action(source_type, has_parent=has_parent)
    return {
        "claim_version": 2,
        "claim_generator_info": [{"name": "Assay", "version": VERSION, "specVersion": "2.4.0"}],
        "title": title,
        "format": media_type,
        "assertions": [
            _created("c2pa.actions.v2", {"actions": [action], "allActionsIncluded": True}),
            _created("cawg.training-mining", {"entries": _training_entries(training)}),
            # Where the public record of this work is; nothing about a person.
            _created(LEDGER_ASSERTION, _record(asset)),
        ],
    }


def sign_file(source: Path, target: Path, manifest: dict[str, Any], *, has_parent: bool) -> Signed:
    """Write `source` with the signed `manifest` to `target`, then read it back as a stranger would.

    Raises Problem `office.signing_failed` (500) when what was written is not valid and this office's own.
    """
    media_type = manifest["format"]
    ingredient = {"title": "The file as it was sent", "relationship": "parentOf", "label": _PARENT}
    store = guarded.sign(source, target, media_type, manifest=manifest, ingredient=ingredient if has_parent else None)
    found = guarded.read_credential(target, media_type)
    credential = judge(found)
    if not _is_ours(credential, manifest):
        log.error("signing.not_read_back", codes=credential.codes, state=credential.state)
        raise Problem(
            "office.signing_failed",
            "The credential could not be made",
            status=500,
            detail="The signed file was read back and did not verify, so it was thrown away. Nothing was kept.",
            next_step="Try again; if it happens again, tell the operator.",
        )
    active = found["store"]["manifests"][credential.label]
    return Signed(credential.label, hashlib.sha256(store).hexdigest(), active)


def _is_ours(credential: Credential, manifest: Mapping[str, Any]) -> bool:
    if credential.state != "valid" or credential.trust != "this_office":
        return False
    wanted = next(one["data"] for one in manifest["assertions"] if one["label"] == LEDGER_ASSERTION)
    return bool(credential.ledger_claim == wanted)


def _record(asset: str) -> dict[str, str]:
    return {"origin": settings.ASSAY_LOG_ORIGIN, "vkey": custody.log_verifier().vkey, "asset": asset}


def _action(source_type: str, *, has_parent: bool) -> dict[str, Any]:
    if source_type not in SourceType.values:
        raise Problem(
            "asset.source_type",
            "Unknown source type",
            detail=f"“{source_type[:60]}” is no IPTC digital source type that this office knows.",
            next_step=f"Use one of: {', '.join(SourceType.values)}.",
        )
    if has_parent:  # C2PA 2.4: an opened file's source type is its ingredient's business
        return {"action": "c2pa.opened", "parameters": {"ingredientIds": [_PARENT]}}
    return {"action": "c2pa.created", "digitalSourceType": SourceType(source_type).uri}


def _training_entries(training: str) -> dict[str, dict[str, str]]:
    if training not in Training.values:
        raise Problem(
            "asset.training",
            "Unknown training preference",
            detail=f"“{training[:60]}” is neither “allowed” nor “notAllowed”.",
        )
    return {use: {"use": training} for use in TRAINING_USES}


def _created(label: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": label, "created": True, "data": data}
