"""The table of a bundle, out of its leaves and disclosures, in one pass over both. Pure."""

import json
from collections.abc import Iterator
from typing import Any, Final

from ledger import bundleformat as form
from ledger import container, merkle

_PIECE: Final = 1 << 18


def write_table(target: container.Writer, first: int, query: form.Query) -> int:
    """Write `entries.csv` from the members that are written already. Returns how many entries match the query."""
    matching, pending, size = 0, [form.CSV_HEADER], 0
    opened = Opened(map(json.loads, target.open(form.DISCLOSURES)))
    with target.member(form.CSV) as part:
        for index, line in enumerate(target.open(form.LEAVES), first):
            leaf = line[:-1]
            fields = json.loads(leaf)
            matching += query.matches(fields)
            values = {row["name"]: row["value"] for row in opened.of(index)}
            pending.append(form.csv_row(index, leaf, merkle.leaf_hash(leaf), fields, values))
            size += len(pending[-1])
            if size > _PIECE:
                part.write(b"".join(pending))
                pending, size = [], 0
        part.write(b"".join(pending))
    return matching


class Opened:
    """Disclosures in their order, taken entry by entry."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self.next = next(rows, None)

    def of(self, index: int) -> list[dict[str, Any]]:
        """The rows of this entry, which must not be before that of the last call."""
        found = []
        while self.next is not None and self.next["index"] == index:
            found.append(self.next)
            self.next = next(self._rows, None)
        return found
