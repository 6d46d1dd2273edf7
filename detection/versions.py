"""Model versions: registered, run in the shadow, put into service by two people, taken back by one.

challenger → shadow → champion → retired. Each step is one transaction with its entry in the log. Into the shadow
leads only the gate (`detection.gate`), into service only two different people. The way back is a pointer: the
champion names the version it replaced, and `rollback` makes that one champion again, or any before it by name. Neither
way leads to a version that is wrong again about a work on which an appeal was upheld.

Before the first champion, and after the last one, the files beside the detector serve: the network *as shipped* with
Assay (`shipped`). It has no row and needs none: the entries that put a version in its place, or it back, name its
digest, and so does every examination.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import IntegrityError, transaction

from accounts.models import REVIEWERS, Role, User
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from core.states import move
from detection import artefacts, cards, registry, trials
from detection.artefacts import Artefact
from detection.models import Approval, Audit, ModelVersion
from ledger import log
from ledger.events import EventType
from ledger.models import Entry

# Who may bring models and take them into the shadow; and who else may be the second person.
MAKERS = (Role.OPERATOR,)
SECONDS = (Role.OPERATOR, Role.POLICY_EDITOR, Role.LEAD_REVIEWER)
# Taking a model out of service is an emergency brake: one person of either desk.
BRAKES = (Role.OPERATOR, *REVIEWERS)
APPROVALS = 2
AS_SHIPPED = "as-shipped"  # as `rollback` is told it; no version is called so
_REASON = range(3, 301)


def find(detector: str, version: str) -> ModelVersion:
    """Raises NotFound."""
    found = ModelVersion.objects.filter(detector=detector, version=version).first()
    if found is None:
        raise NotFound("model version")
    return found


@dataclass(frozen=True)
class Shipped:
    """The network beside a detector. digest: of all that decides its results, as its runs say it. network: SHA-256 of
    model.onnx, hex, as its manifest says it.
    """

    detector: str
    digest: str
    network: str


def shipped(detector: str) -> Shipped | None:
    """What serves without a champion; None for a detector without a network. Raises NotFound."""
    info, folder = registry.detector(detector), registry.ROOM / "detectors" / detector
    if not (folder / registry.MODEL).exists():
        return None
    manifest = json.loads((folder / registry.MANIFEST).read_text())
    return Shipped(detector, info.model_digest, manifest["files"][registry.MODEL])


def _shipped_digest(detector: str) -> str:
    """What the log says of the files beside a detector; "" where they hold no network."""
    found = shipped(detector)
    return found.digest if found else ""


def champion(detector: str) -> ModelVersion | None:
    """The version in service; None where the files beside the detector are."""
    return ModelVersion.objects.filter(detector=detector, stage=ModelVersion.Stage.CHAMPION).first()


def shadow(detector: str) -> ModelVersion | None:
    return ModelVersion.objects.filter(detector=detector, stage=ModelVersion.Stage.SHADOW).first()


def opened(version: ModelVersion) -> Artefact:
    """Its folder, every byte compared with what was registered. Raises Problem `model.tampered`."""
    folder = artefacts.folder_of(version.detector, version.version)
    return artefacts.verify(folder, digest=version.digest)


def serving_digest(installed: str, artefact: Artefact) -> str:
    """What a run says it was examined with: the detector's own digest and the model's, as one."""
    parts = [installed, artefact.digest]
    if registry.ADAPTER in artefact.files:  # what runs a model of others', in place of the detector's own source
        parts.append(registry.brought_digest())
    return f"sha256:{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()}"


def in_service(detector: str) -> Artefact | None:
    """What examinations by this detector use, compared anew; None for the files beside the detector.

    Raises Problem `model.tampered`: then the detector gives no answer at all, rather than one by another model.
    """
    version = champion(detector)
    return opened(version) if version else None


def card_of(version: ModelVersion) -> cards.Card:
    """What is said of it, as it was registered. Raises Problem."""
    return cards.read(artefacts.folder_of(version.detector, version.version))


# --- Steps ---------------------------------------------------------------------------------------------------------


def register(
    made: Path,
    *,
    detector: str,
    version: str,
    reason: str,
    by: User,
    parent: ModelVersion | None = None,
    brought: bool = False,
) -> ModelVersion:
    """Keep and sign the files of the folder `made` as a challenger. `made` itself stays as it is.

    Raises Forbidden, NotFound for a detector that is not installed, Problem for a name or reason out of form or for a
    folder that the detector has no use for, Conflict for a version that exists.
    """
    _may(by, MAKERS, "register models")
    reserved = (registry.detector(detector).version, AS_SHIPPED)
    folder, reason = artefacts.folder_of(detector, version), _said(reason)
    _check_use(made, detector)
    taken = ModelVersion.objects.filter(detector=detector, version=version).exists() or version in reserved
    if folder.exists() or taken:
        raise Conflict(f"There is a version {version} of {detector} already.", code="model.again")
    try:
        artefact = _kept(made, folder, detector, version)
        with transaction.atomic():
            row = ModelVersion(
                detector=detector,
                version=version,
                digest=artefact.digest,
                reason=reason,
                registered_by=by,
                parent=parent,
                brought=brought,
            )
            facts: dict[str, Json] = {"parent": parent.digest if parent else "", "brought": brought}
            row.entry = _record(EventType.MODEL_REGISTERED, row, by, facts, reason=reason)
            row.save(force_insert=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return row


def _check_use(made: Path, detector: str) -> None:
    """Whether examinations by this detector would ask the network in `made`. Raises Problem."""
    if (made / registry.ADAPTER).exists() or (shipped(detector) and (made / registry.MODEL).exists()):
        return
    raise Problem(
        "model.no_use",
        "This detector would not use it",
        status=422,
        detail=f"{detector} computes by rule, or the folder has no {registry.MODEL}: as a champion it would change no"
        " answer.",
        next_step="Take in a network that brings its own feeding (manage.py model import), or register for a detector"
        " with a network.",
    )


def _kept(made: Path, folder: Path, detector: str, version: str) -> Artefact:
    folder.mkdir(parents=True)
    for path in sorted(made.iterdir()):
        if path.is_file() and path.name != artefacts.MANIFEST:
            shutil.copyfile(path, folder / path.name)
    return artefacts.write(folder, detector, version)


def to_shadow(version: ModelVersion, by: User, *, gate_entry: Entry) -> ModelVersion:
    """A challenger that passed the gate runs beside the champion. gate_entry: of the passed gate (`gate.admit`)."""
    _may(by, MAKERS, "put models into the shadow")
    opened(version)
    try:
        with transaction.atomic():
            facts = {"against": _serving_digest(version.detector)}
            _move(version, ModelVersion.Stage.SHADOW, by, facts, refs=[gate_entry], shadow_since=now())
    except IntegrityError as error:
        raise Conflict(
            "Another version of this detector is in the shadow.",
            code="model.shadow_taken",
            next_step="Retire it first.",
        ) from error
    return version


def approve(version: ModelVersion, by: User) -> bool:
    """`by` wants this shadow in service. True if they are the second person, and it is in service now.

    The first approval must come from who runs the office; the second from somebody else. Before the second, what may
    have changed since the gate is asked again: permanent tests, audits, what it was compared with. Raises Conflict
    `model.no_longer` with the reasons.
    """
    first = not version.approvals.exists()
    _may(by, MAKERS if first else SECONDS, "put models into service")
    if version.stage != ModelVersion.Stage.SHADOW:
        raise Conflict(
            f"{version} is not in the shadow but {version.get_stage_display()}.",
            code="model.not_in_shadow",
            next_step="manage.py model shadow puts a version there that passes the gate.",
        )
    artefact = opened(version)
    if not first and not version.approvals.filter(by=by).exists():
        _check_still(version, artefact, by)
    try:
        with transaction.atomic():
            approval = Approval(version=version, by=by)
            approval.entry = _record(EventType.MODEL_STAGED, version, by, {"step": "approved"})
            approval.save(force_insert=True)
            if version.approvals.count() < APPROVALS:
                return False
            if first:  # somebody else approved at this very moment, and nobody asked again
                raise Conflict("Somebody else has just approved this version.", code="state.race")
            _promote(version, by)
    except IntegrityError as error:
        raise Forbidden(
            "You have approved this version already: it takes a second person.", code="model.second_person"
        ) from error
    return True


def _check_still(version: ModelVersion, artefact: Artefact, by: User) -> None:
    """Raises Conflict, with the refusal in the log as one of the gate's."""
    reasons = {}
    if wrong := trials.wrong_again(artefact):
        reasons["appeals"] = f"wrong again about {len(wrong)} works on which an appeal was upheld"
    if Audit.objects.filter(digest=version.digest, flagged=True).exists():
        reasons["groups"] = "an audit found a gap between groups that is no noise"
    if _against(version) not in (None, _serving_digest(version.detector)):
        reasons["champion"] = "what serves now is not what the gate compared it with"
    if not reasons:
        return
    told = [f"{slug}: {words}" for slug, words in reasons.items()]
    record_gate(version, by, {"passed": False, "failed": list(reasons)}, told)
    raise Conflict(
        f"Since the gate let {version} into the shadow, something changed. " + " · ".join(told),
        code="model.no_longer",
        next_step="Retire it. The gate may be asked again about a version made anew.",
    )


