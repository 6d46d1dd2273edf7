"""Date arithmetic of deadlines. Pure: no Django, no clock, no locale.

Hours are absolute: 48 hours are 48 hours over a change of the clocks. Days, months and years keep the local time of day
in the rule's zone. A month is not thirty days, and a business day is what the rule's calendar says it is.
"""

import calendar as months_of
import datetime as dt

from policy.rulebook.calendars import Calendar
from policy.rulebook.zones import Zone

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def add(
    start: dt.datetime,
    value: int,
    unit: str,
    *,
    zone: Zone | None = None,
    calendar: Calendar | None = None,
    end_of_day: bool = False,
) -> dt.datetime:
    """`start` plus `value` units, in UTC. A negative value counts back. Raises ValueError.

    zone: where a day is a day, UTC by default. calendar: of business days; without one Monday to Friday.
    end_of_day: the last second of that day, which hours have none of.
    """
    if start.tzinfo is None:
        raise ValueError("a deadline starts at an aware time")
    if unit == "hours":
        return start.astimezone(dt.UTC) + dt.timedelta(hours=value)
    zone = zone or Zone()
    wall = _add_local(zone.wall(start), value, unit, calendar)
    return zone.instant(wall.replace(hour=23, minute=59, second=59, microsecond=0) if end_of_day else wall)


def _add_local(wall: dt.datetime, value: int, unit: str, calendar: Calendar | None) -> dt.datetime:
    match unit:
        case "calendar_days":
            return wall + dt.timedelta(days=value)
        case "business_days":
            return add_business_days(wall, value, calendar)
        case "months":
            return add_months(wall, value)
        case "years":
            return add_months(wall, 12 * value)
    raise ValueError(f"unknown unit {unit!r}")


def add_months(start: dt.datetime, months: int) -> dt.datetime:
    """The same day of a later month; the month's last day where there is no such day (31 January + 1 = 28 February)."""
    index = start.year * 12 + (start.month - 1) + months
    year, month = divmod(index, 12)
    last = months_of.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def add_business_days(start: dt.datetime, days: int, calendar: Calendar | None = None) -> dt.datetime:
    """The n-th business day after the day of `start`, which itself is not counted."""
    step, left, day = (1 if days >= 0 else -1), abs(days), start
    while left:
        day += dt.timedelta(days=step)
        if is_business_day(day.date(), calendar):
            left -= 1
    return day


def is_business_day(day: dt.date, calendar: Calendar | None = None) -> bool:
    return day.weekday() < 5 and not (calendar and calendar.holiday(day))


def in_words(value: int, unit: str) -> str:
    """`(48, "hours")` is "48 hours"; `(1, "months")` is "1 month"."""
    noun = unit.replace("_", " ")
    return f"{value} {noun[:-1] if value == 1 else noun}"


def moment(at: dt.datetime) -> str:
    """A moment for a trace: weekday, date and time, in UTC."""
    at = at.astimezone(dt.UTC)
    return f"{WEEKDAYS[at.weekday()]} {at:%Y-%m-%d %H:%M} UTC"
