"""A transparency report as the public has it: data alone, in one canonical form, so that its digest names it for ever.

Titles and words for people are the software's and may get better; these bytes never change (RFC 8785): `format`
`assay-transparency-report/1`; `since`, `until` (days, UTC, both included); `version`; `why` (of a correction);
`counted_at`; `log` {`size`, `root`}; `words` {question: text}; `figures`: a list of {`section`, `key`, `query`,
`first`, `size`, `shown`}. `shown` is a number, a table {label: number}, the whole seconds of a median, or a list of
rows; null stands where a number is hidden (`transparency.suppression`).
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from core.canonical import Json, canonical_json
from policy.models import Figure, TransparencyReport
from policy.transparency import coarsening, figures, sections, suppression
from policy.transparency.template import Definition

FORMAT: Final = "assay-transparency-report/1"


def document(report: TransparencyReport, rows: Iterable[Figure]) -> dict[str, Json]:
    return {
        "format": FORMAT,
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "version": report.version,
        "why": report.why,
        "counted_at": report.counted_at.isoformat() if report.counted_at else None,
        "log": {"size": report.tree_size, "root": report.root},
        "words": report.words,
        "figures": [
            {name: getattr(row, name) for name in ("section", "key", "query", "first", "size", "shown")} for row in rows
        ],
    }


def as_bytes(report: TransparencyReport, rows: Iterable[Figure]) -> bytes:
    """The published file."""
    return canonical_json(document(report, rows))


def sha256(report: TransparencyReport, rows: Iterable[Figure]) -> str:
    return hashlib.sha256(as_bytes(report, rows)).hexdigest()


# --- What is shown of what was counted -------------------------------------------------------------------------------


def hide(values: Mapping[str, Any], months: Collection[str]) -> dict[str, Any]:
    """{key: what is shown} of {key: what was counted}: zeros for labels that nothing has, None for what is hidden.

    months: of the period, `2026-05`; each has its row in a table by month.
    """
    known = sections.by_key()
    whole = {key: _whole(known[key], value, months) for key, value in values.items()}
    cells = dict(_cells(whole))
    plain = {name for name in cells if known[_key(name)].plain}
    public = {name for name in cells if figures.is_public(known[_key(name)].query)}
    withheld = {f"{key}/{label}" for key, value in whole.items() if _accuses(known[key], value) for label in value}
    hidden = suppression.hidden(cells, sections.sums(cells), plain=plain, public=public, withheld=withheld)
    return {key: _shown(known[key], key, value, hidden) for key, value in whole.items()}


def _whole(one: Definition, value: Any, months: Collection[str]) -> Any:
    if "by" not in one.query:
        return value
    labels = months if one.query["by"] == "month" else map(str, one.labels)
    return {**dict.fromkeys(labels, 0), **value}


def _accuses(one: Definition, value: Any) -> bool:
    """Whether a table of what cases are about says too much of each of them: the log has the cases of the period."""
    if not str(one.query.get("by", "")).endswith("about.category"):
        return False
    groups = Counter[str]()
    for label, number in value.items():
        groups[coarsening.group_of(label)] += number
    return not coarsening.varied(+groups, groups.total())


def months_of(report: TransparencyReport) -> list[str]:
    first, last = (day.year * 12 + day.month - 1 for day in (report.since, report.until))
    return [f"{month // 12}-{month % 12 + 1:02}" for month in range(first, last + 1)]


def _cells(values: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for key, value in values.items():
        if isinstance(value, int):
            yield key, value
        elif "by" in sections.by_key()[key].query:
            yield from ((f"{key}/{label}", number) for label, number in value.items())


def _key(cell: str) -> str:
    return cell.partition("/")[0]


def _shown(one: Definition, key: str, value: Any, hidden: frozenset[str]) -> Any:
    if "by" in one.query:
        return {label: None if f"{key}/{label}" in hidden else number for label, number in value.items()}
    if "seconds_from" in one.query:
        return value["median"] if value["count"] >= suppression.SMALLEST else None
    return None if key in hidden else value
