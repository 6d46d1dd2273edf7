"""Lets the test framework empty the ledger's tables, which the product's own triggers refuse.

Only `TransactionTestCase` (fixtures `transactional_db`, `live_server`) flushes tables; just around that flush the
triggers are taken away and put back. Tests with `db` roll back and never need this: their triggers are always real.
"""

from typing import Any

from django.db import connection
from django.test import TransactionTestCase

from ledger import protection
from ledger.models import Change


def unprotect() -> None:
    """Take the triggers away; only for tests that play somebody with full access to the database."""
    protection.unprotect(connection)


def protect() -> None:
    protection.protect(connection)


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
            Change.objects.all().delete()  # the flush itself was noted

    teardown.lets_flush_through = True  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]
