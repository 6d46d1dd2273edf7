"""A picture of an inclusion proof (RFC 9162 section 2.1.3.2), drawn on the server: no script, printable, with words.

It is computed, not illustrated: every solid box is hashed here from the boxes below it, so the top one is the signed
root exactly when the proof holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ledger.merkle import node_hash

WIDTH, ROW, BOX, HEIGHT = 460, 96, 196, 50
GAP = ROW - HEIGHT
MIDDLE = WIDTH // 2
LEFT, RIGHT = 4 + BOX // 2, WIDTH - 4 - BOX // 2


@dataclass(frozen=True)
class Step:
    """One level: `value` was computed; `sibling` is the next hash of the proof, on the left or right of it."""

    value: bytes
    sibling: bytes
    sibling_left: bool


def steps(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> Iterator[Step]:
    """The levels from the leaf up; the last one's parent is the root (a tree of one leaf has no levels)."""
    position, last, value = index, size - 1, leaf
    for sibling in proof:
        left = bool(position & 1) or position == last
        yield Step(value, sibling, left)
        if left:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1


def inclusion_picture(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> SafeString:
    """SVG: the leaf at the bottom, the signed root on top, the given hashes at the sides."""
    levels = list(steps(index, size, leaf, proof))
    height = (len(levels) + 1) * ROW
    parts: list[SafeString] = []
    value = leaf
    for number, level in enumerate(levels):
        y = height - ROW * (number + 1) + GAP // 2
        above = _own(levels[number + 1]) if number + 1 < len(levels) else MIDDLE
        parts.append(_join(y, above))
        parts.append(_box(LEFT if level.sibling_left else RIGHT, y, level.sibling, "given"))
        parts.append(_box(_own(level), y, level.value, "computed", f"entry {index}" if number == 0 else ""))
        value = _parent(level)
    parts.append(_box(MIDDLE, GAP // 2, value, "root", "signed root" if levels else f"entry {index} = signed root"))
    title = (
        f"Entry {index} of {size}: from its hash and {len(levels)} given hashes, "
        f"{len(levels)} steps lead to the signed root."
    )
    return format_html(
        '<svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>',
        WIDTH,
        height,
        WIDTH,
        height,
        title,
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _parent(level: Step) -> bytes:
    pair = (level.sibling, level.value) if level.sibling_left else (level.value, level.sibling)
    return node_hash(*pair)


def _own(level: Step) -> int:
    """The computed box stands opposite its sibling."""
    return RIGHT if level.sibling_left else LEFT


def _join(y: int, above: int) -> SafeString:
    """Lines from both boxes of the row at `y` to the box they are hashed into, whose middle is at x = `above`."""
    knot = y - GAP // 2
    return format_html(
        '<path class="edge" d="M{} {}V{}H{}V{}M{} {}V{}"/>', LEFT, y, knot, RIGHT, y, above, knot, knot - GAP // 2
    )


def _box(x: int, y: int, value: bytes, kind: str, caption: str = "") -> SafeString:
    """A hash in a cartouche; the full value is its title."""
    half, cut, middle = BOX // 2, 6, y + HEIGHT // 2 + 4
    corners = [
        (x - half + cut, y), (x + half - cut, y), (x + half, y + cut), (x + half, y + HEIGHT - cut),
        (x + half - cut, y + HEIGHT), (x - half + cut, y + HEIGHT), (x - half, y + HEIGHT - cut), (x - half, y + cut),
    ]  # fmt: skip
    points = " ".join(f"{left},{top}" for left, top in corners)
    words = f"{value.hex()[:8]}…{value.hex()[-6:]}"
    lines = [(middle - 8, caption), (middle + 11, words)] if caption else [(middle, words)]
    return format_html(
        '<g class="{}"><title>{}</title><polygon points="{}"/>{}</g>',
        kind,
        value.hex(),
        points,
        format_html_join("", '<text x="{}" y="{}">{}</text>', ((x, line, text) for line, text in lines)),
    )
