"""The catch-all: what changes in a regulated table without an entry becomes an entry, `record:changed`.

Triggers (`ledger.protection.watch`) note each changed row, bulk and raw SQL included, with the transaction it was
changed in. A change whose transaction appended any entry is accounted for: the verbs of this office record what they
do. The rest is recorded here, by the sequencer, as table, operation and number of rows; where very many transactions
changed something, all but the first of a tick are summed up, and their number stands beside that of the rows.

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

# Changes (of one table, operation, transaction) that get an entry of their own in one tick. Those beyond are summed up,
# so that a million statements, each its own transaction, are a few entries and not a million. Nothing is left for a
# later tick, which could no longer see the outbox as it is in this one.
APART: Final = 500

_ONE_STATEMENT: Final = """WITH {}, one AS (
  SELECT "table", operation, count(*) AS changed, min(id) AS first, row_number() OVER (ORDER BY min(id)) AS place
  FROM unaccounted GROUP BY "table", operation, "transaction"
)
SELECT "table", operation, CAST(sum(changed) AS bigint), count(*) FROM one
GROUP BY "table", operation, CASE WHEN place <= %s THEN place END ORDER BY min(first)"""
_UNACCOUNTED: Final = {
    # One statement, one snapshot; an index on the outbox would cost every append, and this runs only after a change.
    "postgresql": _ONE_STATEMENT.format("""\
noted AS (DELETE FROM ledger_change RETURNING id, "table", operation, "transaction"), unaccounted AS (
  SELECT * FROM noted
  WHERE NOT EXISTS (SELECT 1 FROM ledger_outbox WHERE ledger_outbox."transaction" = noted."transaction")
)"""),
    "sqlite": _ONE_STATEMENT.format("""\
unaccounted AS (
  SELECT * FROM ledger_change AS noted
  WHERE NOT EXISTS (SELECT 1 FROM ledger_change AS mark
                    WHERE mark."table" = 'ledger_entry' AND mark."transaction" = noted."transaction")
)"""),
}


def waiting() -> bool:
    """Whether notes wait for `account`: of changes and, on SQLite, the marks of entries appended since the last one."""
    return Change.objects.exists()


def account() -> int:
    """Append `record:changed` for what no entry accounts for; one entry per table, operation and transaction.

    Beyond APART of them, one per table and operation, with the fact `transactions`: in how many. Returns the number
    of entries. Runs inside the sequencer's transaction, before the outbox is drained: a change and its entry
    commit together, so that a REPEATABLE READ snapshot holds both or neither.
    """
    if not waiting():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_UNACCOUNTED[connection.vendor], [APART])
        found = cursor.fetchall()
    for table, operation, rows, transactions in found:
        facts = {"table": table, "operation": operation, "rows": rows}
        if transactions > 1:
            facts["transactions"] = transactions
        log.append(EventType.RECORD_CHANGED, actor=ACTOR, role="system", facts=facts)
    if connection.vendor == "sqlite":
        Change.objects.all().delete()  # with the marks of the entries just appended
    return len(found)
