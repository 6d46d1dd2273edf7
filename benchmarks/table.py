"""Tables of figures: a row for each, with its target beside it; written to JSON, to the terminal and the README.

A block is the table of one program, between two markers of its own in the README.
"""

import json
import os
import platform
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
END: Final = "<!-- end of figures -->"


@dataclass(frozen=True)
class Figure:
    """One target and what was measured.

    number: one of its block's. ok: whether the target holds. note: against whom, how, what was left out.
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


def parse(text: str) -> Results:
    """Results from their JSON. Raises ValueError, KeyError or TypeError when it is not of this form."""
    fields: dict[str, Any] = json.loads(text)
    return Results(fields["machine"], fields["quick"], [Figure(**figure) for figure in fields["figures"]])


@dataclass(frozen=True)
class Block:
    """name: of the program, `benchmarks/<name>.py`. numbers: of its figures, in order."""

    name: str
    numbers: tuple[str, ...]

    @property
    def begin(self) -> str:
        return f"<!-- figures: written by `benchmarks/{self.name}.py --write-readme` -->"

    @property
    def recorded(self) -> Path:
        """Where the run that is quoted is kept."""
        return ROOT / "benchmarks" / "results" / f"{self.name}.json"

    def in_order(self, figures: list[Figure]) -> list[Figure]:
        return sorted(figures, key=lambda figure: self.numbers.index(figure.number))

    def retaken(self, recorded: Results, again: Results) -> Results:
        """The recorded run with some figures taken again, each of which says that it is from a run of its own.

        Of use where the machine was disturbed. A figure that is a ratio is taken with its peer, so it stays one. Raises
        ValueError for a quick run.
        """
        if again.quick:
            raise ValueError("a quick run is never quoted: leave out --quick")
        new = {one.number: replace(one, note=f"{one.note}; taken again in a run of its own") for one in again.figures}
        figures = [one for one in recorded.figures if one.number not in new]
        return replace(recorded, figures=self.in_order([*figures, *new.values()]))

    def table(self, results: Results) -> str:
        """Markdown, ended by a newline."""
        if not results.figures:
            return "No whole run is recorded yet: `make bench` takes the figures.\n"
        rows = [(f.number, f.what, f.target, f.measured, f.verdict, f.note) for f in results.figures]
        lines = ["| | figure | target | measured | | how |", "|---|---|---|---|---|---|"]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        left_out = [number for number in self.numbers if number not in {figure.number for figure in results.figures}]
        if left_out:
            lines += ["", f"Not in this run: {', '.join(left_out)}."]
        title = "**Quick run with small sizes: not to be quoted.**\n\n" if results.quick else ""
        return f"{title}{'; '.join(results.machine)}.\n\n" + "\n".join(lines) + "\n"

    def quoted(self, readme: str) -> str:
        """The table that the README quotes. Raises ValueError when the markers are missing or not one pair."""
        pattern = re.compile(re.escape(self.begin) + r"\n(.*?)" + re.escape(END), re.DOTALL)
        blocks: list[str] = pattern.findall(readme)
        if len(blocks) != 1:
            raise ValueError(f"the README must hold {self.begin} … {END} exactly once")
        return blocks[0]

    def quote(self, readme: str, results: Results) -> str:
        """The README with this table between its markers, which says what was not measured. Raises ValueError for a
        quick run, for figures out of order, and for no markers.
        """
        if results.quick or results.figures != self.in_order(results.figures):
            raise ValueError("a quick run is never quoted: leave out --quick")
        before = self.quoted(readme)
        return readme.replace(f"{self.begin}\n{before}{END}", f"{self.begin}\n{self.table(results)}{END}")

    def write(self, results: Results) -> None:
        """Record the run, and quote it in the README."""
        readme = ROOT / "README.md"
        readme.write_text(self.quote(readme.read_text(), results))
        self.recorded.parent.mkdir(exist_ok=True)
        self.recorded.write_text(results.as_json())


# T1b and T2b: the same as T1 and T2, on this machine's bare disk.
LEDGER: Final = Block("ledger", ("T1", "T1b", "T2", "T2b", *(f"T{number}" for number in range(3, 13))))
# P1b, P2b, P3b: as P1 to P3, with all that the office does around the library.
PROVENANCE: Final = Block("provenance", ("P1", "P1b", "P2", "P2b", "P3", "P3b", "P4", "P5", "P6"))
# B: measured at once. T: the targets of detection, some of them out of the cards' evaluations.
DETECTION: Final = Block(
    "detection", (*(f"B{number}" for number in range(1, 8)), *(f"T{number}" for number in range(1, 13)))
)


def machine() -> list[str]:
    """What the figures were taken on: never a host name, never a path."""
    processor = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        processor = found[1].strip() if found else processor
    return [f"{processor}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
