"""`python benchmarks/provenance.py`: what credentials, hash-only registration and likeness cost beside bare libraries.

Each figure is taken with its peer, in turn, in one run: CPU time and memory as ratios, beside the plain numbers. P1 to
P3 are the call that the office makes into the library; P1b to P3b all that it does around it: a guarded child for each
step, a time-stamp, reading back, rows and the entry in the log. `--write-readme` quotes the table in the README.
"""

import importlib.metadata
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before this folder, in which `provenance` would be this file and not the product.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import command
from benchmarks.ledger_server import BenchmarkError, run
from benchmarks.table import PROVENANCE, Figure, Results, machine

LIBRARY, OFFICE, INDEX = (
    "benchmarks.provenance_library:",
    "benchmarks.provenance_office:",
    "benchmarks.provenance_index:",
)
LIBRARIES = ("c2pa-python", "iscc-lib", "pillow", "numpy")

Used = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """calls: of each side in turn. guarded: calls of the office, in each of `rounds`. large: bytes of the file that is
    hashed and of the video. times: how often it is hashed. codes: in the index."""

    calls: int
    guarded: int
    rounds: int
    large: int
    times: int
    codes: int


FULL = Sizes(calls=100, guarded=30, rounds=3, large=1_000_000_000, times=3, codes=1_000_000)
QUICK = Sizes(calls=20, guarded=8, rounds=1, large=50_000_000, times=2, codes=50_000)


class Office:
    """A fresh office in a folder, and processes that measure in it."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        self.folder, self.sizes = folder, sizes
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
        self._environment = {
            **kept,
            "ASSAY_VAR": str(folder / "var"),
            "ASSAY_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": str(Path(__file__).resolve().parent.parent),
        }
        run([sys.executable, "manage.py", "migrate", "-v0"], self._environment)
        self.made: list[str] = self.call(OFFICE + "prepare", size=sizes.large)

    def call(self, function: str, **arguments: Any) -> Any:
        """The function's result, from a process of its own."""
        told = json.dumps({"folder": str(self.folder), **arguments})
        printed = run([sys.executable, "-m", "benchmarks.provenance_child", function, told], self._environment)
        return json.loads(printed.splitlines()[-1])

    def against(self, mine: str, theirs: str, calls: int) -> Used:
        told: Used = self.call(LIBRARY + "against", mine=mine, theirs=theirs, calls=calls)
        return told

    def alone(self, side: str, calls: int = 3) -> Used:
        told: Used = self.call(LIBRARY + "alone", side=side, calls=calls)
        return told

    def memory(self, mine: str, theirs: str, calls: int = 3) -> tuple[float, float]:
        """Peaks in MiB."""
        return self.alone(mine, calls)["rss_mib"], self.alone(theirs, calls)["rss_mib"]


# --- The call into the library ---------------------------------------------------------------------------------------


def signing(office: Office) -> list[Figure]:
    note = "no time-stamp on either side; the library’s own check after signing is off in ours, which reads back (P1b)"
    return [_call(office, "P1", "embedded sign of a JPEG of 1 MB, the call into the library", "sign", note)]


def verifying(office: Office) -> list[Figure]:
    note = "ours also takes crJSON, with the certificates"
    return [_call(office, "P2", "verify the same, the call into the library", "verify", note)]


def _call(office: Office, number: str, what: str, side: str, note: str) -> Figure:
    mine, theirs = f"engine_{side}", f"bare_{side}"
    cpu, (my_memory, memory) = office.against(mine, theirs, office.sizes.calls), office.memory(mine, theirs)
    return Figure(
        number,
        what,
        "≤ 1.25x CPU of the bare library",
        f"{cpu['ratio']:.2f}x CPU; {my_memory / memory:.2f}x memory",
        cpu["ratio"] <= 1.25,
        f"{cpu['mine_ms']:.1f} ms of {cpu['theirs_ms']:.1f} ms, {my_memory:.0f} MiB of {memory:.0f} MiB; {note}",
    )


# --- As the office does it -------------------------------------------------------------------------------------------


def signing_guarded(office: Office) -> list[Figure]:
    calls = office.sizes.guarded
    plain: Used = office.call(OFFICE + "unguarded", calls=calls)
    note = f"two guarded children; signed and stamped without one: {plain['cpu_ms']:.0f} ms"
    what = "embedded sign of a JPEG of 1 MB as the office does it: guarded, stamped, read back"
    return [_guarded(office, "P1b", what, ("sign", "bare_sign_and_verify"), note)]


def verifying_guarded(office: Office) -> list[Figure]:
    what = "verify the same as the office does it: guarded, judged by its trust lists"
    return [_guarded(office, "P2b", what, ("verify", "bare_verify"), "one guarded child")]


def _guarded(office: Office, number: str, what: str, sides: tuple[str, str], note: str) -> Figure:
    mine, theirs, calls = [], [], office.sizes.guarded
    for _ in range(office.sizes.rounds):
        mine.append(office.call(OFFICE + sides[0], calls=calls))
        theirs.append(office.alone(sides[1], calls))
    ratio = statistics.median(one["cpu_ms"] / other["cpu_ms"] for one, other in zip(mine, theirs, strict=True))
    my_ms, ms = _median(mine, "cpu_ms"), _median(theirs, "cpu_ms")
    child, memory = _median(mine, "child_rss_mib"), _median(theirs, "rss_mib")
    return Figure(
        number,
        what,
        "≤ 1.25x CPU of the bare library",
        f"{ratio:.1f}x CPU; {child / memory:.2f}x memory",
        ratio <= 1.25,
        f"{my_ms:.0f} ms of {ms:.1f} ms, a child of {child:.0f} MiB; {note}",
    )


def _median(found: list[Used], name: str) -> float:
    return statistics.median(one[name] for one in found)


