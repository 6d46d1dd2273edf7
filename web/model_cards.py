"""The small part of Markdown that detector cards use, as HTML. Our own files only; all text is escaped all the same."""

import re

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

_FIGURE = re.compile(r"-?[\d.,]+( \([-\d.]+ to [-\d.]+\))?")
_OPEN = 24  # rows; a longer table is opened by who wants it
_INLINE = ((re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"), (re.compile(r"\*(.+?)\*"), r"<em>\1</em>"))


def as_html(card: str) -> SafeString:
    """Paragraphs, `- ` lists, tables and headings (below the card's own), with bold, emphasis and code."""
    blocks = [block.strip() for block in card.split("\n\n") if block.strip()]
    return mark_safe("\n".join(_block(block) for block in blocks))  # noqa: S308 - every text is escaped in _inline


def _block(block: str) -> str:
    if block.startswith("#"):
        return f"<h3>{_inline(block.lstrip('#').strip())}</h3>"
    if block.startswith("- "):
        items = re.split(r"\n- ", block[2:])
        return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
    if block.startswith("| "):
        return _table([[cell.strip() for cell in line[1:-1].split(" | ")] for line in block.splitlines()])
    return f"<p>{_inline(block)}</p>"


def _table(rows: list[list[str]]) -> str:
    """rows: the head, the line under it, the body. It scrolls by itself on a small screen, and by keyboard."""
    columns = list(zip(*rows[2:], strict=True))
    figures = [all(_FIGURE.fullmatch(cell) or not cell for cell in column) for column in columns]
    head = "".join(
        f'<th scope="col"{_number(one)}>{_inline(cell)}</th>' for cell, one in zip(rows[0], figures, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{_number(one)}>{_inline(cell)}</td>" for cell, one in zip(row, figures, strict=True))
        + "</tr>"
        for row in rows[2:]
    )
    table = (
        '<div class="table-wrap" tabindex="0" role="region" aria-label="Table"><table class="table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
    count = len(rows) - 2
    return table if count <= _OPEN else f"<details><summary>{count} rows</summary>{table}</details>"


def _number(figure: bool) -> str:
    return ' class="number"' if figure else ""


def _inline(text: str) -> str:
    text = escape(" ".join(text.split()))
    text = re.sub(r"`(.+?)`", r"<code>\1</code>", text)
    for pattern, into in _INLINE:
        text = pattern.sub(into, text)
    return text
