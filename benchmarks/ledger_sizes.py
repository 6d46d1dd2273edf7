"""How much is measured: the sizes of a run whose figures may be quoted, and of a quick one for development."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """rounds: interleaved, of `seconds` each (T1 to T4). arrivals: entries whose receipt is awaited (T5). saves: a
    round of T6. tree: entries of T7 and T8. peer_tree: entries in pymerkle's. entries: of T9. cycles: of T10.
    persons: erased in T12, each with `history` entries.
    """

    rounds: int
    seconds: int
    arrivals: int
    saves: int
    tree: int
    peer_tree: int
    entries: int
    cycles: int
    persons: int
    history: int


FULL = Sizes(
    rounds=5,
    seconds=3,
    arrivals=600,
    saves=400,
    tree=1_000_000,
    peer_tree=1_000_000,
    entries=240_000,
    cycles=100,
    persons=5,
    history=1_000,
)
QUICK = Sizes(
    rounds=3,
    seconds=1,
    arrivals=60,
    saves=60,
    tree=70_000,
    peer_tree=20_000,
    entries=20_000,
    cycles=3,
    persons=1,
    history=100,
)
