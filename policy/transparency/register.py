"""The public register of notices: what kind, where, and what came of it; never who, whose or which work (R09, R22).

When: once a quarter, what was closed before the quarter began. Closed, because until then somebody can be heard and the
row would say what is not settled; a whole quarter at once, in random order and under random numbers, because a row that
appears the day after a case is closed points at that case, and the log has its moments. What it says is coarsened
(`transparency.coarsening`); what cannot be told safely waits for the next quarter. Never what concerns a child (I24).

What changes later: an outcome is amended in a later quarter's batch, with enough others, for the same reason. A row
that turns out to point at somebody is withheld at once by a person, one about a child by the office itself; why is said
to nobody outside. The log has each step under the row's number, and which notice it is under seal of its case.
"""

import datetime as dt
import secrets
from collections.abc import Hashable, Iterable
from typing import Final

from django.core.cache import cache
from django.db import models, transaction
from django.db.models import Prefetch, Q, QuerySet

from accounts.models import User
from accounts.people import leading_role
from core import beat
from core.canonical import Json
from core.clock import now
from core.problems import Conflict, NotFound
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority
from policy.authority import ACTS, Act
from policy.filing.notice_checks import refuse_fields
from policy.filing.notice_pins import ALPHABET
from policy.models import Appeal, Case, Category, Decision, Notice, RegisterEntry
from policy.parties import refuse_party
from policy.transparency.coarsening import Candidate, coarsen, enough, group_of, mixed

State = RegisterEntry.State
MOST: Final = 5000  # notices in one release: one transaction
_DAY: Final = 86_400


class Outcome(models.TextChoices):
    """What came of a notice, as coarse as a watcher sees it anyway."""

    NONE = "none", "Nothing was restricted"
    LABELLED = "labelled", "The work was labelled"
    LIMITED = "limited", "The work is shown to some people only"
    NOT_SHOWN = "not_shown", "The work is not shown"
    CHANGED = "changed", "Changed after it was published"


class Group(models.TextChoices):
    """Of categories, where one alone would stand out (`coarsening.GROUPS`)."""

    INTIMATE = "intimate", "An intimate image"
    PERSON = "person", "Somebody’s face, voice, name or private life"
    PUBLIC = "public", "An election, or fraud"
    COPYRIGHT = "copyright", "Copyright"
    LABEL = "label", "Synthetic media without a label"
    REST = "rest", "Something else"


class Heard(models.TextChoices):
    """What an appeal led to."""

    UPHELD = "upheld", "The decision stood on appeal"
    CHANGED = "changed", "The decision was changed on appeal"


class Why(models.TextChoices):
    """Why a row is withheld. Kept in the office: outside, the reason could be what identifies."""

    IDENTIFIES = "identifies", "It could point to somebody, or to a work"
    WRONG = "wrong", "It is not right"
    CHILD = "child", "A child is concerned"
    COURT = "court", "A court or an authority asked for it"


_O = Decision.Outcome
_OUTCOMES: Final = {
    _O.NO_ACTION: Outcome.NONE,
    _O.LABEL: Outcome.LABELLED,
    _O.AGE_RESTRICT: Outcome.LIMITED,
    _O.GEO_RESTRICT: Outcome.LIMITED,
}
_CHILDS: Final = Q(case__minor=True) | Q(category=Category.CHILD_SAFETY) | Q(case__category=Category.CHILD_SAFETY)


# --- Quarters ------------------------------------------------------------------------------------------------------


def quarter(at: dt.datetime) -> str:
    """`2026-Q4`, in UTC."""
    day = at.astimezone(dt.UTC)
    return f"{day.year}-Q{(day.month + 2) // 3}"


def begins(period: str) -> dt.datetime:
    """The first moment of a quarter."""
    return dt.datetime(int(period[:4]), int(period[-1]) * 3 - 2, 1, tzinfo=dt.UTC)


# --- Publishing ----------------------------------------------------------------------------------------------------


def release_due() -> int:
    """Publish what the last quarter closed, once in each quarter. Run by beat; looks once a day. Returns how many."""
    period = quarter(now())
    if not cache.add(f"register.release.{period}", True, timeout=_DAY):
        return 0
    return release(period)


