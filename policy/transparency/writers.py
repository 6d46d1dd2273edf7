"""A published report as files: JSON (whose digest is in the log), CSV (RFC 4180, UTF-8), a workbook, a sheet a part."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import xlsxwriter
from django.utils.translation import gettext as _

from policy.deciding.statements import CATEGORY_OF
from policy.models import Figure, TransparencyReport
from policy.transparency import report_document, sections
from policy.transparency.template import Definition, Part

HEADER: Final = (
    *("part", "figure", "title", "label", "label_in_words", "value", "unit", "note", "dsa_category", "first", "size"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Line:
    """One number of a figure. value: None where it is hidden. label: empty of a figure that is one number."""

    label: str
    words: str
    value: int | None


def shown(report: TransparencyReport) -> dict[str, Figure]:
    return {row.key: row for row in report.figures.all()}


def lines(one: Definition, value: Any) -> list[Line]:
    """What is shown of a figure that is no list, in the order of its labels."""
    if not isinstance(value, Mapping):
        return [Line("", "", value)]
    order = [label for label in map(str, one.labels) if label in value]
    rest = sorted(set(value) - set(order))
    return [Line(label, _in_words(one, label), value[label]) for label in (*order, *rest)]


def _in_words(one: Definition, label: str) -> str:
    fixed = {"none": _("not said"), "unreadable": _("no longer readable")}
    return str(one.labels.get(label) or fixed.get(label, label))


def unit(one: Definition) -> str:
    return "seconds" if "seconds_from" in one.query else "count"


# --- Files -----------------------------------------------------------------------------------------------------------


def as_json(report: TransparencyReport) -> bytes:
    return report_document.as_bytes(report, report.figures.all())


def as_csv(report: TransparencyReport) -> bytes:
    """One table of everything; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(HEADER)
    kept = shown(report)
    for part in sections.PARTS:
        table.writerows([[_safe(cell) for cell in row] for row in _rows(part, report, kept)])
    return text.getvalue().encode()


def as_xlsx(report: TransparencyReport) -> bytes:
    """A workbook without formulas or links: every text is a text."""
    data, kept = io.BytesIO(), shown(report)
    with xlsxwriter.Workbook(data, {"in_memory": True}) as book:
        bold = book.add_format({"bold": True, "text_wrap": True})
        for part in sections.PARTS:
            sheet = book.add_worksheet(f"Part {part.key}")
            sheet.write_string(0, 0, f"{part.key} {part.title} ({part.basis})", bold)
            for n, row in enumerate((HEADER, *_rows(part, report, kept)), 2):
                _write(sheet, n, row, bold if n == 2 else None)
            sheet.set_column(1, 1, 28)
            sheet.set_column(2, 4, 36)
    return data.getvalue()


def _write(sheet: Any, n: int, row: tuple[Any, ...], form: Any) -> None:
    for column, cell in enumerate(row):
        if isinstance(cell, int):
            sheet.write_number(n, column, cell)
        elif cell:
            sheet.write_string(n, column, str(cell), form)


def _rows(part: Part, report: TransparencyReport, kept: Mapping[str, Figure]) -> Iterator[tuple[Any, ...]]:
    if part.key == sections.PARTS[0].key:
        yield from _identification(part, report)
    for one in part.figures:
        if one.key in kept:
            yield from _figure_rows(part, one, kept[one.key])
    for name, question in part.words.items():
        yield (part.key, f"words.{name}", str(question), "", "", report.words.get(name, ""), "text", *[""] * 4)
    for words in part.missing:
        yield (part.key, "", "", "", "", "", "", f"missing: {words}", "", "", "")


def _figure_rows(part: Part, one: Definition, row: Figure) -> Iterator[tuple[Any, ...]]:
    if one.columns:
        for cells in row.shown or ():
            told = "; ".join(f"{name}: {cell}" for name, cell in zip(one.columns, cells, strict=True))
            yield (part.key, one.key, str(one.title), "", "", told, "text", "", "", row.first, row.size)
        return
    if row.shown == {}:
        yield (part.key, one.key, str(one.title), "", "", "", unit(one), "none", "", row.first, row.size)
    for line in lines(one, row.shown):
        note = "" if line.value is not None else "hidden"
        value = "" if line.value is None else line.value
        category = CATEGORY_OF.get(line.label, "")
        head = (part.key, one.key, str(one.title), line.label, line.words)
        yield (*head, value, unit(one), note, category, row.first, row.size)


def _identification(part: Part, report: TransparencyReport) -> Iterator[tuple[Any, ...]]:
    told = {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "version": report.version,
        "published_at": report.published_at.isoformat() if report.published_at else "",
        "log_size": report.tree_size,
        "log_root": report.root,
        "figures_sha256": report.sha256,
        "why_corrected": report.why,
    }
    for name, value in told.items():
        yield (part.key, name, name.replace("_", " "), "", "", value, "", "", "", "", "")


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
