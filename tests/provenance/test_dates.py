"""What a date means, at every door."""

import datetime as dt
from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from core.clock import now
from core.problems import Problem
from provenance import dates
from provenance.management.dates import as_of, moment
from provenance.models import Asset
from tests.provenance.conftest import Register
from tests.web.stage import browser

DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("2026-03-01", "2026-03-01T00:00:00+00:00", "2026-03-01T23:59:59+00:00"),
        ("2026-03-01T10:00", "2026-03-01T10:00:00+00:00", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01T10:00+02:00", "2026-03-01T08:00:00+00:00", "2026-03-01T08:00:00+00:00"),
    ],
)
def test_something_holds_from_a_days_beginning_and_is_judged_as_of_its_end(text: str, begins: str, ends: str) -> None:
    assert dates.beginning(text).isoformat() == moment(text).isoformat() == begins
    for judged in (dates.as_of(text), as_of(text)):
        assert judged is not None
        assert judged.isoformat() == ends


def test_today_is_judged_as_of_now() -> None:
    assert dates.as_of(now().date().isoformat()) is None


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "0001-01-01T00:00+23:00"])
def test_what_is_no_date_is_said(text: str) -> None:
    for read in (dates.beginning, dates.as_of):
        with pytest.raises(ValueError):
            read(text)
    with pytest.raises(ArgumentTypeError, match="is no date"):
        as_of(text)


@pytest.fixture
def work(photo: bytes, alice: User, register: Register) -> Asset:
    return register(alice, photo)


def test_a_date_that_has_not_come_is_refused_at_every_door_in_the_same_words(
    work: Asset, api: Callable[..., APIClient]
) -> None:
    coming = (now() + 2 * DAY).date().isoformat()
    with pytest.raises(Problem, match="has not come yet") as refusal:
        dates.as_of(coming)
    with pytest.raises(ArgumentTypeError, match=refusal.value.detail):
        as_of(coming)
    by_hash = api().get(f"/api/v1/verifications/{work.original_sha256}", {"as_of": coming})
    assert (by_hash.status_code, by_hash.json()["detail"]) == (400, refusal.value.detail)
    page = browser().get(f"/verify/{work.original_sha256}/", {"as_of": coming})
    assert page.status_code == 400
    assert refusal.value.detail in page.content.decode()
