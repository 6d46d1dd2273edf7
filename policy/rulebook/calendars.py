"""Calendars of public holidays, each with its source and the years it is known for. Data, never a guess.

A holiday is a fixed day (`month`, `day`), an n-th weekday of a month (`month`, `weekday`, `nth`; -1 is the last) or one
day in one year (`date`). `observed: nearest` moves a Saturday to the Friday before and a Sunday to the Monday after.
"""

import calendar
import datetime as dt
import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policy.rulebook.facts import RuleError

_KEYS = frozenset({"title", "source", "covers", "holidays", "note"})
_HOLIDAY_KEYS = frozenset({"name", "month", "day", "weekday", "nth", "observed", "since", "date"})
_FORMS = ({"month", "day"}, {"month", "weekday", "nth"}, {"date"})


@dataclass(frozen=True)
class Calendar:
    """covers: first and last year for which the holidays are known. digest: SHA-256 of the data."""

    name: str
    title: str
    source: str
    covers: tuple[int, int]
    digest: str
    holidays: Mapping[dt.date, str]

    def holiday(self, day: dt.date) -> str:
        """Its name, or "" for a day that is none."""
        return self.holidays.get(day, "")

    def knows(self, day: dt.date) -> bool:
        return self.covers[0] <= day.year <= self.covers[1]


def load(document: Mapping[str, Any]) -> dict[str, Calendar]:
    """Calendars by name, from the section `calendars` of a pack. Raises RuleError naming the calendar."""
    return {name: _calendar(name, data) for name, data in document.items()}


def _calendar(name: str, data: Any) -> Calendar:
    where = f"calendar {name}"
    if not isinstance(data, Mapping) or set(data) - _KEYS or not {"title", "source", "covers", "holidays"} <= set(data):
        raise RuleError(f"{where}: a calendar has a title, a source, the years it covers and its holidays")
    years = data["covers"]
    if not (isinstance(years, list) and len(years) == 2 and all(type(year) is int for year in years)):
        raise RuleError(f"{where}: `covers` is the first and the last year")
    first, last = years
    if not 1900 <= first <= last <= 2200:
        raise RuleError(f"{where}: it covers no years between 1900 and 2200")
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        days = dict(_days(data["holidays"], first, last))
    except (TypeError, ValueError, KeyError) as error:
        raise RuleError(f"{where}: a holiday cannot be read: {error}") from error
    return Calendar(
        name, data["title"], data["source"], (first, last), hashlib.sha256(canonical.encode()).hexdigest(), days
    )


def _days(holidays: Any, first: int, last: int) -> Iterator[tuple[dt.date, str]]:
    for holiday in holidays:
        form = set(holiday) - {"name", "observed", "since"}
        if set(holiday) - _HOLIDAY_KEYS or form not in _FORMS or not holiday.get("name"):
            raise ValueError(f"{holiday!r} is neither a day of each year nor of one")
        if "date" in holiday:
            yield dt.date.fromisoformat(holiday["date"]), holiday["name"]
            continue
        # New Year's Day on a Saturday is observed in the year before.
        for year in range(first - 1, last + 2):
            yield from _in_year(holiday, year)


def _in_year(holiday: Mapping[str, Any], year: int) -> Iterator[tuple[dt.date, str]]:
    day = _nth(holiday, year) if "nth" in holiday else dt.date(year, holiday["month"], holiday["day"])
    since = holiday.get("since")
    if since and day < dt.date.fromisoformat(since):
        return
    match holiday.get("observed"):
        case None:
            yield day, holiday["name"]
        case "nearest":
            moved = day + dt.timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))
            yield moved, holiday["name"] + ("" if moved == day else " (observed)")
        case other:
            raise ValueError(f"observed {other!r} is not “nearest”")


def _nth(holiday: Mapping[str, Any], year: int) -> dt.date:
    names = [name.lower() for name in calendar.day_name]
    weekday, nth, month = names.index(holiday["weekday"]), holiday["nth"], holiday["month"]
    days = [day for day in _month(year, month) if day.weekday() == weekday]
    if type(nth) is not int or nth == 0:
        raise ValueError(f"nth {nth!r} counts from 1, or from the end with -1")
    return days[nth - 1] if nth > 0 else days[nth]


@functools.lru_cache(maxsize=4096)
def _month(year: int, month: int) -> list[dt.date]:
    return [dt.date(year, month, day) for day in range(1, calendar.monthrange(year, month)[1] + 1)]
