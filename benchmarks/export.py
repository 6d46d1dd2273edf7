"""`python benchmarks/export.py [--largest N]`: bundles of 10⁴, 10⁵ and 10⁶ entries, built and verified.

One log on an embedded SQLite database, in a folder of its own; an entry in ten has a value that is disclosed. Each size
is built, and verified by `ledger.verify` and by contrib/verify-go (if Go is here), each in a process of its own. Prints
entries a second and the peak of resident memory, which must not grow with the number of entries; the machine is named
beside them.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.table import ROOT, machine

SMALLEST: Final = 10_000
DISCLOSED: Final = 10  # one entry in so many
_BATCH: Final = 20_000
_POLL: Final = 0.02  # seconds
_DEBIANS_GO: Final = Path("/usr/share/gocode")


class Taken(NamedTuple):
    """What a process printed, how long it ran, and its peak of resident memory in KiB."""

    printed: str
    seconds: float
    peak: int


# --- The log -------------------------------------------------------------------------------------------------------


def leaf(number: int) -> bytes:
    """An entry of the size of the office's own, about one of many works."""
    fields: dict[str, Any] = {
        "v": 1,
        "type": "case:opened",
        "ts": f"2026-11-{1 + number // 50_000:02d}T00:00:{number // 1000 % 50:02d}.{number % 1000:06d}Z",
        "nonce": base64.b64encode(hashlib.sha256(b"nonce %d" % number).digest()[:16]).decode(),
        "role": "system",
        "object": f"case:0193aaaa-0000-7000-8000-{number:012d}",
        "refs": [hashlib.sha256(b"ref %d" % number).hexdigest()],
        "facts": {"actor": "system", "case": "0193aaaa", "number": number, "rule": "office.notice.answer"},
        "commitments": {name: base64.b64encode(_committed(number, name)).decode() for name in ("about", "purpose")},
    }
    return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def _salt(number: int, name: str) -> bytes:
    return hashlib.sha256(b"salt %d %s" % (number, name.encode())).digest()


def _value(number: int) -> str:
    return f"Statement {number}: what the case is about, in a sentence of usual length."


def _committed(number: int, name: str) -> bytes:
    return hmac.new(_salt(number, name), json.dumps(_value(number)).encode(), hashlib.sha256).digest()


def seed(sizes: Sequence[int]) -> dict[str, str]:
    """In the office's process: the entries, the tree and a checkpoint of each size. Returns the log's key."""
    from core.preparation import prepare
    from ledger import custody, merkle, tiles
    from ledger.models import Entry, Sequence, Tile

    prepare()
    hashes: list[bytes] = []
    for start in range(0, max(sizes), _BATCH):
        leaves = [leaf(number) for number in range(start, min(start + _BATCH, max(sizes)))]
        rows = [
            Entry(pk=start + n + 1, leaf=data, leaf_hash=merkle.leaf_hash(data), type="case:opened")
            for n, data in enumerate(leaves)
        ]
        Entry.objects.bulk_create(rows, batch_size=200)
        Sequence.objects.bulk_create([Sequence(index=row.pk - 1, entry_id=row.pk) for row in rows], batch_size=400)
        hashes += [bytes(row.leaf_hash) for row in rows]
    stored = tiles.grow(lambda level, n: b"", 0, hashes)
    Tile.objects.bulk_create([Tile(level=level, n=n, data=data) for (level, n), data in stored.items()], batch_size=100)
    for size in sizes:
        _sign(size, merkle.root_of(hashes[:size]))
    return {"vkey": custody.log_verifier().vkey}


def _sign(size: int, root: bytes) -> None:
    from django.conf import settings

    from ledger import custody, notes
    from ledger.models import Checkpoint

    head = notes.TreeHead(settings.ASSAY_LOG_ORIGIN, size, root)
    Checkpoint.objects.create(size=size, root=root, note=str(notes.sign(head.text(), *custody.log_signers())))


