"""The log as static files, in the form of C2SP tlog-tiles: `manage.py publish_log` writes them for any static server.

Order: leaves and tiles, then the texts about keys, then the checkpoint, so that a reader never sees a checkpoint whose
tiles are missing, wherever a run was killed. Leaves and tiles are immutable and written once; a run continues after the
last published checkpoint, and finds by name what a killed run has left. What is written is compared with the signed
root first, and a published checkpoint is never replaced by a smaller one or one of another history.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings

from ledger import bundleformat, custody, foldedtiles, keys, merkle, notes, reading, tiles
from ledger.merkle import HASH_SIZE
from ledger.models import Checkpoint, Entry
from ledger.storedtree import read_tiles
from ledger.targets import Target

CHECKPOINT = "checkpoint"
TEXT = "text/plain; charset=utf-8"
BINARY = "application/octet-stream"
FOR_EVER = "public, max-age=31536000, immutable"
A_MOMENT = "public, max-age=2"

_BATCH = 64


class Refused(Exception):
    """Nothing was published; the message says why, and what to do."""


@dataclass
class Published:
    """size: of the checkpoint that is published now. before: that of the one it replaced. written, kept: files."""

    size: int
    before: int
    written: int = 0
    kept: int = 0


# --- The texts, also given out at /log/ -----------------------------------------------------------------------------


def key_text() -> str:
    return "".join(f"{vkey}\n" for vkey in custody.log_vkeys())


def policy_text() -> str:
    return reading.policy().text()


def rotations_text() -> str:
    return bundleformat.join_notes(custody.rotations()).decode()


def promise_key_text() -> str | None:
    """None where there is none, and this process may not read the keys to make one."""
    with suppress(keys.KeyMissing, keys.BadKey, OSError):
        return custody.promise_attestation()
    return custody.kept_attestation()


def tsa_text() -> str | None:
    from ledger import timestampauthority  # what it reads certificates with takes a while to load

    return timestampauthority.certificate_pem()


TEXTS: Mapping[str, Callable[[], str | None]] = {
    "key": key_text,
    "policy": policy_text,
    "rotations": rotations_text,
    "promise-key": promise_key_text,
    "tsa.crt": tsa_text,
}


def entry_bundle(n: int, width: int) -> bytes:
    """The first `width` leaves of entry bundle `n`, which the caller knows to be signed."""
    return tiles.bundle(_leaves(n, width))


def _leaves(n: int, width: int) -> list[bytes]:
    first = n * tiles.WIDTH
    rows = Entry.objects.filter(sequence__index__gte=first, sequence__index__lt=first + width)
    return [bytes(leaf) for leaf in rows.order_by("sequence__index").values_list("leaf", flat=True)]


# --- Publishing -----------------------------------------------------------------------------------------------------


def publish(target: Target, *, everything: bool = False) -> Published:
    """Bring `target` to the newest checkpoint. everything: look for every file again, not only for new ones.

    Raises Refused; targets.Unreachable when the target cannot be read or written; run again, nothing is half done.
    """
    with target.alone():
        newest = reading.latest_checkpoint()
        if newest is None:
            raise Refused("Nothing is signed yet, so there is nothing to publish. Run the sequencer first.")
        tree = foldedtiles.Nodes(read_tiles, newest.size, foldedtiles.Cache())
        present = target.read(CHECKPOINT)
        old = _published_head(present)
        _refuse_another_history(old, newest, tree)
        _refuse_forgotten_rotations(target)
        done = Published(newest.size, old.size)
        _write_immutable(target, tree, 0 if everything else old.size, done)
        _write_texts(target, done)
        _write_checkpoint(target, present, reading.checkpoint_text(newest).encode(), done)
        _drop_partials(target, old.size, newest.size)
    return done


def _published_head(present: bytes | None) -> notes.TreeHead:
    """The tree head at the target; that of the empty tree if there is none. Raises Refused."""
    origin = settings.ASSAY_LOG_ORIGIN
    if present is None:
        return notes.TreeHead(origin, 0, merkle.EMPTY_ROOT)
    try:
        return notes.open_checkpoint(present, origin, custody.all_verifiers())
    except notes.BadNote as error:
        raise Refused(
            f"The checkpoint that is there is not one of this log ({error}). Choose another target, or find out who"
            " wrote it; remove it only if you know that nobody relies on it."
        ) from error


def _refuse_another_history(old: notes.TreeHead, newest: Checkpoint, tree: foldedtiles.Nodes) -> None:
    if old.size > newest.size:
        raise Refused(
            f"A checkpoint of {old.size} entries is published there; this database has signed {newest.size}. It was"
            " probably restored from an older backup. Put its newest copy back; or run `manage.py recover_log --from`"
            " what is published there (docs/operations.md, “Restoring an older copy”)."
        )
    if merkle.root(tree, newest.size) != bytes(newest.root):
        raise Refused("The stored tree does not lead to the signed root. Run `manage.py check_log`.")
    if merkle.root(tree, old.size) != old.root:
        raise Refused(
            f"Another history is published there: the first {old.size} entries of this log have another root. Do not"
            " remove the published checkpoint; it is evidence. Run `manage.py check_log`, and ask the witnesses."
        )


def _write_immutable(target: Target, tree: foldedtiles.Nodes, have: int, done: Published) -> None:
    """Every tile and bundle of the tree that a published tree of `have` entries has not."""
    level = 0
    while (hashes := tree.size >> (tiles.HEIGHT * level)) > 0:
        first = (have >> (tiles.HEIGHT * level)) // tiles.WIDTH
        places = range(first, -(-hashes // tiles.WIDTH))
        for start in range(places.start, places.stop, _BATCH):
            batch = [(level, n) for n in places[start - first : start - first + _BATCH]]
            stored = read_tiles(batch)
            for place in batch:
                _write_tile(target, tree, place, stored.get(place, b""), done)
        level += 1


def _write_tile(target: Target, tree: foldedtiles.Nodes, place: tuple[int, int], data: bytes, done: Published) -> None:
    level, n = place
    width = tiles.width_of(level, n, tree.size)
    data = data[: width * HASH_SIZE]
    # A partial tile is part of the root, which was compared already.
    if width == tiles.WIDTH and tiles.fold(data) != tree(tiles.HEIGHT * (level + 1), n):
        raise Refused(f"Tile {level}/{n} does not fold into the tile above. Run `manage.py check_log`.")
    path = tiles.path_of(n, width)
    if level == 0 and not _is_there(target, f"tile/entries/{path}", done):
        leaves = _leaves(n, width)
        if b"".join(merkle.leaf_hash(leaf) for leaf in leaves) != data:
            raise Refused(
                f"The entries from {n * tiles.WIDTH} on are not those of their tile. Run `manage.py check_log`."
            )
        target.write(f"tile/entries/{path}", tiles.bundle(leaves), BINARY, FOR_EVER)
    if not _is_there(target, f"tile/{level}/{path}", done):
        target.write(f"tile/{level}/{path}", data, BINARY, FOR_EVER)


def _is_there(target: Target, name: str, done: Published) -> bool:
    there = target.has(name)
    done.kept, done.written = done.kept + there, done.written + (not there)
    return there


def _refuse_forgotten_rotations(target: Target) -> None:
    """A database from before a rotation must not take its statement back: who pinned an older key needs it."""
    there = target.read("rotations") or b""
    if not rotations_text().encode().startswith(there):
        raise Refused(
            "The target holds key rotations that this database does not know. It was probably restored from an older"
            " backup: run `manage.py recover_log --from` that target first. Nothing was written."
        )


def _write_texts(target: Target, done: Published) -> None:
    for name, text in TEXTS.items():
        content = text()
        if content is not None and target.read(name) != content.encode():
            target.write(name, content.encode(), TEXT, A_MOMENT)
            done.written += 1


def _write_checkpoint(target: Target, present: bytes | None, new: bytes, done: Published) -> None:
    if present != new:
        target.swap(CHECKPOINT, present, new, TEXT, A_MOMENT)
        done.written += 1


def _drop_partials(target: Target, old: int, new: int) -> None:
    """A partial tile may go when the full one is there (C2SP tlog-tiles); a client then takes the full one."""
    for folder in _filled(old, new):
        target.remove_all(folder)


def _filled(old: int, new: int) -> Iterator[str]:
    """The folders of the partial tiles of the tree of `old` leaves that are full in that of `new`."""
    level = 0
    while (hashes := old >> (tiles.HEIGHT * level)) > 0:
        n = hashes // tiles.WIDTH
        if hashes % tiles.WIDTH and tiles.width_of(level, n, new) == tiles.WIDTH:
            yield from (f"tile/{kind}/{tiles.path_of(n)}.p" for kind in _kinds(level))
        level += 1


def _kinds(level: int) -> Sequence[str]:
    return ("entries", "0") if level == 0 else (str(level),)
