"""Actions in court that are told against a counter-notice (17 U.S.C. 512(g)(2)(C)): each sworn by who filed one of the
notices, read by the uploader, and looked at by a lead reviewer, one by one. While one stands the work stays away.
"""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, Final

from django.db import transaction

from accounts.models import Role, User
from accounts.people import reviewing_role
from core import beat, jobs
from core.clock import now
from core.models import Job
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.desk import cases
from policy.filing import counter_notices, notice_checks, notices
from policy.law import clocks
from policy.mail import letters
from policy.models import Clock, CounterNotice, Notice

SWORN: Final = "dmca.action"
TELL_OF_BLOCK: Final = "policy.counter_notice_blocked"
# What nobody found within these days keeps no work away any longer; leads are called again before.
LOOKED_AT_WITHIN: Final = dt.timedelta(days=14)
CALLED_AGAIN: Final = dt.timedelta(days=7)
TOLD, FOUND, LIFTED = "told", "found", "lifted"


# --- Telling -------------------------------------------------------------------------------------------------------


def tell_of_action(
    row: CounterNotice, notice: Notice, *, court: str, reference: str, sworn: Collection[str] = ()
) -> CounterNotice:
    """512(g)(2)(C): who complained says, and swears, that they filed an action; the work does not come back by itself.
    The uploader reads which one, and lead reviewers are called to look whether it is there (`lift`, `confirm`).

    sworn: with SWORN. Raises Problem with `errors`, Forbidden for who was given no copy of the counter-notice, Conflict
    when the work came back already, or this filer told of an action before: another filer still may.
    """
    said = {"court": court.strip(), "reference": reference.strip()}
    _check_action(said, sworn)
    if not counter_notices.answers(row, notice):
        raise Forbidden("This is told by who filed the notice about copyright.", code="counter_notice.role")
    with transaction.atomic():
        _hold(row)
        _refuse_again(row, notice)
        notices.note_action(notice, said, sworn=[SWORN])
        _block(row, notice)
        _log(EventType.COUNTER_NOTICE_BLOCKED, row, notice.filer.actor, "notifier", notice, said)
        clocks.end(row.clocks.all(), Clock.State.VOID)
        cases.touch(row.decision.case)
        jobs.enqueue(TELL_OF_BLOCK, counter_notice=str(row.pk))
    return row


def _check_action(said: Mapping[str, str], sworn: Collection[str]) -> None:
    wrong: dict[str, str | bool] = {
        "court": not 4 <= len(said["court"]) <= 200 and "The name of the court: between 4 and 200 characters.",
        "reference": not (3 <= len(said["reference"]) <= 200 and any(each.isdigit() for each in said["reference"]))
        and "The number the court gave it: between 3 and 200 characters, with a digit.",
        "sworn": SWORN not in sworn and "Without this statement the work comes back.",
    }
    notice_checks.refuse(wrong)


def _hold(row: CounterNotice) -> None:
    """As it is now, kept so until the caller's transaction ends: of two who tell at once both count."""
    changing = ("state", "actions", "action_told_at")
    row.refresh_from_db(fields=changing, from_queryset=CounterNotice.objects.select_for_update())


def _refuse_again(row: CounterNotice, notice: Notice) -> None:
    before = next((each for each in row.actions if each["notice"] == str(notice.pk)), None)
    if before is None:
        return
    found_none = before["state"] == LIFTED
    why = "An action was told before, and a lead reviewer found none." if found_none else "You told us of it already."
    raise Conflict(why, code="counter_notice.told")


def _block(row: CounterNotice, notice: Notice) -> None:
    at = now()
    actions = [*row.actions, {"notice": str(notice.pk), "told_at": at.isoformat(), "state": TOLD}]
    if row.state == CounterNotice.State.BLOCKED:
        _keep(row, actions=actions, action_told_at=at)
    else:
        move(row, CounterNotice.MOVES, CounterNotice.State.BLOCKED, action_told_at=at, ended_at=at, actions=actions)


def _keep(row: CounterNotice, **changed: Any) -> None:
    CounterNotice.objects.filter(pk=row.pk).update(**changed)
    for name, value in changed.items():
        setattr(row, name, value)


def _log(
    type: EventType,
    row: CounterNotice,
    actor: str,
    role: str,
    notice: Notice,
    action: Mapping[str, str] | None = None,
    why: str = "",
    **facts: Any,
) -> None:
    told = {"action": Sealed(dict(action), actor)} if action else {}
    log.append(
        type,
        actor=actor,
        role=role,
        object=row.decision.case.object,
        refs=[row.entry] if row.entry else [],
        facts={"counter_notice": str(row.pk), "notice": str(notice.pk), **facts},
        sealed={**told, **({"why": Sealed(why, actor)} if why else {})} or None,
    )


# --- Reading -------------------------------------------------------------------------------------------------------


