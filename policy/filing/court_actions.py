"""An action in court that is told against a counter-notice (17 U.S.C. 512(g)(2)(C)): sworn, read by the uploader, and
looked at by a lead reviewer, because without one the work comes back.
"""

from collections.abc import Collection, Mapping
from typing import Final

from django.db import transaction

from accounts.models import Role, User
from accounts.people import reviewing_role
from core import jobs
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


def tell_of_action(
    row: CounterNotice, notice: Notice, *, court: str, reference: str, sworn: Collection[str] = ()
) -> CounterNotice:
    """512(g)(2)(C): who complained says, and swears, that they filed an action; the work does not come back by itself.
    The uploader reads which one, and lead reviewers are called to look whether it is there (`lift`).

    sworn: with SWORN. Raises Problem with `errors`, Forbidden for any other notice, Conflict when it came back already
    or an action was told before.
    """
    said = {"court": court.strip(), "reference": reference.strip()}
    _check_action(said, sworn)
    if not counter_notices.complaints(row.decision.case).filter(pk=notice.pk).exists():
        raise Forbidden("This is told by who filed the notice about copyright.", code="counter_notice.role")
    if row.state == CounterNotice.State.FORWARDED and row.action_told_at is not None:
        raise Conflict("An action was told before, and a lead reviewer found none.", code="counter_notice.told")
    with transaction.atomic():
        notices.note_action(notice, said, sworn=[SWORN])
        at = now()
        move(row, CounterNotice.MOVES, CounterNotice.State.BLOCKED, action_told_at=at, ended_at=at)
        log.append(
            EventType.COUNTER_NOTICE_BLOCKED,
            actor=notice.filer.actor,
            role="notifier",
            object=row.decision.case.object,
            refs=[row.entry] if row.entry else [],
            facts={"counter_notice": str(row.pk), "notice": str(notice.pk)},
            sealed={"action": Sealed(said, notice.filer.actor)},
        )
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


def actions_told(row: CounterNotice) -> list[tuple[str, str]]:
    """(court, its file number) of the actions that keep this work away; without those of who was erased since."""
    rows = list(counter_notices.complaints(row.decision.case).select_related("filer").order_by("pk"))
    known = vault.keys_of(bytes(blob) for each in rows for blob in (each.sealed_text, each.filer.sealed_contact))
    said = (notices.contents(notice, known) for notice in rows)
    return [(words["action_court"], words["action_reference"]) for words in said if words.get("action_court")]


@jobs.handler(TELL_OF_BLOCK)
def _tell_of_block(job: Job) -> None:
    """The uploader may say that there is no such action; a lead reviewer looks."""
    row = CounterNotice.objects.select_related("by").get(pk=job.args["counter_notice"])
    own = f"/decisions/{row.decision_id}/counter-notice/"
    letters.send(row.by.email, "Your counter-notice", "We were told of an action in court about your work", own)
    sentence = "An action in court was named against a counter-notice: please look whether it is there"
    for lead in counter_notices.on_duty(Role.LEAD_REVIEWER):
        letters.send(lead.email, "An action in court", sentence, f"/review/counter-notices/{row.pk}/")


def lift(row: CounterNotice, lead: User, why: str) -> CounterNotice:
    """A lead reviewer found no action behind what was told: the work comes back by itself on its day, or at once if
    that is past. The reason is sealed under their own key.

    Raises Forbidden, also for who is a party in the case; Conflict when nothing keeps it away; Problem with `errors`.
    """
    authority.may(lead, authority.Act.LIFT_BLOCK)
    authority.may_open(row.decision.case, lead)
    why = cases.checked_reason(why, "Say in a few words how you looked for the action.")
    with transaction.atomic():
        move(row, CounterNotice.MOVES, CounterNotice.State.FORWARDED, ended_at=None)
        log.append(
            EventType.COUNTER_NOTICE_LIFTED,
            actor=lead.actor,
            role=reviewing_role(lead),
            object=row.decision.case.object,
            refs=[row.entry] if row.entry else [],
            facts={"counter_notice": str(row.pk)},
            sealed={"why": Sealed(why, lead.actor)},
        )
        cases.touch(row.decision.case)
    return row
