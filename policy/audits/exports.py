"""The regulator's view of the log: audited queries, and bundles that prove themselves, built by a job.

Whatever an authority sees or takes is recorded in the log itself, with the purpose sealed beside it. Opened are, within
the account's scopes and places, what a case is about, reasons and outcomes; never who reported or acted or what they
answered, never what was erased, and nothing sealed about a child's case.
"""

import datetime as dt
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Role, User
from core import jobs, storage
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import Conflict, NotFound
from core.states import move
from ledger import log, reading
from ledger.bundle import BundleScope, BundleSummary, bundle_scope, write_bundle
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Checkpoint, Entry
from policy import authority
from policy.audits import enclosures, handed, openings, queries, regulators
from policy.audits.queries import Query
from policy.authority import Act
from policy.filing.notice_checks import refuse
from policy.models import Export, RegulatorAccount
from policy.rights import retention

PAGE: Final = 200
# Waiting or being built, for one person.
MOST_WAITING: Final = 3
# Within this time a part of a file is the rest of a download that was recorded when it began.
RESUMED_WITHIN: Final = dt.timedelta(hours=6)
State = Export.State
_CHUNK, _REPORT_EVERY = 500, 2000


# --- Asking for a bundle -------------------------------------------------------------------------------------------


def request_export(user: User, *, query: Mapping[str, Any] | Query | None = None, purpose: str) -> Export:
    """Ask for a bundle of the signed entries that the query matches; a job builds it (`policy.build_export`).

    Raises Forbidden for anybody whose account does not stand, Problem with `errors`, NotFound when nothing matches,
    Conflict while three others are waited for.
    """
    authority.may(user, Act.MAKE_EXPORT)
    account = regulators.entitled(user)
    asked = query if isinstance(query, Query) else queries.read(query or {})
    purpose = checked_purpose(purpose)
    if not queries.page(asked, account, reading.signed_size(), after=-1, limit=1)[0]:
        raise NotFound("entry in this scope")
    with transaction.atomic():
        _refuse_many(user)
        export = Export(user=user, query=asked.as_json(), purpose=purpose, watermark=secrets.token_hex(16))
        export.entry = _requested(export)
        export.save(force_insert=True)
        jobs.enqueue("policy.build_export", export=str(export.pk))
    return export


def again(export: Export, user: User) -> None:
    """Try to build a bundle that failed once more. Raises as `request_export` does."""
    of_theirs(export, user)
    regulators.entitled(user)
    with transaction.atomic():
        _refuse_many(user)
        move(export, Export.MOVES, State.REQUESTED, error_code="", progress=0)
        _requested(export)
        jobs.enqueue("policy.build_export", export=str(export.pk))


def _requested(export: Export) -> Entry:
    facts: dict[str, Json] = {"query": queries.read(export.query).public(), "watermark": export.watermark}
    sealed: dict[str, Json] = {"purpose": export.purpose, "asked": {"query": export.query}}
    return _record(EventType.EXPORT_REQUESTED, export, facts, sealed=sealed)


def checked_purpose(text: str) -> str:
    """Raises Problem with `errors`."""
    text = text.strip()
    refuse({"purpose": not 10 <= len(text) <= 300 and "Say what it is for: 10 to 300 characters."})
    return text


def _refuse_many(user: User) -> None:
    User.objects.select_for_update().get(pk=user.pk)  # of two who ask at once, one counts the other
    if Export.objects.filter(user=user, state=State.REQUESTED).count() >= MOST_WAITING:
        raise Conflict(
            f"{MOST_WAITING} bundles of yours are being built already.",
            code="export.waiting",
            next_step="Wait until one of them is ready.",
        )


# --- Building it ---------------------------------------------------------------------------------------------------