def release(period: str) -> int:
    """Publish what was closed before this quarter and can be told of, and amend what changed: one transaction.

    Returns how many rows are new; 0 when the quarter had its release. A constant number of queries, and three a row.
    """
    with transaction.atomic():
        if RegisterEntry.objects.filter(Q(period=period) | Q(amended=period)).exists():
            return 0
        before = begins(period)
        _amend(period, before)
        waiting = {notice.pk: notice for notice in _settled(before).filter(register_entry=None)[:MOST]}
        told = coarsen([_candidate(notice) for notice in waiting.values()])
        for pk in _shuffled(told):
            _publish(waiting[pk], period, told[pk])  # type: ignore[index]  # the keys are those of the notices
    return len(told)


def _settled(before: dt.datetime) -> QuerySet[Notice]:
    """Answered, and nobody can be heard about the case any more since before then; of nobody whose data may only be
    kept (GDPR 18), and of no child.
    """
    rows = Notice.objects.filter(state=Notice.State.ANSWERED, case__state=Case.State.CLOSED, case__closed_at__lt=before)
    final = Decision.objects.filter(interim=False, state__in=Decision.STANDING).order_by("pk")
    return (
        rows.exclude(_CHILDS)
        .filter(filer__restricted_at=None)
        .select_related("case__asset", "filer", "account")
        .prefetch_related(
            Prefetch("case__decisions", queryset=final, to_attr="final"),
            Prefetch("case__decisions__appeals"),
        )
        .order_by("case__closed_at", "pk")
    )


def _candidate(notice: Notice) -> Candidate:
    """Where a work is shown to some people only the log says in which places, so that the row does not."""
    outcome = _outcome(notice.case)
    return Candidate(
        key=notice.pk,
        kind=notice.kind,
        category=notice.category,
        place="" if outcome == Outcome.LIMITED else notice.jurisdiction,
        outcome=outcome,
        appeal=_heard(notice.case),
        apart=_apart(notice),
    )


def _outcome(case: Case) -> Outcome:
    """Of the last decision that stands; what was reversed restricts nothing."""
    final: list[Decision] = case.final  # type: ignore[attr-defined]  # prefetched by `_settled`
    return _OUTCOMES.get(_O(final[-1].outcome), Outcome.NOT_SHOWN) if final else Outcome.NONE


def _heard(case: Case) -> str:
    said = {appeal.outcome for decision in case.decisions.all() for appeal in decision.appeals.all()}
    if said & {Appeal.Outcome.OVERTURN, Appeal.Outcome.MODIFY}:
        return Heard.CHANGED
    return Heard.UPHELD if Appeal.Outcome.UPHOLD in said else ""


def _apart(notice: Notice) -> tuple[Hashable, ...]:
    """Case, work, owner, filer. Whoever left no address may all be one, who then knows all of these rows but one."""
    case, filer = notice.case, notice.filer
    who: Hashable = notice.account_id or filer.contact_mark or (filer.pk if filer.erased_at else "somebody")
    asset = case.asset
    return (case.pk, asset.pk if asset else case.pk, asset.owner_id if asset else case.pk, who)


def _shuffled(keys: Iterable[Hashable]) -> list[Hashable]:
    """In the order of time the rows, and their entries in the log, would tell which came first."""
    rows = list(keys)
    secrets.SystemRandom().shuffle(rows)
    return rows


def _publish(notice: Notice, period: str, shown: dict[str, str]) -> None:
    row = RegisterEntry(notice=notice, number=_number(), period=period, shown=shown)
    row.entry = _say(row, {"period": period})
    row.save(force_insert=True)


