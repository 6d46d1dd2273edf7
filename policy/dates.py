"""Date arithmetic of deadlines. Pure: no Django, no clock, no locale; everything is counted in UTC.

Why not `timedelta`: a month is not thirty days, and a business day is whatever a rule's calendar says it is. Until
calendars of public holidays are loaded, business days are Monday to Friday, and every trace says so.
"""

import calendar
import datetime as dt

UNITS = ("hours", "calendar_days", "business_days", "months", "years")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def add(start: dt.datetime, value: int, unit: str) -> dt.datetime:
    """`start` plus `value` units, the time of day kept. A negative value counts back. Raises ValueError."""
    if start.tzinfo is None:
        raise ValueError("a deadline starts at an aware time")
    start = start.astimezone(dt.UTC)
    match unit:
        case "hours":
            return start + dt.timedelta(hours=value)
        case "calendar_days":
            return start + dt.timedelta(days=value)
        case "business_days":
            return add_business_days(start, value)
        case "months":
            return add_months(start, value)
        case "years":
            return add_months(start, 12 * value)
    raise ValueError(f"unknown unit {unit!r}")


def add_months(start: dt.datetime, months: int) -> dt.datetime:
    """The same day of a later month; the month's last day where there is no such day (31 January + 1 = 28 February)."""
    index = start.year * 12 + (start.month - 1) + months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def add_business_days(start: dt.datetime, days: int) -> dt.datetime:
    """The n-th Monday-to-Friday after the day of `start`, which itself is not counted."""
    step, left, day = (1 if days >= 0 else -1), abs(days), start
    while left:
        day += dt.timedelta(days=step)
        if day.weekday() < 5:
            left -= 1
    return day


def in_words(value: int, unit: str) -> str:
    """`(48, "hours")` is "48 hours"; `(1, "months")` is "1 month"."""
    noun = unit.replace("_", " ")
    return f"{value} {noun[:-1] if value == 1 else noun}"


def moment(at: dt.datetime) -> str:
    """A moment for a trace: weekday, date and time, in UTC."""
    at = at.astimezone(dt.UTC)
    return f"{WEEKDAYS[at.weekday()]} {at:%Y-%m-%d %H:%M} UTC"