def _failed(job: Job) -> None:
    """The page says why. Nothing to do for one that was built, or has gone, meanwhile."""
    export = Export.objects.select_related("user", "entry").get(pk=job.args["export"])
    if export.state != State.REQUESTED:
        return
    with transaction.atomic():
        move(export, Export.MOVES, State.FAILED, error_code=job.error_code)
        _record(EventType.EXPORT_FAILED, export, {"why": job.error_code}, by_office=True)


@jobs.handler("policy.build_export", on_failed=_failed, queue=lambda job: jobs.DETECT)
def _build(job: Job) -> None:
    export = Export.objects.select_related("user", "entry").get(pk=job.args["export"])
    if export.state != State.REQUESTED:
        return
    account = regulators.entitled(export.user)
    # With witnesses, one that reaches the quorum: a regulator with a policy of their own would refuse any other.
    checkpoint = reading.latest_cosigned() or reading.latest_checkpoint()
    if checkpoint is None:
        raise NotFound("entry in this scope")
    with _written(job, export, account, checkpoint) as (path, summary):
        _keep(export, account, path, summary)


@contextmanager
def _written(
    job: Job, export: Export, account: RegulatorAccount, checkpoint: Checkpoint
) -> Iterator[tuple[Path, BundleSummary]]:
    """The bundle as a local file, until the block ends."""
    query = queries.read(export.query)
    cases = queries.cases(query, account)
    # Of this checkpoint and no newer one: what is signed meanwhile has no proof in it.
    rows = queries.entries(query, checkpoint.size)
    named, indices = queries.objects(cases), set[int]()
    scope = _scope(query, rows, named, checkpoint)
    with storage.scratch_path(".zip") as path:
        folder = path.parent / "files"
        files = enclosures.of(export, account, scope=scope, checkpoint=checkpoint, cases=cases, folder=folder)
        with path.open("w+b") as file:
            summary = write_bundle(
                file,
                scope=scope,
                disclosures=handed.noted(openings.opened(_taken(query, rows, named), account, cases), indices),
                about=_about(export, account),
                files=files,
                checkpoint=checkpoint,
                previous=_last_of(export),
                progress=_progress(job, export, scope.count),
            )
        export.handed = handed.of(account, named, indices)
        yield path, summary


def _taken(query: Query, rows: QuerySet[Entry], named: Collection[str]) -> Iterator[Entry]:
    """The entries asked for, by index."""
    found = rows.iterator(_CHUNK)
    return queries.about(found, named) if query.of_cases else found


def _scope(query: Query, rows: QuerySet[Entry], named: Collection[str], checkpoint: Checkpoint) -> BundleScope:
    """Kinds and days are selected again by whoever verifies; which cases match, only this office can say."""
    chosen = (row.sequence.index for row in _taken(query, rows, named)) if query.of_cases else None
    return bundle_scope(checkpoint, since=query.since, until=query.until, types=query.types, selected=chosen)


def _about(export: Export, account: RegulatorAccount) -> dict[str, Json]:
    """What the signed manifest says of this copy: for whom, for what, by which law, and what may be open in it."""
    return {
        "export": str(export.pk),
        "purpose": export.purpose,
        "query": export.query,
        "watermark": export.watermark,
        **regulators.facts_of(account),
        "disclosed": {kind: list(names) for kind, names in openings.sections_for(account.scopes).items()},
    }