def build(size: int, file: str) -> dict[str, float]:
    """In the office's process: the bundle of the whole log as it was at this size. Seconds, without Django's start."""
    from ledger.bundle import bundle_scope, write_bundle
    from ledger.models import Checkpoint

    checkpoint = Checkpoint.objects.get(size=size)
    started = time.monotonic()
    with Path(file).open("w+b") as target:
        scope = bundle_scope(checkpoint)
        write_bundle(target, scope=scope, disclosures=_disclosures(size), about={}, checkpoint=checkpoint)
    return {"seconds": time.monotonic() - started}


def _disclosures(size: int) -> Iterator[tuple[int, Any]]:
    from ledger.receipts import Disclosure

    for number in range(0, size, DISCLOSED):
        yield number, Disclosure("about", _salt(number, "about"), _value(number))


# --- The figures ---------------------------------------------------------------------------------------------------


def run(command: Sequence[str | Path], environment: dict[str, str]) -> Taken:
    """Raises RuntimeError, with what it printed, when it fails."""
    started, peak = time.monotonic(), 0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
        )
        while process.poll() is None:
            # The kernel's own mark of the peak: the last look before the end is near enough.
            with suppress(OSError):
                found = re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{process.pid}/status").read_text())
                peak = max(peak, int(found[1])) if found else peak
            time.sleep(_POLL)
        seconds = time.monotonic() - started
        out.seek(0)
        printed = out.read()
    if process.returncode:
        raise RuntimeError(f"{command[0]} failed: {printed[-2000:]}")
    return Taken(printed, seconds, peak)


def in_office(function: str, environment: dict[str, str], **arguments: object) -> tuple[dict[str, Any], Taken]:
    command = [sys.executable, "-m", "benchmarks.ledger_child", f"benchmarks.export:{function}", json.dumps(arguments)]
    taken = run(command, environment)
    return json.loads(taken.printed.splitlines()[-1]), taken


def built_in_go(folder: Path) -> Path | None:
    """contrib/verify-go, None where it cannot be built."""
    if not shutil.which("go") or not _DEBIANS_GO.is_dir():
        return None
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(_DEBIANS_GO), "GOFLAGS": ""}
    subprocess.run(
        ["go", "build", "-o", folder / "verify-go", "."], cwd=ROOT / "contrib/verify-go", env=environment, check=True
    )
    return folder / "verify-go"


def measure(folder: Path, sizes: Sequence[int]) -> Iterator[list[str]]:
    """A row of the table for each size."""
    environment = {
        **os.environ, "ASSAY_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "config.settings",
        "ASSAY_LOG_LEVEL": "ERROR",
    }  # fmt: skip
    go, file = built_in_go(folder), folder / "bundle.zip"
    started = time.monotonic()
    key, _ = in_office("seed", environment, sizes=list(sizes))
    print(f"a log of {max(sizes):,} entries: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    for size in sizes:
        inside, built = in_office("build", environment, size=size, file=str(file))
        python = run([sys.executable, "-m", "ledger.verify", file, "--key", key["vkey"]], environment)
        row = [f"{size:,}", f"{file.stat().st_size / 2**20:.0f} MiB"]
        row += [_rate(size, inside["seconds"]), _mib(built.peak), _rate(size, python.seconds), _mib(python.peak)]
        if go:
            other = run([go, "-key", key["vkey"], file], environment)
            row += [_rate(size, other.seconds), _mib(other.peak)]
        yield row


def _rate(size: int, seconds: float) -> str:
    return f"{size / seconds:,.0f}"


def _mib(kib: int) -> str:
    return f"{kib / 1024:.0f} MiB"


def main() -> int:
    parser = argparse.ArgumentParser(description="Build and verify bundles of growing size.")
    parser.add_argument("--largest", type=int, default=1_000_000, metavar="N", help="entries of the largest bundle")
    largest = parser.parse_args().largest
    sizes = [size for size in (SMALLEST, SMALLEST * 10, SMALLEST * 100) if size < largest] + [largest]
    print(*machine(), sep="\n")
    heads = ["entries", "file", "built/s", "peak", "verified/s (Python)", "peak", "verified/s (Go)", "peak"]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads), flush=True)
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        for row in measure(Path(folder), sizes):
            print("| " + " | ".join(row + ["no Go here"] * (len(heads) - len(row))) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
