"""Lets the test framework empty the ledger's tables, which the product's own triggers refuse.

Only `TransactionTestCase` (fixtures `transactional_db`, `live_server`) flushes tables; just around that flush the
triggers are taken away and put back. Tests with `db` roll back and never need this: their triggers are always real.
"""

import importlib
from typing import Any

from django.db import connection
from django.test import TransactionTestCase

_triggers = importlib.import_module("ledger.migrations.0002_append_only")


def unprotect() -> None:
    """Take the triggers away; only for tests that play somebody with full access to the database."""
    with connection.schema_editor(atomic=False) if connection.vendor != "sqlite" else _Plain() as editor:
        _triggers.unprotect(None, editor)


def protect() -> None:
    with connection.schema_editor(atomic=False) if connection.vendor != "sqlite" else _Plain() as editor:
        _triggers.protect(None, editor)


def let_flush_through() -> None:
    """Patch the teardown of Django's TransactionTestCase; calling it again changes nothing."""
    original = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    if getattr(original, "lets_flush_through", False):
        return

    def teardown(self: Any) -> None:
        unprotect()
        try:
            original(self)
        finally:
            protect()

    teardown.lets_flush_through = True  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]


class _Plain:
    """SQLite's schema editor refuses to work inside a transaction; the triggers only need its connection."""

    connection = connection

    def __enter__(self) -> "_Plain":
        return self

    def __exit__(self, *_: object) -> None:
        return None
