"""The tree as stored, parts that are not signed yet included; readers use `ledger.reading`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from django.db import connection

from ledger.merkle import HASH_SIZE
from ledger.models import Tile
from ledger.tiles import HEIGHT, WIDTH

_INSERT: Final = "INSERT INTO ledger_tile (level, n, data) VALUES "
_GROW: Final = " ON CONFLICT (level, n) DO UPDATE SET data = excluded.data"


def read_tile(level: int, n: int) -> bytes:
    """A tile as far as it is stored (a `tiles.ReadTile`). Raises KeyError."""
    data = Tile.objects.filter(level=level, n=n).values_list("data", flat=True).first()
    if data is None:
        raise KeyError(f"tile {level}/{n}")
    return bytes(data)


def read_tiles(places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """These tiles (level, n) as far as they are stored, by one query (`foldedtiles.ReadTiles`)."""
    wanted = sorted(places)
    if not wanted:
        return {}
    # By hand: the ORM takes longer to put five places into words than the database to find them.
    where = " OR ".join(["(level = %s AND n = %s)"] * len(wanted))
    table = connection.ops.quote_name(Tile._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT level, n, data FROM {table} WHERE {where}",  # noqa: S608 - a table's name and place holders
            [number for place in wanted for number in place],
        )
        return {(level, n): bytes(data) for level, n, data in cursor.fetchall()}


def right_edge(size: int) -> set[tuple[int, int]]:
    """The places (level, n) of the partial tiles of a tree of `size` leaves: what its root, and growing it, need."""
    levels = range(-(-size.bit_length() // HEIGHT))
    return {(level, (size >> HEIGHT * level) // WIDTH) for level in levels if (size >> HEIGHT * level) % WIDTH}


def write_tiles(grown: Mapping[tuple[int, int], bytes], stored: Iterable[tuple[int, int]]) -> None:
    """Store tiles that grew, whole; `stored` are those of them that are stored already, shorter."""
    if connection.vendor == "sqlite":  # its trigger against REPLACE refuses ON CONFLICT as well
        known = set(stored) & grown.keys()
        with connection.cursor() as cursor:
            changed = [(grown[place], *place) for place in known]
            cursor.executemany("UPDATE ledger_tile SET data = %s WHERE level = %s AND n = %s", changed)
        _write({place: data for place, data in grown.items() if place not in known})
    else:
        _write(grown, _GROW)


def _write(grown: Mapping[tuple[int, int], bytes], conflict: str = "") -> None:
    if not grown:
        return
    values: list[Any] = [value for place, data in sorted(grown.items()) for value in (*place, data)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT + ", ".join(["(%s, %s, %s)"] * len(grown)) + conflict, values)


def stored_size() -> int:
    """How many leaves the stored tiles hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT n, length(data) FROM ledger_tile WHERE level = 0 ORDER BY n DESC LIMIT 1")
        last = cursor.fetchone()
    return 0 if last is None else int(last[0]) * WIDTH + int(last[1]) // HASH_SIZE
