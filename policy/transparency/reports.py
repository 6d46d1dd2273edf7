"""Transparency reports: drafted, counted, published by another person, never changed; corrected by a new version.

Figures are counted in the log, never in rows (I22): each keeps its query and the range of the log that it was asked of,
and gives the same number whenever it is asked again. Hidden numbers could be computed from what two counts differ in:
no two periods that are published overlap, none is counted before it is over, and a correction is counted in the same
range as the version before it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.db.models import Min, QuerySet

from accounts.models import User
from accounts.people import leading_role
from core import jobs
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden, NotFound
from core.states import move
from ledger import log, reading
from ledger.events import EventType
from ledger.models import Entry
from policy import authority
from policy.authority import ACTS, Act
from policy.deciding import plain_texts
from policy.filing.notice_checks import refuse
from policy.models import Figure, TransparencyReport
from policy.transparency import figures, log_entries, report_document, sections
from policy.transparency.figures import Answer, Question

State = TransparencyReport.State
PUBLIC: Final = (State.PUBLISHED, State.CORRECTED)
FREEZE, RERUN = "policy.freeze_report", "policy.rerun_report"
LONGEST_WORDS: Final = 4000
LONGEST_PERIOD: Final = dt.timedelta(days=366)
# First and last day included: a month. Of a day, the public log has the few cases that its numbers are about.
SHORTEST_DAYS: Final = 28
_HOUR: Final = "%Y-%m-%dT%H"


@dataclass(frozen=True)
class Difference:
    """A figure that gives another number than it did. unreadable: how many entries it cannot read any more, because
    their sealed values are gone: then it cannot be counted again, and nothing is said against it. That values are gone
    only where that is on record, is what the audit of the log looks at.
    """

    key: str
    kept: Any
    counted: Any
    unreadable: int


# --- Drafting --------------------------------------------------------------------------------------------------------


def make(by: User, since: dt.date, until: dt.date) -> TransparencyReport:
    """Begin the report on the days from `since` to `until`, both included (UTC).

    Raises Forbidden, Problem with `errors`, Conflict where there is one on this period, or one that overlaps it.
    """
    authority.may(by, Act.WRITE_REPORT)
    refuse(
        {
            "until": (until < since and "This is before the first day.")
            or (until > now().date() and "This day is not here yet.")
            or (until - since >= LONGEST_PERIOD and "At most a year.")
            or ((until - since).days + 1 < SHORTEST_DAYS and f"At least {SHORTEST_DAYS} days, as a month has."),
        }
    )
    if TransparencyReport.objects.filter(since=since, until=until).exists():
        raise Conflict("There is a report on this period: go on with it, or correct it.", code="report.again")
    _refuse_overlap(since, until)
    return _draft(by, since=since, until=until)


def correct(report: TransparencyReport, by: User, why: str) -> TransparencyReport:
    """Begin the next version of a published report; the old one is replaced when this is published, and stays readable.

    why: published. Raises Forbidden, Problem with `errors`, Conflict unless it is the published version.
    """
    authority.may(by, Act.WRITE_REPORT)
    why = why.strip()
    refuse({"why": (not 10 <= len(why) <= 300 and "Between 10 and 300 characters.") or plain_texts.leak(why)})
    if report.state != State.PUBLISHED:
        raise Conflict(f"This version is “{report.get_state_display()}”.", code="report.not_published")
    period = {"since": report.since, "until": report.until}
    try:
        return _draft(by, **period, version=report.version + 1, words=report.words, corrects=report, why=why)
    except IntegrityError as error:
        raise Conflict("A correction was begun already: go on with it.", code="report.again") from error


def _draft(by: User, **columns: Any) -> TransparencyReport:
    report = TransparencyReport(made_by=by, **columns)
    with transaction.atomic():
        report.entry = _record(EventType.REPORT_DRAFTED, report, by, step="begun")
        report.save(force_insert=True)
    return report


def write(report: TransparencyReport, by: User, words: Mapping[str, str]) -> None:
    """What is told in words: {question: text}, all at once. Raises Forbidden, Problem with `errors`, Conflict."""
    authority.may(by, Act.WRITE_REPORT)
    said = {name: text.strip() for name, text in words.items() if text.strip()}
    refuse({name: _unfit(name, text) for name, text in said.items()})
    with transaction.atomic():
        if not TransparencyReport.objects.filter(pk=report.pk, state=State.DRAFT).update(words=said):
            raise Conflict("Only a draft is written in.", code="report.not_draft")
        _record(EventType.REPORT_DRAFTED, report, by, step="words")
    report.words = said


def _unfit(name: str, text: str) -> str:
    if name not in sections.QUESTIONS:
        return "There is no such question."
    return plain_texts.leak(text) if len(text) <= LONGEST_WORDS else f"At most {LONGEST_WORDS:,} characters."


# --- Counting --------------------------------------------------------------------------------------------------------


def freeze(report: TransparencyReport, by: User) -> None:
    """Count every figure in the signed log, and fix them with the words. A second person publishes or sends back.

    Raises Forbidden, Conflict while the period is not over, or its entries are not signed, or unless it is a draft.
    """
    authority.may(by, Act.WRITE_REPORT)
    _refuse_unless(report, State.DRAFT)
    size, root = _covering(report)
    answers = _count(report, size)
    with transaction.atomic():
        locked = TransparencyReport.objects.select_for_update().get(pk=report.pk)
        counted: dict[str, Any] = {
            "tree_size": size,
            "root": root,
            "counted_at": now(),
        }
        move(locked, TransparencyReport.MOVES, State.FROZEN, **counted)
        rows = _figures(locked, answers)
        Figure.objects.bulk_create(rows)
        locked.sha256 = report_document.sha256(locked, rows)
        locked.save(update_fields=["sha256"])
        facts: dict[str, Json] = {"size": locked.tree_size, "root": locked.root, "figures": len(rows)}
        _record(EventType.REPORT_FROZEN, locked, by, sha256=locked.sha256, **facts)
    report.refresh_from_db()


def ask_freeze(report: TransparencyReport, by: User) -> Job:
    """The same by a worker, for who waits at a page. Raises as `freeze` does, but for what only counting finds."""
    authority.may(by, Act.WRITE_REPORT)
    _refuse_unless(report, State.DRAFT)
    _covering(report)
    if is_being_counted(report):
        raise Conflict("It is being counted already.", code="report.counting")
    return jobs.enqueue(FREEZE, report=str(report.pk), by=str(by.pk))


@jobs.handler(FREEZE, queue=lambda _job: jobs.DETECT)
def _freeze(job: Job) -> None:
    report = TransparencyReport.objects.get(pk=str(job.args["report"]))
    if report.state == State.DRAFT:  # not frozen by a run before a crash
        freeze(report, User.objects.get(pk=str(job.args["by"])))


def counting(report: TransparencyReport) -> Job | None:
    """The newest job that counts, or counted, this report."""
    return Job.objects.filter(name=FREEZE, args__report=str(report.pk)).order_by("-created_at").first()


def is_being_counted(report: TransparencyReport) -> bool:
    job = counting(report)
    return job is not None and job.state in (Job.State.QUEUED, Job.State.RUNNING)


def _covering(report: TransparencyReport) -> tuple[int, str]:
    """Size and root of the log to count in: of the newest checkpoint, which has all entries of the period; of a
    correction, those of the version that it corrects.
    """
    if (old := report.corrects) is not None:
        return old.tree_size, old.root
    checkpoint = reading.latest_checkpoint()
    if checkpoint is None:
        raise Conflict("The log is empty.", code="report.nothing_signed")
    late = dt.timedelta(seconds=settings.ASSAY_LOG_MMD)
    if now() < _ends(report) + late:
        raise Conflict(
            "The period is not over, or only just: entries of its last moments may still come in.", code="report.early"
        )
    of_period = Entry.objects.filter(created_at__gte=_begins(report), created_at__lt=_ends(report))
    if of_period.exclude(sequence__index__lt=checkpoint.size).exists():
        raise Conflict("Entries of this period are not signed yet: try again in a moment.", code="report.not_signed")
    return checkpoint.size, bytes(checkpoint.root).hex()


def _count(report: TransparencyReport, size: int) -> dict[str, Answer]:
    """A correction says again what cannot be read any more: the difference would be what was erased since."""
    queries = _queries(report)
    answers = figures.count(_questions(report, size), _read(queries.values(), size))
    before = report.corrects.figures.all() if report.corrects else ()
    same = (row for row in before if row.query == queries.get(row.key))
    return {**answers, **{row.key: Answer(row.value, 0) for row in same if answers[row.key].unreadable}}


def _begins(report: TransparencyReport) -> dt.datetime:
    return dt.datetime.combine(report.since, dt.time.min, dt.UTC)


def _ends(report: TransparencyReport) -> dt.datetime:
    return dt.datetime.combine(report.until + dt.timedelta(days=1), dt.time.min, dt.UTC)


def _queries(report: TransparencyReport) -> dict[str, dict[str, Any]]:
    days = {"since": report.since.isoformat(), "until": report.until.isoformat()}
    return {one.key: {**one.query, **days} for _part, one in sections.definitions()}


def _questions(report: TransparencyReport, size: int) -> dict[str, Question]:
    """What looks back begins at the first entry of all; the rest at the first of the period."""
    of_period = Entry.objects.filter(created_at__gte=_begins(report), sequence__index__lt=size)
    first = of_period.aggregate(first=Min("sequence__index"))["first"]
    start = size if first is None else first
    return {
        key: Question(query, 0 if figures.looks_back(query) else start, size) for key, query in _queries(report).items()
    }


def _read(queries: Any, size: int) -> Iterator[figures.Said]:
    return log_entries.read(figures.needed(queries), size)


def _figures(report: TransparencyReport, answers: Mapping[str, Answer]) -> list[Figure]:
    questions = _questions(report, report.tree_size)
    values = {key: answer.value for key, answer in answers.items()}
    shown = report_document.hide(values, report_document.months_of(report))
    return [
        Figure(
            report=report,
            section=part.key,
            key=one.key,
            **questions[one.key]._asdict(),
            value=answers[one.key].value,
            shown=shown[one.key],
            position=n,
        )
        for n, (part, one) in enumerate(sections.definitions())
    ]


# --- Publishing ------------------------------------------------------------------------------------------------------


def publish(report: TransparencyReport, by: User) -> None:
    """Let everybody read it. Raises Forbidden for who made it, wrote in it or counted it, Conflict unless it is counted
    and unchanged since.
    """
    authority.may(by, Act.PUBLISH_REPORT)
    if has_made(report, by):
        raise Forbidden(
            "You made this report, wrote in it or counted it, so another person publishes it.", code="report.own"
        )
    _refuse_unless(report, State.FROZEN)
    if report_document.sha256(report, report.figures.all()) != report.sha256:
        raise Conflict("What was counted was changed since.", code="report.changed", next_step="Send it back.")
    with transaction.atomic():
        _lock()
        _refuse_overlap(report.since, report.until)
        if (old := report.corrects) is not None:
            move(old, TransparencyReport.MOVES, State.CORRECTED)
            _record(EventType.REPORT_CORRECTED, old, by, sha256=old.sha256, replaced_by=report.version)
        move(report, TransparencyReport.MOVES, State.PUBLISHED, published_by=by, published_at=now())
        _record(EventType.REPORT_PUBLISHED, report, by, sha256=report.sha256)


def has_made(report: TransparencyReport, user: User) -> bool:
    """Whether they began it, wrote words of it or had it counted, as the log tells: another publishes it."""
    making = (EventType.REPORT_DRAFTED, EventType.REPORT_FROZEN)
    theirs = Entry.objects.filter(type__in=making, sections__name="actor", sections__person=user.actor)
    told = (leaf for leaf in map(reading.content, theirs) if leaf["object"] == f"report:{report.pk}")
    return report.made_by_id == user.pk or any(leaf["facts"].get("step") != "returned" for leaf in told)


def send_back(report: TransparencyReport, by: User) -> None:
    """It is a draft again, and is counted anew. Raises Forbidden, Conflict unless it waits to be published."""
    authority.may(by, Act.PUBLISH_REPORT)
    with transaction.atomic():
        nothing: dict[str, Any] = {"tree_size": 0, "root": "", "sha256": "", "counted_at": None}
        _refuse_unless(report, State.FROZEN)
        move(report, TransparencyReport.MOVES, State.DRAFT, **nothing)
        report.figures.all().delete()
        _record(EventType.REPORT_DRAFTED, report, by, step="returned")


def _lock() -> None:
    """Of two that are published at once, the second sees the first."""
    list(TransparencyReport.objects.select_for_update().filter(state__in=PUBLIC).order_by("pk").values_list("pk"))


def _refuse_overlap(since: dt.date, until: dt.date) -> None:
    others = TransparencyReport.objects.filter(state__in=PUBLIC, since__lte=until, until__gte=since)
    if other := others.exclude(since=since, until=until).order_by("since").first():
        raise Conflict(
            f"There is a published report from {other.since} to {other.until}. From two periods that overlap, numbers"
            " that are hidden in either could be computed.",
            code="report.overlap",
            next_step="Choose days that no published report is about.",
        )


def _refuse_unless(report: TransparencyReport, state: State) -> None:
    if report.state != state:
        raise Conflict(f"This report is “{report.get_state_display()}”.", code="state.move")


# --- Counting again (I22) --------------------------------------------------------------------------------------------


def rerun(reports: Sequence[TransparencyReport]) -> dict[Any, list[Difference]]:
    """{id of the report: what differs} after asking every stored query again, of all these reports in one pass."""
    kept = {str(row.pk): row for row in Figure.objects.filter(report__in=reports).order_by("pk")}
    questions = {pk: Question(row.query, row.first, row.size) for pk, row in kept.items()}
    size = max((row.size for row in kept.values()), default=0)
    answers = figures.count(questions, _read((row.query for row in kept.values()), size))
    found: dict[Any, list[Difference]] = {report.pk: [] for report in reports}
    for pk, row in kept.items():
        if answers[pk].value != row.value:
            found[row.report_id].append(Difference(row.key, row.value, answers[pk].value, answers[pk].unreadable))
    return found


def ask_rerun(report: TransparencyReport) -> Job:
    """For whoever reads the page: at most once in an hour, whoever asks."""
    return jobs.enqueue(RERUN, key=f"rerun:{report.pk}:{now():{_HOUR}}", report=str(report.pk))


@jobs.handler(RERUN, queue=lambda _job: jobs.DETECT)
def _rerun(job: Job) -> None:
    report = TransparencyReport.objects.get(pk=str(job.args["report"]))
    found = rerun([report])[report.pk]
    told = {"at": now(), "differing": [one.key for one in found if not one.unreadable]}
    cache.set(_kept(report), {**told, "gone": [one.key for one in found if one.unreadable]}, timeout=None)


def last_rerun(report: TransparencyReport) -> dict[str, Any] | None:
    """{at, differing, gone: keys} of the last time somebody asked; None if nobody did lately."""
    found: dict[str, Any] | None = cache.get(_kept(report))
    return found


def _kept(report: TransparencyReport) -> str:
    return f"report.rerun.{report.pk}"


# --- Reading ---------------------------------------------------------------------------------------------------------


def published() -> QuerySet[TransparencyReport]:
    """What everybody reads: the newest period first, of each the newest version first."""
    return TransparencyReport.objects.filter(state__in=PUBLIC).order_by("-until", "-since", "-version")


def for_desk() -> QuerySet[TransparencyReport]:
    rows = TransparencyReport.objects.select_related("made_by", "published_by", "corrects")
    return rows.order_by("-until", "-since", "-version")


def find(rows: QuerySet[TransparencyReport], **which: Any) -> TransparencyReport:
    """Raises NotFound."""
    report = rows.filter(**which).first()
    if report is None:
        raise NotFound("report")
    return report


def _record(type: EventType, report: TransparencyReport, by: User, **more: Json) -> Entry:
    return log.append(
        type,
        actor=by.actor,
        role=leading_role(by, *ACTS[Act.WRITE_REPORT].roles),
        object=f"report:{report.pk}",
        refs=[report.entry] if report.entry else [],
        facts={
            "since": report.since.isoformat(),
            "until": report.until.isoformat(),
            "version": report.version,
            **more,
        },
    )
