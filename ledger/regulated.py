"""Which tables may not change without an entry in the log. Upper rooms name theirs at start-up.

`ledger.protection` puts triggers on them, and `ledger.changes` records whatever no entry accounts for.
"""

from dataclasses import dataclass
from typing import Final

from django.db.models import Model

INSERT: Final = "INSERT"
UPDATE: Final = "UPDATE"
DELETE: Final = "DELETE"
ALL: Final = (INSERT, UPDATE, DELETE)


@dataclass(frozen=True)
class Regulated:
    """operations: what needs an entry. but: columns that change without one, by design."""

    table: str
    operations: tuple[str, ...]
    but: frozenset[str]


_tables: dict[str, Regulated] = {}


def register(model: type[Model], *, operations: tuple[str, ...] = ALL, but: tuple[str, ...] = ()) -> None:
    """Changes of `model`'s rows need an entry of the same transaction (called from AppConfig.ready).

    but: fields that need none, as counters and states that the clock changes; a field added later needs one.
    Raises FieldDoesNotExist for a field that is not there.
    """
    columns = frozenset(str(model._meta.get_field(name).column) for name in but)  # type: ignore[union-attr]
    _tables[model._meta.db_table] = Regulated(model._meta.db_table, operations, columns)


def tables() -> tuple[Regulated, ...]:
    """All of them, by name."""
    return tuple(_tables[name] for name in sorted(_tables))
