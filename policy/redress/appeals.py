"""Appeals: whoever is affected may complain once, and somebody who had no part in the decision decides.

What an outcome does is in `redress.appeal_effects`, questions and answers are in `redress.appeal_dialogue`, bodies
outside in `policy.redress.out_of_court`.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from django.core.files.base import File
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.people import reviewing_role
from core import jobs
from core.clock import now
from core.problems import Conflict, Forbidden, NotFound
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority
from policy.deciding import learning
from policy.deciding.decision_checks import facts_of
from policy.deciding.plain_texts import objections, said_so
from policy.desk import cases
from policy.filing.notices import refuse_fields
from policy.law import clocks
from policy.models import Affected, Appeal, Clock, Decision, Notice, Person
from policy.redress import appeal_dialogue, appeal_effects, appeal_thread
from policy.rights import people

GROUNDS = "policy.appeal.grounds"
SHORTEST, LONGEST = 10, 5000
# The events that start the office's own clocks for what comes after a decided appeal.
APPEAL_DECIDED: Final = frozenset({"appeal_decided"})
# Who wants more to be done has nothing to ask for above this.
STRONGEST: Final = Decision.Outcome.REMOVE
_ROLES: Final = {"user": Affected.UPLOADER, "notice": Affected.NOTIFIER, "person": Affected.DEPICTED}

# Who appeals: one of {"user": …} (the uploader, by account), {"notice": …} (number and PIN), {"person": …} (the person
# shown, by the link of a consent).
Who = dict[str, Any]


# --- Who may appeal, and until when --------------------------------------------------------------------------------


def may_appeal(
    decision: Decision, *, user: User | None = None, notice: Notice | None = None, person: Person | None = None
) -> Clock:
    """The one place that says who may appeal, and until when. Returns the window; raises Forbidden or Conflict.

    1. Affected is who got a statement of reasons: the uploader by account, a notifier by notice, the person shown.
    2. The decision must be in effect, or have run out: it still counts. What was superseded has nothing left to appeal.
       What the uploader's appeal undid can be appealed by the other side, who were not heard: for as long again, from
       the day they were told.
    3. There must be something to gain (`_refuse_pointless`).
    4. Once each (a constraint holds this against races); a changed decision is not appealed by whose appeal changed it.
    5. The longest window counts: laws that give less time do not shorten what another gives (DSA 20(1): six months
       from the day the recipient was informed; our terms give the same everywhere).
    """
    who = _who(user, notice, person)
    if not decision.statements.filter(**who).exists():
        raise Forbidden("Only who got the statement of reasons can appeal this decision.", code="appeal.not_affected")
    windows = _windows(decision, user)
    if user is None and decision.state in Decision.STANDING:
        _refuse_pointless(decision, notice)
    if Appeal.objects.filter(replacement=decision, **who).exists():
        raise Conflict(
            "This is what your appeal led to. If you disagree, a court or an out-of-court body is open to you.",
            code="appeal.again",
        )
    if decision.appeals.filter(**who).exists():
        raise Conflict("You have appealed this decision already.", code="appeal.again")
    window = windows.order_by("-due_at").first()
    if window is None or window.due_at is None or window.due_at < now():
        raise Conflict("The time to appeal has run out.", code="appeal.late")
    return window


def _windows(decision: Decision, user: User | None) -> QuerySet[Clock]:
    """The windows that count. Of an undone decision those of the other side only, which name no case
    (`policy.redress.appeal_effects`). Raises Conflict where there is nothing left to appeal.
    """
    windows = decision.clocks.filter(purpose=Clock.Purpose.APPEAL, due_at__isnull=False)
    if decision.state in Decision.STANDING:
        return windows
    others = windows.filter(case=None)
    if user is not None or not others.exists():
        raise Conflict(f"This decision is {decision.get_state_display()}.", code="appeal.not_in_effect")
    return others


def _who(user: User | None, notice: Notice | None, person: Person | None) -> Who:
    """The one that is given. Raises Forbidden for none or several."""
    given = {"user": user, "notice": notice, "person": person}
    who = {name: row for name, row in given.items() if row is not None}
    if len(who) != 1:
        raise Forbidden("Say as whom you appeal: by account, by notice, or by link.", code="appeal.not_affected")
    return who


def _refuse_pointless(decision: Decision, notice: Notice | None) -> None:
    """Raises Conflict where who reported, or is shown, could gain nothing by an appeal."""
    if decision.interim:
        raise Conflict("This is a measure until the case is decided. You can appeal then.", code="appeal.not_decided")
    if decision.outcome == STRONGEST:
        raise Conflict("The work is removed already; there is no stronger outcome.", code="appeal.nothing_more")
    if notice is None or notice.kind != Notice.Kind.FALSE_POSITIVE:
        return
    if notice.outcome == Notice.Outcome.ACCEPTED:
        raise Conflict("Your notice was accepted; there is nothing more to gain.", code="appeal.nothing_more")


# --- Filing --------------------------------------------------------------------------------------------------------


def file_appeal(
    decision: Decision,
    *,
    user: User | None = None,
    notice: Notice | None = None,
    person: Person | None = None,
    grounds: str,
    files: "Sequence[File[bytes]]" = (),
) -> Appeal:
    """Appeal as the uploader (`user`), with a notice's number and PIN (`notice`) or as the person shown (`person`).

    files: documents, sealed under the appellant's key (`filing.attachments` says which). Raises as `may_appeal` does,
    and Problem with `errors` when the grounds are too short or long or a document is refused.
    """
    may_appeal(decision, user=user, notice=notice, person=person)
    who, grounds = _who(user, notice, person), grounds.strip()
    if not SHORTEST <= len(grounds) <= LONGEST:
        refuse_fields({"grounds": "Between 10 and 5,000 characters."})
    [(name, row)] = who.items()
    appeal = Appeal(decision=decision, role=_ROLES[name], language=row.language, **who)
    try:
        with transaction.atomic():
            return _file(appeal, grounds, files)
    except IntegrityError as error:
        raise Conflict("You have appealed this decision already.", code="appeal.again") from error


def _file(appeal: Appeal, grounds: str, files: "Sequence[File[bytes]]") -> Appeal:
    decision, who = appeal.decision, appeal.appellant
    appeal.sealed_grounds = people.seal(who, {"grounds": grounds}, GROUNDS)
    appeal.entry = log.append(
        EventType.APPEAL_FILED,
        actor=who,
        role=appeal.role,
        object=decision.case.object,
        refs=[decision.entry] if decision.entry else [],
        facts={"decision": str(decision.pk), "appeal": str(appeal.pk), "by": appeal.role},
        sealed={"grounds": Sealed(grounds, who)},
    )
    appeal.save(force_insert=True)
    if files:
        appeal_thread.write(appeal, by=None, text="", files=files)
    _start(appeal, Clock.Purpose.ANSWER_APPEAL, clocks.APPEAL, appeal.entry)
    return appeal


def _start(appeal: Appeal, purpose: Clock.Purpose, events: frozenset[str], entry: Entry) -> None:
    facts = {**facts_of(appeal.decision), "channel": "appeal"}
    clocks.start(purpose, facts, events, case=appeal.decision.case, appeal=appeal, entry=entry)


def grounds_of(appeal: Appeal, known: vault.Keys | None = None) -> str:
    """What the appellant wrote; empty once they were erased. known: `vault.keys_of` when many are read at once."""
    value = people.unseal(appeal.appellant, appeal.sealed_grounds, GROUNDS, known)
    return value["grounds"] if value else ""


def appeal_for(
    pk: uuid.UUID, *, user: User | None = None, notice: Notice | None = None, person: Person | None = None
) -> Appeal:
    """The appellant's own appeal. Raises NotFound for anybody else's."""
    who = _who(user, notice, person)
    appeal = with_relations(Appeal.objects.filter(pk=pk, **who)).first()
    if appeal is None:
        raise NotFound("appeal of yours")
    return appeal


def withdraw(appeal: Appeal) -> None:
    """The appellant takes it back; the decision stands. `appeal` comes from `appeal_for`. Raises Conflict."""
    with transaction.atomic():
        move(appeal, Appeal.MOVES, Appeal.State.WITHDRAWN)
        log.append(
            EventType.APPEAL_WITHDRAWN,
            actor=appeal.appellant,
            role=appeal.role,
            object=appeal.decision.case.object,
            refs=[appeal.entry] if appeal.entry else [],
            facts={"appeal": str(appeal.pk)},
        )
        clocks.end(appeal.clocks.all(), Clock.State.VOID)
        clocks.close_if_quiet(appeal.decision.case)


# --- The desk ------------------------------------------------------------------------------------------------------


def with_relations(rows: QuerySet[Appeal]) -> QuerySet[Appeal]:
    """What lists and pages of appeals read of other tables, in a constant number of queries."""
    return rows.select_related(
        "decision__case__asset", "user", "notice__filer", "person", "assigned_to", "entry"
    ).prefetch_related("clocks")


def waiting() -> QuerySet[Appeal]:
    """Appeals not decided yet, the oldest first."""
    return with_relations(Appeal.objects.filter(state__in=Appeal.UNDECIDED)).order_by("created_at")


def assign(appeal: Appeal, hearer: User) -> Appeal:
    """`hearer` takes the appeal. Of two who take it at once one gets it and the other a Conflict."""
    authority.may_hear(appeal, hearer)
    with transaction.atomic():
        move(appeal, Appeal.MOVES, Appeal.State.ASSIGNED, assigned_to=hearer)
        _record_assignment(appeal, hearer, "taken")
    return appeal


def release(appeal: Appeal, hearer: User) -> Appeal:
    """Put an appeal back, without giving a reason. Raises Forbidden, Conflict while a question waits for an answer."""
    if appeal.assigned_to_id != hearer.pk:
        raise Forbidden("Only who hears this appeal can put it back.", code="appeal.not_yours")
    with transaction.atomic():
        move(appeal, Appeal.MOVES, Appeal.State.FILED, assigned_to=None)
        _record_assignment(appeal, hearer, "released")
    return appeal


def take_back(appeal: Appeal, lead: User, why: str) -> Appeal:
    """A lead reviewer puts back on the desk what its hearer does not go on with. The reason is sealed under the lead's
    own key. Raises Forbidden, Conflict when nobody hears it, Problem with `errors`.
    """
    authority.may_take_appeal_back(appeal, lead)
    if appeal.state not in Appeal.HEARD_BY_ONE:
        raise Conflict("Nobody hears this appeal: there is nothing to take back.", code="appeal.nobody")
    why = cases.checked_reason(why, "Say in a few words why the appeal goes back.")
    with transaction.atomic():
        _out_of_hands(appeal, lead, why)
    return appeal


def put_all_back(hearer: User) -> None:
    """Every appeal that `hearer`, whose account is closed, hears. In the caller's transaction."""
    heard = Appeal.objects.filter(assigned_to=hearer, state__in=Appeal.HEARD_BY_ONE)
    for appeal in heard.select_related("decision__case", "entry"):
        _out_of_hands(appeal, None)