def _progress(job: Job, export: Export, total: int) -> Any:
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if done - told < _REPORT_EVERY and done < total:
            return
        told = done
        Export.objects.filter(pk=export.pk, state=State.REQUESTED).update(progress=done)
        jobs.report(job, 100 * done // max(1, total), f"{done} of {total} entries")

    return tell


def _last_of(export: Export) -> Checkpoint | None:
    """The checkpoint of this regulator's last bundle: the next one proves that the log only grew since."""
    built = Export.objects.filter(user=export.user, tree_size__gt=0).exclude(pk=export.pk)
    size = built.order_by("-created_at").values_list("tree_size", flat=True).first()
    return Checkpoint.objects.filter(size=size).first() if size else None


def _keep(export: Export, account: RegulatorAccount, path: Path, summary: BundleSummary) -> None:
    sha256, size = storage.digest(path)
    key = storage.keep(path, sha256)
    with transaction.atomic():
        held = RegulatorAccount.objects.select_for_update().get(pk=account.pk)
        why = regulators.why_not(held)
        if why or not handed.stands(export, held):  # suspended, or something else changed, while it was built
            raise Conflict(why or "What it is about changed meanwhile.", code="regulator.not_active")
        move(
            export,
            Export.MOVES,
            State.BUILT,
            key=key,
            sha256=sha256,
            size=size,
            first=summary.first,
            entries=summary.count,
            progress=summary.count,
            tree_size=summary.size,
            handed=export.handed,
            # By the office's terms, as `rights.retained` lets go of it; None: never.
            expires_at=retention.term(retention.rules_of("export_made"), export.created_at).until,
        )
        facts: dict[str, Json] = {"sha256": sha256, "first": summary.first, "entries": summary.count}
        facts |= {"size": summary.size, "watermark": export.watermark}
        _record(EventType.EXPORT_MADE, export, facts, sealed={"purpose": export.purpose}, by_office=True)


# --- Taking it -----------------------------------------------------------------------------------------------------


def of_theirs(export: Export, user: User) -> None:
    """Raises NotFound for who did not ask for it."""
    if export.user_id != user.pk:
        raise NotFound("export")


def open_export(export: Export, user: User, *, start: int = 0) -> IO[bytes]:
    """The bundle's bytes from `start` on, for who asked for it; the caller closes the file.

    Each opening is recorded, once for a download however often it is taken up again. Raises Forbidden at once when the
    account does not stand any more, NotFound for others, Conflict for what is not built, or gone.
    """
    check(export, user)
    file = storage.open_file(export.key)
    try:
        resumed = start > 0 and export.fetched_at is not None and export.fetched_at > now() - RESUMED_WITHIN
        if not resumed:
            _fetch(export)
        file.seek(start)
    except BaseException:
        file.close()
        raise
    return file


def check(export: Export, user: User) -> None:
    """Raises what `open_export` raises for whoever may not have it now; records nothing."""
    of_theirs(export, user)
    account = regulators.entitled(user)
    _refuse_gone(export)
    if not handed.stands(export, account):
        raise _past("Your access, a case in it or what is held of it changed since this bundle was made.")


def _refuse_gone(export: Export) -> None:
    if export.state in (State.REQUESTED, State.FAILED):
        raise Conflict("This bundle is not built yet.", code="export.not_built", next_step="Wait until it is ready.")
    past = export.expires_at is not None and export.expires_at <= now()
    if past or not export.key or export.state == State.EXPIRED:
        raise _past("This bundle was kept for its time and is gone. Its digest stays on record.")


def _past(why: str) -> Conflict:
    return Conflict(why, code="export.past", next_step="Make a new bundle of the same query.")


def _fetch(export: Export) -> None:
    with transaction.atomic():
        if export.state == State.BUILT:
            move(export, Export.MOVES, State.FETCHED, fetched_at=now())
        else:
            export.fetched_at = now()
            Export.objects.filter(pk=export.pk).update(fetched_at=export.fetched_at)
        sealed = {"purpose": export.purpose}
        _record(EventType.EXPORT_FETCHED, export, {"sha256": export.sha256}, sealed=sealed)


def expire(exports: Iterable[Export]) -> None:
    """In the transaction that lets go of the files: that they were made, of what and for whom, stays on record."""
    for export in exports:
        move(export, Export.MOVES, State.EXPIRED, key="")
        _record(EventType.EXPORT_EXPIRED, export, {"sha256": export.sha256}, by_office=True)


def _record(
    type: EventType,
    export: Export,
    facts: Mapping[str, Json],
    *,
    sealed: Mapping[str, Json] | None = None,
    by_office: bool = False,
) -> Entry:
    return log.append(
        type,
        actor="system" if by_office else export.user.actor,
        role="system" if by_office else "regulator",
        object=f"export:{export.pk}",
        refs=[export.entry] if export.entry else [],
        facts=facts,
        sealed={name: Sealed(value, export.user.actor) for name, value in (sealed or {}).items()},
    )


# --- Looking at the log --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """rows: {"index", "entry"} of each leaf. following: the index to go on after; None: the end. total: if asked."""

    rows: list[dict[str, Any]]
    following: int | None
    total: queries.Counted | None = None


def query_entries(
    user: User, *, after: int = -1, limit: int = PAGE, purpose: str = "", **query: Any
) -> list[dict[str, Any]]:
    """Signed entries after an index that the query (`queries.Query`) matches, for a regulator or operator: leaves only.
    Recorded. Raises Forbidden, Problem with `errors`.
    """
    return look(user, queries.read(query), after=after, limit=limit, purpose=purpose).rows


def look(
    user: User, query: Query, *, after: int = -1, limit: int = PAGE, purpose: str = "", total: bool = False
) -> Looked:
    """A page of what a query matches. Recorded. Raises Forbidden, Problem with `errors`."""
    account, purpose = _reader(user, purpose)
    asking, size = _asking(account, query), reading.signed_size()
    rows, following = queries.page(query, asking, size, after=after, limit=min(limit, reading.MAX_PAGE))
    counted = queries.count(query, asking, size) if total else None
    _looked(user, "entries", query, {"after": after, "count": len(rows)}, purpose)
    leaves = [{"index": row.sequence.index, "entry": reading.content(row)} for row in rows]
    return Looked(leaves, following, counted)


def count(user: User, query: Query, *, purpose: str = "") -> queries.Counted:
    """How much a query matches, before anything is taken. Recorded. Raises as `query_entries` does."""
    account, purpose = _reader(user, purpose)
    found = queries.count(query, _asking(account, query), reading.signed_size())
    _looked(user, "count", query, {"count": found.entries}, purpose)
    return found


def _looked(user: User, read: str, query: Query, more: Mapping[str, Json], purpose: str) -> None:
    """In the open, what was read and of which kinds and days; of cases, what was asked and found is sealed (R22)."""
    facts: dict[str, Json] = {"read": read, "query": query.public(), **({} if query.of_cases else more)}
    asked: dict[str, Json] = {"query": query.as_json(), **more}
    with transaction.atomic():
        audit(user, facts, purpose, asked=asked if query.of_cases else None)


def _reader(user: User, purpose: str) -> tuple[RegulatorAccount | None, str]:
    """By which account they look, and what for: an authority always says (I21). Raises Forbidden, Problem."""
    account = regulators.reader(user)
    return account, checked_purpose(purpose) if account or purpose else ""


def _asking(account: RegulatorAccount | None, query: Query) -> RegulatorAccount | None:
    refuse({"query": account is None and query.of_cases and "Only authorities ask about cases, within their places."})
    return account


def audit(
    user: User,
    facts: Mapping[str, Json],
    purpose: str,
    *,
    object: str = "",
    asked: Mapping[str, Json] | None = None,
) -> None:
    """Record, in the caller's transaction, what was looked at. asked: sealed under their key, as the purpose is."""
    said = {name: value for name, value in (("purpose", purpose), ("asked", asked)) if value}
    sealed = {name: Sealed(value, user.actor) for name, value in said.items()}
    role = "regulator" if user.has_role(Role.REGULATOR) else "operator"
    log.append(EventType.ACCESS_AUDITED, actor=user.actor, role=role, object=object, facts=facts, sealed=sealed)


def stored_keys() -> Iterable[str]:
    """Storage keys that export rows name."""
    return Export.objects.exclude(key="").values_list("key", flat=True).iterator()