def _against(version: ModelVersion) -> str | None:
    """The digest of what the gate compared it with; None where its entry does not say."""
    entries = Entry.objects.filter(type=EventType.MODEL_STAGED).order_by("-pk").values_list("leaf", flat=True)
    for leaf in entries.iterator():
        told = json.loads(bytes(leaf))
        if told["object"] == version.object and told["facts"].get("to") == ModelVersion.Stage.SHADOW:
            found = told["facts"].get("against")
            return str(found) if found is not None else None
    return None


def _serving_digest(detector: str) -> str:
    serving = champion(detector)
    return serving.digest if serving else _shipped_digest(detector)


def _promote(version: ModelVersion, by: User) -> None:
    before = ModelVersion.objects.select_for_update().filter(
        detector=version.detector, stage=ModelVersion.Stage.CHAMPION
    )
    replaced = before.first()
    if replaced:
        _move(replaced, ModelVersion.Stage.RETIRED, by, {"replaced_by": version.digest})
    facts = {"replaces": replaced.digest if replaced else _shipped_digest(version.detector)}
    _move(version, ModelVersion.Stage.CHAMPION, by, facts, replaced=replaced)


def rollback(detector: str, by: User, reason: str, *, to: str = "") -> ModelVersion | None:
    """The champion goes, the version it replaced is champion again. None: the files beside the detector serve now.

    A version that fails a permanent test by now is passed over (`passed_over`), as far back as it takes.

    to: a champion before that one, or AS_SHIPPED. Raises Conflict without a champion, or for one by name that fails a
    permanent test; NotFound for one that was none; Problem `model.tampered` where the way back leads to a changed
    folder.
    """
    _may(by, BRAKES, "take models out of service")
    reason, current = _said(reason), champion(detector)
    if current is None:
        raise Conflict(f"No registered version of {detector} is in service.", code="model.no_champion")
    before = _way_back(current, to)
    over: list[Json] = [] if to else [one.digest for one in passed_over(current, before)]
    with transaction.atomic():
        back_to = before.digest if before else _shipped_digest(detector)
        facts: dict[str, Json] = {"step": "rollback", "back_to": back_to}
        _move(current, ModelVersion.Stage.RETIRED, by, facts | ({"passed_over": over} if over else {}), reason=reason)
        if before:
            _move(before, ModelVersion.Stage.CHAMPION, by, {"step": "rollback"}, reason=reason)
    return before


