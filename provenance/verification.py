"""What this office can say about any file, without keeping it: its credential, the register, the ledger.

`verify_file` asks everything, `known` what a SHA-256 alone leads to. Both make a `Report`, whose verdicts stand beside
one another and are never blended into one light.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet

from accounts.models import User
from core import storage
from core.canonical import Json
from core.guard import Unparseable
from core.problems import Problem
from ledger.receipts import receipt_for
from provenance import codes, descent, guarded, judgement, manifests, matching, media, restriction, revocation, trust
from provenance.ai_signals import Signal, signals
from provenance.credential import Circumstances, Credential, judge
from provenance.detached import bound_by_hash
from provenance.judgement import Evidence, Likeness, Verdict, Withdrawn
from provenance.likeness import declared_likeness
from provenance.manifest_reading import mapping, text
from provenance.models import Asset, Manifest, Rendition
from provenance.validity import SIGNER, SigningTime, TrustPolicy

log = structlog.get_logger()

Viewer = User | AnonymousUser | None


@dataclass
class Report:
    """Answers that are never blended into one light, and what upper rooms add.

    verdicts: by the names in judgement.STATES. credential: what the file says about itself. exact: the registered
    work with these very bytes. claims: works registered by this very SHA-256, whose file was never shown to this
    office, the oldest first; empty when the register holds the file, and of several none is `exact`. matches:
    registered works that look like it. signals: what the credential says about generative models. crjson: the
    credential as the C2PA's crJSON, {} where there is none. as_of: the date it is judged by, None for now. notes:
    remarks on the file itself. sections: by name.
    """

    sha256: str
    media_type: str
    evidence: Evidence = field(repr=False)
    exact: Asset | None = None
    exact_role: str = ""
    claims: list[Asset] = field(default_factory=list)
    matches: list[matching.Match] = field(default_factory=list)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    signals: list[Signal] = field(default_factory=list)
    receipt: dict[str, Json] | None = None
    notes: list[str] = field(default_factory=list)
    sections: dict[str, Json] = field(default_factory=dict)
    # For sections that read the file themselves (in a guarded child); it exists only while the report is made.
    path: Path | None = field(default=None, repr=False)

    @property
    def credential(self) -> Credential:
        return self.evidence.credential

    @property
    def as_of(self) -> dt.datetime | None:
        return self.evidence.policy.as_of

    @property
    def crjson(self) -> dict[str, Any]:
        """As the reader made it, by its own clock."""
        document = self.evidence.found.get("crjson")
        return dict(document) if isinstance(document, Mapping) else {}

    def as_dict(self) -> dict[str, Any]:
        """JSON values only, no floats; the shape of `report_shapes.ReportSerializer`."""
        return {
            "file": {"sha256": self.sha256, "media_type": self.media_type, "notes": self.notes},
            "as_of": self.as_of.astimezone(dt.UTC).isoformat() if self.as_of else None,
            "verdicts": {name: one.as_dict() for name, one in self.verdicts.items()},
            "credential": self._credential_as_dict(),
            "chain": self.chain,
            "signals": [one.as_dict() for one in self.signals],
            "engine": self._engine_as_dict(),
            "register": {
                "exact": self._exact_as_dict(),
                "claims": [_claim_as_dict(one) for one in self.claims],
                "matches": [one.as_dict() for one in self.matches],
            },
            "ledger": self.receipt,
            "sections": self.sections,
        }

    @property
    def chain(self) -> dict[str, Any] | None:
        """The file and what it was made from, a tree (`provenance.chain`); None without a credential."""
        credential = self.credential
        if not credential.label:
            return None
        intact = self.verdicts["integrity"].state
        return {
            "title": credential.title,
            "format": self.media_type,
            "relationship": "",
            "signer": credential.signer,
            "state": {"intact": "intact", "broken": "damaged"}.get(intact, "unchecked"),
            "reasons": credential.reasons,
            "actions": credential.actions,
            "children": credential.earlier.children,
        }

    def _credential_as_dict(self) -> dict[str, Any]:
        credential = self.credential
        return {
            "state": credential.state,
            "trust": credential.trust,
            "codes": credential.codes,
            "reasons": credential.reasons,
            "signer": credential.signer,
            "generator": credential.generator,
            "title": credential.title,
            "actions": credential.actions,
            "training": credential.training,
            "signed_at": credential.signed_at,
            "raw": credential.raw,
        }

    def _engine_as_dict(self) -> dict[str, Any]:
        """Which program read the credential, by which settings, believing whom: what is needed to judge it again."""
        engine = mapping(self.evidence.found.get("engine"))
        told = {name: text(engine.get(name), 80) for name in ("name", "version", "settings")}
        lists = [{"uri": one.uri, "name": one.name, "version": one.version} for one in self.evidence.policy.lists]
        return {**told, "policy": lists}

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


def _claim_as_dict(asset: Asset) -> dict[str, Any]:
    return {
        "asset_id": str(asset.pk),
        "title": asset.title,
        "registered_at": asset.created_at.isoformat(),
        "source_type": asset.source_type,
        "words": "claimed, file not shown",
        "page": f"/assets/{asset.pk}/",
    }


Section = Callable[[Report], Json]
_sections: dict[str, Section] = {}


def register_section(name: str, section: Section) -> None:
    """Called at start-up by upper rooms: `section(report)` becomes `sections[name]` of every report."""
    if name in _sections:
        raise RuntimeError(f"two sections called {name}")
    _sections[name] = section


# --- Asking ----------------------------------------------------------------------------------------------------------


def verify_file(
    path: Path,
    sha256: str,
    *,
    filename: str = "",
    viewer: Viewer = None,
    as_of: dt.datetime | None = None,
    manifest: Path | None = None,
) -> Report:
    """The report on a local file. Nothing of the file is kept.

    sha256: of the whole file, lower-case hex. viewer: who asks: it decides which works may be named, and which
    organisation's own trust lists count besides everybody's. as_of: judge by the trust lists, certificates and
    revocations of that date. manifest: a detached C2PA manifest store that is said to belong to the file.

    A file that cannot be decoded is still reported on when it carries a credential or is registered, because then
    there is something to say. Raises Problem media.* otherwise.
    """
    media_type = media.sniff(path)
    visible = restriction.nameable(viewer)
    exact, role, claims = _named(sha256, visible, viewer)
    policy = _policy(as_of, viewer)
    found = _read(path, media_type, policy, manifest)
    if found["presence"] == "none" and manifest is None and exact is not None:
        found = _beside(exact, role, path, media_type, policy) or found
    report = Report(sha256, media_type, judged(found, policy), exact, role, claims, path=path)
    if manifest is not None and not _over_what_was_sent(report):
        _look_inside(report, _read(path, media_type, policy, None))
    report.notes += _remarks(filename, media_type)
    return _completed(report, visible, _describe(report, path), viewer)


def known(sha256: str, viewer: Viewer = None, *, as_of: dt.datetime | None = None) -> Report | None:
    """The report on the registered file with this SHA-256, without anybody sending it; None when there is none.

    A file that is held is read again now. Of a work that was registered by its hash alone, the manifest kept here is
    checked, and its hash of the file compared with the one asked for; what the file is like, nobody here knows.
    """
    visible = restriction.nameable(viewer)
    exact, role, claims = _named(sha256, visible, viewer)
    if exact is None and not claims:
        return None
    held = exact.renditions.filter(sha256=sha256, role=role).first() if exact is not None else None
    if held is not None:
        with storage.local_copy(held.key, media.suffix(held.media_type)) as path:
            report = verify_file(path, sha256, viewer=viewer, as_of=as_of)
            report.path = None
            return report
    policy = _policy(as_of, viewer)
    found = _by_hash(exact, sha256, policy) if exact is not None else {"presence": "none"}
    report = Report(sha256, claims[0].media_type, judged(found, policy), exact, role, claims)
    report.notes.append("The file was never sent to this office; it is registered by its SHA-256 alone.")
    return _completed(report, visible, None, viewer)


def _policy(as_of: dt.datetime | None, viewer: Viewer) -> TrustPolicy:
    return trust.policy(as_of, viewer.organisation if isinstance(viewer, User) else None)


# --- Reading ---------------------------------------------------------------------------------------------------------


def _read(path: Path, media_type: str, policy: TrustPolicy, manifest: Path | None) -> Mapping[str, Any]:
    if manifest is None and media_type in media.EMBEDDABLE and not media.embeds(path, media_type):
        return {"presence": "none"}  # a variant that has no place for one; the library would call it damaged
    return guarded.read_credential(path, media_type, policy=policy, manifest=manifest, limits=guarded.ASKED)


def _beside(asset: Asset, role: str, path: Path, media_type: str, policy: TrustPolicy) -> Mapping[str, Any] | None:
    """The file read with the detached manifest that the register keeps over these very bytes, if it keeps one."""
    if role != Rendition.Role.ORIGINAL:
        return None
    with _kept_manifest(asset) as store:
        return _read(path, media_type, policy, store) if store else None


def _over_what_was_sent(report: Report) -> bool:
    """Whether the credential is the one this office made beside these very bytes, having seen them: a file may have
    carried a broken credential already when it was sent in, and that stands in ours as an earlier file."""
    if report.exact is None or report.claims or report.credential.trust != "this_office":
        return False
    made = report.exact.manifests.filter(label=report.credential.label)
    return report.exact_role == Rendition.Role.ORIGINAL and made.exists()


def _look_inside(report: Report, found: Mapping[str, Any]) -> None:
    """A manifest that was brought beside a file does not cover up that the one inside is broken."""
    evidence = judged(found, report.evidence.policy)
    if found["presence"] == "unreadable":
        inside = [codes.UNREADABLE]
    else:
        verdict = judgement.integrity(evidence)
        inside = [one["code"] for one in verdict.codes] if verdict.state == "broken" else []
    if not inside:
        return
    told = replace(
        report.credential,
        state="invalid",
        codes=[*inside, *report.credential.codes],
        reasons=[*map(codes.sentence, inside), *report.credential.reasons],
    )
    report.evidence = replace(report.evidence, credential=told, inside=tuple(inside))
    report.notes.append("The credential inside the file is broken, whatever the one that was brought beside it says.")


def _by_hash(asset: Asset, sha256: str, policy: TrustPolicy) -> Mapping[str, Any]:
    with _kept_manifest(asset) as store:
        if store is None:
            return {"presence": "none"}
        return bound_by_hash(guarded.read_credential(store, manifests.MEDIA_TYPE, policy=policy), sha256)


@contextmanager
def _kept_manifest(asset: Asset) -> Iterator[Path | None]:
    row = manifests.in_force(asset).get(Manifest.Form.DETACHED)
    if row is None:
        yield None
        return
    with storage.local_copy(row.key, ".c2pa") as path:
        yield path


def judged(found: Mapping[str, Any], policy: TrustPolicy) -> Evidence:
    """The credential judged as of the policy's date: what the reader says by its own clock is replaced.

    found: what provenance.c2pa.read returned, read with the anchors of the same policy. Of the register nothing is
    known yet. Raises Unparseable for what no reader of ours says.
    """
    try:
        time = trust.judge_time(found, policy)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A hostile file may have taken the child over, and then it says what it likes.
        raise Unparseable("failed") from error
    withdrawn = _withdrawn(time, policy)
    failed = (*time.codes, codes.REVOKED) if judgement.counts_as_revoked(withdrawn, time) else time.codes
    lists = [one.uri for one in policy.lists if one.kind == SIGNER]
    credential = judge(found, Circumstances(lists, failed=failed, forgiven=time.replaced))
    return Evidence(found, credential, time, policy, withdrawn)


def _withdrawn(time: SigningTime, policy: TrustPolicy) -> Withdrawn | None:
    """The entry for the signer's certificate in this office's table, as it stood on the policy's date."""
    if not time.certificate.serial:
        return None
    row = revocation.of(time.certificate.serial, time.certificate.issuers, policy.as_of)
    return Withdrawn(row.revoked_at, row.reason) if row is not None else None


