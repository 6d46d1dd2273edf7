"""Reading the log: only what is covered by a signed checkpoint, in the order of the index."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import groupby, islice
from operator import or_
from typing import Any

import structlog
from django.db.models import BinaryField, F, Func, IntegerField, Max, Q, QuerySet, Value
from django.db.models.lookups import GreaterThan

from core.problems import NotFound, Problem
from ledger import notes, policyfile, tlogpolicy
from ledger.events import EventType
from ledger.models import Checkpoint, Cosignature, Entry

log = structlog.get_logger()

MAX_PAGE = 1000
# A filtered page looks at so many entries, whether they match or not: no question costs more than that.
WINDOW = 2000
# Beyond so many cosignatures without a quorum there was none for a long time, and alarms have said so.
_COSIGNATURES = 10_000


@dataclass(frozen=True)
class Page:
    """entries: ascending, with `.sequence.index`. next: `after` of the next page; None when all that is signed was
    looked at, matching or not. size: how many entries are signed.
    """

    entries: list[Entry]
    next: int | None
    size: int


@dataclass(frozen=True)
class Confirmation:
    """A witness, by the name of its key, and when it says that it saw the log as it then was."""

    name: str
    at: dt.datetime


def latest_checkpoint() -> Checkpoint | None:
    return Checkpoint.objects.order_by("-size").first()


def signed_size() -> int:
    """How many entries the newest checkpoint covers."""
    return Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The checkpoint as published: the note by the log's keys, then the cosignatures, by name of the witness."""
    # One of each witness, its last word: of a checkpoint that stays the newest there are a hundred a day.
    newest = checkpoint.cosignatures.order_by().values("name", "key_id").annotate(newest=Max("pk")).values("newest")
    rows = Cosignature.objects.filter(pk__in=newest).order_by("name", "key_id")
    note = notes.parse(checkpoint.note)
    room = notes.MAX_SIGNATURES - len(note.signatures)
    return str(notes.with_signatures(note, list(rows.values_list("line", flat=True)[:room])))


def confirmations(text: str) -> list[Confirmation]:
    """The witnesses of the office's policy whose cosignatures are on this checkpoint, and hold; the earliest first."""
    note = notes.parse(text)
    try:
        witnesses = policy().cosigners_of(note)
    except notes.BadNote as error:
        log.error("cosignature.broken", error=str(error))
        return []
    signatures = {(one.name, one.key_id): one.signature for one in note.signatures}
    times = {w.verifier.name: signatures[w.verifier.name, w.verifier.key_id][:8] for w in witnesses}
    found = [(dt.datetime.fromtimestamp(int.from_bytes(at, "big"), dt.UTC), name) for name, at in times.items()]
    return [Confirmation(name, at) for at, name in sorted(found)]


def policy() -> tlogpolicy.Policy:
    """The office's tlog-policy. Raises Problem when the operator's file cannot be used."""
    try:
        return policyfile.office_policy()
    except tlogpolicy.BadPolicy as error:
        raise Problem(
            "log.policy",
            "The log’s policy cannot be read just now",
            status=503,
            detail="The office’s list of witnesses is damaged, so nothing that quotes it can be given out.",
            next_step="Try again later; if it happens again, tell the operator.",
        ) from error


def latest_cosigned() -> Checkpoint | None:
    """The newest checkpoint whose cosignatures make the quorum of the office's policy; None without a quorum."""
    wanted = policy()
    if wanted.quorum == tlogpolicy.NONE:
        return None
    witnesses = {(w.verifier.name, w.verifier.key_id): w.verifier for w in wanted.witnesses.values()}
    for size, signed_by in _cosigned():
        if wanted.satisfied_by([witnesses[key] for key in signed_by if key in witnesses]):
            checkpoint = Checkpoint.objects.get(size=size)
            if _holds(wanted, checkpoint):
                return checkpoint
    return None