def _out_of_hands(appeal: Appeal, by: User | None, why: str = "") -> None:
    appeal_dialogue.stop_waiting(appeal)
    move(appeal, Appeal.MOVES, Appeal.State.FILED, assigned_to=None)
    _record_assignment(appeal, by, "taken_back", why)


def _record_assignment(appeal: Appeal, by: User | None, how: str, why: str = "") -> None:
    log.append(
        EventType.APPEAL_ASSIGNED,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=appeal.decision.case.object,
        refs=[appeal.entry] if appeal.entry else [],
        facts={"appeal": str(appeal.pk), "how": how},
        sealed={"why": Sealed(why, by.actor)} if by and why else {},
    )


# --- Deciding ------------------------------------------------------------------------------------------------------


def decide_appeal(
    appeal: Appeal,
    user: User,
    *,
    outcome: str,
    reasons: str,
    replacement: Mapping[str, Any] | None = None,
    no_names: bool = False,
) -> Appeal:
    """Uphold, overturn, modify, or say why it cannot be heard (inadmissible).

    Overturned for the uploader, everything the decision did is undone (I4); for a notifier or the person shown, the
    case opens again for a third person. replacement: only to modify, the arguments of `decisions.replace`. no_names:
    what may be a name in any of the texts is none.
    Raises Forbidden as `authority.may_decide_appeal`, Conflict when it was decided a moment ago, Problem with `errors`.
    """
    may = authority.may_decide_appeal if appeal.assigned_to_id else authority.may_hear
    may(appeal, user)
    reasons = reasons.strip()
    wrong = {
        "outcome": outcome not in Appeal.Outcome.values and "Choose one of the outcomes.",
        "replacement": appeal_effects.objection_to(appeal, outcome, replacement),
        **objections({"reasons": reasons}, appeal.decision.case, no_names=no_names),
    }
    if replacement is not None:
        replacement = {**replacement, "no_names": no_names}
    refuse_fields({field: message for field, message in wrong.items() if message})
    try:
        with transaction.atomic():
            _decide(appeal, user, outcome, reasons, replacement, **said_so(no_names))
    except IntegrityError as error:
        # A notice opened a case about the same issue just as this one was reopened.
        raise Conflict("The case changed a moment ago.", code="state.race", next_step="Send it again.") from error
    return appeal


