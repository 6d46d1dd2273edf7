"""T9: what the evidence weighs, beside an audit table that has none.

Counted, all with indexes, TOAST and free space, after live appends and a VACUUM, in bytes an entry: ledger_entry less a
plain audit table with the same payload, columns and indexes (what remains is leaf_hash), ledger_sequence, ledger_tile,
ledger_outbox, ledger_checkpoint. Not counted: ledger_sealedsection, which is payload, not evidence.
"""

import sys

from benchmarks import ledger_peers as peers
from benchmarks.ledger_server import Database, Server, drained, in_product, pgbench_count, sequencer
from benchmarks.ledger_sizes import Sizes
from benchmarks.table import Figure

EVIDENCE = ("ledger_sequence", "ledger_tile", "ledger_outbox", "ledger_checkpoint")
PARTS = """
SELECT coalesce(string_agg(part || ' ' || round(bytes::numeric / {entries}, 1), ', ' ORDER BY bytes DESC), '') FROM (
  SELECT relname AS part, pg_relation_size(c.oid) AS bytes FROM pg_class c
  WHERE relname IN ({names}) OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid::regclass::text IN ({names}))
  UNION ALL SELECT relname || ' toast', pg_total_relation_size(reltoastrelid) FROM pg_class
  WHERE relname IN ({names}) AND reltoastrelid <> 0) parts WHERE bytes > {entries} / 2"""


def storage(server: Server, sizes: Sizes) -> list[Figure]:
    database = server.database("storage")
    peers.prepare(database)
    script = str(in_product(database, "benchmarks.ledger_peers:append_script"))
    with sequencer(database):
        pgbench_count(database, script, 32, sizes.entries, peers.VARIABLES)
        drained(database)
    pgbench_count(database, peers.AUDIT, 32, sizes.entries, peers.VARIABLES)
    database.execute("VACUUM")
    entries = int(database.value("SELECT count(*) FROM ledger_entry"))
    entry = _bytes(database, "ledger_entry") - _bytes(database, "peer_audit")
    parts = {"leaf hash": entry / entries}
    parts |= {table.removeprefix("ledger_"): _bytes(database, table) / entries for table in EVIDENCE}
    total = sum(parts.values())
    print(f"bytes an entry by table and index: {_details(database, entries)}", file=sys.stderr)
    return [
        Figure(
            "T9",
            "tamper evidence on disk, indexes included",
            "≤ 170 B an entry",
            f"{total:.0f} B",
            total <= 170,
            f"after {entries:,} entries and VACUUM: " + ", ".join(f"{part} {size:.0f}" for part, size in parts.items()),
        )
    ]


def _details(database: Database, entries: int) -> str:
    names = ", ".join(f"'{table}'" for table in ("ledger_entry", "peer_audit", *EVIDENCE))
    return str(database.value(PARTS.format(entries=entries, names=names)))


def _bytes(database: Database, table: str) -> int:
    return int(database.value(f"SELECT pg_total_relation_size('{table}')"))
