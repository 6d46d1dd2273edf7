"""17 U.S.C. 512(g): who uploaded swears that material was taken down by mistake; who complained has ten business days
to go to court; then it comes back, not before business day 10 and not after business day 14 (I17). Telling of an action
is `policy.filing.court_actions`.

The rule us.dmca.512.g computes both days when a complete counter-notice is received; beat restores between them.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Role, User
from core import beat, jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy.deciding import decisions
from policy.filing import guided, notice_checks
from policy.law import clocks, rules
from policy.mail import letters
from policy.models import Case, Category, Clock, CounterNotice, Decision, Notice
from policy.rights import people

FIELDS: Final = "policy.counter_notice.fields"
TEXTS: Final = ("signature", "name", "address", "phone")
STATEMENTS: Final = ("dmca.mistake", "dmca.jurisdiction")
_COMPLAINT: Final = frozenset({"sworn:dmca.good_faith", "sworn:dmca.accuracy"})
TAKES_DOWN: Final = (Decision.Outcome.HIDE, Decision.Outcome.REMOVE)
_KEEPS_AWAY: Final = (*TAKES_DOWN, Decision.Outcome.GEO_RESTRICT)  # also what a takedown was softened to on appeal
FORWARD: Final = "policy.forward_counter_notice"

journal = structlog.get_logger()


# --- Who may -------------------------------------------------------------------------------------------------------


def may_file(decision: Decision, user: User) -> None:
    """Raises Forbidden, or Conflict with the other way that is open, unless `user` may file one now."""
    case = decision.case
    if case.asset is None or case.asset.owner_id != user.pk:
        raise Forbidden("A counter-notice comes from who uploaded the work.", code="counter_notice.role")
    if case.category != Category.COPYRIGHT or not complaints(decision).exists():
        raise _not_this_way("It answers a complete, sworn notice about copyright, and no such notice stands here.")
    if decision.outcome not in TAKES_DOWN or decision.state != Decision.State.IN_EFFECT:
        raise _not_this_way("It is about a work that a decision in effect hides or removes.")
    if _rule(case) is None:
        raise _not_this_way("It is a way of United States law, and no place of this case follows it.")


def _not_this_way(why: str) -> Conflict:
    return Conflict(why, code="counter_notice.not_here", next_step="You can appeal the decision instead.")


def open_to(decision: Decision, user: User) -> bool:
    """Whether to offer it."""
    try:
        may_file(decision, user)
    except (Forbidden, Conflict):
        return False
    return not decision.counter_notices.filter(by=user).exists()


def complaints(decision: Decision) -> QuerySet[Notice]:
    """The notices that a counter-notice against `decision` answers: each was complete and sworn when the decision took
    effect, so that the law's own clock had begun (512(c)(3)), and was neither withdrawn nor found unfounded. Who filed
    anything else, or joined later, is given nobody's name and address, and keeps no work away.
    """
    over = (Notice.State.WITHDRAWN, Notice.State.UNFOUNDED)
    by = decision.starts_at or decision.created_at
    begun = Clock.objects.filter(notice=OuterRef("pk"), rule_id__in=_sworn_laws(), started_at__lte=by)
    rows = decision.case.notices.filter(Exists(begun), category=Category.COPYRIGHT, kind=Notice.Kind.REPORT)
    return rows.exclude(state__in=over)


def is_known(notice: Notice) -> bool:
    """Whether who filed it is there: with an account, or by a link that went to the address they gave. Anybody may
    type a name and tick an oath, so until then they are given nobody's address.
    """
    return notice.account_id is not None or notice.filer.contact_proved_at is not None


def known_complaints(decision: Decision) -> int:
    """How many of the complaints are of filers who `is_known`: they read the counter-notice at once."""
    known = Q(account__isnull=False) | Q(filer__contact_proved_at__isnull=False)
    return complaints(decision).filter(known).count()


def _sworn_laws() -> list[str]:
    """Ids of the rules, in every version, that a complaint about copyright is sworn under."""
    return [rule.id for rule in rules.pack(now()).rules if {*guided.asks(rule)} >= _COMPLAINT]


def _facts(case: Case) -> dict[str, Any]:
    return {"jurisdictions": case.jurisdictions, "category": case.category, "channel": "counter_notice"}


def _rule(case: Case) -> rules.Rule | None:
    return next(iter(rules.matching(_facts(case), now(), events=clocks.COUNTER_NOTICE)), None)


def asks(decision: Decision) -> tuple[str, ...]:
    """What the law of this case asks for in a counter-notice, in its own order."""
    rule = _rule(decision.case)
    return guided.asks(rule) if rule else ()


# --- Filing --------------------------------------------------------------------------------------------------------


def file_counter_notice(
    decision: Decision,
    by: User,
    *,
    details: Mapping[str, str],
    sworn: Collection[str] = (),
) -> CounterNotice:
    """File one. details: of TEXTS. sworn: of STATEMENTS. What 512(g)(3) asks for and is missing makes it incomplete:
    nothing is forwarded and no day counts until it is there.

    Raises as `may_file`; Conflict for a second one; Problem with `errors` for each wrong field.
    """
    may_file(decision, by)
    given = _checked(details, sworn)
    row = CounterNotice(decision=decision, by=by)
    try:
        with transaction.atomic():
            _take_down_words(row, given, sworn)
            row.entry = _record(EventType.COUNTER_NOTICE_FILED, row, decision.entry, given)
            row.save(force_insert=True)
            _go_on(row, row.entry)
    except IntegrityError as error:
        raise Conflict("You have filed a counter-notice already.", code="counter_notice.again") from error
    return row


def complete(
    row: CounterNotice,
    *,
    details: Mapping[str, str],
    sworn: Collection[str] = (),
) -> CounterNotice:
    """Add what was missing. The days count from the moment when nothing is. Raises as `file_counter_notice`."""
    added = {name: text for name, text in _checked(details, sworn).items() if text}
    with transaction.atomic():
        _hold(row)
        given = {**fields_of(row), **added}
        _take_down_words(row, given, {*(each["statement"] for each in row.sworn), *sworn})
        entry = _record(EventType.COUNTER_NOTICE_COMPLETED, row, row.entry, given)
        incomplete = CounterNotice.objects.filter(pk=row.pk, state=CounterNotice.State.INCOMPLETE)
        incomplete.update(sealed_fields=row.sealed_fields, sworn=row.sworn, missing=row.missing)
        _go_on(row, entry)
    return row


def _hold(row: CounterNotice) -> None:
    """As it is now, kept so until the caller's transaction ends: of two tabs the second adds to what the first said;
    what was received is sworn, and changes no more. Raises Conflict once nothing is missing.
    """
    changing = ("state", "sworn", "missing", "sealed_fields")
    row.refresh_from_db(fields=changing, from_queryset=CounterNotice.objects.select_for_update())
    if row.state != CounterNotice.State.INCOMPLETE:
        raise Conflict("Nothing is missing in this counter-notice.", code="counter_notice.complete")


def _checked(details: Mapping[str, str], sworn: Collection[str]) -> dict[str, str]:
    given = notice_checks.stripped(details, TEXTS)
    strange = {name: "This is not asked." for name in given if name not in TEXTS}
    notice_checks.refuse(notice_checks.details(given), notice_checks.sworn(sworn), strange)
    return given


def _take_down_words(row: CounterNotice, given: Mapping[str, str], sworn: Collection[str]) -> None:
    asked = asks(row.decision)
    before = {each["statement"]: each for each in row.sworn}
    row.sworn = [before.get(each["statement"], each) for each in guided.swear(sorted(sworn), now())]
    row.sealed_fields = people.seal(row.by.actor, {name: given.get(name, "") for name in TEXTS}, FIELDS)
    row.missing = [ask for ask in asked if not _answered(ask, given, sworn)]


def _answered(ask: str, given: Mapping[str, str], sworn: Collection[str]) -> bool:
    if ask.startswith(guided.SWORN):
        return ask.removeprefix(guided.SWORN) in sworn
    return ask == "place" or bool(given.get(ask))  # where it was is where the work was registered


def _go_on(row: CounterNotice, entry: Entry | None) -> None:
    """Complete: it is received, both days are computed, and it is forwarded. Else our clock for asking runs."""
    case = row.decision.case
    on: dict[str, Any] = {"case": case, "counter_notice": row, "entry": entry}
    asking = row.clocks.filter(purpose=Clock.Purpose.ASK)
    if row.missing:
        if not asking.exists():
            clocks.start(Clock.Purpose.ASK, _facts(case), clocks.ASK, **on)
        return
    clocks.end(asking, Clock.State.MET)
    for clock in clocks.start(Clock.Purpose.RESTORE, _facts(case), clocks.COUNTER_NOTICE, **on):
        row.earliest_restore, row.latest_restore = clock.not_before, clock.due_at
    move(
        row,
        CounterNotice.MOVES,
        CounterNotice.State.VALID,
        earliest_restore=row.earliest_restore,
        latest_restore=row.latest_restore,
    )
    jobs.enqueue(FORWARD, counter_notice=str(row.pk))


def fields_of(row: CounterNotice, known: vault.Keys | None = None) -> dict[str, str]:
    """What the uploader wrote; empty strings once they were erased."""
    said = people.unseal(row.by.actor, row.sealed_fields, FIELDS, known) or {}
    return {name: said.get(name, "") for name in TEXTS}


# --- Forwarding ----------------------------------------------------------------------------------------------------


@jobs.handler(FORWARD)
def _forward_one(job: Job) -> None:
    forward(CounterNotice.objects.select_related("decision__case", "by", "entry").get(pk=job.args["counter_notice"]))


def forward(row: CounterNotice) -> None:
    """512(g)(2)(B): who complained gets a copy, on the page behind number and PIN, and is written to."""
    if row.state != CounterNotice.State.VALID:
        return
    with transaction.atomic():
        told = [str(pk) for pk in complaints(row.decision).values_list("pk", flat=True)]
        move(row, CounterNotice.MOVES, CounterNotice.State.FORWARDED, forwarded_at=now(), forwarded_to=told)
        _record(EventType.COUNTER_NOTICE_FORWARDED, row, row.entry, None, notices=told)
        for pk in told:
            jobs.enqueue("policy.tell_notice", notice=pk, about="counter_notice")


def answers(row: CounterNotice, notice: Notice) -> bool:
    """Whether it was forwarded to who filed this notice, and the notice still stands."""
    return str(notice.pk) in row.forwarded_to and complaints(row.decision).filter(pk=notice.pk).exists()


def answering(notice: Notice) -> CounterNotice | None:
    """The counter-notice that was forwarded to who filed this notice, if it is one that it answers."""
    if notice.category != Category.COPYRIGHT:
        return None
    forwarded = CounterNotice.objects.exclude(forwarded_at=None).filter(decision__case=notice.case_id)
    rows = forwarded.select_related("decision__case", "by", "entry").order_by("-pk")
    return next((row for row in rows if answers(row, notice)), None)


def shown_to_complainant(row: CounterNotice, notice: Notice) -> dict[str, str]:
    """The copy of 512(g)(2)(B), for who filed the notice; nothing before they `is_known`, nor once it was taken back.
    The days run meanwhile.
    """
    hidden = row.state == CounterNotice.State.WITHDRAWN or not is_known(notice) or not answers(row, notice)
    return {} if hidden else fields_of(row)


def withdraw(row: CounterNotice) -> CounterNotice:
    """Who filed it takes it back. Raises Conflict when it is over."""
    with transaction.atomic():
        move(row, CounterNotice.MOVES, CounterNotice.State.WITHDRAWN, ended_at=now())
        _record(EventType.COUNTER_NOTICE_WITHDRAWN, row, row.entry, None)
        clocks.end(row.clocks.all(), Clock.State.VOID)
    return row


# --- Restoring -----------------------------------------------------------------------------------------------------


def restore_due() -> int:
    """What beat does: restore what is due, call people before a latest day passes, and forward what a lost job left.

    Returns how many came back. One that fails does not keep the others.
    """
    rows = CounterNotice.objects.select_related("decision__case__asset", "by", "entry")
    due = Q(state=CounterNotice.State.FORWARDED, earliest_restore__lte=now())
    restored = sum(_try(row) for row in rows.filter(due).order_by("latest_restore")[:500])
    for row in rows.filter(due):  # still there
        jobs.enqueue("policy.counter_notice_late", key=f"counter_notice_late:{row.pk}", counter_notice=str(row.pk))
    beat.each(rows.filter(state=CounterNotice.State.VALID)[:500], forward)
    return restored


def _try(row: CounterNotice) -> bool:
    try:
        restore(row)
    except Exception:
        journal.exception("counter_notice.not_restored", counter_notice=str(row.pk))
        return False
    return True


def restore(row: CounterNotice) -> CounterNotice:
    """Undo what keeps the work away in this case, because nobody told of an action in time.

    Raises Conflict before business day 10 (I17), and where the work would not come back: then people are called.
    """
    if row.earliest_restore is None or now() < row.earliest_restore:
        raise Conflict("The time for an action still runs.", code="counter_notice.early")
    with transaction.atomic():
        at = now()
        move(row, CounterNotice.MOVES, CounterNotice.State.RESTORED, ended_at=at)
        entry = _record(EventType.COUNTER_NOTICE_RESTORED, row, row.entry, None)
        clocks.end(row.clocks.filter(purpose=Clock.Purpose.RESTORE), Clock.State.MET)
        _bring_back(row.decision, entry)
    return row


def _bring_back(decision: Decision, because: Entry) -> None:
    """Reverse the decision, or the one that took its place: on appeal, or when the case was open again."""
    case = decision.case
    taking_down = case.decisions.filter(state=Decision.State.IN_EFFECT, outcome__in=_KEEPS_AWAY)
    latest = taking_down.filter(interim=False).select_related("case__asset", "entry").order_by("-pk").first()
    if latest is not None:
        decisions.reverse(latest, refs=[because])
    if taking_down.exists() or (latest is not None and decisions.unreversed(latest)):
        raise Conflict("Undoing it would not bring the work back.", code="counter_notice.not_restored")


@jobs.handler("policy.counter_notice_late")
def _call_people(job: Job) -> None:
    """A work should have come back by itself and did not: a person has until the latest day."""
    row = CounterNotice.objects.get(pk=job.args["counter_notice"])
    if row.state != CounterNotice.State.FORWARDED or row.latest_restore is None:
        return
    sentence = f"A work must be shown again by {row.latest_restore:%Y-%m-%d %H:%M} UTC, and doing it failed"
    for user in on_duty(Role.LEAD_REVIEWER, Role.OPERATOR):
        letters.send(user.email, "A counter-notice is late", sentence, "/review/")


def on_duty(*roles: Role) -> QuerySet[User]:
    """Who is called when a person has to look."""
    return User.objects.filter(is_active=True, memberships__role__in=roles).distinct()


def _record(
    type: EventType, row: CounterNotice, because: Entry | None, given: Mapping[str, str] | None, **facts: Any
) -> Entry:
    told = type in (EventType.COUNTER_NOTICE_FILED, EventType.COUNTER_NOTICE_COMPLETED)
    sworn = [f"{each['statement']}@{each['version']}" for each in row.sworn]
    own = told or type == EventType.COUNTER_NOTICE_WITHDRAWN
    return log.append(
        type,
        actor=row.by.actor if own else "system",
        role="uploader" if own else "system",
        object=row.decision.case.object,
        refs=[because] if because else [],
        facts={
            "counter_notice": str(row.pk),
            "decision": str(row.decision_id),
            **({"sworn": sworn, "missing": row.missing} if told else {}),
            **facts,
        },
        sealed={"fields": Sealed(dict(given), row.by.actor)} if given else None,
    )