def _way_back(current: ModelVersion, to: str) -> ModelVersion | None:
    """The champion before `current` that passes the permanent tests, or the one that is called `to`. Raises as
    `rollback`.
    """
    before = current.replaced
    if to == AS_SHIPPED:
        return None
    while before and (before.version != to if to else trials.wrong_again(opened(before))):
        before = before.replaced
    if to and before is None:
        raise NotFound("earlier champion")
    if to and before and trials.wrong_again(opened(before)):
        raise Conflict(
            f"{before} is wrong again about a work on which an appeal was upheld since.",
            code="model.wrong_again",
            next_step=f"Name another version, or {AS_SHIPPED}.",
        )
    return before


def passed_over(current: ModelVersion, back: ModelVersion | None) -> list[ModelVersion]:
    """The champions between `current` and the one that a rollback led to (None: the files beside the detector)."""
    found, before = [], current.replaced
    while before and before != back:
        found.append(before)
        before = before.replaced
    return found


def retire(version: ModelVersion, by: User, reason: str) -> ModelVersion:
    """A challenger or a shadow is not pursued. A champion leaves by `rollback` or by its successor."""
    _may(by, MAKERS, "retire models")
    if version.stage == ModelVersion.Stage.CHAMPION:
        raise Conflict(f"{version} is in service.", code="model.in_service", next_step="Roll back, or promote another.")
    with transaction.atomic():
        _move(version, ModelVersion.Stage.RETIRED, by, {}, reason=_said(reason))
    return version


