"""The chain of ingredients as a picture, drawn on the server: no script, printable, each file a link to its words.

The file in question is on top. What it was opened from stands straight below it; what was placed into it branches off
to the right, as in the picture of a version history. Titles are what strangers wrote: shortened here, escaped here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

Text = str | Promise

LANE, BOX, HEIGHT, GAP, EDGE = 28, 268, 64, 22, 4
ROW = HEIGHT + GAP
LETTERS = 24  # that fit into a box, capitals too
MOST = 60  # files in the picture; the list below it has them all

# State of a file's own credential: tone, sign, word.
STATES: Mapping[str, tuple[str, str, Text]] = {
    "intact": ("ok", "✓", gettext_lazy("credential intact")),
    "damaged": ("bad", "✕", gettext_lazy("had failed its check")),
    "unchecked": ("warn", "!", gettext_lazy("not checked")),
    "none": ("neutral", "–", gettext_lazy("no credential")),
}


@dataclass
class File:
    """One file of the chain. number: 1 for the file in question. lane, row: its place. above: its row's parent."""

    number: int
    title: str
    word: Text
    tone: str
    sign: str
    told: Mapping[str, Any]
    depth: int = 0
    lane: int = 0
    row: int = 0
    above: "File | None" = field(default=None, repr=False)


def files(chain: Mapping[str, Any]) -> list[File]:
    """Every file of the chain in the order of the rows. chain: `Report.as_dict()["chain"]`."""
    return list(_walk(chain, None, lane=0))


def _walk(root: Mapping[str, Any], above: File | None, *, lane: int) -> Iterator[File]:
    """Depth first, branches before the trunk, so that a trunk's line passes nothing but its own branches."""
    stack: list[tuple[Mapping[str, Any], File | None, int]] = [(root, above, lane)]
    number = 0
    while stack:
        told, parent, at = stack.pop()
        number += 1
        one = _file(number, told, parent, at)
        yield one
        trunk, branches = _parted(told["children"])
        stack += [(child, one, at) for child in trunk]
        stack += [(child, one, at + 1) for child in reversed(branches)]


def _parted(children: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """What the file was opened from (else the only child), and the others."""
    parents = [child for child in children if child["relationship"] == "parentOf"] or (
        list(children) if len(children) == 1 else []
    )
    trunk = parents[:1]
    return trunk, [child for child in children if not any(child is one for one in trunk)]


def _file(number: int, told: Mapping[str, Any], above: File | None, lane: int) -> File:
    tone, sign, word = STATES.get(told["state"], STATES["unchecked"])
    depth = above.depth + 1 if above else 0
    title = told["title"] or (_("this file") if above is None else _("a file without a name"))
    return File(number, title, word, tone, sign, told, depth, lane, number - 1, above)


def chain_picture(listed: Sequence[File]) -> SafeString:
    """SVG with a link for each file to `#chain-NUMBER`. listed: what `files` returned."""
    shown = listed[:MOST]
    width = EDGE * 2 + BOX + LANE * max(one.lane for one in shown)
    height = EDGE * 2 + ROW * len(shown) - GAP
    parts = [_line(one) for one in shown if one.above is not None] + [_box(one) for one in shown]
    return format_html(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" role="group" aria-label="{}">{}</svg>',
        width,
        height,
        width,
        height,
        _label(listed),
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _label(listed: Sequence[File]) -> str:
    earlier = len(listed) - 1
    return ngettext(
        "Chain of files: this file, made from %(n)s earlier file.",
        "Chain of files: this file, made from %(n)s earlier files.",
        earlier,
    ) % {"n": earlier}


def _line(one: File) -> SafeString:
    """From the file above: straight down in its lane, or down and to the right into a lane of its own."""
    assert one.above is not None
    x, top = _x(one.above) + LANE // 2, _y(one.above) + HEIGHT
    if one.lane == one.above.lane:
        return format_html('<path class="edge {}" d="M{} {}V{}"/>', one.tone, x, top, _y(one))
    return format_html('<path class="edge {}" d="M{} {}V{}H{}"/>', one.tone, x, top, _y(one) + HEIGHT // 2, _x(one))


def _box(one: File) -> SafeString:
    x, y, cut = _x(one), _y(one), 7
    right, bottom = x + BOX, y + HEIGHT
    corners = [
        (x + cut, y), (right - cut, y), (right, y + cut), (right, bottom - cut),
        (right - cut, bottom), (x + cut, bottom), (x, bottom - cut), (x, y + cut),
    ]  # fmt: skip
    return format_html(
        '<a class="file {}" href="#chain-{}" aria-label="{}"><title>{}</title><polygon points="{}"/>'
        '<text class="sign" x="{}" y="{}">{}</text><text class="title" x="{}" y="{}">{}</text>'
        '<text class="word" x="{}" y="{}">{}</text></a>',
        one.tone,
        one.number,
        f"{one.title}: {one.word}",
        one.title,
        " ".join(f"{left},{top}" for left, top in corners),
        x + 22,
        y + 39,
        one.sign,
        x + 44,
        y + 27,
        _short(one.title),
        x + 44,
        y + 48,
        one.word,
    )


def _short(title: str) -> str:
    return title if len(title) <= LETTERS else f"{title[: LETTERS - 1].rstrip()}…"


def _x(one: File) -> int:
    return EDGE + one.lane * LANE


def _y(one: File) -> int:
    return EDGE + one.row * ROW
