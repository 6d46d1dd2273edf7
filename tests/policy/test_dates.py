import datetime as dt

import pytest

from policy import dates


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