def _describe(report: Report, path: Path) -> guarded.Description | None:
    """What decoding tells; None for a file that cannot be decoded although there is something to say about it."""
    try:
        with storage.scratch_path(".jpg") as preview:
            return guarded.describe(path, report.media_type, preview=preview, search=True, limits=guarded.ASKED)
    except Problem as problem:
        something_to_say = report.credential.state not in ("none", "unreadable") or report.exact is not None
        if problem.code not in _ALWAYS_TOLD and not (problem.code.startswith("media.") and something_to_say):
            raise
        log.info("verification.not_decoded", code=problem.code)
        damaged = problem.code in ("media.truncated", "media.unparseable")
        report.notes.append(_DAMAGED if damaged else f"not examined: {problem.detail}")
        return None


# A drawing that carries a program is not registered, but whoever asks about one is told of it.
_ALWAYS_TOLD = ("media.active_content",)
_DAMAGED = "The content itself is damaged and could not be compared with registered works."


def _remarks(filename: str, media_type: str) -> list[str]:
    try:
        media.check_name(filename, media_type)
    except Problem as problem:
        return [problem.detail]
    return []


# --- The register ----------------------------------------------------------------------------------------------------


def _look_up(sha256: str, visible: QuerySet[Asset]) -> tuple[Asset | None, str, list[Asset]]:
    """The work with these very bytes, which of its files they are, and the claims (`Report.claims`). Stricter than a
    credential, which leaves parts of files unprotected.

    A file that was really sent goes before every claim, however early; of several claims none goes before another.
    """
    roles = [Rendition.Role.SIGNED, Rendition.Role.ORIGINAL, Rendition.Role.PREVIEW]
    found = Rendition.objects.filter(sha256=sha256, asset__in=visible).select_related("asset__entry")
    held = min(found, key=lambda one: (roles.index(Rendition.Role(one.role)), one.asset_id), default=None)
    if held is not None:
        return held.asset, held.role, []
    claims = list(visible.filter(held=False, original_sha256=sha256).select_related("entry").order_by("pk"))
    return (claims[0], Rendition.Role.ORIGINAL.value, claims) if len(claims) == 1 else (None, "", claims)


