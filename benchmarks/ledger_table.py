"""The table of figures: a row for each, with its target beside it; written to JSON, to the terminal and the README."""

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- figures: written by `benchmarks/ledger.py --write-readme` -->"
END: Final = "<!-- end of figures -->"
# T1b and T2b: the same as T1 and T2, on this machine's bare disk.
NUMBERS: Final = ("T1", "T1b", "T2", "T2b", *(f"T{number}" for number in range(3, 13)))
_BLOCK = re.compile(re.escape(BEGIN) + r"\n(.*?)" + re.escape(END), re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One target and what was measured.

    number: one of NUMBERS. ok: whether the target holds. note: against whom, how, what was left out.
    """

    number: str
    what: str
    target: str
    measured: str
    ok: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        return "PASS" if self.ok else "**short**"


@dataclass(frozen=True)
class Results:
    """One run on one machine. quick: small sizes, for development; such figures are never quoted."""

    machine: list[str]
    quick: bool
    figures: list[Figure]

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"

    def table(self) -> str:
        """Markdown, ended by a newline."""
        if not self.figures:
            return "No whole run is recorded yet: `make bench` takes the figures.\n"
        rows = [(f.number, f.what, f.target, f.measured, f.verdict, f.note) for f in self.figures]
        lines = ["| | figure | target | measured | | how |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        left_out = [number for number in NUMBERS if number not in {figure.number for figure in self.figures}]
        if left_out:
            lines += ["", f"Not in this run: {', '.join(left_out)}."]
        title = "**Quick run with small sizes: not to be quoted.**\n\n" if self.quick else ""
        return f"{title}{'; '.join(self.machine)}.\n\n" + "\n".join(lines) + "\n"


def parse(text: str) -> Results:
    """Results from their JSON. Raises ValueError, KeyError or TypeError when it is not of this form."""
    fields: dict[str, Any] = json.loads(text)
    return Results(fields["machine"], fields["quick"], [Figure(**figure) for figure in fields["figures"]])


def quoted(readme: str) -> str:
    """The table that the README quotes. Raises ValueError when the markers are missing or not one pair."""
    blocks: list[str] = _BLOCK.findall(readme)
    if len(blocks) != 1:
        raise ValueError(f"the README must hold {BEGIN} … {END} exactly once")
    return blocks[0]


def quote(readme: str, results: Results) -> str:
    """The README with this table between its markers, which says what was not measured. Raises ValueError for a quick
    run, for figures out of order, and for no markers.
    """
    if results.quick or results.figures != in_order(results.figures):
        raise ValueError("a quick run is never quoted: leave out --quick")
    before = quoted(readme)
    return readme.replace(f"{BEGIN}\n{before}{END}", f"{BEGIN}\n{results.table()}{END}")


def retaken(recorded: Results, again: Results) -> Results:
    """The recorded run with some figures taken again, each of which says that it is from a run of its own.

    Of use where the machine was disturbed. A figure that is a ratio is taken with its peer, so it stays one. Raises
    ValueError for a quick run.
    """
    if again.quick:
        raise ValueError("a quick run is never quoted: leave out --quick")
    new = {one.number: replace(one, note=f"{one.note}; taken again in a run of its own") for one in again.figures}
    figures = [one for one in recorded.figures if one.number not in new]
    return replace(recorded, figures=in_order([*figures, *new.values()]))


def in_order(figures: list[Figure]) -> list[Figure]:
    return sorted(figures, key=lambda figure: NUMBERS.index(figure.number))


def machine() -> list[str]:
    """What the figures were taken on: never a host name, never a path."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        processor = found[1].strip() if found else processor
    return [f"{processor}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