def record_gate(version: ModelVersion, by: User, facts: Mapping[str, Json], reasons: Sequence[str] = ()) -> Entry:
    """The gate's answer, passed or refused, in the log: outside of any transaction that could take it back. reasons:
    in words, sealed.
    """
    with transaction.atomic(durable=True):
        told = "\n".join(reasons)
        return _record(EventType.MODEL_STAGED, version, by, {"step": "gate", **facts}, reason=told)


def _move(
    version: ModelVersion,
    to: ModelVersion.Stage,
    by: User,
    facts: Mapping[str, Json],
    *,
    refs: list[Entry] | None = None,
    reason: str = "",
    **also: object,
) -> None:
    before = version.stage
    move(version, ModelVersion.MOVES, to, field="stage", **also)
    _record(EventType.MODEL_STAGED, version, by, {"from": before, "to": to.value, **facts}, refs, reason=reason)


def _record(
    type: EventType,
    version: ModelVersion,
    by: User,
    facts: Mapping[str, Json],
    refs: list[Entry] | None = None,
    *,
    reason: str = "",
) -> Entry:
    """reason: free text, sealed: who acted may have it erased."""
    about: dict[str, Json] = {"detector": version.detector, "version": version.version, "digest": version.digest}
    return log.append(
        type,
        actor=by.actor,
        role=_role(by),
        object=version.object,
        refs=refs or ([version.entry] if version.entry else []),
        facts=about | dict(facts),
        sealed={"reason": log.Sealed(reason, by.actor)} if reason else {},
    )


def _role(by: User) -> str:
    return next((role.value for role in (*SECONDS, *REVIEWERS) if by.has_role(role)), "person")


def _may(by: User, roles: tuple[Role, ...], what: str) -> None:
    if not by.has_role(*roles):
        words = " or ".join(role.label.lower() for role in roles)
        raise Forbidden(f"To {what} needs the role of {words}.", code="model.role")


def _said(reason: str) -> str:
    reason = " ".join(reason.split())
    if len(reason) not in _REASON or "@" in reason:
        raise Problem(
            "model.reason",
            "Say why",
            detail="The reason has 3 to 300 characters and names nobody: everybody who runs models here reads it.",
        )
    return reason
