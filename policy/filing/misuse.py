"""Misuse of notices and of uploads (DSA 23): counted, warned of, and only then, by a lead reviewer, suspended.

What is counted, over how long and from which count on are rows of the office's terms. Nothing here suspends by itself.
Every count rests on findings that can be contested; when one falls and the count no longer reaches, it ends.
"""

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core import beat, jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority, parties
from policy.deciding import suspensions
from policy.filing import guided
from policy.law import rules
from policy.mail import letters
from policy.models import SEVERITY, Decision, Misuse, Notice, Person, Strike, Suspension
from policy.rights import people
from provenance.models import Asset

FACTS: Final = {"channel": "misuse"}
COUNTED, SUSPENDED = frozenset({"misuse_counted"}), frozenset({"misuse_suspended"})
ALIVE: Final = (Misuse.State.OBSERVED, Misuse.State.WARNED, Misuse.State.SUSPENDED)
# Reasons that nobody gives by mistake; DSA 23(3)(d) asks for the intention where it can be identified.
_MEANT: Final = frozenset({Notice.Unfounded.INVENTED, Notice.Unfounded.UNSERIOUS, Notice.Unfounded.REPEATED})
_COUNTED: Final = {
    Misuse.Kind.NOTICES: "notices were found manifestly unfounded",
    Misuse.Kind.UPLOADS: "uploads were restricted by decisions that count",
}
_SCOPES: Final = {
    Misuse.Kind.NOTICES: Suspension.Scope.NOTICES,
    Misuse.Kind.UPLOADS: Suspension.Scope.UPLOADS,
}

Who = User | Person


@dataclass(frozen=True)
class Threshold:
    """Of the office's terms: since when is counted, and from how many, absolute and in a hundred."""

    since: dt.datetime
    absolute: int
    percent: int
    rule_id: str


def threshold() -> Threshold | None:
    """The row in force; None where the terms have none: then nothing is counted."""
    due = rules.due(FACTS, now(), events=COUNTED)
    if not due or due[0].due_at is None:
        return None
    least = rules.rule(due[0].rule_id).at_least
    return Threshold(due[0].due_at, least["absolute"], least["percent"], due[0].rule_id)


# --- Counting ------------------------------------------------------------------------------------------------------


def count(who: Who, kind: str, since: dt.datetime) -> dict[str, Any]:
    """The factors of DSA 23(3): how many, of how many, how grave, and whether it was meant."""
    return _count_notices(who, since) if kind == Misuse.Kind.NOTICES else _count_uploads(who, since)


def _count_notices(who: Who, since: dt.datetime) -> dict[str, Any]:
    filed = notices_of(who).filter(created_at__gte=since)
    bad = list(filed.filter(state=Notice.State.UNFOUNDED).values_list("category", "unfounded_for"))
    gravity = max((SEVERITY.get(category, 1) for category, _ in bad), default=0)
    meant = any(why in _MEANT for _, why in bad)
    return _factors(len(bad), filed.count(), gravity, meant=meant)


def notices_of(who: Who) -> QuerySet[Notice]:
    """All that one filer filed: by account, or under one address that was proved each time (`filing.address_proof`).

    Anybody can type another's address, so what was not proved counts for that one notice and for nobody's record.
    """
    if isinstance(who, User):
        return Notice.objects.filter(account=who)
    return Notice.objects.filter(filer__in=_same(who), account=None)


def _same(who: Person) -> QuerySet[Person]:
    """The rows of people that are one person: who proved the same address; else the row alone."""
    if not who.contact_mark or who.contact_proved_at is None:
        return Person.objects.filter(pk=who.pk)
    return Person.objects.filter(contact_mark=who.contact_mark, contact_proved_at__isnull=False)


def _count_uploads(who: Who, since: dt.datetime) -> dict[str, Any]:
    if isinstance(who, Person):
        raise ValueError("uploads have an account")
    struck = Strike.objects.filter(user=who, voided_at=None, created_at__gte=since)
    gravity = struck.aggregate(most=Max("decision__case__severity"))["most"] or 0
    return _factors(struck.count(), Asset.objects.filter(owner=who, created_at__gte=since).count(), gravity)


def _factors(bad: int, of: int, gravity: int, *, meant: bool = False) -> dict[str, Any]:
    percent = 100 * bad // of if of else 0
    return {"absolute": bad, "of": of, "percent": percent, "gravity": gravity, "meant": meant}


def _reaches(factors: dict[str, Any], least: Threshold) -> bool:
    return bool(factors["absolute"] >= least.absolute and factors["percent"] >= least.percent)


