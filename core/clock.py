"""The one clock. Everything that needs the time asks here, so that tests can travel."""

import datetime as dt


def now() -> dt.datetime:
    """The current time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
