"""Asking who filed a notice for what is missing: the notice waits, and so does the case."""

from collections.abc import Collection

from django.db import transaction

from accounts.models import User
from core.problems import NotFound, invalid
from policy import authority
from policy.desk import cases
from policy.filing import notices
from policy.models import Case, Notice


def ask(case: Case, reviewer: User, notice: Notice, fields: Collection[str]) -> Case:
    """The filer is asked for `fields` of the form; the case waits until they answer or the time to answer is over.

    One transaction. Raises Forbidden (not in their hands), NotFound, Problem with `errors`, Conflict.
    """
    authority.may_decide(case, reviewer)
    if notice.case_id != case.pk:
        raise NotFound("notice in this case")
    if not fields:
        raise invalid({"fields": ["Say what is missing."]})
    with transaction.atomic():
        notices.ask(notice, fields)
        cases.wait(case, reviewer, notice, fields)
    return case
