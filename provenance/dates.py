"""What a date means wherever one is given: on a page, on the command line, in the API. UTC where no zone is given.

What takes effect on a day does so from its first moment on. To judge as of a day is to judge by all of it, as of its
last second.
"""

import datetime as dt

from core.clock import now
from core.problems import invalid

_LAST = dt.time(23, 59, 59)


def beginning(text: str) -> dt.datetime:
    """`2026-08-05` (its first moment) or `2026-08-05T10:00[+02:00]`. Raises ValueError."""
    return _moment(text, dt.time())


def as_of(text: str) -> dt.datetime | None:
    """The moment to judge as of: `2026-08-05` (its last second) or `2026-08-05T10:00[+02:00]`; None, which is now, for
    today. Raises ValueError for what is no date, Problem request.invalid for a date that has not come yet.
    """
    at, current = _moment(text, _LAST), now()
    if at <= current:
        return at
    if at == dt.datetime.combine(current.date(), _LAST, dt.UTC):
        return None
    why = f"{at:%Y-%m-%d %H:%M} UTC has not come yet."
    raise invalid({"as_of": [why]}, detail=why, next_step="Give a date in the past, or none.")


def _moment(text: str, of_day: dt.time) -> dt.datetime:
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), of_day, dt.UTC)
    except ValueError:
        read = dt.datetime.fromisoformat(text)
    try:
        return read.astimezone(dt.UTC) if read.tzinfo else read.replace(tzinfo=dt.UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error
