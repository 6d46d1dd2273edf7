"""What the benchmark of detection says of peers, of costs and of sources that were left out."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import detection_costs, detection_learning, detection_peers
from benchmarks.detection_nets import DETECTORS
from benchmarks.table import Figure, Results
from detection.evaluation import conformal
from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item
from detection.training.localiser import Localiser

COST = (
    "picture 2.50 s, 0.69 core-hours (synthetic_image 1.60 s); minute of voice 0.40 s, 0.11 core-hours (voice 0.20 s)"
)


def scored(source: str, scores: np.ndarray, *, made: bool) -> list[Scored]:
    generator = source if made else ""
    return [Scored(Item(Path(f"{source}-{i}"), made, source, generator, str(i)), "as_is", float(score), source)
            for i, score in enumerate(scores)]  # fmt: skip


def rows_of(shift: float) -> dict[str, float]:
    rng = np.random.default_rng(4)
    reals = [one for name in "abc" for one in scored(name, rng.normal(-2, 1, 200), made=False)]
    reals += scored("elsewhere", rng.normal(-2 + shift, 1, 200), made=False)
    fakes = [one for name in "xyz" for one in scored(name, rng.normal(2, 1, 200), made=True)]
    return {row["held_out"]: row["coverage"] for row in conformal.coverage(reals, fakes)}


def test_sources_that_are_alike_hold_what_their_sets_promise() -> None:
    told = rows_of(0.0)
    assert set(told) == {"a", "b", "c", "elsewhere", "x", "y", "z"}
    assert min(told.values()) >= 0.9


def test_a_source_that_is_unlike_the_others_is_seen_to_break_the_promise_and_breaks_nobody_elses() -> None:
    told = rows_of(3.0)
    assert told["elsewhere"] < 0.3
    assert min(share for name, share in told.items() if name != "elsewhere") >= 0.9


def test_a_source_of_few_files_is_not_measured() -> None:
    reals = [*scored("a", np.zeros(30), made=False), *scored("b", np.zeros(3), made=False)]
    fakes = [*scored("x", np.ones(30), made=True), *scored("y", np.ones(30), made=True)]
    assert [row["held_out"] for row in conformal.coverage(reals, fakes)] == ["a", "x", "y"]


def test_the_document_on_detection_has_a_place_for_costs_and_only_that_changes() -> None:
    before = detection_costs.DOCS.read_text()
    results = Results(
        ["A processor"], quick=False, figures=[Figure("B7", "a work", "—", COST, ok=True, note="all of it")]
    )
    after = detection_costs.quote(before, results)
    assert "| picture | 2.50 | 0.69 | `synthetic_image`, 1.60 s |" in after
    assert "| minute of voice | 0.40 | 0.11 | `voice`, 0.20 s |" in after
    assert detection_costs.quote(after, Results([], quick=False, figures=[])).count("Not measured yet") == 1
    assert after.partition(detection_costs.BEGIN)[0] == before.partition(detection_costs.BEGIN)[0]
    assert after.partition(detection_costs.END)[2] == before.partition(detection_costs.END)[2]


def test_every_peer_is_of_a_network_that_is_there() -> None:
    assert all((DETECTORS / net).exists() for net in detection_peers.MODULES)


def test_a_module_is_no_peer_of_a_file_that_another_module_made() -> None:
    assert detection_peers.is_same(detection_peers.MODULES["face/refines.onnx"](), DETECTORS / "face" / "refines.onnx")
    with pytest.raises((RuntimeError, ValueError)):
        detection_peers.Eager(Localiser()).run(np.zeros((1, 7, 3, 3), np.float32))
    other = detection_peers.MODULES["face/proposes.onnx"]()
    assert not detection_peers.is_same(other, DETECTORS / "face" / "refines.onnx")


def test_rounds_in_which_somebody_was_missing_are_not_timed(tmp_path: Path) -> None:
    import json
    import os

    for number, (at, reason) in enumerate([(100, ""), (120, ""), (180, "no_answer"), (200, "")]):
        path = tmp_path / f"{number:04}.json"
        path.write_text(json.dumps({"contributions": [{"reason": reason}]}))
        os.utime(path, (at, at))
    assert detection_learning._round_s(tmp_path) == 20
    assert detection_learning._round_s(tmp_path / "none") is None
