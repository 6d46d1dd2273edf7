"""What 1,000 assets cost, out of figure B7 of the recorded run, for docs/detection.md."""

import re
from pathlib import Path
from typing import Final

from benchmarks.table import ROOT, Results

DOCS: Final = ROOT / "docs" / "detection.md"
BEGIN: Final = "<!-- costs: written by `benchmarks/detection.py --write-readme` -->"
END: Final = "<!-- end of costs -->"
_ONE = re.compile(r"([a-z ]+) ([\d.]+) s, ([\d.]+) core-hours \((\w+) ([\d.]+) s\)")


def table(results: Results) -> str:
    """Markdown, ended by a newline; says so where B7 was not measured."""
    found = next((one for one in results.figures if one.number == "B7"), None)
    rows = _ONE.findall(found.measured) if found else []
    if not found or not rows:
        return "Not measured yet: `make bench` takes the figures.\n"
    lines = ["| asset | CPU seconds of one | core-hours of 1,000 | its dearest detector |", "|---|---|---|---|"]
    lines += [f"| {what.strip()} | {one} | {thousand} | `{name}`, {dearest} s |"
              for what, one, thousand, name, dearest in rows]  # fmt: skip
    return f"{'; '.join(results.machine)}.\n\n" + "\n".join(lines) + f"\n\n{found.note[0].upper()}{found.note[1:]}.\n"


def quote(text: str, results: Results) -> str:
    """The document with the table between its markers. Raises ValueError for no markers, or more than one pair."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the document must hold {BEGIN} … {END} exactly once")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(results)}{END}{rest.partition(END)[2]}"


def write(results: Results, path: Path = DOCS) -> None:
    path.write_text(quote(path.read_text(), results))