def _named(sha256: str, visible: QuerySet[Asset], viewer: Viewer) -> tuple[Asset | None, str, list[Asset]]:
    """`_look_up`, but for a work whose credential tells `viewer` of what is not shown, or is not said any more."""
    exact, role, claims = _look_up(sha256, visible)
    if exact is not None and descent.refusal(exact, viewer):
        return None, "", []
    return exact, role, claims


def _completed(
    report: Report, visible: QuerySet[Asset], described: guarded.Description | None, viewer: Viewer
) -> Report:
    """The report with all that the register, the ledger and the upper rooms add, and its verdicts."""
    whole_file = _whole_file(report, visible, viewer)
    report.notes += _of_other_bytes(report) if whole_file == "other_bytes" else []
    _say_if_claimed(report)
    if report.exact is not None:
        report.matches.append(matching.Match(report.exact.pk, report.exact.title, 0.0, matching.EXACT))
        receipt = receipt_for(report.exact.entry)
        report.receipt = receipt.as_dict() if receipt else None
        visible = visible.exclude(pk=report.exact.pk)
    if described is not None:
        report.notes += described.notes
        alike = matching.near(described.looked_for, visible)
        named = descent.handed_out([one.asset_id for one in alike], viewer)
        report.matches += [one for one in alike if one.asset_id in named]
    fingerprints = described.fingerprints if described is not None else {}
    likeness = _likeness(report, fingerprints)
    report.evidence = replace(report.evidence, whole_file=whole_file, unseen=bool(report.claims), likeness=likeness)
    report.verdicts = judgement.verdicts(report.evidence)
    report.signals = signals(report.crjson)
    for name, section in _sections.items():
        report.sections[name] = section(report)
    return report


