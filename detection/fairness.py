"""Audits by groups of people: a job of its own, logged, which keeps aggregates and nothing else.

An audit set is a folder that the office was given for this, with

    audit.yaml   name; consent (under which people answered); attributes: {name: self_reported}
    audit.csv    file, label (real | made), consent (its id; of several people shown “;” between), and a column for each
                 attribute
    the files

An attribute that is not *self_reported* is refused: what software reads off pixels is no property of a person
(skin-tone estimates from uncontrolled pictures “do not provide an appropriate measure”, Howard et al. 2021). There
are no thresholds by group and there will be none: they would need the attribute of everybody examined.
"""

import csv
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
import yaml
from django.db import transaction

from accounts.models import Role, User
from core import storage
from core.canonical import Json
from core.problems import Forbidden, Problem
from detection import cards, fusion, groups, guarded, registry, versions
from detection.artefacts import Artefact
from detection.detectors import Answer
from detection.groups import RateTable, Told
from detection.models import Audit, ModelVersion
from detection.registry import DetectorInfo
from ledger import log as ledger_log
from ledger.events import EventType
from ledger.models import Entry
from provenance import media

log = structlog.get_logger()

AUDITORS: Final = (Role.OPERATOR, Role.POLICY_EDITOR)
SELF_REPORTED: Final = "self_reported"
MAX_ITEMS: Final = 100_000
_ATTRIBUTE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)

# Rooms above: given an audit whose gap is no noise, open a case against the model and return its id.
OnGap = Callable[[DetectorInfo], str]
_on_gap: list[OnGap] = []
# And lines for the report that only they know: how often appeals overturn what machines flagged.
Lines = Callable[[], Sequence[str]]
_lines: list[Lines] = []


def register_on_gap(open_case: OnGap) -> None:
    """Called once by the room that has cases (AppConfig.ready)."""
    _on_gap[:] = [open_case]


def register_lines(lines: Lines) -> None:
    _lines[:] = [lines]


def further_lines() -> list[str]:
    """What rooms above add to the report."""
    return [line for lines in _lines for line in lines()]


@dataclass(frozen=True)
class AuditSet:
    """name, consent: of the set. sha256: of its list. rows: (file, made, attributes, ids of consents)."""

    folder: Path
    name: str
    consent: str
    sha256: str
    attributes: tuple[str, ...]
    rows: tuple[tuple[str, bool, Mapping[str, str], tuple[str, ...]], ...]


def read_set(folder: Path) -> AuditSet:
    """Raises Problem `audit.set` for a set that is not in its form, or in which somebody's consent is not recorded."""
    try:
        told = cards.plain_yaml(folder / "audit.yaml")
        listed = (folder / "audit.csv").read_bytes()
        name, consent, attributes = str(told["name"]), str(told["consent"]), dict(told["attributes"])
        rows = tuple(_row(row, tuple(attributes)) for row in csv.DictReader(listed.decode().splitlines()))
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise _refused(f"audit.yaml or audit.csv is missing or not in its form ({error})"[:300]) from error
    if not rows or len(rows) > MAX_ITEMS or not name.strip() or len(consent.strip()) < 10:
        raise _refused("it has no items, too many, no name, or does not say under which consent people answered")
    for attribute, how in attributes.items():
        if how != SELF_REPORTED or not _ATTRIBUTE.fullmatch(attribute):
            raise _refused(
                f"the attribute {attribute[:40]!r} is not self-reported: what pixels show is nobody's attribute"
            )
    return AuditSet(folder, name[:80], consent[:200], hashlib.sha256(listed).hexdigest(), tuple(attributes), rows)


def _row(
    row: Mapping[str, str | None], attributes: Sequence[str]
) -> tuple[str, bool, Mapping[str, str], tuple[str, ...]]:
    consents = tuple(" ".join(one.split()) for one in (row.get("consent") or "").split(";") if one.strip())
    if not consents:
        raise ValueError(f"{row.get('file')}: no consent is recorded")
    label, file = row["label"], row["file"] or ""
    if label not in ("real", "made") or Path(file).name != file or not file:
        raise ValueError(f"{file}: label is real or made, and the file lies beside the list")
    return file, label == "made", {name: (row[name] or "").strip() for name in attributes}, consents