def observe(who: Who, kind: str, decision: Decision | None = None) -> Misuse | None:
    """Count again after a notice was found unfounded or an upload was struck. The row that a lead reviewer sees, or
    None below the threshold. Run inside the verb's transaction.
    """
    least = threshold()
    if least is None:
        return None
    held, factors = _held(who, kind), count(who, kind, least.since)
    if held is None and not _reaches(factors, least):
        return None
    about: dict[str, Any] = {"user": who} if isinstance(who, User) else {"person": who}
    row = held or Misuse(kind=kind, **about)
    row.factors = {**factors, "rule": least.rule_id}
    entry = _record(EventType.MISUSE_OBSERVED, row, None, decision=str(decision.pk) if decision else "")
    if held is None:
        row.entry = entry
        row.save(force_insert=True)
    else:
        _keep_count(held)
    return row


def recount(who: Who, kind: str) -> None:
    """A finding fell: what no longer reaches the threshold ends, a suspension included. In the verb's transaction."""
    row, least = _held(who, kind), threshold()
    if row is None or least is None:
        return
    factors = count(who, kind, least.since)
    row.factors = {**factors, "rule": least.rule_id}
    _keep_count(row)
    if not _reaches(factors, least):
        _end(row, None)


def _keep_count(row: Misuse) -> None:
    """The count alone: what a lead reviewer did a moment ago stays as it is."""
    Misuse.objects.filter(pk=row.pk).update(factors=row.factors)


def standing(who: Who, kind: str) -> Misuse | None:
    """What is observed, warned of or suspended now about this filer or uploader."""
    return _alive(who, kind).first()


def _alive(who: Who, kind: str) -> QuerySet[Misuse]:
    rows = Misuse.objects.filter(kind=kind, state__in=ALIVE).select_related("entry", "user", "person").order_by("-pk")
    if isinstance(who, User):
        return rows.filter(user=who)
    return rows.filter(person__in=_same(who))


def _held(who: Who, kind: str) -> Misuse | None:
    """What stands, kept from changing until the caller's transaction ends. Of two findings about one filer or uploader
    at once the second waits, so that there is one row and not two.
    """
    if isinstance(who, User):
        list(User.objects.filter(pk=who.pk).select_for_update(no_key=True))
    else:
        list(_same(who).order_by("pk").select_for_update(no_key=True))
    return _alive(who, kind).select_for_update(of=("self",)).first()


def reasons(row: Misuse) -> list[str]:
    """Why, in sentences for whom it concerns (DSA 23(4))."""
    factors = row.factors
    bad, of, percent = (factors.get(name, 0) for name in ("absolute", "of", "percent"))
    gravity = {1: "low", 2: "middle", 3: "high"}.get(factors.get("gravity", 0), "not known")
    return [
        f"{bad} of {of} {_COUNTED[Misuse.Kind(row.kind)]} ({percent} in a hundred).",
        f"Gravity of what they were about: {gravity}.",
        "The reasons given point to intent." if factors.get("meant") else "Nothing is said about intent.",
        "It rests on single findings. Each can be contested once; it then counts only if somebody else finds the same.",
    ]


# --- What a lead reviewer does -------------------------------------------------------------------------------------


def _may_judge(row: Misuse, by: User) -> None:
    authority.may(by, authority.Act.JUDGE_MISUSE)
    parties.refuse_party(by, row)


def warn(row: Misuse, by: User) -> Misuse:
    """The prior warning that DSA 23 asks for, with its reasons. Raises Forbidden (also for a party), Conflict."""
    _may_judge(row, by)
    with transaction.atomic():
        move(row, Misuse.MOVES, Misuse.State.WARNED, warned_at=now(), warned_by=by)
        _record(EventType.MISUSE_WARNED, row, by)
        jobs.enqueue("policy.tell_misuse", misuse=str(row.pk))
    return row


