"""The database itself refuses to change the log, whoever asks: UPDATE, DELETE, TRUNCATE (PostgreSQL) and, on SQLite,
INSERT OR REPLACE, which would delete without firing a DELETE trigger. A tile may only grow by keeping its beginning.

Triggers are made again after each `migrate` (and are no migration themselves): where a migration rebuilds a table, as
all of SQLite's do, the table's triggers are silently dropped with the old one.
"""

from collections.abc import Iterable
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

FROZEN: Final = ("ledger_entry", "ledger_sequence", "ledger_checkpoint", "ledger_cosignature", "ledger_stamp")
# SQLite: when an inserted row would take the place of another one.
TAKEN: Final = {
    "ledger_entry": "EXISTS (SELECT 1 FROM ledger_entry WHERE id = NEW.id)",
    "ledger_sequence": 'EXISTS (SELECT 1 FROM ledger_sequence WHERE "index" = NEW."index" OR entry_id = NEW.entry_id)',
    "ledger_checkpoint": "EXISTS (SELECT 1 FROM ledger_checkpoint WHERE size = NEW.size)",
    "ledger_cosignature": "EXISTS (SELECT 1 FROM ledger_cosignature WHERE id = NEW.id OR (checkpoint_id ="
    " NEW.checkpoint_id AND name = NEW.name AND key_id = NEW.key_id))",
    "ledger_stamp": "EXISTS (SELECT 1 FROM ledger_stamp WHERE id = NEW.id OR (checkpoint_id = NEW.checkpoint_id"
    " AND authority = NEW.authority))",
    "ledger_tile": "EXISTS (SELECT 1 FROM ledger_tile WHERE id = NEW.id OR (level = NEW.level AND n = NEW.n))",
}
FULL_TILE: Final = 8192

_REFUSE = """CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$"""
_GROWS = f"""CREATE OR REPLACE FUNCTION ledger_tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id = OLD.id AND NEW.level = OLD.level AND NEW.n = OLD.n
     AND length(NEW.data) > length(OLD.data) AND length(NEW.data) <= {FULL_TILE}
     AND substring(NEW.data FROM 1 FOR length(OLD.data)) = OLD.data THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a tile only grows' USING ERRCODE = 'integrity_constraint_violation';
END $$"""


def triggers(vendor: str) -> dict[str, tuple[str, str]]:
    """Name → (table, the rest of its CREATE TRIGGER statement)."""
    return _sqlite() if vendor == "sqlite" else _postgresql()


def functions(vendor: str) -> tuple[str, ...]:
    return () if vendor == "sqlite" else (_REFUSE, _GROWS)


def protect(connection: BaseDatabaseWrapper) -> None:
    """Make every trigger, those that are there again. Raises RuntimeError on a database that cannot hold the log."""
    if connection.vendor not in ("sqlite", "postgresql"):
        raise RuntimeError("Assay runs on SQLite and PostgreSQL; this database cannot hold an append-only log")
    _execute(connection, functions(connection.vendor))
    for name, (table, body) in triggers(connection.vendor).items():
        _execute(connection, (_drop(connection, name, table), f"CREATE TRIGGER {name} {body}"))


def unprotect(connection: BaseDatabaseWrapper) -> None:
    """Take every trigger away: for a migration that rebuilds a table of the log, and for tests."""
    _execute(connection, (_drop(connection, name, table) for name, (table, _) in triggers(connection.vendor).items()))


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers that should be there and are not, or are switched off."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')")
        there = {row[0] for row in cursor.fetchall()}
    return sorted(set(triggers(connection.vendor)) - there)


def protect_after_migrate(using: str, **_: Any) -> None:
    """Receiver of `post_migrate`."""
    connection = connections[using]
    if "ledger_stamp" in connection.introspection.table_names():
        protect(connection)


def _drop(connection: BaseDatabaseWrapper, name: str, table: str) -> str:
    return f"DROP TRIGGER IF EXISTS {name}" + ("" if connection.vendor == "sqlite" else f" ON {table}")


def _execute(connection: BaseDatabaseWrapper, statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _sqlite() -> dict[str, tuple[str, str]]:
    made = {}
    for table in FROZEN:
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        made[f"{table}_no_update"] = (table, f"BEFORE UPDATE ON {table} {refuse}")
    for table in (*FROZEN, "ledger_tile"):
        refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        made[f"{table}_no_delete"] = (table, f"BEFORE DELETE ON {table} {refuse}")
        made[f"{table}_no_replace"] = (table, f"BEFORE INSERT ON {table} WHEN {TAKEN[table]} {refuse}")
    made["ledger_tile_only_grows"] = (
        "ledger_tile",
        "BEFORE UPDATE ON ledger_tile WHEN NOT (NEW.id = OLD.id AND NEW.level = OLD.level AND NEW.n = OLD.n"
        " AND length(NEW.data) > length(OLD.data)"
        f" AND length(NEW.data) <= {FULL_TILE} AND substr(NEW.data, 1, length(OLD.data)) = OLD.data)"
        " BEGIN SELECT RAISE(ABORT, 'a tile only grows'); END",
    )
    return made


def _postgresql() -> dict[str, tuple[str, str]]:
    refuse = "EXECUTE FUNCTION ledger_refuse()"
    made = {
        f"{table}_no_change": (table, f"BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refuse}") for table in FROZEN
    }
    made["ledger_tile_no_delete"] = ("ledger_tile", f"BEFORE DELETE ON ledger_tile FOR EACH ROW {refuse}")
    made["ledger_tile_only_grows"] = (
        "ledger_tile",
        "BEFORE UPDATE ON ledger_tile FOR EACH ROW EXECUTE FUNCTION ledger_tile_grows()",
    )
    for table in (*FROZEN, "ledger_tile"):
        made[f"{table}_no_truncate"] = (table, f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}")
    return made