def standing(row: CounterNotice) -> list[dict[str, Any]]:
    """The actions that keep this work away: {"notice", "told_at", "state", "court", "reference"}, without the words of
    who was erased since.
    """
    told = {each["notice"]: each for each in row.actions if each["state"] != LIFTED}
    rows = list(Notice.objects.filter(pk__in=told).select_related("filer").order_by("pk"))
    known = vault.keys_of(bytes(blob) for each in rows for blob in (each.sealed_text, each.filer.sealed_contact))
    found = []
    for notice in rows:
        words = notices.contents(notice, known)
        action = {name: words.get(f"action_{name}", "") for name in ("court", "reference")}
        found.append({**told[str(notice.pk)], **action})
    return found


def actions_told(row: CounterNotice) -> list[tuple[str, str]]:
    """(court, its file number) of the actions that keep this work away; without those of who was erased since."""
    return [(each["court"], each["reference"]) for each in standing(row) if each["court"]]


@jobs.handler(TELL_OF_BLOCK)
def _tell_of_block(job: Job) -> None:
    """The uploader may say that there is no such action; a lead reviewer looks."""
    row = CounterNotice.objects.select_related("by").get(pk=job.args["counter_notice"])
    if not job.args.get("again"):
        own = f"/decisions/{row.decision_id}/counter-notice/"
        letters.send(row.by.email, "Your counter-notice", "We were told of an action in court about your work", own)
    sentence = "An action in court was named against a counter-notice: please look whether it is there"
    for lead in counter_notices.on_duty(Role.LEAD_REVIEWER):
        letters.send(lead.email, "An action in court", sentence, f"/review/counter-notices/{row.pk}/")


# --- What a lead finds ---------------------------------------------------------------------------------------------


def lift(row: CounterNotice, lead: User, why: str, notice: str = "") -> CounterNotice:
    """A lead reviewer found no action behind what was told: when none is left, the work comes back by itself on its
    day, or at once if that is past. The reason is sealed under their own key.

    notice: whose action, by id; needed where several stand. Raises Forbidden, also for who is a party in the case;
    Conflict when nothing keeps it away; Problem with `errors`.
    """
    why = _may_look(row, lead, why)
    with transaction.atomic():
        _lift(row, _told(row, notice), lead.actor, reviewing_role(lead), why)
        cases.touch(row.decision.case)
    return row


def confirm(row: CounterNotice, lead: User, why: str, notice: str = "") -> CounterNotice:
    """A lead reviewer found the action: it keeps the work away until one lifts it. Arguments and errors as `lift`."""
    why = _may_look(row, lead, why)
    with transaction.atomic():
        told = _told(row, notice)
        _settle(row, told, FOUND)
        role = reviewing_role(lead)
        _log(EventType.COUNTER_NOTICE_BLOCKED, row, lead.actor, role, told, why=why, found=True)
    return row


def _may_look(row: CounterNotice, lead: User, why: str) -> str:
    authority.may(lead, authority.Act.LIFT_BLOCK)
    authority.may_open(row.decision.case, lead)
    return cases.checked_reason(why, "Say in a few words how you looked for the action.")


def _told(row: CounterNotice, notice: str) -> Notice:
    """Hold the row; whose action is meant, of those that stand."""
    _hold(row)
    stand = [each["notice"] for each in row.actions if each["state"] != LIFTED]
    if not stand:
        raise Conflict("No action keeps this work away.", code="counter_notice.lifted")
    chosen = notice or (stand[0] if len(stand) == 1 else "")
    notice_checks.refuse({"notice": chosen not in stand and "Choose one of the actions."})
    return Notice.objects.select_related("filer").get(pk=chosen)


def _settle(row: CounterNotice, notice: Notice, state: str) -> None:
    actions = [{**each, "state": state} if each["notice"] == str(notice.pk) else each for each in row.actions]
    _keep(row, actions=actions)


def _lift(row: CounterNotice, notice: Notice, actor: str, role: str, why: str = "") -> None:
    """In the verb's transaction, with the row held."""
    _settle(row, notice, LIFTED)
    if all(each["state"] == LIFTED for each in row.actions):
        move(row, CounterNotice.MOVES, CounterNotice.State.FORWARDED, ended_at=None)
    _log(EventType.COUNTER_NOTICE_LIFTED, row, actor, role, notice, why=why, state=row.state)


def lift_unlooked() -> None:
    """What beat does: an action that no lead found in time, or whose teller was erased before one did, keeps no work
    away; leads are called once more before that.
    """
    blocked = CounterNotice.objects.filter(state=CounterNotice.State.BLOCKED).select_related("decision__case", "entry")
    beat.each(blocked.order_by("action_told_at")[:500], _lift_late)


def _lift_late(row: CounterNotice) -> None:
    with transaction.atomic():
        _hold(row)
        waiting = {each["notice"]: dt.datetime.fromisoformat(each["told_at"]) for each in row.actions if _waits(each)}
        for notice in Notice.objects.filter(pk__in=waiting).select_related("filer"):
            age = now() - waiting[str(notice.pk)]
            if age >= LOOKED_AT_WITHIN or notice.filer.erased_at is not None:
                _lift(row, notice, "system", "system")
            elif age >= CALLED_AGAIN:
                key = f"unlooked:{row.pk}:{notice.pk}"
                jobs.enqueue(TELL_OF_BLOCK, key=key, counter_notice=str(row.pk), again=True)


def _waits(action: Mapping[str, str]) -> bool:
    return action["state"] == TOLD
