"""A notice says that a child is concerned, and the case is kept apart at once (I24); whoever was trained for it looks,
and says where that is not so. Nobody hides a case from regulators and the register for good by a tick in a form.
"""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connection, transaction

from accounts.models import User
from accounts.people import reviewing_role
from core.problems import Conflict
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.desk import cases
from policy.models import Case, Category, ReviewerProfile


def may_say_no(case: Case) -> bool:
    """Whether somebody only said so; what is filed as the safety of a child stays what it is."""
    return case.minor and case.category != Category.CHILD_SAFETY


def no_child(case: Case, by: User, why: str) -> Case:
    """`by`, trained for children, has looked: none is concerned. The case is one like others again, until another
    notice says otherwise. In the log stands that it was routed; what was said, and the reason, are sealed there.

    Raises Forbidden for a party and the untrained, Conflict where nothing is to be said, Problem with `errors`.
    """
    authority.may_open(case, by)
    why = cases.checked_reason(why, "Say in a few words why no child is concerned.")
    if not may_say_no(case):
        raise Conflict("Nobody said of this case that a child is concerned, or it is about nothing else.")
    with transaction.atomic():
        log.append(
            EventType.CASE_ROUTED,
            actor=by.actor,
            role=reviewing_role(by),
            object=case.object,
            refs=[case.entry] if case.entry else [],
            sealed={"about": Sealed({"minor": False}, case.object), "why": Sealed(why, by.actor)},
        )
        # Conditional on the case as it was read: a notice that comes in between is looked at as well.
        if not Case.objects.filter(pk=case.pk, minor=True, version=case.version).update(minor=False):
            raise Conflict("This case changed since you opened it.", code="case.changed", next_step="Read what is new.")
        case.minor = False
        return cases.touch(case)


@register(Tags.database)
def check_trained(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """An office with reviewers of whom none was trained for children: such cases would wait for ever."""
    if not databases or ReviewerProfile._meta.db_table not in connection.introspection.table_names():
        return []
    trained = [set(each) for each in ReviewerProfile.objects.values_list("trained", flat=True)]
    if not trained or any(Category.CHILD_SAFETY in each for each in trained):
        return []
    return [
        Warning(
            "No reviewer was trained for cases about children: they wait, and nobody sees them.",
            hint="Enter a training for the safety of a child on the roster of reviewers (/review/roster/).",
            id="policy.W002",
        )
    ]
