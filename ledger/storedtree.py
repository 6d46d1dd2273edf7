"""The tree as stored, parts that are not signed yet included; readers use `ledger.reading`."""

from ledger.merkle import HASH_SIZE
from ledger.models import Tile
from ledger.tiles import WIDTH


def read_tile(level: int, n: int) -> bytes:
    """A tile as far as it is stored (a `tiles.ReadTile`). Raises KeyError."""
    data = Tile.objects.filter(level=level, n=n).values_list("data", flat=True).first()
    if data is None:
        raise KeyError(f"tile {level}/{n}")
    return bytes(data)


def stored_size() -> int:
    """How many leaves the stored tiles hold."""
    last = Tile.objects.filter(level=0).order_by("-n").values_list("n", "data").first()
    return 0 if last is None else last[0] * WIDTH + len(bytes(last[1])) // HASH_SIZE
