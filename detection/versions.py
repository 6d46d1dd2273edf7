"""Model versions: registered, run in the shadow, put into service by two people, taken back by one.

challenger → shadow → champion → retired. Each step is one transaction with its entry in the log. Into the shadow
leads only the gate (`detection.gate`), into service only two different people. The way back is a pointer: the
champion names the version it replaced, and `rollback` makes that one champion again, or the files beside the detector
where there was none.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from django.db import IntegrityError, transaction

from accounts.models import REVIEWERS, Role, User
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound, Problem
from core.states import move
from detection import artefacts, registry
from detection.artefacts import Artefact
from detection.models import Approval, ModelVersion
from ledger import log
from ledger.events import EventType
from ledger.models import Entry

# Who may bring models and take them into the shadow; and who else may be the second person.
MAKERS = (Role.OPERATOR,)
SECONDS = (Role.OPERATOR, Role.POLICY_EDITOR, Role.LEAD_REVIEWER)
# Taking a model out of service is an emergency brake: one person of either desk.
BRAKES = (Role.OPERATOR, *REVIEWERS)
APPROVALS = 2
_REASON = range(3, 301)


def find(detector: str, version: str) -> ModelVersion:
    """Raises NotFound."""
    found = ModelVersion.objects.filter(detector=detector, version=version).first()
    if found is None:
        raise NotFound("model version")
    return found


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
    both = f"{installed}\0{artefact.digest}"
    return f"sha256:{hashlib.sha256(both.encode()).hexdigest()}"


def in_service(detector: str) -> Artefact | None:
    """What examinations by this detector use, compared anew; None for the files beside the detector.

    Raises Problem `model.tampered`: then the detector gives no answer at all, rather than one by another model.
    """
    version = champion(detector)
    return opened(version) if version else None


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

    Raises Forbidden, NotFound for a detector that is not installed, Problem for a name or reason out of form, Conflict
    for a version that exists.
    """
    _may(by, MAKERS, "register models")
    installed = registry.detector(detector).version
    folder, reason = artefacts.folder_of(detector, version), _said(reason)
    taken = ModelVersion.objects.filter(detector=detector, version=version).exists() or version == installed
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
            facts: dict[str, Json] = {"parent": parent.digest if parent else "", "brought": brought, "reason": reason}
            row.entry = _record(EventType.MODEL_REGISTERED, row, by, facts)
            row.save(force_insert=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return row


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
            _move(version, ModelVersion.Stage.SHADOW, by, {}, refs=[gate_entry], shadow_since=now())
    except IntegrityError as error:
        raise Conflict(
            "Another version of this detector is in the shadow.",
            code="model.shadow_taken",
            next_step="Retire it first.",
        ) from error
    return version


def approve(version: ModelVersion, by: User) -> bool:
    """`by` wants this shadow in service. True if they are the second person, and it is in service now.

    The first approval must come from who runs the office; the second from somebody else.
    """
    first = not version.approvals.exists()
    _may(by, MAKERS if first else SECONDS, "put models into service")
    if version.stage != ModelVersion.Stage.SHADOW:
        raise Conflict(
            f"{version} is not in the shadow but {version.get_stage_display()}.",
            code="model.not_in_shadow",
            next_step="manage.py model shadow puts a version there that passes the gate.",
        )
    opened(version)
    try:
        with transaction.atomic():
            approval = Approval(version=version, by=by)
            approval.entry = _record(EventType.MODEL_STAGED, version, by, {"step": "approved"})
            approval.save(force_insert=True)
            if version.approvals.count() < APPROVALS:
                return False
            _promote(version, by)
    except IntegrityError as error:
        raise Forbidden(
            "You have approved this version already: it takes a second person.", code="model.second_person"
        ) from error
    return True


def _promote(version: ModelVersion, by: User) -> None:
    before = ModelVersion.objects.select_for_update().filter(
        detector=version.detector, stage=ModelVersion.Stage.CHAMPION
    )
    replaced = before.first()
    if replaced:
        _move(replaced, ModelVersion.Stage.RETIRED, by, {"replaced_by": version.digest})
    facts = {"replaces": replaced.digest if replaced else ""}
    _move(version, ModelVersion.Stage.CHAMPION, by, facts, replaced=replaced)


def rollback(detector: str, by: User, reason: str) -> ModelVersion | None:
    """The champion goes, the version it replaced is champion again. None: the files beside the detector serve now.

    Raises Conflict without a champion, Problem `model.tampered` where the way back leads to a changed folder.
    """
    _may(by, BRAKES, "take models out of service")
    reason, current = _said(reason), champion(detector)
    if current is None:
        raise Conflict(f"No registered version of {detector} is in service.", code="model.no_champion")
    before = current.replaced
    if before:
        opened(before)
    with transaction.atomic():
        facts: dict[str, Json] = {"step": "rollback", "reason": reason, "back_to": before.digest if before else ""}
        _move(current, ModelVersion.Stage.RETIRED, by, facts)
        if before:
            _move(before, ModelVersion.Stage.CHAMPION, by, {"step": "rollback", "reason": reason})
    return before


def retire(version: ModelVersion, by: User, reason: str) -> ModelVersion:
    """A challenger or a shadow is not pursued. A champion leaves by `rollback` or by its successor."""
    _may(by, MAKERS, "retire models")
    if version.stage == ModelVersion.Stage.CHAMPION:
        raise Conflict(f"{version} is in service.", code="model.in_service", next_step="Roll back, or promote another.")
    with transaction.atomic():
        _move(version, ModelVersion.Stage.RETIRED, by, {"reason": _said(reason)})
    return version


def record_gate(version: ModelVersion, by: User, facts: Mapping[str, Json]) -> Entry:
    """The gate's answer, passed or refused, in the log: outside of any transaction that could take it back."""
    with transaction.atomic(durable=True):
        return _record(EventType.MODEL_STAGED, version, by, {"step": "gate", **facts})


def _move(
    version: ModelVersion,
    to: ModelVersion.Stage,
    by: User,
    facts: Mapping[str, Json],
    *,
    refs: list[Entry] | None = None,
    **also: object,
) -> None:
    before = version.stage
    move(version, ModelVersion.MOVES, to, field="stage", **also)
    _record(EventType.MODEL_STAGED, version, by, {"from": before, "to": to.value, **facts}, refs)


def _record(
    type: EventType, version: ModelVersion, by: User, facts: Mapping[str, Json], refs: list[Entry] | None = None
) -> Entry:
    about: dict[str, Json] = {"detector": version.detector, "version": version.version, "digest": version.digest}
    return log.append(
        type,
        actor=by.actor,
        role=_role(by),
        object=version.object,
        refs=refs or ([version.entry] if version.entry else []),
        facts=about | dict(facts),
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
            detail="The reason has 3 to 300 characters and names nobody: it stands in the public log.",
        )
    return reason