def _number() -> str:
    """`NR-7F3K-9QXM`: no part of it says when, or follows from the notice's."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"NR-{random[:4]}-{random[4:]}"


def _say(row: RegisterEntry, facts: dict[str, Json], by: User | None = None) -> Entry:
    """No reference to the notice's or the case's entries: they would give the row its moments."""
    return log.append(
        EventType.REGISTER_PUBLISHED,
        actor=by.actor if by else "system",
        role=leading_role(by, *ACTS[Act.KEEP_REGISTER].roles) if by else "system",
        object=f"register:{row.number}",
        facts=facts,
        sealed={"about": Sealed(about(row), row.notice.case.object)},
    )


def about(row: RegisterEntry) -> dict[str, Json]:
    """What its entry says under seal: which notice it is, and what is told of it."""
    return {"notice": str(row.notice_id), **row.shown}


def _amend(period: str, before: dt.datetime) -> None:
    """Rows whose outcome is another by now say so, once none of them stands out, nor what they were about."""
    rows = RegisterEntry.objects.filter(state=State.PUBLISHED).exclude(shown__outcome=Outcome.CHANGED)
    again = _settled(before).filter(case__closed_at__gt=models.F("register_entry__created_at"))
    found = {notice.pk: notice for notice in again.filter(register_entry__in=rows)}
    held = {row.notice_id: row for row in rows.filter(notice__in=found).select_related("notice__case")}
    now_so = [_candidate(notice) for notice in found.values()]
    changed = [each for each in now_so if each.outcome != held[each.key].shown["outcome"]]  # type: ignore[index]
    if not (enough(changed) and mixed(changed, {each.key: held[each.key].shown for each in changed})):  # type: ignore[index]
        return
    for key in _shuffled(each.key for each in changed):
        row = held[key]  # type: ignore[index]
        row.shown, row.amended = {**row.shown, "outcome": Outcome.CHANGED.value, "appeal": ""}, period
        row.entry = _say(row, {"period": row.period, "amended": period})
        row.save(update_fields=["shown", "amended", "entry"])


# --- Withholding ---------------------------------------------------------------------------------------------------


def entry_for(number: str) -> RegisterEntry:
    """Raises NotFound."""
    row = RegisterEntry.objects.select_related("notice__case", "notice__filer").filter(number=number).first()
    if row is None:
        raise NotFound("row of the register")
    return row


def withhold(row: RegisterEntry, by: User, why: str) -> None:
    """The row says nothing any more but its number and its quarter. why: of Why. Raises Forbidden, for a party too;
    Conflict, Problem with `errors`.
    """
    _may_keep(row, by)
    refuse_fields({} if why in Why.values else {"why": "Choose from the list."})
    with transaction.atomic():
        _withhold(row, Why(why), by)


def _withhold(row: RegisterEntry, why: Why, by: User | None) -> None:
    move(row, RegisterEntry.MOVES, State.WITHHELD, withheld_because=why.value)
    log.append(
        EventType.REGISTER_WITHHELD,
        actor=by.actor if by else "system",
        role=leading_role(by, *ACTS[Act.KEEP_REGISTER].roles) if by else "system",
        object=f"register:{row.number}",
        sealed={"about": Sealed({"why": why.value}, row.notice.case.object)},
    )


def publish_again(row: RegisterEntry, by: User) -> None:
    """What was withheld by mistake is told again, as it was. Raises Forbidden, Conflict: never of a child's."""
    _may_keep(row, by)
    if is_childs(row.notice):
        raise Conflict("A child is concerned: this row stays withheld.", code="register.child")
    with transaction.atomic():
        move(row, RegisterEntry.MOVES, State.PUBLISHED, withheld_because="")
        row.entry = _say(row, {"period": row.period, **({"amended": row.amended} if row.amended else {})}, by)
        row.save(update_fields=["entry"])


def _may_keep(row: RegisterEntry, by: User) -> None:
    authority.may(by, Act.KEEP_REGISTER)
    refuse_party(by, row.notice.case)


def is_childs(notice: Notice) -> bool:
    return notice.case.minor or Category.CHILD_SAFETY in (notice.category, notice.case.category)


def leave_out_children() -> int:
    """Rows of which it turned out that a child is concerned are withheld (I24). Returns how many. Run by beat."""
    theirs = Notice.objects.filter(_CHILDS).values("pk")
    rows = RegisterEntry.objects.filter(state=State.PUBLISHED, notice__in=theirs).select_related("notice__case")
    return beat.each(rows[:500], _leave_out)


def _leave_out(row: RegisterEntry) -> None:
    _withhold(row, Why.CHILD, None)


# --- Reading -------------------------------------------------------------------------------------------------------


def rows(*, issue: str = "", place: str = "", outcome: str = "", period: str = "") -> QuerySet[RegisterEntry]:
    """Of the public register, the newest quarter first, withheld ones too; by number, which is random.

    issue: a category, or a group, which finds its categories as well. Withheld rows answer no question but the quarter.
    """
    found = RegisterEntry.objects.order_by("-period", "number")
    found = found.filter(period=period) if period else found
    if issue or place or outcome:
        found = found.filter(state=State.PUBLISHED)
    found = found.filter(shown__place=place) if place else found
    found = found.filter(shown__outcome=outcome) if outcome else found
    if issue in Group.values:
        return found.filter(Q(shown__group=issue) | Q(shown__category__in=categories_of(issue)))
    return found.filter(shown__category=issue) if issue else found


def categories_of(group: str) -> list[str]:
    """What a row of this group may be about, if it says so."""
    own = [each for each in Category.values if group_of(each) == group]
    return [each for each in own if each != Category.CHILD_SAFETY]


def periods() -> list[str]:
    """The quarters in which something was published, the newest first."""
    return list(RegisterEntry.objects.order_by("-period").values_list("period", flat=True).distinct())
