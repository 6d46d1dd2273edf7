"""The entries of a bundle as Parquet, for who computes with them. Only where the office has installed pyarrow
(`pip install pyarrow`): the service does without.
"""

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.canonical import canonical_json
from ledger.models import Entry

# Rows in memory at a time, and in one group of the file.
GROUP: Final = 10_000
NAME: Final = "entries.parquet"


def is_there() -> bool:
    return importlib.util.find_spec("pyarrow") is not None


class Table:
    """Rows go to the file in groups; nothing else is held."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        self._arrow = pyarrow
        texts = ("type", "ts", "role", "object", "facts")
        fields = [("index", pyarrow.int64()), *((name, pyarrow.string()) for name in texts), ("leaf", pyarrow.binary())]
        self._schema = pyarrow.schema(fields)
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, entry: Entry, leaf: Mapping[str, Any]) -> None:
        """One more entry. facts: canonical JSON. leaf: the very bytes that the log proves."""
        said = {name: leaf[name] for name in ("type", "ts", "role", "object")}
        facts = canonical_json(leaf["facts"]).decode()
        self._rows.append({"index": entry.sequence.index, **said, "facts": facts, "leaf": bytes(entry.leaf)})
        if len(self._rows) == GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


@contextmanager
def table(folder: Path) -> Iterator[Table | None]:
    """The file NAME in `folder`, whole when the block ends; None without pyarrow."""
    made = Table(folder / NAME) if is_there() else None
    try:
        yield made
    finally:
        if made:
            made.close()
