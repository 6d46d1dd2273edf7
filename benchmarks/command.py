"""The command line of a program of figures: what to take, and where it goes. The same for all of them."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from benchmarks.table import Block, Results, parse

# (numbers wanted, small sizes) -> the results, and what could not be measured, in words
Measure: TypeAlias = Callable[[set[str], bool], tuple[Results, list[str]]]


def run(block: Block, description: str, measure: Measure) -> int:
    """Measure what the arguments ask for, print the table, record it if told to. Returns the exit status."""
    parser = _parser(description, block)
    options = parser.parse_args()
    wanted = set(options.only.split(",")) if options.only else set(block.numbers)
    if not wanted <= set(block.numbers):
        parser.error(f"--only takes {', '.join(block.numbers)}")
    if options.retake and not options.only:
        parser.error("--retake replaces single figures: name them with --only")
    if options.write_readme and options.quick:
        parser.error("--write-readme never quotes a quick run: leave out --quick")
    failures: list[str] = []
    if options.from_json:
        results = parse(options.from_json.read_text())
    else:
        results, failures = measure(wanted, options.quick)
    if options.retake:
        results = block.retaken(parse(block.recorded.read_text()), results)
    print(block.table(results))
    for failure in failures:
        print(failure, file=sys.stderr)
    if options.json:
        options.json.write_text(results.as_json())
    if options.write_readme and not failures:
        block.write(results)
    return 1 if failures else 0


def _parser(description: str, block: Block) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    some = ",".join((block.numbers[0], block.numbers[-1]))
    parser.add_argument("--only", metavar=some, help="these figures only")
    parser.add_argument("--quick", action="store_true", help="small sizes, for development; never quoted")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--write-readme", action="store_true", help="record the figures and quote them in the README")
    parser.add_argument(
        "--retake", action="store_true", help="with --only: put these into the recorded table, which says so"
    )
    parser.add_argument("--from-json", type=Path, metavar="FILE", help="measure nothing: take these figures")
    return parser
