"""Splits that ask the honest question: what does it do on a source, or a generator, it never saw?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from detection.evaluation.suite import Item, generators, sources


@dataclass(frozen=True)
class Split:
    """held_out: the source or generator. train, test: indices into the items that were split, disjoint."""

    held_out: str
    train: tuple[int, ...]
    test: tuple[int, ...]


def leave_one_generator_out(items: Sequence[Item], *, seed: int = 0, folds: int = 5) -> Iterator[Split]:
    """Per generator: test on all of it and on a fold of the reals, train on every other generator and the other reals.

    The reals of a test are never trained on: they are dealt to `folds` folds by group, one fold per generator in turn.
    """
    for index, name in enumerate(generators(items)):
        fold = {group_of(item) for item in items if not item.synthetic and _fold(item, folds, seed) == index % folds}
        test = {i for i, item in enumerate(items) if item.generator == name or _real_in(item, fold)}
        yield _without_shared_groups(name, items, test)


def leave_one_source_out(items: Sequence[Item]) -> Iterator[Split]:
    """Per source: test on it, train on everything else that shares no group with it."""
    for name in sources(items):
        yield _without_shared_groups(name, items, {i for i, item in enumerate(items) if item.source == name})


def in_folds(items: Sequence[Item], folds: int, *, seed: int = 0) -> Iterator[Split]:
    """Every group in the test once, everything else as in training: what “in domain” means."""
    for fold in range(folds):
        yield _without_shared_groups("", items, {i for i, item in enumerate(items) if _fold(item, folds, seed) == fold})


def _without_shared_groups(name: str, items: Sequence[Item], test: set[int]) -> Split:
    seen = {group_of(items[i]) for i in test}
    train = (i for i, item in enumerate(items) if i not in test and group_of(item) not in seen)
    return Split(name, tuple(train), tuple(sorted(test)))


def group_of(item: Item) -> str:
    return item.group or f"{item.source}/{item.path.name}"


def _real_in(item: Item, groups: set[str]) -> bool:
    return not item.synthetic and group_of(item) in groups


def _fold(item: Item, folds: int, seed: int) -> int:
    from hashlib import sha256

    return int.from_bytes(sha256(f"{seed}/{group_of(item)}".encode()).digest()[:4]) % folds
