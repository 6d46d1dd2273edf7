"""T8: a full audit of a published log, by the product's verifier and an independent one in Go, on the same files."""

import os
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ledger_server import ROOT, BenchmarkError, Server, in_product
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

# Where Debian's golang-golang-x-mod-dev puts its sources.
_GOPATH = "/usr/share/gocode"
_TIMES = 3


def audits(server: Server, sizes: Sizes) -> list[Figure]:
    database = server.database("audits")
    folder = server.folder / "published"
    key = str(in_product(database, "benchmarks.ledger_audits:publish", folder=str(folder), size=sizes.tree))
    python = [sys.executable, "-m", "ledger.verify", str(folder), "--key", key, "--tree-only"]
    go = _go_verifier(server.folder)
    mine, theirs = [], []
    for _ in range(_TIMES):
        mine.append(_cpu(python))
        if go:
            theirs.append(_cpu([str(go), "-key", key, "-tree-only", str(folder)]))
    shutil.rmtree(folder)
    a_million = statistics.median(mine) / sizes.tree * 1e6
    ratio = statistics.median(mine) / statistics.median(theirs) if theirs else None
    return [
        Figure(
            "T8",
            "full audit of a published log, user and system CPU",
            "≤ 2x an independent implementation; ≤ 2.5 s for 10^6 entries",
            (f"{ratio:.2f}x" if ratio else "no Go here") + f"; {a_million:.2f} s",
            ratio is not None and ratio <= 2 and a_million <= 2.5,
            "peer: contrib/verify-go on Debian's x/mod"
            + (f", {statistics.median(theirs) / sizes.tree * 1e6:.2f} s" if theirs else " (apt: golang-go)")
            + "; Tessera's fsck is in no package registry",
        )
    ]


def publish(folder: str, size: int) -> str:
    """In the product's process: a published log of `size` leaves of the usual length. Returns the log's vkey."""
    from django.conf import settings

    from ledger import custody, merkle, notes, tiles

    root, hashes = Path(folder), []
    for n in range(-(-size // tiles.WIDTH)):
        leaves = list(_leaves(n * tiles.WIDTH, min(size, (n + 1) * tiles.WIDTH)))
        hashes += [merkle.leaf_hash(leaf) for leaf in leaves]
        _write(root / "tile" / "entries" / tiles.path_of(n, len(leaves)), tiles.bundle(leaves))
    stored = tiles.grow(lambda level, n: b"", 0, hashes)
    for (level, n), data in stored.items():
        _write(root / "tile" / str(level) / tiles.path_of(n, len(data) // merkle.HASH_SIZE), data)
    signers = custody.log_signers()
    tree_root = merkle.root(tiles.Nodes(lambda level, n: stored[level, n]), size)
    head = notes.TreeHead(settings.ASSAY_LOG_ORIGIN, size, tree_root)
    _write(root / "checkpoint", str(notes.sign(head.text(), *signers)).encode())
    return custody.log_verifier().vkey


def _leaves(first: int, end: int) -> Iterator[bytes]:
    """Leaves in the form and of the length (420 bytes) of an ordinary one."""
    for number in range(first, end):
        fields = (
            f'"facts":{{"digest":"{number:064x}"}},"nonce":"{number:024d}","object":"asset:{number:036d}","refs":[],'
            '"role":"creator","ts":"2026-11-23T00:00:00.000000Z","type":"asset:registered","v":1'
        )
        padding = "x" * (420 - len(fields) - 20)
        yield f'{{"commitments":"{padding}",{fields}}}'.encode()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _go_verifier(folder: Path) -> Path | None:
    """The Go program, compiled against Debian's packages; None where there is no Go."""
    if shutil.which("go") is None or not Path(_GOPATH).is_dir():
        return None
    binary = folder / "verify-go"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": _GOPATH, "GOCACHE": str(folder / "go-cache")}
    done = subprocess.run(
        ["go", "build", "-o", str(binary), "."],
        cwd=ROOT / "contrib" / "verify-go",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"contrib/verify-go does not compile:\n{done.stderr[-2000:]}")
    return binary


def _cpu(command: list[str]) -> float:
    """User and system CPU in seconds of a command that must say that everything holds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise BenchmarkError(f"the verifier refused a good log:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
