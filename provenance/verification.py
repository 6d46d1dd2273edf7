"""What this office can say about any file, without keeping it: its credential, the register, the ledger."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.models import User
from core import storage
from core.canonical import Json
from core.problems import Problem
from ledger.receipts import receipt_for
from provenance import guarded, matching, media
from provenance.credential import Credential, judge
from provenance.models import Asset, Manifest, Rendition

log = structlog.get_logger()

Viewer = User | AnonymousUser | None


@dataclass
class Report:
    """Three answers that are never blended into one light, and what upper rooms add.

    credential: what the file says about itself and whether that holds. exact: the registered work with these very
    bytes. matches: registered works that look like it. notes: remarks on the file itself. sections: by name.
    """

    sha256: str
    media_type: str
    credential: Credential
    exact: Asset | None = None
    exact_role: str = ""
    matches: list[matching.Match] = field(default_factory=list)
    # For a valid credential of this office: "this_file", "other_bytes" (signed here, and bytes that a credential does
    # not protect have changed) or "none" (signed with our key, and not by us).
    record: str = ""
    receipt: dict[str, Json] | None = None
    notes: list[str] = field(default_factory=list)
    sections: dict[str, Json] = field(default_factory=dict)
    # For sections that read the file themselves (in a guarded child); it exists only while the report is made.
    path: Path | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """JSON values only, no floats; the shape of POST /api/v1/verifications."""
        credential = self.credential
        return {
            "file": {"sha256": self.sha256, "media_type": self.media_type, "notes": self.notes},
            "credential": {
                "state": credential.state,
                "trust": credential.trust,
                "codes": credential.codes,
                "reasons": credential.reasons,
                "warnings": credential.warnings,
                "signer": credential.signer,
                "generator": credential.generator,
                "title": credential.title,
                "actions": credential.actions,
                "ingredients": credential.ingredients,
                "training": credential.training,
                "signed_at": credential.signed_at,
                "raw": credential.raw,
            },
            "register": {
                "exact": self._exact_as_dict(),
                "matches": [one.as_dict() for one in self.matches],
                "record": self.record,
            },
            "ledger": self.receipt,
            "sections": self.sections,
        }

    def _exact_as_dict(self) -> dict[str, Any] | None:
        asset = self.exact
        if asset is None:
            return None
        return {
            "asset_id": str(asset.pk),
            "title": asset.title,
            "role": self.exact_role,
            "registered_at": asset.created_at.isoformat(),
            "source_type": asset.source_type,
            "training": asset.training,
            "restriction": asset.restriction,
            "label": asset.label_text,
            "page": f"/assets/{asset.pk}/",
        }


Section = Callable[[Report], Json]
_sections: dict[str, Section] = {}


def register_section(name: str, section: Section) -> None:
    """Called at start-up by upper rooms: `section(report)` becomes `sections[name]` of every report."""
    if name in _sections:
        raise RuntimeError(f"two sections called {name}")
    _sections[name] = section


def verify_file(path: Path, sha256: str, *, filename: str = "", viewer: Viewer = None) -> Report:
    """The report on a local file. Nothing of the file is kept.

    sha256: of the whole file, lower-case hex. viewer: whose works may be named (the public's, if nobody). A file that
    cannot be decoded is still reported on when it carries a credential or is registered, because then there is
    something to say. Raises Problem media.* otherwise.
    """
    media_type = media.sniff(path)
    report = Report(sha256, media_type, judge(guarded.read_credential(path, media_type)), path=path)
    visible = Asset.objects.visible_to(viewer)
    _look_up(report, visible)
    report.record = _record(report)
    fingerprints = _describe(report, path)
    report.notes += _remarks(filename, media_type)
    if fingerprints:
        others = visible if report.exact is None else visible.exclude(pk=report.exact.pk)
        report.matches += matching.near(fingerprints, others)
    if report.exact is not None:
        receipt = receipt_for(report.exact.entry)
        report.receipt = receipt.as_dict() if receipt else None
    for name, section in _sections.items():
        report.sections[name] = section(report)
    return report


def _look_up(report: Report, visible: QuerySet[Asset]) -> None:
    """Whole-file hash against the register: stricter than a credential, which leaves parts of files unprotected."""
    roles = [Rendition.Role.SIGNED, Rendition.Role.ORIGINAL, Rendition.Role.PREVIEW]
    found = Rendition.objects.filter(sha256=report.sha256, asset__in=visible).select_related("asset__entry")
    held = min(found, key=lambda one: (roles.index(Rendition.Role(one.role)), one.asset_id), default=None)
    if held is not None:
        report.exact, report.exact_role = held.asset, held.role
        report.matches.append(matching.Match(held.asset_id, held.asset.title, 0.0, "exact"))


def _record(report: Report) -> str:
    """What the whole register, hidden works too, knows of a credential made with this office's own key."""
    credential = report.credential
    if credential.state != "valid" or credential.trust != "this_office":
        return ""
    if Rendition.objects.filter(sha256=report.sha256, role=Rendition.Role.SIGNED).exists():
        return "this_file"
    return "other_bytes" if Manifest.objects.filter(label=credential.label).exists() else "none"


def _describe(report: Report, path: Path) -> dict[str, bytes]:
    try:
        with storage.scratch_path(".jpg") as preview:
            return guarded.describe(path, report.media_type, preview=preview).fingerprints
    except Problem as problem:
        tolerable = problem.code in ("media.truncated", "media.unparseable")
        if not tolerable or (report.credential.state in ("none", "unreadable") and report.exact is None):
            raise
        log.info("verification.not_decoded", code=problem.code)
        report.notes.append("The picture itself is damaged and could not be compared with registered works.")
        return {}


def _remarks(filename: str, media_type: str) -> list[str]:
    try:
        media.check_name(filename, media_type)
    except Problem as problem:
        return [problem.detail]
    return []
