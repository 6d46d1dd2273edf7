"""What is done again and again by the clock: one that fails holds up none of the others, and is still heard of."""

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TypeVar

import structlog
from django.db import transaction

from core.problems import Conflict

T = TypeVar("T")
log = structlog.get_logger()


def each(rows: Iterable[T], verb: Callable[[T], object], *, atomic: bool = True) -> int:
    """`verb` for each row, each in a transaction of its own. Returns how many it was done for (False: for this not).

    atomic: False for a verb that makes its own transaction, and does something once that is committed.

    A Conflict says that somebody else did it a moment ago. Any other fault is in the journal, and the first of them is
    raised once all rows had their turn.
    """
    done, failed = 0, None
    for row in rows:
        try:
            with transaction.atomic() if atomic else nullcontext():
                done += verb(row) is not False
        except Conflict:
            continue
        except Exception as fault:
            log.exception("beat.row_failed", row=repr(row))
            failed = failed or fault
    if failed:
        raise failed
    return done


def every(*verbs: Callable[[], object]) -> None:
    """Each verb, whatever became of the ones before it. The first fault is raised once all had their turn."""
    failed = None
    for verb in verbs:
        try:
            verb()
        except Exception as fault:
            log.exception("beat.failed", verb=f"{verb.__module__}.{verb.__name__}")
            failed = failed or fault
    if failed:
        raise failed