def _holds(wanted: tlogpolicy.Policy, checkpoint: Checkpoint) -> bool:
    """Checked again before it is handed out: a row can have been changed since the witness's answer was."""
    try:
        wanted.check(notes.parse(checkpoint_text(checkpoint)))
    except notes.BadNote as error:
        log.error("cosignature.broken", size=checkpoint.size, error=str(error))
        return False
    return True


def _cosigned() -> Iterator[tuple[int, list[tuple[str, int]]]]:
    """The sizes that were cosigned, the newest first, and by which keys."""
    rows = Cosignature.objects.order_by("-checkpoint_id").values_list("checkpoint_id", "name", "key_id")
    for size, group in groupby(rows[:_COSIGNATURES].iterator(200), key=lambda row: row[0]):
        yield size, [(name, key_id) for _, name, key_id in group]


def entries(after: int = -1, types: Sequence[EventType | str] = (), limit: int = 100) -> QuerySet[Entry]:
    """Signed entries with an index above `after`, of any of `types` (all if none), at most `limit` (≤ 1000).

    Each carries `.sequence.index` without a further query. The next page starts after the last one's index.
    """
    rows = _between(after + 1, signed_size(), types)
    return rows.order_by("sequence__index")[: min(limit, MAX_PAGE)]


def page(after: int = -1, *, types: Sequence[str] = (), object: str = "", limit: int = 100) -> Page:
    """Signed entries above `after`, of any of `types` and about `object` if given, found among the next 2,000."""
    size, limit = signed_size(), min(limit, MAX_PAGE)
    end = min(size, after + 1 + (WINDOW if types or object else limit))
    rows = _between(after + 1, end, types).order_by("sequence__index")
    about = f'"object":{json.dumps(object)}'.encode()
    matching = (row for row in rows.iterator(500) if not object or _is_about(row, about, object))
    found = list(islice(matching, limit))
    if len(found) == limit and found[-1].sequence.index + 1 < end:
        return Page(found, found[-1].sequence.index, size)
    return Page(found, end - 1 if end < size else None, size)


def _between(first: int, end: int, types: Sequence[EventType | str]) -> QuerySet[Entry]:
    rows = Entry.objects.select_related("sequence").filter(sequence__index__gte=first, sequence__index__lt=end)
    return rows.filter(type__in=[str(type) for type in types]) if types else rows


def _is_about(row: Entry, member: bytes, object: str) -> bool:
    # The bytes first: most leaves need not be parsed, and a fact that looks like the member is refused after it.
    return member in bytes(row.leaf) and content(row)["object"] == object


def about(objects: Sequence[str], *, since: dt.datetime) -> Iterator[Entry]:
    """Every signed entry about one of these objects, of those made from `since` on, by index. The database looks
    through the leaves, so it is for questions that are asked rarely.
    """
    rows = _between(0, signed_size(), ()).filter(created_at__gte=since)
    members = [f'"object":{json.dumps(object)}'.encode() for object in objects]
    named = reduce(or_, (Q(GreaterThan(_Place(F("leaf"), Value(member, BinaryField())), 0)) for member in members))
    for row in rows.filter(named).order_by("sequence__index").iterator(500):
        if content(row)["object"] in objects:
            yield row


class _Place(Func):
    """Where some bytes begin in others, from 1 on; 0 where they do not."""

    function = "INSTR"
    output_field = IntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        hay, needle = self.source_expressions
        swapped = self.copy()
        swapped.source_expressions = [needle, hay]
        return swapped.as_sql(compiler, connection, template="position(%(expressions)s)", arg_joiner=" in ", **context)


def entry(index: int, size: int | None = None) -> Entry:
    """The signed entry at this index. size: what is signed, if the caller knows. Raises NotFound."""
    signed = signed_size() if size is None else size
    row = Entry.objects.select_related("sequence").filter(sequence__index=index).first() if index < signed else None
    if row is None:
        raise NotFound("entry in the log")
    return row


def content(row: Entry) -> dict[str, Any]:
    """The leaf's fields (`docs/formats.md`)."""
    fields: dict[str, Any] = json.loads(bytes(row.leaf))
    return fields
