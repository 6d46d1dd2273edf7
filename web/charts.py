"""Charts of figures, drawn on the server as SVG: no script, printable. Each has its numbers as its text alternative,
and stands beside a table of the same.

The drawing is as wide as a narrow telephone shows it, so that its letters are never made small.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

WIDTH: Final = 328
MOST: Final = 12
_ROW, _BAR, _LONGEST = 40, 12, WIDTH - 64
_TALL, _FOOT, _HEAD = 96, 22, 20
_LETTERS: Final = 46


class Mark(NamedTuple):
    """value: None where the number is hidden."""

    label: str
    value: int | None


def bars(marks: Sequence[Mark], title: str) -> SafeString:
    """One bar a label, the labels that have nothing left out; empty when nothing is left. At most 12 bars."""
    drawn = [mark for mark in marks if mark.value != 0][:MOST]
    most = max((mark.value or 0 for mark in drawn), default=0)
    parts = [_bar(n * _ROW, mark, most) for n, mark in enumerate(drawn)]
    return _picture(len(drawn) * _ROW, marks, title, parts) if drawn else mark_safe("")


def columns(marks: Sequence[Mark], title: str) -> SafeString:
    """One column a label, in their order, for months; the last 12. Empty when there is nothing to draw."""
    drawn = marks[-MOST:]
    most = max((mark.value or 0 for mark in drawn), default=0)
    step = WIDTH / max(len(drawn), 6)
    parts = [_column(int(n * step), int(step), mark, most) for n, mark in enumerate(drawn)]
    any_there = any(mark.value != 0 for mark in drawn)
    return _picture(_HEAD + _TALL + _FOOT, marks, title, parts) if any_there else mark_safe("")


def words(marks: Sequence[Mark], title: str) -> str:
    """The same for who does not see it."""
    told = "; ".join(f"{mark.label}: {_number(mark)}" for mark in marks if mark.value != 0)
    return f"{title}. {told}." if told else f"{title}."


def _picture(height: int, marks: Sequence[Mark], title: str, parts: list[SafeString]) -> SafeString:
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        height,
        words(marks, title),
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _bar(y: int, mark: Mark, most: int) -> SafeString:
    length = _length(mark, most, _LONGEST)
    return format_html(
        '<text x="0" y="{}">{}</text><rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
        '<text class="value" x="{}" y="{}">{}</text>',
        y + 14,
        _short(mark.label),
        _kind(mark),
        1,
        y + 20,
        length,
        _BAR,
        length + 8,
        y + 31,
        _number(mark),
    )


def _column(x: int, step: int, mark: Mark, most: int) -> SafeString:
    tall, middle = _length(mark, most, _TALL), x + step // 2
    return format_html(
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>'
        '<text class="middle" x="{}" y="{}">{}</text><text class="value middle" x="{}" y="{}">{}</text>',
        _kind(mark),
        x + 3,
        _HEAD + _TALL - tall,
        max(step - 6, 4),
        tall,
        middle,
        _HEAD + _TALL + 16,
        mark.label[-2:],
        middle,
        _HEAD + _TALL - tall - 5,
        "–" if mark.value is None else mark.value,
    )


def _length(mark: Mark, most: int, longest: int) -> int:
    """Hidden ones are all drawn alike: their length would tell."""
    if mark.value is None:
        return longest // 6
    return max(2, mark.value * longest // most) if mark.value else 0


def _kind(mark: Mark) -> str:
    return "hidden" if mark.value is None else "bar"


def _number(mark: Mark) -> str:
    return _("hidden") if mark.value is None else str(mark.value)


def _short(label: str) -> str:
    return label if len(label) <= _LETTERS else f"{label[: _LETTERS - 1]}…"
