"""The regulator's view of the log: audited queries, and one bundle that proves itself.

Whatever an authority sees or takes is recorded in the log itself, with the purpose sealed beside it. Disclosed are
what a case is about, reasons and outcomes; never who reported or acted or what they answered, never what was erased,
and nothing sealed about a child's case.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from django.db import transaction
from django.db.models import QuerySet, prefetch_related_objects

from accounts.models import Role, User
from core import storage
from core.canonical import Json
from core.problems import Conflict, NotFound
from ledger import log, reading, vault
from ledger.bundle import write_bundle
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Checkpoint, Entry
from ledger.receipts import Disclosure, disclosures_for
from policy import authority
from policy.authority import Act
from policy.filing.notices import refuse_fields
from policy.models import Case, Export

MAX_ENTRIES = 50_000
PAGE = 200

# What a regulator's bundle opens, by type of entry. Whatever is not named stays sealed.
DISCLOSED: dict[str, tuple[str, ...]] = {
    EventType.DECISION_MADE: ("about", "reasons"),
    EventType.APPEAL_DECIDED: ("reasons",),
    # What a case is about and which work it concerns; never what its filers answered.
    **dict.fromkeys((EventType.CASE_OPENED, EventType.NOTICE_FILED, EventType.NOTICE_UNFOUNDED), ("about",)),
    **dict.fromkeys((EventType.FLAG_RAISED, EventType.FLAG_SETTLED), ("about",)),
    **dict.fromkeys((EventType.ACTION_EXECUTED, EventType.ACTION_REVERSED), ("about",)),
    # So that a value that is gone is not taken for one that is withheld.
    EventType.ERASURE_PERFORMED: ("indices",),
}


def make_export(
    user: User,
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    types: Sequence[str] = (),
    purpose: str,
) -> Export:
    """Write a bundle of the signed entries in [since, until) of these types, and record that it was made.

    Raises Forbidden for anybody but a regulator, Problem with `errors`, Problem when there is nothing or too much.
    """
    authority.may(user, Act.MAKE_EXPORT)
    _check(purpose, types, since, until)
    # With witnesses, one that reaches the quorum: a regulator with a policy of their own would refuse any other.
    checkpoint = reading.latest_cosigned() or reading.latest_checkpoint()
    # Of this checkpoint and no newer one: what is signed meanwhile has no proof in it.
    rows = list(_scope(checkpoint.size, since, until, types)[: MAX_ENTRIES + 1]) if checkpoint else []
    if not rows or checkpoint is None:
        raise NotFound("entry in this scope")
    about: dict[str, Json] = {
        "purpose": purpose.strip(),
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "types": sorted(types),
        "disclosed": {str(kind): list(names) for kind, names in DISCLOSED.items()},
    }
    with storage.scratch_path(".zip") as path:
        with path.open("w+b") as file:
            summary = write_bundle(
                file,
                entries=[row.sequence.index for row in rows],
                disclosures=_disclosures(rows),
                about=about,
                checkpoint=checkpoint,
                previous=_last_of(user),
            )
        export = Export(
            user=user,
            since=since,
            until=until,
            types=sorted(types),
            purpose=purpose.strip(),
            entries=summary.count,
            tree_size=summary.size,
            size=path.stat().st_size,
        )
        _keep(export, path)
    return export


def _last_of(user: User) -> Checkpoint | None:
    """The checkpoint of this regulator's last export: the next one proves that the log only grew since."""
    size = Export.objects.filter(user=user).order_by("-created_at").values_list("tree_size", flat=True).first()
    return Checkpoint.objects.filter(size=size).first() if size else None


def _check(purpose: str, types: Sequence[str], since: dt.datetime | None, until: dt.datetime | None) -> None:
    wrong = {
        "purpose": not 10 <= len(purpose.strip()) <= 300 and "Say what it is for: 10 to 300 characters.",
        "types": bool(set(types) - {str(each) for each in EventType}) and "Unknown type of entry.",
        "until": since is not None and until is not None and until <= since and "Must be later than `since`.",
    }
    refuse_fields({field: message for field, message in wrong.items() if message})


