"""The README quotes exactly the figures that were recorded, with the machine they were taken on."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import counted, detection, ledger, provenance
from benchmarks import ledger_peers as peers
from benchmarks.table import DETECTION, LEDGER, PROVENANCE, Block, Figure, Results, machine, parse
from core.guard import Nursery
from ledger import log

ROOT = Path(__file__).resolve().parent.parent.parent
BLOCKS = [LEDGER, PROVENANCE, DETECTION]
README = "# Assay\n\n" + "\n".join(
    ["<!-- figures: written by `benchmarks/ledger.py --write-readme` -->", "old", "<!-- end of figures -->", "after\n"]
)


def a_whole_run() -> Results:
    figures = [Figure(number, "a figure", "≥ 1x", "2.0x", ok=number != "T2", note="a | b") for number in LEDGER.numbers]
    return Results(["A processor, 2 cores", "fsync=on"], quick=False, figures=figures)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_the_readme_quotes_the_recorded_run_and_nothing_else(block: Block) -> None:
    assert block.quoted((ROOT / "README.md").read_text()) == block.table(parse(block.recorded.read_text()))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_what_is_recorded_is_no_quick_run(block: Block) -> None:
    recorded = parse(block.recorded.read_text())
    assert not recorded.quick
    assert recorded.figures == block.in_order(recorded.figures)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_a_recorded_run_names_neither_host_nor_path(block: Block) -> None:
    for text in (*machine(), block.recorded.read_text()):
        assert not re.search(r"/(?:work|tmp|home|root|usr|var)\b", text)


def test_the_table_shows_each_target_its_figure_and_the_verdict() -> None:
    lines = LEDGER.table(a_whole_run()).splitlines()
    assert lines[0] == "A processor, 2 cores; fsync=on."
    assert lines[4] == "| T1 | a figure | ≥ 1x | 2.0x | PASS | a \\| b |"
    assert lines[6] == "| T2 | a figure | ≥ 1x | 2.0x | **short** | a \\| b |"


def test_results_survive_their_json() -> None:
    assert parse(a_whole_run().as_json()) == a_whole_run()


def test_a_new_run_replaces_what_the_readme_quoted_and_leaves_the_rest() -> None:
    renewed = LEDGER.quote(README, a_whole_run())
    assert LEDGER.quoted(renewed) == LEDGER.table(a_whole_run())
    assert renewed.startswith("# Assay\n")
    assert renewed.endswith("after\n")
    assert LEDGER.quote(renewed, a_whole_run()) == renewed


def test_a_figure_taken_again_stands_in_its_place_and_says_so() -> None:
    again = replace(a_whole_run(), figures=[Figure("T2", "a figure", "≥ 1x", "1.5x", ok=True, note="alone")])
    merged = LEDGER.retaken(a_whole_run(), again).figures
    assert [figure.number for figure in merged] == list(LEDGER.numbers)
    changed = [figure for figure in merged if figure not in a_whole_run().figures]
    assert [(one.number, one.measured) for one in changed] == [("T2", "1.5x")]
    assert changed[0].note == "alone; taken again in a run of its own"
    with pytest.raises(ValueError, match="quick run"):
        LEDGER.retaken(a_whole_run(), replace(again, quick=True))


def test_a_quick_run_is_never_quoted() -> None:
    with pytest.raises(ValueError, match="quick run"):
        LEDGER.quote(README, replace(a_whole_run(), quick=True))


def test_a_run_that_left_targets_out_says_which() -> None:
    partial = replace(a_whole_run(), figures=a_whole_run().figures[1:])
    assert LEDGER.quoted(LEDGER.quote(README, partial)).endswith("\nNot in this run: T1.\n")


@pytest.mark.parametrize("readme", ["# Assay\n", README + README], ids=["no markers", "two pairs"])
def test_a_readme_without_one_pair_of_markers_is_refused(readme: str) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        LEDGER.quote(readme, a_whole_run())


def test_figures_are_put_in_the_order_of_the_targets() -> None:
    backwards = a_whole_run().figures[::-1]
    assert [figure.number for figure in LEDGER.in_order(backwards)] == list(LEDGER.numbers)


def test_what_pgbench_runs_is_the_products_own_statement() -> None:
    script = peers.append_script()
    assert "%(" not in script
    for line in log.APPEND_POSTGRESQL.splitlines():
        if "%(" not in line:
            assert line in script


def test_the_business_transaction_commits_its_row_and_its_entry_together() -> None:
    script = peers.with_business(peers.append_script())
    begin, row, entry, end = (script.index(word) for word in ("BEGIN", "INTO business", "INTO ledger_entry", "END;"))
    assert begin < row < entry < end


def test_each_number_of_a_block_is_measured_once() -> None:
    assert sorted(number for numbers, _ in ledger.MEASUREMENTS for number in numbers) == sorted(LEDGER.numbers)
    assert [number for number, _ in provenance.MEASUREMENTS] == list(PROVENANCE.numbers)
    assert sorted(number for numbers, _ in detection.MEASUREMENTS for number in numbers) == sorted(DETECTION.numbers)


def test_two_blocks_in_one_readme_are_written_apart() -> None:
    other = README.replace(LEDGER.begin, PROVENANCE.begin)
    renewed = LEDGER.quote(README + other, a_whole_run())
    assert PROVENANCE.quoted(renewed) == "old\n"
    assert LEDGER.quoted(renewed) == LEDGER.table(a_whole_run())


def test_what_a_guarded_child_uses_is_counted(tmp_path: Path) -> None:
    nursery = Nursery("tests.core.guarded")
    with counted.counting(tmp_path / "nursery.json"):
        nursery.call("tests.core.guarded:burn", {"seconds": 0.0})
    before = counted.cpu_s(nursery)
    for _ in range(2):
        nursery.call("tests.core.guarded:burn", {"seconds": 0.2})
    assert counted.cpu_s(nursery) - before >= 0.38  # in ticks of ten milliseconds
    nursery.call("tests.core.guarded:burn", {"seconds": 0.0, "mib": 200})
    nursery.close()
    assert json.loads((tmp_path / "nursery.json").read_text())["child_rss_mib"] > 200