def _decide(
    appeal: Appeal, user: User, outcome: str, reasons: str, replacement: Mapping[str, Any] | None, **more: bool
) -> None:
    said: dict[str, Any] = {"decider": user, "outcome": outcome, "reasons": reasons, "decided_at": now()}
    move(appeal, Appeal.MOVES, Appeal.State.DECIDED, **said)
    clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.MESSAGE), Clock.State.VOID)
    clocks.end(appeal.clocks.all(), Clock.State.MET)
    if replacement is not None:
        appeal_effects.replace(appeal, user, replacement)
    entry = _record(appeal, user, **more)
    _start(appeal, Clock.Purpose.FINAL, APPEAL_DECIDED, entry)
    if outcome == Appeal.Outcome.OVERTURN:
        appeal_effects.overturn(appeal, user, entry)
        learning.from_appeal(appeal)
    clocks.close_if_quiet(appeal.decision.case)
    jobs.enqueue("policy.deliver_appeal", appeal=str(appeal.pk))


def _record(appeal: Appeal, user: User, **more: bool) -> Entry:
    changed = {"replacement": str(appeal.replacement_id)} if appeal.replacement_id else {}
    return log.append(
        EventType.APPEAL_DECIDED,
        actor=user.actor,
        role=reviewing_role(user),
        object=appeal.decision.case.object,
        refs=[appeal.entry] if appeal.entry else [],
        facts={
            "appeal": str(appeal.pk),
            "decision": str(appeal.decision_id),
            "outcome": appeal.outcome,
            **changed,
            **more,
        },
        sealed={"reasons": Sealed(appeal.reasons, appeal.decision.case.object)},
    )