def _whole_file(report: Report, visible: QuerySet[Asset], viewer: Viewer) -> str:
    """A state of judgement.STATES["whole_file"]. Of a valid credential made with this office's own key, the whole
    register is asked, hidden works too: a file may be signed here and changed where no credential protects it
    (other_bytes), or signed with our key and not by us (unrecorded). Only the entry of the credential's own work counts
    then: whoever changed the file may have registered the result.
    """
    credential = report.credential
    if credential.state != "valid" or credential.trust != "this_office":
        return "registered" if report.exact is not None or report.claims else "unknown"
    owners = Asset.objects.filter(manifests__label=credential.label)
    if not owners.exists():
        return "unrecorded"
    given_out = Q(renditions__sha256=report.sha256, renditions__role__in=_GIVEN_OUT)
    exactly = owners.filter(given_out | Q(held=False, original_sha256=report.sha256))
    if not exactly.exists():
        return "other_bytes"
    # Of a work that is not shown nobody is told that the register holds it.
    shown = visible.filter(pk__in=exactly.values("pk")).values_list("pk", flat=True)
    return "registered" if descent.handed_out(set(shown), viewer) else "unknown"


def _say_if_claimed(report: Report) -> None:
    """This office signs a fingerprint that somebody names without having seen the file: that vouches for no file."""
    credential = report.credential
    if credential.state != "valid" or credential.trust != "this_office":
        return
    if not Manifest.objects.filter(label=credential.label, asset__held=False).exists():
        return
    told = replace(credential, state="unreadable", codes=[codes.CLAIMED], reasons=[codes.sentence(codes.CLAIMED)])
    report.evidence = replace(report.evidence, credential=told, claimed=True)