def audit(folder: Path, detector: str, attribute: str, by: User, *, version: ModelVersion | None = None) -> Audit:
    """Examine every file of the set, count, forget. version: which model; None for the one in service.

    Two entries: that the set was opened, and what came of it. Raises Forbidden, Problem.
    """
    if not by.has_role(*AUDITORS):
        raise Forbidden("Auditing by groups needs the role of operator or policy editor.", code="audit.role")
    info, chosen = registry.detector(detector), read_set(folder)
    if attribute not in chosen.attributes:
        raise _refused(f"it has no attribute {attribute[:40]!r}: it has {', '.join(chosen.attributes)}")
    artefact = versions.opened(version) if version else versions.in_service(detector)
    digest = artefact.digest if artefact else info.model_digest
    opened = _record(by, chosen, {"step": "opened", "detector": detector, "digest": digest, "attribute": attribute})
    told = _examined(chosen, info, attribute, artefact)
    return _keep(groups.tables(told), chosen, info, digest, attribute, by, opened)


def _examined(chosen: AuditSet, info: DetectorInfo, attribute: str, artefact: Artefact | None) -> list[Told]:
    """In memory only. A file that cannot be examined counts as “can't say”; an empty answer to the question is no
    group, and its file is not examined.
    """
    told = []
    for file, made, people, consents in chosen.rows:
        group = people[attribute]
        answer = _answer(chosen.folder / file, info, artefact) if group else Answer.CANT_SAY
        told.append(Told(group, made, answer, consents))
    return told


def _answer(path: Path, info: DetectorInfo, artefact: Artefact | None) -> Answer:
    try:
        media_type = media.sniff(path)
        if registry.why_not(info, media.kind_of(media_type), media_type):
            return Answer.CANT_SAY
        with storage.scratch_path() as work:
            out = work.parent / "out"
            out.mkdir()
            found = guarded.examine(info, path.resolve(), media_type, out, model=artefact.paths() if artefact else ())
        return fusion.public_answer(one.reading.answer for one in found if one.reading.answer)
    except (Problem, OSError) as error:
        log.info("audit.unexamined", why=getattr(error, "code", type(error).__name__))
        return Answer.CANT_SAY


def _keep(
    tables: Sequence[RateTable],
    chosen: AuditSet,
    info: DetectorInfo,
    digest: str,
    attribute: str,
    by: User,
    opened: Entry,
) -> Audit:
    if not tables:
        raise _refused(f"no two groups have {groups.K} people: nothing can be said about a gap")
    flagged = any(table.flagged for table in tables)
    with transaction.atomic():
        case = _on_gap[0](info) if flagged and _on_gap else ""
        facts: dict[str, Json] = {"step": "audited", "detector": info.name, "digest": digest, "attribute": attribute}
        entry = _record(by, chosen, facts | {"flagged": flagged, "case": case}, refs=[opened])
        return Audit.objects.create(
            detector=info.name,
            digest=digest,
            set_name=chosen.name,
            set_sha256=chosen.sha256,
            attribute=attribute,
            basis=chosen.consent,
            table=groups.as_json(tables),
            flagged=flagged,
            case=case,
            audited_by=by,
            entry=entry,
        )


def _record(by: User, chosen: AuditSet, facts: Mapping[str, Json], refs: Sequence[Entry] = ()) -> Entry:
    role = next(role.value for role in AUDITORS if by.has_role(role))
    with transaction.atomic():
        return ledger_log.append(
            EventType.MODEL_AUDITED,
            actor=by.actor,
            role=role,
            object=f"audit_set:{chosen.sha256}",
            refs=refs,
            facts=dict(facts),
        )


def report(row: Audit) -> list[str]:
    """An audit in lines for people: every group, every interval, the noise floor beside each gap."""
    lines = [f"{row.detector} {row.digest[:19]}…, set “{row.set_name}”, by {row.attribute} ({row.created_at:%Y-%m-%d})"]
    for table in row.table:
        lines += _table_lines(table)
    if row.flagged:
        lines.append(f"A gap is larger than chance makes: case {row.case or '(none could be opened)'}.")
    return lines


def _table_lines(table: Mapping[str, Any]) -> list[str]:
    low, high = table["gap_interval"]
    median, most = table["noise_floor"]
    lines = [
        f"  {table['rate']}: gap {table['gap']} ({low} to {high}); without any gap chance makes {median}, and one time"
        f" in twenty {most} or more"
    ]
    for one in table["groups"]:
        interval = " to ".join(one["interval"])
        lines.append(f"    {one['group']}: {one['k']} of {one['n']}, {one['rate']} ({interval}), p {one['p']}")
    if table["left_out"]:
        lines.append(
            f"    {table['left_out']} groups are left out: too few people ({groups.K}), or they would tell of those"
        )
    return lines


def _refused(why: str) -> Problem:
    return Problem(
        "audit.set",
        "This audit cannot be made",
        status=422,
        detail=f"The audit set cannot be used: {why}.",
        next_step="docs/fairness.md says what a set needs.",
    )
