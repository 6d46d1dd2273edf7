"""What `/healthz` asks at every call, and what it remembers."""

import time
from collections.abc import Iterator

import pytest

from core import health, isolation

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Which of two checks were asked, one of them costly."""
    names: list[str] = []

    def costly() -> health.Check:
        names.append("costly")
        return health.Check("costly", False, "something is back")

    def cheap() -> health.Check:
        names.append("cheap")
        return health.Check("cheap", True, "")

    monkeypatch.setattr(health, "_more", [])
    monkeypatch.setattr(health, "_answers", {})
    health.register(costly, costly=True)
    health.register(cheap)
    yield names


def test_a_costly_check_is_asked_once_in_a_while_and_its_answer_given_meanwhile(asked: list[str]) -> None:
    answers = [health.checks(at_most=30.0) for _ in range(3)]
    assert asked == ["costly", "cheap", "cheap", "cheap"]
    assert [[check.ok for check in found if check.name == "costly"] for found in answers] == [[False]] * 3


@pytest.mark.parametrize(
    ("found", "words"),
    [("namespace", "they have no network"), ("rule", "TCP is closed to them, UDP is not"), ("nothing", "warning: ")],
)
def test_the_doctor_says_what_keeps_the_network_from_guarded_children(
    found: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "available", lambda: found)
    assert words in next(check.detail for check in health.checks() if check.name == "guard")


def test_the_doctor_asks_anew(asked: list[str]) -> None:
    health.checks()
    health.checks()
    assert asked == ["costly", "cheap"] * 2


def test_an_answer_that_is_too_old_is_asked_for_again(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    health.checks(at_most=30.0)
    later = time.monotonic() + 31
    monkeypatch.setattr(time, "monotonic", lambda: later)
    health.checks(at_most=30.0)
    assert asked.count("costly") == 2
