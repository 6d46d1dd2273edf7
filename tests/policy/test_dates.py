"""Date arithmetic: exact, and the same on every host."""

import datetime as dt

import pytest

from policy.law.rules import shipped
from policy.rulebook import calendars, dates, zones
from policy.rulebook.facts import RuleError

LAW = next(pack for pack in shipped() if pack.name == "law")
US, GB = LAW.calendars["us.federal"], LAW.calendars["gb.england_wales"]


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("start", "value", "unit", "end"),
    [
        ("2026-05-19T10:00", 48, "hours", "2026-05-21T10:00"),
        ("2026-01-31T09:30", 1, "months", "2026-02-28T09:30"),
        ("2028-01-31T09:30", 1, "months", "2028-02-29T09:30"),
        ("2026-08-31T00:00", 6, "months", "2027-02-28T00:00"),
        ("2026-12-15T00:00", 2, "months", "2027-02-15T00:00"),
        ("2028-02-29T12:00", 3, "years", "2031-02-28T12:00"),
        ("2026-03-28T12:00", 2, "calendar_days", "2026-03-30T12:00"),
        ("2026-07-01T12:00", 10, "business_days", "2026-07-15T12:00"),
        ("2026-07-03T12:00", 1, "business_days", "2026-07-06T12:00"),
        ("2026-07-04T12:00", 1, "business_days", "2026-07-06T12:00"),
        ("2026-06-03T12:00", -90, "calendar_days", "2026-03-05T12:00"),
    ],
)
def test_a_deadline_is_exact(start: str, value: int, unit: str, end: str) -> None:
    assert dates.add(at(start), value, unit) == at(end)


def test_a_local_time_counts_from_the_same_instant() -> None:
    kolkata = dt.timezone(dt.timedelta(hours=5, minutes=30))
    start = dt.datetime(2026, 2, 20, 1, 0, tzinfo=kolkata)
    assert dates.add(start, 2, "hours") == at("2026-02-19T21:30")


def test_a_deadline_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        dates.add(dt.datetime(2026, 1, 1), 1, "hours")  # noqa: DTZ001 - that is the point


def test_one_month_is_not_one_months() -> None:
    assert (dates.in_words(1, "months"), dates.in_words(10, "business_days")) == ("1 month", "10 business days")


# --- Summer time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "value", "unit", "end"),
    [
        # Clocks go forward on 29 March 2026, 02:00 to 03:00, and back on 25 October, 03:00 to 02:00.
        ("2026-03-28T12:00", 24, "hours", "2026-03-29T12:00"),
        ("2026-03-28T12:00", 1, "calendar_days", "2026-03-29T11:00"),  # noon is noon: an hour less
        ("2026-10-24T12:00", 1, "calendar_days", "2026-10-25T13:00"),  # 14:00 summer time to 14:00 winter time
        ("2026-03-28T01:30", 1, "calendar_days", "2026-03-29T01:30"),  # 02:30 is not there: 03:30
        ("2026-10-24T00:30", 1, "calendar_days", "2026-10-25T00:30"),  # 02:30 is there twice: the first
        ("2026-09-30T22:30", 1, "months", "2026-10-31T23:30"),  # the local day is 1 October
    ],
)
def test_days_keep_the_local_time_of_day(start: str, value: int, unit: str, end: str) -> None:
    assert dates.add(at(start), value, unit, zone=zones.Zone("Europe/Berlin")) == at(end)


def test_the_last_day_may_count_to_its_end() -> None:
    berlin = zones.Zone("Europe/Berlin")
    due = dates.add(at("2026-10-20T08:00"), 5, "calendar_days", zone=berlin, end_of_day=True)
    assert due == at("2026-10-25T22:59:59")


def test_what_the_zone_said_is_on_record_and_is_used_again() -> None:
    zone = zones.Zone("Europe/Berlin")
    due = dates.add(at("2026-03-28T12:00"), 1, "calendar_days", zone=zone)
    assert zone.offsets == {"start": 3600, "2026-03-29T13:00:00": 7200}
    # A host whose database abolished summer time meanwhile recomputes the same moment.
    assert dates.add(at("2026-03-28T12:00"), 1, "calendar_days", zone=zones.Zone("Nowhere/Now", zone.offsets)) == due
    assert zones.tzdata() not in ("", "none")


def test_a_zone_that_is_nowhere_is_refused() -> None:
    for name in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="unknown time zone"):
            zones.zone(name)


# --- Holidays ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "name"),
    [
        ("2026-01-01", "New Year’s Day"),
        ("2026-01-19", "Birthday of Martin Luther King, Jr."),
        ("2026-02-16", "Washington’s Birthday"),
        ("2026-05-25", "Memorial Day"),
        ("2026-06-19", "Juneteenth National Independence Day"),
        ("2026-07-03", "Independence Day (observed)"),
        ("2026-09-07", "Labor Day"),
        ("2026-10-12", "Columbus Day"),
        ("2026-11-11", "Veterans Day"),
        ("2026-11-26", "Thanksgiving Day"),
        ("2026-12-25", "Christmas Day"),
        ("2027-12-31", "New Year’s Day (observed)"),
        ("2027-07-05", "Independence Day (observed)"),
        ("2026-07-04", ""),
        ("2020-06-19", ""),
    ],
)
def test_the_federal_holidays_are_those_of_the_statute(day: str, name: str) -> None:
    assert US.holiday(dt.date.fromisoformat(day)) == name


def test_business_days_leave_holidays_out() -> None:
    start = at("2026-07-01T12:00")
    assert dates.add(start, 10, "business_days", calendar=US) == at("2026-07-16T12:00")
    assert dates.add(at("2026-12-24T12:00"), 2, "business_days", calendar=GB) == at("2026-12-30T12:00")


def test_a_calendar_says_for_which_years_it_is_known() -> None:
    assert GB.knows(dt.date(2027, 12, 31))
    assert not GB.knows(dt.date(2028, 1, 1))


@pytest.mark.parametrize(
    "change",
    [
        {"covers": [2027, 2025]},
        {"covers": "2025"},
        {"holidays": [{"name": "X"}]},
        {"holidays": [{"name": "X", "date": "25 December"}]},
        {"holidays": [{"name": "X", "month": 2, "day": 30}]},
        {"holidays": [{"name": "X", "month": 1, "weekday": "monday", "nth": 0}]},
        {"holidays": [{"name": "X", "month": 1, "day": 1, "observed": "never"}]},
        {"colour": "blue"},
    ],
)
def test_a_calendar_that_cannot_be_read_is_refused_by_name(change: dict[str, object]) -> None:
    data = {"title": "T", "source": "S", "covers": [2025, 2026], "holidays": [], **change}
    with pytest.raises(RuleError, match=r"calendar odd\.one"):
        calendars.load({"odd.one": data})