def _scope(size: int, since: dt.datetime | None, until: dt.datetime | None, types: Sequence[str]) -> QuerySet[Entry]:
    """Of the first `size` entries."""
    rows = Entry.objects.select_related("sequence").filter(sequence__index__lt=size)
    if since:
        rows = rows.filter(created_at__gte=since)
    if until:
        rows = rows.filter(created_at__lt=until)
    if types:
        rows = rows.filter(type__in=types)
    return rows.order_by("sequence__index")


def _disclosures(rows: Iterable[Entry]) -> dict[int, list[Disclosure]]:
    """What this audience may see of the entries, by index. Cases about children stay sealed (I24)."""
    of_children = {case.object for case in Case.objects.filter(minor=True)}
    chosen = [row for row in rows if row.type in DISCLOSED and reading.content(row)["object"] not in of_children]
    prefetch_related_objects(chosen, "sections")
    known = vault.keys_of(bytes(section.ciphertext) for row in chosen for section in row.sections.all())
    opened = {row.sequence.index: disclosures_for(row, DISCLOSED[row.type], known) for row in chosen}
    return {index: found for index, found in opened.items() if found}


def _keep(export: Export, path: Path) -> None:
    with path.open("rb") as file:
        export.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    export.key = storage.keep(path, export.sha256)
    with transaction.atomic():
        export.entry = log.append(
            EventType.EXPORT_MADE,
            actor=export.user.actor,
            role="regulator",
            object=f"export:{export.pk}",
            facts={
                "sha256": export.sha256,
                "entries": export.entries,
                "size": export.tree_size,
                "types": export.types,
            },
            sealed={"purpose": Sealed(export.purpose, export.user.actor)},
        )
        export.save(force_insert=True)


def open_export(export: Export, user: User) -> IO[bytes]:
    """The bundle's bytes, for the regulator who made it; each opening is recorded. The caller closes the file."""
    if export.user_id != user.pk or not user.has_role(Role.REGULATOR):
        raise NotFound("export")
    if not export.key:
        raise Conflict(
            "This bundle was kept for its time and is gone. Its digest stays on record.",
            code="export.past",
            next_step="Make a new bundle of the same query.",
        )
    with transaction.atomic():
        _audit(user, f"export:{export.pk}", {"read": "export"}, export.purpose)
    return storage.open_file(export.key)


def query_entries(
    user: User,
    *,
    after: int = -1,
    types: Sequence[str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    limit: int = PAGE,
    purpose: str = "",
) -> list[dict[str, Any]]:
    """Signed entries after an index and in [since, until), for a regulator or operator: leaves only. Recorded."""
    authority.may(user, Act.READ_LOG)
    signed = _scope(reading.signed_size(), since, until, types)
    rows = list(signed.filter(sequence__index__gt=after)[: min(limit, reading.MAX_PAGE)])
    with transaction.atomic():
        facts: dict[str, Json] = {
            "read": "entries",
            "after": after,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "types": sorted(types),
            "count": len(rows),
        }
        _audit(user, "", facts, purpose)
    return [{"index": row.sequence.index, "entry": reading.content(row)} for row in rows]


def _audit(user: User, object: str, facts: dict[str, Json], purpose: str) -> None:
    sealed = {"purpose": Sealed(purpose, user.actor)} if purpose else {}
    role = "regulator" if user.has_role(Role.REGULATOR) else "operator"
    log.append(EventType.ACCESS_AUDITED, actor=user.actor, role=role, object=object, facts=facts, sealed=sealed)


def stored_keys() -> Iterable[str]:
    """Storage keys that export rows name."""
    return Export.objects.exclude(key="").values_list("key", flat=True).iterator()
