"""The queue: which case next, and why this one.

In the order in which something would break: the nearest deadline to decide, by the hour (within the hour, what a
trusted flagger reported first: DSA 22), then severity, then who is vulnerable, then age. `clocks.note_next` writes that
order beside each case, so a page of the queue reads one index, however many cases wait.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField
from django.db.models.functions import Cast

from accounts.models import User
from core.clock import now
from core.problems import Conflict
from policy import authority
from policy.desk import cases, reviewers
from policy.models import Case, Category, Clock, Notice

ORDER: Final = ("queue_at", "-severity", "-vulnerable", "created_at")
# Nobody works further down than this: beyond it, filters help more than pages.
DEPTH: Final = 500
ANY_LANGUAGE: Final = "*"
_TRIES: Final = 25
# The condition of the index `review_queue`, letter by letter: SQLite uses a partial index for a condition that it can
# read before values are bound, and with values bound it would sort all that wait for each page.
_UNDECIDED: Final = Func(
    F("state"),
    template=f"%(expressions)s IN ({', '.join(repr(state.value) for state in Case.UNDECIDED)})",
    output_field=BooleanField(),
)


@dataclass(frozen=True)
class Wanted:
    """Which part of the queue. language: "" for those the reviewer reads, ANY_LANGUAGE, or a code.

    state: cases in this state, whoever has them. children: the queue of children's cases, apart from all others (I24).
    """

    category: str = ""
    language: str = ""
    place: str = ""
    state: str = ""
    mine: bool = False
    overdue: bool = False
    children: bool = False


@dataclass(frozen=True)
class Waiting:
    """A case in the queue. why: plain sentences for “why this one next”."""

    case: Case
    why: str
    due_at: dt.datetime | None
    rule_id: str


def waiting(user: User, wanted: Wanted | None = None) -> QuerySet[Case]:
    """Undecided cases that `user` may review now, in the order in which they should be worked (I19, I24).

    None for the untrained, the paused and who has looked at enough for today: `reviewers.resting` says why.
    """
    wanted = wanted or Wanted()
    profile = reviewers.profile_of(user)
    if profile is None or not user.roles or reviewers.resting(profile):
        return Case.objects.none()
    rows = Case.objects.filter(_UNDECIDED).exclude(authority.conflicts(user))
    rows = _desk(rows, wanted.children)
    rows = rows.exclude(_elsewhere(user, wanted))
    if wanted.language != ANY_LANGUAGE and not wanted.mine:
        rows = rows.filter(language__in=[wanted.language] if wanted.language else profile.languages)
    rows = _narrowed(rows, wanted)
    return rows.select_related("asset", "assigned_to").order_by(*ORDER)


def _desk(rows: QuerySet[Case], children: bool) -> QuerySet[Case]:
    """A child's case is met by nobody who did not open that queue."""
    return rows.filter(minor=True) if children else rows.exclude(minor=True)


def _elsewhere(user: User, wanted: Wanted) -> Q:
    """What is not to be seen: of all, what somebody else has. In the negative, so that the order's index is used."""
    if wanted.mine:
        return ~Q(assigned_to=user)
    if wanted.state:
        return ~Q(state=wanted.state)
    return Q(assigned_to__isnull=False) & ~Q(assigned_to=user, state=Case.State.IN_REVIEW)


def _narrowed(rows: QuerySet[Case], wanted: Wanted) -> QuerySet[Case]:
    if wanted.category:
        rows = rows.filter(category=wanted.category)
    if wanted.place:
        # The list as text, because SQLite cannot look into JSON lists.
        rows = rows.alias(places=Cast("jurisdictions", TextField())).filter(places__contains=f'"{wanted.place}"')
    return rows.filter(next_due_at__lt=now()) if wanted.overdue else rows


def decided(user: User, wanted: Wanted) -> QuerySet[Case]:
    """What is decided or closed, the newest first; as far as `user` may open it."""
    rows = authority.visible_cases(user).exclude(state__in=Case.UNDECIDED)
    rows = _narrowed(_desk(rows, wanted.children), wanted)
    return rows.select_related("asset", "assigned_to").order_by("-pk")


def take_next(user: User, *, after: uuid.UUID | str = "", children: bool = False) -> Case | None:
    """The first case nobody has, taken, or the one `user` has already; of two who ask at once each gets another.

    after: the case they come from, which therefore is not the next one. None: nothing waits.
    """
    for case in waiting(user, Wanted(children=children))[:_TRIES]:
        if str(case.pk) == str(after):
            continue
        if case.assigned_to_id == user.pk:
            return case
        try:
            return cases.assign(case, user)
        except Conflict:
            continue
    return None


# --- Why this one --------------------------------------------------------------------------------------------------


def explained(page: Sequence[Case]) -> list[Waiting]:
    """Each case with why it is where it is. Two queries, however many cases."""
    statuses, flagged = _statuses(page), _flagged(page)
    return [
        Waiting(
            case, _why(case, statuses.get(case.pk, "draft"), case.pk in flagged), case.next_due_at, case.next_rule_id
        )
        for case in page
    ]


def _statuses(page: Iterable[Case]) -> dict[uuid.UUID, str]:
    """The legal status of the rule that each case is due by, as its clock began (I13)."""
    first = {case.pk: case.next_rule_id for case in page if case.next_rule_id}
    clocks = Clock.objects.filter(case__in=first, purpose=Clock.Purpose.DECIDE)
    rows = clocks.values_list("case_id", "rule_id", "legal_status")
    return {case: status for case, rule, status in rows if case is not None and first[case] == rule}


def _flagged(page: Iterable[Case]) -> frozenset[uuid.UUID]:
    notices = Notice.objects.filter(case__in=[case.pk for case in page], flagger__isnull=False)
    return frozenset(notices.values_list("case_id", flat=True))


def _why(case: Case, status: str, flagged: bool) -> str:
    reasons = [
        f"severity {case.severity} of 3",
        *(["about or from somebody who needs protection"] if case.vulnerable else []),
        *(["reported by a trusted flagger"] if flagged else []),
        f"open for {_span(now() - case.created_at)}",
    ]
    return f"{_deadline(case, status)} {_sentence(reasons)}"


def _deadline(case: Case, status: str) -> str:
    if case.next_due_at is None:
        return "No deadline runs."
    rule = f"{case.next_rule_id} (rule status: {status})"
    if case.next_due_at < now():
        return f"The deadline of {rule} passed {_span(now() - case.next_due_at)} ago."
    return f"Due in {_span(case.next_due_at - now())} under {rule}."


def _sentence(parts: Sequence[str]) -> str:
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _span(length: dt.timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min"


# --- Who reads what waits ------------------------------------------------------------------------------------------


def unread_languages(read: Mapping[str, int]) -> list[str]:
    """Languages of undecided cases that nobody on the roster reads. read: {language: how many reviewers}."""
    found = Case.objects.filter(state__in=Case.UNDECIDED).exclude(language__in=list(read))
    return sorted(found.order_by().values_list("language", flat=True).distinct())


def has_children(user: User) -> bool:
    """Whether the queue of children's cases is shown to `user` at all: they are trained for it."""
    return Category.CHILD_SAFETY in reviewers.categories(user)
