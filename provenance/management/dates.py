"""Dates on the command line, as `provenance.dates` reads them."""

import datetime as dt
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

from core.problems import Problem
from provenance import dates

Read = TypeVar("Read")


def moment(text: str) -> dt.datetime:
    """From when on something holds: of a day, its first moment."""
    return _argument(dates.beginning, text)


def as_of(text: str) -> dt.datetime | None:
    """The moment to judge as of: of a day, its last second; None for today."""
    return _argument(dates.as_of, text)


def _argument(read: Callable[[str], Read], text: str) -> Read:
    try:
        return read(text)
    except ValueError as error:
        raise ArgumentTypeError(f"“{text}” is no date: YYYY-MM-DD, or YYYY-MM-DDTHH:MM") from error
    except Problem as problem:
        raise ArgumentTypeError(problem.detail) from problem