def suspend(row: Misuse, by: User) -> Misuse:
    """Suspend an account that went on after the warning, for as long as the office's terms say. Never automatic.

    Raises Forbidden for anybody but a lead reviewer who is no party, did not warn and found nothing of what is counted;
    Conflict without an account, without a warning, or when nothing came since.
    """
    _may_judge(row, by)
    if row.user is None:
        raise Conflict(
            "Without an account nobody can be kept from filing: notices are taken without a name, and an address that "
            "was only typed may be another's.",
            code="misuse.no_account",
            next_step="The warning stays. Judge each notice for itself.",
        )
    if row.state != Misuse.State.WARNED or row.warned_at is None:
        raise Conflict("A warning comes first.", code="misuse.not_warned", next_step="Warn them, with the reasons.")
    if not count(_who(row), row.kind, row.warned_at)["absolute"]:
        raise Conflict("Nothing was found since the warning, so there is nothing to suspend for.", code="misuse.quiet")
    _refuse_same_hand(row, by)
    until = next((clock.due_at for clock in rules.due(FACTS, now(), events=SUSPENDED) if clock.due_at), None)
    if until is None:
        raise Conflict("The office’s terms do not say how long a suspension lasts.", code="suspension.no_rule")
    with transaction.atomic():
        move(row, Misuse.MOVES, Misuse.State.SUSPENDED, until=until)
        _record(EventType.MISUSE_SUSPENDED, row, by, until=until.isoformat())
        suspensions.suspend(row.user, scope=_SCOPES[Misuse.Kind(row.kind)], until=until, by=by)
        jobs.enqueue("policy.tell_misuse", misuse=str(row.pk))
    return row


def _refuse_same_hand(row: Misuse, by: User) -> None:
    """Who finds, who warns and who suspends are not one person."""
    least = threshold()
    counted: dict[str, Any] = {"created_at__gte": least.since} if least else {}
    found: QuerySet[Any]
    if row.kind == Misuse.Kind.NOTICES:
        found = notices_of(_who(row)).filter(state=Notice.State.UNFOUNDED, unfounded_by=by, **counted)
    else:
        judged = Q(decision__decider=by) | Q(decision__approver=by)
        found = Strike.objects.filter(judged, user=row.user, voided_at=None, **counted)
    why = "You warned them" if row.warned_by_id == by.pk else "You found some of what is counted"
    if row.warned_by_id == by.pk or found.exists():
        raise Forbidden(f"{why}, so another lead reviewer suspends.", code="misuse.same_hand")


def end(row: Misuse, by: User) -> Misuse:
    """A lead reviewer ends it, a suspension included. Raises Forbidden (also for a party), Conflict."""
    _may_judge(row, by)
    with transaction.atomic():
        _end(row, by)
    return row


def run_out() -> int:
    """Suspensions whose day has come end. Returns how many. Run by beat."""
    over = Misuse.objects.filter(state=Misuse.State.SUSPENDED, until__lte=now()).select_related("entry", "user")
    return beat.each(over.order_by("until")[:500], partial(_end, by=None))


def _end(row: Misuse, by: User | None) -> None:
    was = row.state
    move(row, Misuse.MOVES, Misuse.State.ENDED)
    _record(EventType.MISUSE_ENDED, row, by)
    if was == Misuse.State.SUSPENDED and row.user is not None:
        running = row.user.suspensions.filter(scope=_SCOPES[Misuse.Kind(row.kind)], state=Suspension.State.ACTIVE)
        # One that a decision imposed is that decision's.
        for imposed in running.filter(decision=None, until__gt=now()).select_related("entry", "user"):
            suspensions.lift(imposed, by=by)


def refuse_suspended(notice: Notice) -> None:
    """Raises Forbidden while the account that files is suspended from filing. What is about a child is always taken.

    An address is not asked: it was only typed, and a refusal would tell anybody how whoever has it stands with us.
    """
    if notice.account is not None and not guided.about_a_child(notice):
        suspensions.refuse_suspended(notice.account, Suspension.Scope.NOTICES)


# --- Writing it down -----------------------------------------------------------------------------------------------


def _who(row: Misuse) -> Who:
    who = row.user or row.person
    assert who is not None
    return who


def _record(type: EventType, row: Misuse, by: User | None, **facts: str) -> Any:
    counted = {name: row.factors[name] for name in ("absolute", "of", "percent") if name in row.factors}
    who = _who(row).actor
    return log.append(
        type,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=f"misuse:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"kind": row.kind, "rule": row.factors.get("rule", ""), **counted, **facts},
        sealed={"who": Sealed(who, who)},
    )


@jobs.handler("policy.tell_misuse")
def _tell(job: Job) -> None:
    """That there is a message; the reasons are on the page."""
    row = Misuse.objects.select_related("user", "person").get(pk=job.args["misuse"])
    if row.user is not None:
        address, path = (row.user.email if row.user.is_active else ""), "/desk/"
    else:
        assert row.person is not None
        address, path = people.name_and_contact(row.person)[1], "/notice/"
    subject, sentence = letters.ABOUT[f"misuse_{row.kind}"]
    letters.send(address, subject, sentence, path)