def _of_other_bytes(report: Report) -> list[str]:
    others = report.claims or ([report.exact] if report.exact is not None else [])
    apart = [
        f"Exactly these bytes were registered as “{one.title}” on {one.created_at:%Y-%m-%d}; the credential in the "
        "file belongs to another work."
        for one in others
    ]
    return [*_replaced(report), *apart]


def _replaced(report: Report) -> list[str]:
    """Of a signed file from before a redaction, why it is another one now."""
    made = Manifest.objects.filter(label=report.credential.label, form=Manifest.Form.EMBEDDED)
    if not made.exclude(replaced_by=None).exists():
        return []
    return [
        "This office has replaced the file it gave out for this work since: a statement was removed from its "
        "credential. This may be a copy from before that."
    ]


_GIVEN_OUT = (Rendition.Role.SIGNED, Rendition.Role.ORIGINAL)


def _likeness(report: Report, fingerprints: Mapping[str, bytes]) -> Likeness:
    """What the credential declares about the content first; else what the register knows that looks alike."""
    declared = declared_likeness(report.credential.soft_bindings, fingerprints)
    if declared.state in ("matched", "mismatched"):
        return declared
    return _alike(report.matches) or declared


def _alike(matches: Iterable[matching.Match]) -> Likeness | None:
    """Equal bytes are no likeness: that is another verdict, and of a fingerprint alone nothing was compared."""
    best = next(iter(matches), None)
    if best is None or best.tier == matching.EXACT:
        return None
    return Likeness("matched" if best.tier == matching.SAME else "unknown", "register", best.title)