# --- Large files -----------------------------------------------------------------------------------------------------


def hash_only(office: Office) -> list[Figure]:
    cpu = office.against("engine_detached", "bare_digest", office.sizes.times)
    mine, theirs = office.memory("engine_detached", "bare_digest", 1)
    return [
        Figure(
            "P3",
            f"hash-only registration of {_size(office)}: hashed, its hash signed",
            "≤ 1.3x CPU of hashlib.file_digest; < 64 MiB",
            f"{cpu['ratio']:.2f}x CPU; {mine:.0f} MiB, {mine / theirs:.1f}x memory",
            cpu["ratio"] <= 1.3 and mine < 64,
            f"{cpu['mine_ms']:,.0f} ms of {cpu['theirs_ms']:,.0f} ms; hashing alone {theirs:.0f} MiB",
        )
    ]


def hash_registered(office: Office) -> list[Figure]:
    mine, theirs = office.call(OFFICE + "register_hash"), office.alone("bare_digest", 1)
    ratio = mine["cpu_ms"] / theirs["cpu_ms"]
    return [
        Figure(
            "P3b",
            f"hash-only registration of {_size(office)} as the office does it: guarded, stamped, entered in the log",
            "≤ 1.3x CPU of hashlib.file_digest; < 64 MiB beside the office",
            f"{ratio:.2f}x CPU; child of {mine['child_rss_mib']:.0f} MiB",
            ratio <= 1.3 and mine["child_rss_mib"] + mine["grown_mib"] < 64,
            f"{mine['cpu_ms']:,.0f} ms of {theirs['cpu_ms']:,.0f} ms; the office’s own process grew by"
            f" {mine['grown_mib']:.1f} MiB, from {mine['rss_mib'] - mine['grown_mib']:.0f} MiB",
        )
    ]


def embedding(office: Office) -> list[Figure]:
    mine, theirs = office.call(OFFICE + "embed"), office.alone("bare_embed", 1)
    child, memory = mine["child_rss_mib"], theirs["rss_mib"]
    return [
        Figure(
            "P4",
            f"embedded sign of an MP4 of {_size(office)} as the office does it: guarded, stamped",
            "< 560 MiB",
            f"{child:.0f} MiB, {child / memory:.2f}x memory; {mine['cpu_ms'] / theirs['cpu_ms']:.2f}x CPU",
            child < 560,
            f"bare library {memory:.0f} MiB; {mine['cpu_ms'] / 1000:.1f} s of {theirs['cpu_ms'] / 1000:.1f} s",
        )
    ]


def _size(office: Office) -> str:
    return f"{office.sizes.large / 1e9:g} GB"


# --- Likeness --------------------------------------------------------------------------------------------------------


def fingerprints(office: Office) -> list[Figure]:
    cpu = office.against("own_codes", "bare_code", office.sizes.calls)
    mine, theirs = office.memory("own_codes", "bare_code")
    return [
        Figure(
            "P5",
            "fingerprints of a decoded picture of 3 megapixels: ISCC and dHash",
            "≤ 6 ms CPU",
            f"{cpu['mine_ms']:.1f} ms; {cpu['ratio']:.2f}x CPU, {mine / theirs:.2f}x memory",
            cpu["mine_ms"] <= 6,
            f"peer: Pillow and iscc-lib, for the ISCC alone, {cpu['theirs_ms']:.1f} ms",
        )
    ]


def index(office: Office) -> list[Figure]:
    from benchmarks.provenance_index import TARGET_MS

    took: dict[str, float] = office.call(OFFICE + "search", codes=office.sizes.codes)
    one, plain, in_all = took["one_ms"], took["plain_ms"], took["ways_ms"] + took["dhash_ms"]
    return [
        Figure(
            "P6",
            f"look a picture up among {office.sizes.codes:,} works",
            f"≤ {TARGET_MS:.0f} ms CPU",
            f"one code {one:.1f} ms, {one / plain:.2f}x CPU; {took['ways']:.0f} ways, ISCC and dHash: {in_all:.0f} ms",
            in_all <= TARGET_MS,
            f"peer: numpy over all bytes, one code, {plain:.0f} ms; {took['rss_mib']:.0f} MiB, with what the run itself"
            " holds; more, and PostgreSQL: `benchmarks/provenance_index.py`",
        )
    ]


MEASUREMENTS: list[tuple[str, Callable[[Office], list[Figure]]]] = [
    ("P1", signing),
    ("P1b", signing_guarded),
    ("P2", verifying),
    ("P2b", verifying_guarded),
    ("P3", hash_only),
    ("P3b", hash_registered),
    ("P4", embedding),
    ("P5", fingerprints),
    ("P6", index),
]


def measure(wanted: set[str], quick: bool) -> tuple[Results, list[str]]:
    """The results, and what could not be measured, in words."""
    sizes = QUICK if quick else FULL
    figures: list[Figure] = []
    failures = []
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        office = Office(Path(folder), sizes)
        libraries = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
        described = [*machine(), ", ".join(libraries), *office.made]
        print("\n".join(described), file=sys.stderr, flush=True)
        for number, work in MEASUREMENTS:
            if number not in wanted:
                continue
            started = time.monotonic()
            try:
                figures += work(office)
                print(f"{figures[-1].number} {figures[-1].verdict}: {figures[-1].measured}", file=sys.stderr)
            except BenchmarkError as error:
                failures.append(f"{number} could not be measured: {error}")
            print(f"{number}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return Results(described, quick, PROVENANCE.in_order(figures)), failures


def main() -> int:
    description = "Measure what provenance costs, against the libraries it is made with."
    return command.run(PROVENANCE, description, measure)


if __name__ == "__main__":
    sys.exit(main())
