"""The second verifier: Go's own x/mod judges what we write, and finds every corruption that the Python one finds."""

import datetime as dt
import io
import os
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from ledger import (
    acknowledgements,
    custody,
    merkle,
    reading,
    receipts,
    rotation,
    tiles,
    timestamping,
    verify_checks,
    verify_log,
    verify_source,
)
from ledger.models import Entry
from tests.ledger import forge
from tests.ledger.bundles import written
from tests.ledger.verifiers import Both

pytestmark = pytest.mark.xdist_group("go")

LARGE = 1_000_000  # needs no tile of a level that 70,000 have not: `make load` looks at it
SIZES = (1, 255, 256, 257, 70_000, *((LARGE,) if "ASSAY_LOAD" in os.environ else ()))
TREE_ONLY = 70_000  # from here on the corrupted copies are read without looking into the leaves: the tree is meant


def leaves_of(size: int) -> Iterator[bytes]:
    return forge.many_leaves(size, 130 if size > TREE_ONLY else 420)


@pytest.fixture(scope="module", params=SIZES)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A whole log as files, made by the test's own writer; module-wide, so each test puts back what it breaks."""
    folder = tmp_path_factory.mktemp(f"log-{request.param}")
    forge.write_log(folder, leaves_of(request.param))
    yield folder
    shutil.rmtree(folder)


def size_of(log: Path) -> int:
    return int((log / "checkpoint").read_text().split("\n")[1])


