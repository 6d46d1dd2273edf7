"""Names of transactions, for SQLite, whose SQL knows none: which changes and which entries were committed together."""

import secrets
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

FUNCTION: Final = "assay_transaction"  # the triggers of `ledger.protection` call it
# `append` leaves this mark beside the changes it accounts for.
MARK_SQLITE: Final = """\
INSERT INTO ledger_change ("table", operation, "transaction") VALUES ('ledger_entry', 'INSERT', assay_transaction())"""


class _Token:
    """Stands among the callbacks that wait for a commit, where it lives exactly as long as the rows that name it:
    until the commit, or until the savepoint after which it was made is rolled back.
    """

    def __init__(self, block: str | None) -> None:
        self.block = block
        self.value = secrets.token_hex(8)

    def __call__(self) -> None:
        """There is nothing to do on commit."""


def name_of(wrapper: BaseDatabaseWrapper) -> str | None:
    """The name of this connection's transaction, None outside of one."""
    blocks = [getattr(block, "_from_testcase", False) for block in wrapper.atomic_blocks]
    if all(blocks):
        return None
    # The transactions that Django's TestCase wraps around a test do not count; their savepoint stands for ours.
    outer = blocks.index(False)
    block = wrapper.savepoint_ids[outer - 1] if outer else None
    for waiting in wrapper.run_on_commit:
        held: object = waiting[1]
        if isinstance(held, _Token) and held.block == block:
            return held.value
    token = _Token(block)
    wrapper.on_commit(token)
    return token.value


def name_transactions(connection: Any, **_: Any) -> None:
    """Receiver of `connection_created`: give SQLite the function that the triggers call."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FUNCTION, 0, lambda: name_of(connection))
