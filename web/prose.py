"""The part of Markdown that our own texts for the public use, as HTML. Our own files; all text is escaped all the same.

Paragraphs, `## ` and `### ` headings (an id after them in braces: `## Title {#name}`), `- ` and `1. ` lists, tables,
`> ` for what must not be overlooked; **bold**, *emphasis*, `code`, [links](/to/a/page/). `{name}` in a text, and a
paragraph that is nothing else, stand for what the page computes when it is read: a figure is never typed twice.
"""

import re
from collections.abc import Callable, Mapping

from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import slugify

# What stands for `{name}`, by name up to a colon; it is given what follows the colon.
Inserts = Mapping[str, Callable[[str], SafeString]]

_HEADING = re.compile(r"(#{2,3}) (.+?)(?: \{#([a-z0-9-]+)\})?")
_BULLET, _NUMBER = re.compile(r"^- ", re.MULTILINE), re.compile(r"^\d+\. ", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")
_INSERT = re.compile(r"\{([a-z_]+)(?::([a-z0-9_.]+))?\}")
_MARKS = (
    (re.compile(r"`(.+?)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*(.+?)\*"), r"<em>\1</em>"),
)


class BadText(ValueError):
    """A text of ours that cannot be shown: a link to nowhere, an insert that nobody knows."""


def as_html(text: str, inserts: Inserts | None = None) -> SafeString:
    """Raises BadText."""
    blocks = [block.strip() for block in re.split(r"\n{2,}", text) if block.strip()]
    return mark_safe("\n".join(_block(block, inserts or {}) for block in blocks))  # noqa: S308 - escaped in _inline


def headings(text: str) -> list[tuple[str, str]]:
    """(id, words) of each heading of the second level, for a list of contents."""
    found = [_HEADING.fullmatch(line.strip()) for line in text.split("\n")]
    return [(one[3] or slugify(one[2]), one[2]) for one in found if one and one[1] == "##"]


def links(text: str) -> list[str]:
    """Every address that the text leads to."""
    return [address for _, address in _LINK.findall(text)]


def _block(block: str, inserts: Inserts) -> str:
    if heading := _HEADING.fullmatch(block):
        level = len(heading[1])
        name = heading[3] or slugify(heading[2])
        return f'<h{level} id="{name}">{_inline(heading[2], inserts)}</h{level}>'
    if alone := _INSERT.fullmatch(block):
        return _insert(alone, inserts)
    if block.startswith("- "):
        return f"<ul>{_items(_BULLET.split(block)[1:], inserts)}</ul>"
    if _NUMBER.match(block):
        return f"<ol>{_items(_NUMBER.split(block)[1:], inserts)}</ol>"
    if block.startswith("| "):
        return _table(block, inserts)
    if block.startswith("> "):
        inner = re.sub(r"^> ?", "", block, flags=re.MULTILINE)
        return f'<div class="alert" data-tone="info"><p>{_inline(inner, inserts)}</p></div>'
    return f"<p>{_inline(block, inserts)}</p>"


def _items(items: list[str], inserts: Inserts) -> str:
    return "".join(f"<li>{_inline(item, inserts)}</li>" for item in items)


def _table(block: str, inserts: Inserts) -> str:
    """The first column heads its row; on a phone each row becomes a card (`.table.stacked`)."""
    head, _, *body = ([cell.strip() for cell in line.strip().strip("|").split(" | ")] for line in block.splitlines())
    columns = "".join(f'<th scope="col">{_inline(cell, inserts)}</th>' for cell in head)
    rows = "".join(_row(head, cells, inserts) for cells in body)
    return (
        f'<div class="table-wrap"><table class="table stacked"><thead><tr>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(head: list[str], cells: list[str], inserts: Inserts) -> str:
    told = zip(head[1:], cells[1:], strict=True)
    rest = "".join(f'<td data-label="{escape(name)}">{_inline(cell, inserts)}</td>' for name, cell in told)
    return f'<tr><th scope="row">{_inline(cells[0], inserts)}</th>{rest}</tr>'


def _inline(text: str, inserts: Inserts) -> str:
    text = escape(" ".join(text.split()))
    for pattern, into in _MARKS:
        text = pattern.sub(into, text)
    text = _LINK.sub(_link, text)
    return _INSERT.sub(lambda found: _insert(found, inserts), text)


def _link(found: re.Match[str]) -> str:
    """Inside the office, or to somebody else by HTTPS: their page is not told where the reader came from."""
    words, address = found[1], found[2]
    if address.startswith(("/", "#")):
        return f'<a href="{address}">{words}</a>'
    if address.startswith("https://"):
        return f'<a href="{address}" rel="noreferrer">{words}</a>'
    raise BadText(f"no address that our texts may lead to: {address}")


def _insert(found: re.Match[str], inserts: Inserts) -> str:
    if found[1] not in inserts:
        raise BadText(f"nothing is known to stand for {found[0]}")
    return format_html("{}", inserts[found[1]](found[2] or ""))
