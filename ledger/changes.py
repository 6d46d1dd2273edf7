"""The catch-all: what changes in a regulated table without an entry becomes an entry, `record:changed`.

Triggers (`ledger.protection.watch`) note each changed row, bulk and raw SQL included, with the transaction it was
changed in. A change whose transaction appended any entry is accounted for: the verbs of this office record what they
do. The rest is recorded here, by the sequencer, as table, operation and number of rows.

On PostgreSQL the database numbers its transactions. SQLite's SQL knows none, so the triggers ask this process
(`assay_transaction()`), and `append` leaves a mark beside the changes. A program that is not Assay has no such
function, and its writes to regulated tables fail with “no such function: assay_transaction”: refused, not recorded.

What this does not see: who may alter tables can take the triggers away (`check_log` and the doctor say so), and a
change hidden beside an entry about something else passes here; `ledger.reconciliation` compares rows with entries.
"""

from typing import Final

from django.db import connection

from ledger import log
from ledger.events import EventType
from ledger.models import Change

ACTOR: Final = "system:changes"

_UNACCOUNTED: Final = {
    # One statement, one snapshot; an index on the outbox would cost every append, and this runs only after a change.
    "postgresql": """
        WITH noted AS (DELETE FROM ledger_change RETURNING id, "table", operation, "transaction")
        SELECT "table", operation, count(*) FROM noted
        WHERE NOT EXISTS (SELECT 1 FROM ledger_outbox WHERE ledger_outbox."transaction" = noted."transaction")
        GROUP BY "table", operation, "transaction" ORDER BY min(id)""",
    "sqlite": """
        SELECT "table", operation, count(*) FROM ledger_change AS noted
        WHERE NOT EXISTS (SELECT 1 FROM ledger_change AS mark
                          WHERE mark."table" = 'ledger_entry' AND mark."transaction" = noted."transaction")
        GROUP BY "table", operation, "transaction" ORDER BY min(id)""",
}


def waiting() -> bool:
    """Whether a change waits to be accounted for: a tick has work to do."""
    return Change.objects.exists()


def account() -> int:
    """Append `record:changed` for what no entry accounts for; one entry per table, operation and transaction.

    Returns how many. Runs inside the sequencer's transaction, before the outbox is drained: a change and its entry
    commit together, so that a REPEATABLE READ snapshot holds both or neither.
    """
    if not waiting():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_UNACCOUNTED[connection.vendor])
        found = cursor.fetchall()
    for table, operation, rows in found:
        facts = {"table": table, "operation": operation, "rows": rows}
        log.append(EventType.RECORD_CHANGED, actor=ACTOR, role="system", facts=facts)
    if connection.vendor == "sqlite":
        Change.objects.all().delete()  # with the marks of the entries just appended
    return len(found)
