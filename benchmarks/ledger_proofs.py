"""T7: inclusion proofs from the product's stored tiles, against pymerkle's tree in SQLite over the same leaves."""

import importlib
import random
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.ledger_server import Server, in_product
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

_ASKED = 300
_PEER_ASKED = 5


def proofs(server: Server, sizes: Sizes) -> list[Figure]:
    database = server.database("proofs")
    mine = in_product(database, "benchmarks.ledger_proofs:measure", size=sizes.tree)
    theirs = in_product(
        database, "benchmarks.ledger_proofs:measure_pymerkle", size=sizes.peer_tree, file=str(database.var / "pymerkle")
    )
    ratio = theirs["proof_ms"] / mine["cold_ms"]
    return [
        Figure(
            "T7",
            f"inclusion proof in a tree of {_count(sizes.tree)}, CPU p50, tiles in PostgreSQL",
            "≤ 1.5 ms cold, ≤ 0.2 ms warm; ≥ 100x faster than pymerkle's SQLite tree",
            f"{mine['cold_ms']:.2f} ms, {mine['warm_ms']:.3f} ms; {ratio:.0f}x",
            mine["cold_ms"] <= 1.5 and mine["warm_ms"] <= 0.2 and ratio >= 100 and sizes.peer_tree >= sizes.tree,
            f"pymerkle {theirs['proof_ms']:.0f} ms in a tree of {_count(sizes.peer_tree)}; cold: nothing folded, tiles"
            " read from the database; warm: as in an export, tiles folded once are shared",
        )
    ]


def leaves(size: int) -> Iterator[bytes]:
    return (f'{{"number":{number}}}'.encode() for number in range(size))


def measure(size: int) -> dict[str, float]:
    """In the product's process: CPU in ms, of `proofs.inclusion` with nothing folded, and of a path when all is."""
    from ledger import merkle
    from ledger import proofs as product

    store_tree([merkle.leaf_hash(leaf) for leaf in leaves(size)])
    asked = random.Random(7).sample(range(size), _ASKED)
    cold = [_cpu_ms(partial(product.inclusion, index, size), product.forget) for index in asked]
    node = product.nodes(size)
    for index in asked:
        product.path_to_root(index, node)
    warm = [_cpu_ms(partial(product.path_to_root, index, node)) for index in asked]
    _check(asked, size, product)
    return {"cold_ms": statistics.median(cold), "warm_ms": statistics.median(warm)}


def _check(asked: list[int], size: int, product: Any) -> None:
    from ledger import merkle, reading

    root = bytes(reading.latest_checkpoint().root)  # type: ignore[union-attr]
    for index in asked:
        leaf = merkle.leaf_hash(f'{{"number":{index}}}'.encode())
        merkle.verify_inclusion(leaf, index, size, product.inclusion(index, size), root)


def store_tree(hashes: list[bytes]) -> None:
    """The product's tiles of these leaves, written at once, and a signed checkpoint over them."""
    from django.conf import settings
    from django.db import connection

    from ledger import custody, merkle, notes, tiles
    from ledger.models import Checkpoint

    stored = tiles.grow(lambda level, n: b"", 0, hashes)
    with connection.cursor() as cursor, cursor.copy("COPY ledger_tile (level, n, data) FROM STDIN") as copy:
        for (level, n), data in stored.items():
            copy.write_row((level, n, data))
    node = tiles.Nodes(lambda level, n: stored[level, n])
    head = notes.TreeHead(settings.ASSAY_LOG_ORIGIN, len(hashes), merkle.root(node, len(hashes)))
    note = str(notes.sign(head.text(), *custody.log_signers()))
    Checkpoint.objects.create(size=head.size, root=head.root, note=note)


def measure_pymerkle(size: int, file: str) -> dict[str, float]:
    """CPU in ms of a proof by pymerkle; it must find the root that the product's tree has, if that has this size."""
    from ledger import merkle
    from ledger.models import Checkpoint

    pymerkle: Any = importlib.import_module("pymerkle")  # has no types
    with pymerkle.SqliteTree(file) as tree:
        tree.append_entries(leaves(size), chunksize=100_000)
        asked = random.Random(7).sample(range(size), _PEER_ASKED)
        taken = [_cpu_ms(partial(tree.prove_inclusion, index + 1, size)) for index in asked]
        root = tree.get_state(size)
    mine = Checkpoint.objects.filter(size=size).first()
    expected = bytes(mine.root) if mine else merkle.root_of([merkle.leaf_hash(leaf) for leaf in leaves(size)])
    if root != expected:
        raise RuntimeError("pymerkle computes another root over the same leaves")
    Path(file).unlink()
    return {"proof_ms": statistics.median(taken)}


def _cpu_ms(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    before()
    started = time.process_time()
    work()
    return (time.process_time() - started) * 1000


def _count(number: int) -> str:
    return "10^6" if number == 1_000_000 else f"{number:,}"
