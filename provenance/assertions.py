"""What this office says in a credential: claim version 2 after C2PA 2.4, every assertion a created one (§10.3).

An upload that carries credentials becomes the parent ingredient of a `c2pa.opened`; any other is a `c2pa.created` with
its source type. Nothing in here names a person, except what an owner gives as `metadata`, which can be redacted.
Our own assertions are described in `docs/formats.md`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings

from core.problems import Problem
from ledger import custody
from provenance import softbinding
from provenance.vocabulary import SYNTHETIC, TRAINING_USES, SourceType, Training

VERSION: Final = "0.1.0"
SPECIFICATION: Final = "2.4.0"
PARENT: Final = "parent"

ACTIONS: Final = "c2pa.actions.v2"
LEDGER: Final = "org.assay.ledger"
CONSENT: Final = "org.assay.consent"
METADATA: Final = "cawg.metadata"
SOFT_BINDING: Final = "c2pa.soft-binding"
# As provenance.watermark calls it, which only guarded children import.
WATERMARK_ALGORITHM: Final = "org.assay.rivagan-32"

# C2PA 2.4 §18.28 is about models: what an untrained algorithm drew is synthetic, and no model made it.
BY_MODELS: Final = SYNTHETIC - {SourceType.ALGORITHM}

# Schemas whose properties `cawg.metadata` may hold (CAWG metadata assertion 1.1 §2), those that people fill in.
SCHEMAS: Final = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcterms": "http://purl.org/dc/terms/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "Iptc4xmpCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
}
_PROPERTY: Final = re.compile(r"([A-Za-z0-9]{2,20}):[A-Za-z][A-Za-z0-9]{0,60}")
_MOST_PROPERTIES = 40
_VALUE: Final = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]{0,2000}")  # lines of text, no other controls
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Statement:
    """What is said about one work.

    asset: its ledger object, `asset:<uuid>`. source_type, training: words of the vocabulary. fingerprints: codes by
    algorithm, as models.Fingerprint names them; the ISCC ones become a soft binding. metadata: properties with their
    prefix (“dc:creator”) to texts. watermark: the code of the invisible mark in the file, None if there is none.
    thumbnail: put a small picture into the manifest.
    """

    asset: str
    title: str
    media_type: str
    source_type: str
    training: str
    has_parent: bool = False
    fingerprints: Mapping[str, bytes] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    watermark: bytes | None = None
    thumbnail: bool = False

    @property
    def ai_disclosure(self) -> bool:
        """Whether a model had a part in it, so that the credential must say so."""
        return self.source_type in BY_MODELS


def build_manifest(said: Statement) -> dict[str, Any]:
    """The manifest definition for the library.

    Raises Problem for a word outside the vocabulary, or a property that is none: the library would sign any.
    """
    assertions = [
        created(ACTIONS, {"actions": list(_actions(said)), "allActionsIncluded": True}),
        created("cawg.training-mining", {"entries": _training_entries(said.training)}),
        # Where the public record of this work is; nothing about a person.
        created(LEDGER, record(said.asset)),
        created(METADATA, _metadata({"dc:title": said.title, **said.metadata}), kind="Json"),
        *_soft_bindings(said),
    ]
    if said.ai_disclosure:
        assertions.append(created("c2pa.ai-disclosure", {"modelType": "c2pa.types.model"}))
    return {**definition(said.title, said.media_type), "assertions": assertions}


def definition(title: str, media_type: str) -> dict[str, Any]:
    """What every manifest of this office begins with."""
    return {
        "claim_version": 2,
        "claim_generator_info": [{"name": "Assay", "version": VERSION, "specVersion": SPECIFICATION}],
        "title": title,
        "format": media_type,
    }


def created(label: str, data: Mapping[str, Any], *, kind: str = "") -> dict[str, Any]:
    """An assertion that the signer vouches for. kind: “Json” where the standard asks for it instead of CBOR."""
    return {"label": label, "created": True, "data": data, **({"kind": kind} if kind else {})}


def record(asset: str) -> dict[str, str]:
    """`org.assay.ledger`: which log has the entry of the work, and whose signature is on that log."""
    return {"origin": settings.ASSAY_LOG_ORIGIN, "vkey": custody.log_verifier().vkey, "asset": asset}


def consent(asset: str, grants: Iterable[str]) -> dict[str, Any]:
    """`org.assay.consent`: that people who are shown agreed, by the digest of each answer's entry in the log.

    Raises Problem for what is no digest: a name must never get into a credential this way.
    """
    told = list(grants)
    if not told or not all(_DIGEST.fullmatch(one) for one in told):
        raise Problem(
            "asset.consent",
            "This is no digest of a consent",
            detail="It is “sha256:” and 64 hex digits.",
            next_step="Name the answers by the leaves of their entries in the log.",
        )
    return created(CONSENT, {"origin": settings.ASSAY_LOG_ORIGIN, "asset": asset, "grants": told})


def _actions(said: Statement) -> Iterable[dict[str, Any]]:
    if said.source_type not in SourceType.values:
        raise Problem(
            "asset.source_type",
            "Unknown source type",
            detail=f"“{said.source_type[:60]}” is no IPTC digital source type that this office knows.",
            next_step=f"Use one of: {', '.join(SourceType.values)}.",
        )
    if said.has_parent:  # C2PA 2.4 §18.15: an opened file's source type is its ingredient's business
        yield opened()
    else:
        yield {"action": "c2pa.created", "digitalSourceType": SourceType(said.source_type).uri}
    if said.watermark is not None:
        yield {"action": "c2pa.watermarked.bound", "parameters": {"alg": WATERMARK_ALGORITHM}}


def opened() -> dict[str, Any]:
    """The action that takes up the parent ingredient."""
    return {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}


def _training_entries(training: str) -> dict[str, dict[str, str]]:
    if training not in Training.values:
        raise Problem(
            "asset.training",
            "Unknown training preference",
            detail=f"“{training[:60]}” is none that this office knows.",
            next_step=f"Use one of: {', '.join(Training.values)}.",
        )
    return {use: {"use": training} for use in TRAINING_USES}


def _metadata(properties: Mapping[str, str]) -> dict[str, Any]:
    """JSON-LD, as the CAWG metadata assertion asks for it."""
    found = {name: _PROPERTY.fullmatch(name) for name in properties}
    wrong = [name for name, match in found.items() if match is None or match[1] not in SCHEMAS]
    wrong += [name for name, value in properties.items() if not isinstance(value, str) or not _VALUE.fullmatch(value)]
    if wrong or len(properties) > _MOST_PROPERTIES:
        raise Problem(
            "asset.metadata",
            "This metadata cannot be signed",
            detail=f"Not accepted: {_shown(wrong)}." if wrong else "There are too many.",
            next_step=f"Name at most {_MOST_PROPERTIES} properties of {', '.join(SCHEMAS)}, such as “dc:creator”, with "
            "texts of at most 2000 characters.",
        )
    used = {match[1] for match in found.values() if match is not None}
    return {"@context": {prefix: SCHEMAS[prefix] for prefix in sorted(used)}, **properties}


def _shown(names: Iterable[str]) -> str:
    told = ", ".join(sorted(set(names)))[:200]
    return "".join(sign if sign.isprintable() else "�" for sign in told)


def says_more_than_title(manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest (as read back) has metadata that the owner gave, besides the title that every work has."""
    told = [one.get("data") or {} for one in manifest.get("assertions") or [] if one.get("label") == METADATA]
    return any(set(data) - {"@context", "dc:title"} for data in told)


def _soft_bindings(said: Statement) -> Iterable[dict[str, Any]]:
    """C2PA 2.4 §18.10. The library has no bytes in its JSON: they are lists of numbers there, and so in the CBOR."""
    if value := softbinding.value_of(said.fingerprints):
        yield _soft_binding(softbinding.ALG, value)
    if said.watermark is not None:
        yield _soft_binding(WATERMARK_ALGORITHM, said.watermark)


def _soft_binding(algorithm: str, value: bytes) -> dict[str, Any]:
    return created(SOFT_BINDING, {"alg": algorithm, "blocks": [{"scope": {}, "value": list(value)}], "pad": []})