def corruptions(log: Path) -> Iterator[tuple[str, Path, bytes]]:
    """(what, file, its damaged content); empty content: the file is away."""
    size = size_of(log)
    last, width = (size - 1) // 256, (size - 1) % 256 + 1
    middle, bundle = log / "tile/entries" / forge.tile_path(0, min(256, size)), None
    yield "a bit in the first entry", middle, flipped(middle, 5)
    bundle = log / "tile/entries" / forge.tile_path(last, width)
    data = bundle.read_bytes()
    yield "a bit in the last entry", bundle, flipped(bundle, len(data) - 3)
    yield "a bundle cut short", bundle, data[:-1]
    yield "an entry too many", bundle, data + struct.pack(">H", 2) + b"{}"
    yield "extra bytes", bundle, data + b"\0"
    yield "no bundle", bundle, b""
    if width > 1:
        entries = tiles.split_bundle(data)
        yield "two entries swapped", bundle, tiles.bundle([*entries[:-2], entries[-1], entries[-2]])
    for level in range(3):
        for n in {0, ((size >> 8 * level) - 1) // 256} if size >> 8 * level else ():
            tile = log / "tile" / str(level) / forge.tile_path(n, tiles.width_of(level, n, size))
            yield f"a bit in tile {level}/{n}", tile, flipped(tile, 17)
            yield f"extra bytes in tile {level}/{n}", tile, tile.read_bytes() + b"\0" * 32
            yield f"no tile {level}/{n}", tile, b""
    yield from wrong_checkpoints(log)


def wrong_checkpoints(log: Path) -> Iterator[tuple[str, Path, bytes]]:
    file, size = log / "checkpoint", size_of(log)
    origin, _, root, *_ = file.read_text().split("\n")
    other = forge.b64(b"r" * 32)
    yield "another root, signed", file, forge.note(f"{origin}\n{size}\n{other}\n", forge.LOG).encode()
    yield "a smaller size, signed", file, forge.note(f"{origin}\n{size - 1}\n{root}\n", forge.LOG).encode()
    yield "a larger size, signed", file, forge.note(f"{origin}\n{size + 1}\n{root}\n", forge.LOG).encode()
    yield "a root nobody signed", file, file.read_bytes().replace(root.encode(), other.encode())
    yield "a bit in the signature", file, flipped(file, file.stat().st_size - 20)
    yield "another log's name", file, forge.note(f"x{origin}\n{size}\n{root}\n", forge.LOG).encode()


def flipped(file: Path, at: int) -> bytes:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    return bytes(data)


@contextmanager
def replaced(file: Path, content: bytes) -> Iterator[None]:
    before = file.read_bytes()
    try:
        file.write_bytes(content) if content else file.unlink()
        yield
    finally:
        file.write_bytes(before)


def test_a_log_is_accepted_with_its_proofs(both: Both, log: Path) -> None:
    """Go proves samples from the tiles and checks them: inclusion of 64 entries, consistency with four sizes."""
    assert both.accept_log(log)
    checks = both.by_go["checks"]
    assert [check["name"] for check in checks] == ["key", "checkpoint", "witnesses", "tree", "proofs"]
    assert f"each of {size_of(log)} entries hashes to its tile" in checks[3]["message"]


def test_each_corrupted_copy_of_a_log_is_rejected(both: Both, log: Path) -> None:
    tree_only = size_of(log) >= TREE_ONLY
    # A pass over a million entries takes seconds: there, one corruption of each kind of file must do.
    chosen = {"a bit in the last entry", "a bit in tile 1/15", "no tile 2/0", "another root, signed"}
    for what, file, content in corruptions(log):
        if size_of(log) == LARGE and what not in chosen:
            continue
        chosen.discard(what)
        with replaced(file, content):
            assert not both.accept_log(log, tree_only=tree_only), what
    assert size_of(log) != LARGE or not chosen


class OurProofs(forge.Log):
    """A log whose proofs are the product's own, for Go to judge."""

    def __init__(self, size: int) -> None:
        self.leaves, self.keys, self.witnesses = list(leaves_of(size)), (forge.LOG,), ()
        hashes = [merkle.leaf_hash(leaf) for leaf in self.leaves]
        stored = tiles.grow(lambda level, n: b"", 0, hashes)
        self.node = tiles.Nodes(lambda level, n: stored[level, n])
        self.tree = OurTree(self.node)
        self.entries = _Numbered(self.leaves)  # type: ignore[assignment]  # sliced as the list is


class OurTree(forge.Tree):
    def __init__(self, node: merkle.Node) -> None:
        self.node = node

    def root(self, start: int, end: int) -> bytes:
        return merkle.root(self.node, end)

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        return merkle.inclusion(self.node, m, end)

    def proof(self, m: int, start: int, end: int, whole: bool = True) -> list[bytes]:
        return merkle.consistency(self.node, m, end)

    def around(self, first: int, last: int, start: int, end: int) -> list[bytes]:
        return merkle.range_proof(self.node, first, last - first, end)


class _Numbered:
    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves

    def __getitem__(self, part: slice) -> list[Any]:
        return [_Plain(number, self.leaves[number]) for number in range(*part.indices(len(self.leaves)))]


class _Plain:
    """An entry without sections."""

    def __init__(self, number: int, raw: bytes) -> None:
        self.number, self.raw, self.text = number, raw, ""
        self.fields: dict[str, Any] = {}


@pytest.mark.parametrize("size", SIZES)
def test_our_inclusion_and_consistency_proofs_are_accepted_and_no_changed_one_is(both: Both, size: int) -> None:
    log = OurProofs(size)
    first, count = max(0, size - 7), min(7, size)
    for previous in sorted({1, size // 2, size // 256 * 256, size - 1, size} - {0}):
        content = forge.members(log, first, count, previous=previous, rich=False)
        good = forge.sealed(forge.manifest(content, log, first, count), content)
        assert both.accept(good), previous
        proof = content["previous/consistency"]
        wrong = [
            proof + proof[:45] if proof else (forge.b64(b"x" * 32) + "\n").encode(),
            proof[45:] if proof else b"\n",
        ]
        for changed in wrong:
            assert not both.accept(forge.resealed(forge.unpacked(good) | {"previous/consistency": changed})), previous


def test_a_log_that_goes_on_is_told_from_one_that_changed_its_past(both: Both, tmp_path: Path) -> None:
    folder, earlier = tmp_path / "log", tmp_path / "earlier"
    folder.mkdir()
    leaves = list(forge.many_leaves(700, 100))
    hashes = forge.write_log(folder, leaves)
    for size in (0, 1, 255, 256, 257, 512, 699, 700):
        earlier.write_text(head(size, forge.root_of(hashes[:size])))
        assert both.accept_log(folder, since=earlier), size
    for size, root in ((300, b"r" * 32), (700, b"r" * 32), (0, b"r" * 32), (701, forge.root_of(hashes))):
        earlier.write_text(head(size, root))
        assert not both.accept_log(folder, since=earlier), size


def head(size: int, root: bytes, key: forge.Key = forge.LOG) -> str:
    return forge.note(f"{forge.ORIGIN}\n{size}\n{forge.b64(root)}\n", key)


def test_a_partial_tile_may_have_been_dropped_for_the_full_one(both: Both, tmp_path: Path) -> None:
    """c2sp.org/tlog-tiles lets a server remove partial tiles once the log has grown."""
    leaves = list(forge.many_leaves(600, 100))
    hashes = forge.write_log(tmp_path, leaves)
    (tmp_path / "checkpoint").write_text(head(300, forge.root_of(hashes[:300])))
    assert both.accept_log(tmp_path, tree_only=False) is False  # level 1 of 300 entries has one hash, and is not there
    (tmp_path / "tile/1/000.p/1").write_bytes((tmp_path / "tile/1/000.p/2").read_bytes()[:32])
    assert both.accept_log(tmp_path)


def test_leaves_that_are_not_canonical_json_are_named_unless_only_the_tree_is_asked(both: Both, tmp_path: Path) -> None:
    forge.write_log(tmp_path, [b'{"a":1}', b'{"a": 1}'])
    assert not both.accept_log(tmp_path)
    assert both.accept_log(tmp_path, tree_only=True)


def test_calls_that_make_no_sense_end_with_status_2(both: Both, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    (tmp_path / "policy").write_text("nonsense\n")
    nonsense: list[list[str | Path]] = [
        [], [tmp_path / "absent"], ["-key", "nonsense", file], ["-policy", tmp_path / "policy", file],
        ["-key", forge.LOG.vkey, "-policy", tmp_path / "policy", file], ["-since", file, file], [file, file],
    ]  # fmt: skip
    for arguments in nonsense:
        assert both.go(*arguments)[0] == 2, arguments
    assert both.go(file)[0] == 1


# --- Over HTTP -----------------------------------------------------------------------------------------------------


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_log_on_a_static_server_is_verified_over_http(both: Both, tmp_path: Path) -> None:
    forge.write_log(tmp_path, forge.many_leaves(1000, 100))
    with served(partial(Quiet, directory=str(tmp_path))) as address:
        assert both.accept_log(address)
        assert both.accept_log(f"{address}/")
        assert not both.accept_log(f"{address}/elsewhere")
        with replaced(tmp_path / "tile/0/001", b"x" * 9000):
            assert not both.accept_log(address)
        (tmp_path / "tile/entries/002").unlink()
        assert not both.accept_log(address)


def test_a_redirect_to_another_host_is_refused(both: Both, tmp_path: Path) -> None:
    forge.write_log(tmp_path, forge.many_leaves(3, 100))
    with served(partial(Quiet, directory=str(tmp_path))) as elsewhere:

        class Redirecting(Quiet):
            def do_GET(self) -> None:
                self.send_response(302)
                self.send_header("Location", elsewhere + self.path)
                self.end_headers()

        with served(Redirecting) as address:
            assert both.accept_log(elsewhere)
            assert not both.accept_log(address)


def test_a_server_that_fails_once_is_asked_again(both: Both, tmp_path: Path) -> None:
    forge.write_log(tmp_path, forge.many_leaves(3, 100))
    failed: set[str] = set()

    class Failing(Quiet):
        def do_GET(self) -> None:
            agent = f"{self.headers['User-Agent']} {self.path}"
            if self.path == "/checkpoint" and agent not in failed:
                failed.add(agent)
                self.send_error(503)
            else:
                super().do_GET()

    with served(partial(Failing, directory=str(tmp_path))) as address:
        assert both.accept_log(address)
    assert len(failed) == 2


@pytest.mark.parametrize("slow", ["headers", "body"])
def test_a_server_that_drips_is_given_up_by_both(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    forge.write_log(tmp_path, forge.many_leaves(3, 100))
    done = threading.Event()

    class Dripping(Quiet):
        def do_GET(self) -> None:
            if slow == "body":
                self.send_response(200)
                self.end_headers()
            with suppress(OSError):
                while not done.wait(0.05):
                    self.wfile.write(b"x")

    monkeypatch.setattr(verify_source, "PATIENCE", 0.5)
    with served(partial(Dripping, directory=str(tmp_path))) as address:
        assert both.go("-patience", "500ms", "-key", forge.LOG.vkey, address)[0] == 1
        verdict = verify_log.Log(verify_source.Web(address), verify_checks.Trust()).verdict
        done.set()
    assert "too slow" in both.by_go["checks"][0]["message"]
    assert "too slow" in verdict.checks[0].message


def test_what_comes_steadily_has_more_time_than_what_drips(
    both: Both, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty pieces of 16 KiB earn a second each; the first second alone would not do."""
    forge.write_log(tmp_path, [b'{"pad":"%s"}' % (b"x" * 40_000)] * 8)

    class Steady(Quiet):
        def copyfile(self, source: Any, outputfile: Any) -> None:
            while piece := source.read(16 << 10):
                outputfile.write(piece)
                time.sleep(0.08)

    monkeypatch.setattr(verify_source, "PATIENCE", 1.0)
    with served(partial(Steady, directory=str(tmp_path))) as address:
        assert both.go("-patience", "1s", "-key", forge.LOG.vkey, address)[0] == 0
        assert verify_log.Log(verify_source.Web(address), verify_checks.Trust()).verdict.ok


@pytest.mark.parametrize("name", ["checkpoint", "rotations", "policy", "key", "tile/entries/000.p/3"])
def test_what_is_there_but_cannot_be_read_is_not_taken_for_absent(both: Both, tmp_path: Path, name: str) -> None:
    forge.write_log(tmp_path, forge.many_leaves(3, 100))
    assert both.accept_log(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to(tmp_path / name)  # a link to itself
    assert not both.accept_log(tmp_path)
    assert "cannot be read" in both.by_go["checks"][-1]["message"]


# --- What the product writes ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_products_own_log_is_verified_over_http(
    both: Both, signed_log: Callable[[int], list[Entry]], live_server: Any
) -> None:
    signed_log(3)
    signed_log(4)
    assert both.accept_log(f"{live_server.url}/log", key=custody.log_verifier())
    assert "each of 7 entries" in both.by_go["checks"][3]["message"]
    assert not both.accept_log(f"{live_server.url}/log", key=forge.MALLORY)


@pytest.mark.django_db(transaction=True)
def test_everything_the_product_writes_is_accepted_by_both(
    both: Both, signed_log: Callable[[int], list[Entry]], settings: Any, tmp_path: Path
) -> None:
    """After a rotation, with an ML-DSA-44 line, a time stamp and an earlier export: by the old key and by the new."""
    settings.ASSAY_KEYS, settings.ASSAY_LOG_MLDSA = tmp_path / "keys", True
    signed_log(3)
    old, earlier = custody.log_verifier(), reading.latest_checkpoint()
    assert timestamping.stamp()
    rotation.rotate(dt.timedelta(days=30))
    *_, entry = signed_log(3)
    new = custody.log_verifier()
    assert old != new
    bundle = written(1, entry.index or 0, previous=earlier, files={"report.pdf": b"%PDF-"})
    receipt = receipts.receipt_for(entry)
    assert receipt
    folder = tmp_path / "published"
    call_command("publish_log", str(folder), stdout=io.StringIO())
    for key in (old, new):
        assert both.accept(bundle, key=key)
        assert "time stamp" in str(both.by_go["checks"][16])
        assert both.accept(receipt.as_json(), key=key)
        assert both.accept_log(folder, key=key)
    assert both.accept(acknowledgements.acknowledge(entry).as_json(), key=new)
    assert {"previous/checkpoint", "stamps/checkpoint", "rotations"} < set(forge.unpacked(bundle))
