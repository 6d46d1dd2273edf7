"""The database itself refuses to change the log, whoever asks: UPDATE, DELETE, TRUNCATE (PostgreSQL) and, on SQLite,
INSERT OR REPLACE, which would delete without firing a DELETE trigger. A tile may only grow by keeping its beginning.
Other triggers watch the regulated tables and note each row that changes (`ledger.changes`).

Triggers are made again after each `migrate` (and are no migration themselves): where a migration rebuilds a table, as
all of SQLite's do, the table's triggers are silently dropped with the old one.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from core.health import Check
from ledger import regulated
from ledger.regulated import Regulated

FROZEN: Final = ("ledger_entry", "ledger_sequence", "ledger_checkpoint", "ledger_cosignature", "ledger_stamp")
# SQLite: when an inserted row would take the place of another one.
TAKEN: Final = {
    "ledger_entry": "EXISTS (SELECT 1 FROM ledger_entry WHERE id = NEW.id)",
    "ledger_sequence": 'EXISTS (SELECT 1 FROM ledger_sequence WHERE "index" = NEW."index" OR entry_id = NEW.entry_id)',
    "ledger_checkpoint": "EXISTS (SELECT 1 FROM ledger_checkpoint WHERE size = NEW.size)",
    "ledger_cosignature": "EXISTS (SELECT 1 FROM ledger_cosignature WHERE id = NEW.id OR (checkpoint_id ="
    " NEW.checkpoint_id AND name = NEW.name AND key_id = NEW.key_id AND timestamp = NEW.timestamp))",
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
# As their owner: whoever changes a row needs no right to write or delete notes. One note for each row.
_NOTE = """CREATE OR REPLACE FUNCTION ledger_note() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO {schema}.ledger_change ("table", operation, "transaction")
  VALUES (TG_TABLE_NAME, TG_OP, pg_current_xact_id()::text);
  RETURN NULL;
END $$"""
_NOTE_ALL = """CREATE OR REPLACE FUNCTION ledger_note_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  EXECUTE format('INSERT INTO {schema}.ledger_change ("table", operation, "transaction")
    SELECT %L, %L, pg_current_xact_id()::text FROM %I.%I', TG_TABLE_NAME, TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$"""


def triggers(vendor: str) -> dict[str, tuple[str, str]]:
    """Name → (table, the rest of its CREATE TRIGGER statement)."""
    return _sqlite() if vendor == "sqlite" else _postgresql()


def functions(vendor: str) -> tuple[str, ...]:
    return () if vendor == "sqlite" else (_REFUSE, _GROWS)


def protect(connection: BaseDatabaseWrapper) -> None:
    """Make every trigger that guards the log, those that are there again.

    Raises RuntimeError on a database that cannot hold the log.
    """
    if connection.vendor not in ("sqlite", "postgresql"):
        raise RuntimeError("Assay runs on SQLite and PostgreSQL; this database cannot hold an append-only log")
    with transaction.atomic(using=connection.alias):
        _execute(connection, functions(connection.vendor))
        for name, (table, body) in triggers(connection.vendor).items():
            _execute(connection, (_drop(connection, name, table), f"CREATE TRIGGER {name} {body}"))


def unprotect(connection: BaseDatabaseWrapper) -> None:
    """Take those triggers away: for a migration that rebuilds a table of the log, and for tests."""
    _execute(
        connection, (_drop(connection, name, table) for name, (table, _body) in triggers(connection.vendor).items())
    )


def watch(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers that note changes of regulated tables, those that are not there or not as they should be."""
    with transaction.atomic(using=connection.alias):
        _execute(connection, _noting(connection))
        stored = _stored(connection)
        for name, (table, body) in notes(connection).items():
            if stored.get(name) != body:
                _execute(connection, (_drop(connection, name, table), f"CREATE TRIGGER {name} {body}"))
                _describe(connection, name, table, body)


def unwatch(connection: BaseDatabaseWrapper) -> None:
    """Take those triggers away: a column they compare cannot be altered, nor a table they write to rebuilt."""
    wanted = [(name, table) for one in regulated.tables() for name, table in _names(connection.vendor, one)]
    there = _stored(connection)
    _execute(connection, (_drop(connection, name, table) for name, table in wanted if name in there))


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Names of the triggers, and the functions they call, that are not there, switched off, or not ours."""
    stored, made = _stored(connection), triggers(connection.vendor) | notes(connection)
    gone = set(made) - set(stored)
    if connection.vendor == "sqlite":
        gone |= {name for name, (_table, body) in made.items() if stored.get(name) != body}
    else:
        gone |= _foreign_functions(connection)
    return sorted(gone)


def _foreign_functions(connection: BaseDatabaseWrapper) -> set[str]:
    ours = [*functions(connection.vendor), *_noting(connection)]
    bodies = {text.split("FUNCTION ")[1].split("(")[0]: text.split("$$")[1] for text in ours}
    with connection.cursor() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace")
        stored = {str(name): str(body) for name, body in cursor.fetchall()}
    return {name for name, body in bodies.items() if stored.get(name) != body}


def unwatch_before_migrate(using: str, plan: Collection[object] = (), **kwargs: Any) -> None:
    """Receiver of `pre_migrate`. What migrations change is therefore not noted."""
    if plan:
        unwatch(connections[using])


def protect_after_migrate(using: str, **kwargs: Any) -> None:
    """Receiver of `post_migrate`."""
    connection = connections[using]
    if "ledger_stamp" in connection.introspection.table_names() and _is_owner(connection):
        protect(connection)
        watch(connection)


def check() -> Check:
    """For `core.health`."""
    gone = missing(connections["default"])
    if gone:
        detail = _("%(count)s triggers that guard the log are gone, the first is %(name)s: run `manage.py migrate`")
        return Check("triggers", False, detail % {"count": len(gone), "name": gone[0]})
    return Check("triggers", True, _("the database refuses to change the log, and notes other changes"))


def _is_owner(connection: BaseDatabaseWrapper) -> bool:
    """Who may not make triggers leaves them as they are (`ledger.roles`); `check` says if some are missing."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'ledger_entry'::regclass")
        return bool(cursor.fetchone()[0])


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


# --- Notes of changes ------------------------------------------------------------------------------------------------


def notes(connection: BaseDatabaseWrapper) -> dict[str, tuple[str, str]]:
    """As `triggers`, for the regulated tables that exist in this database."""
    there = _columns(connection)
    return {
        name: (one.table, body)
        for one in regulated.tables()
        if one.table in there
        for name, body in _watching(connection.vendor, one, there[one.table])
    }


def _names(vendor: str, one: Regulated) -> list[tuple[str, str]]:
    emptied = ("TRUNCATE",) if vendor == "postgresql" and regulated.DELETE in one.operations else ()
    return [(_name(one, operation), one.table) for operation in (*one.operations, *emptied)]


def _name(one: Regulated, operation: str) -> str:
    return f"{one.table}_noted_{operation.lower()}"


def _watching(vendor: str, one: Regulated, columns: Sequence[str]) -> list[tuple[str, str]]:
    """(name, the rest of its CREATE TRIGGER statement)."""
    made = []
    for operation in one.operations:
        when = _when(vendor, one, columns) if operation == regulated.UPDATE else ""
        note = _sqlite_note(one, operation) if vendor == "sqlite" else _CALL.format("note")
        made.append((_name(one, operation), f"AFTER {operation} ON {one.table} FOR EACH ROW {when}{note}"))
    if vendor == "postgresql" and regulated.DELETE in one.operations:
        # Before, while the rows can still be counted.
        emptied = f"BEFORE TRUNCATE ON {one.table} FOR EACH STATEMENT {_CALL.format('note_all')}"
        made.append((_name(one, "TRUNCATE"), emptied))
    return made


_CALL: Final = "EXECUTE FUNCTION ledger_{}()"


def _sqlite_note(one: Regulated, operation: str) -> str:
    columns, values = '"table", operation, "transaction"', f"'{one.table}', '{operation}', assay_transaction()"
    return f"BEGIN INSERT INTO ledger_change ({columns}) VALUES ({values}); END"  # noqa: S608 - constants


def _when(vendor: str, one: Regulated, columns: Sequence[str]) -> str:
    """A row that is written as it was has not changed."""
    differs = "IS NOT" if vendor == "sqlite" else "IS DISTINCT FROM"
    quoted = [f'"{name}"' for name in columns if name not in one.but]
    return f"WHEN ({' OR '.join(f'OLD.{name} {differs} NEW.{name}' for name in quoted)}) "


def _columns(connection: BaseDatabaseWrapper) -> dict[str, list[str]]:
    """Table → its columns, in one query: Django's introspection takes several for each table."""
    found: dict[str, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS[connection.vendor])
        for table, column in cursor.fetchall():
            found.setdefault(table, []).append(column)
    return found


_COLUMNS: Final = {
    "sqlite": "SELECT held.name, one.name FROM sqlite_master AS held, pragma_table_info(held.name) AS one"
    " WHERE held.type = 'table' ORDER BY held.name, one.cid",
    "postgresql": "SELECT relname, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
    " WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped"
    " ORDER BY relname, attnum",
}


def _noting(connection: BaseDatabaseWrapper) -> tuple[str, ...]:
    if connection.vendor == "sqlite":
        return ()
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
    return _NOTE.format(schema=schema), _NOTE_ALL.format(schema=schema)


def _stored(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Name → the rest of its CREATE TRIGGER statement (PostgreSQL: as its comment says), of triggers switched on."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, substr(sql, length('CREATE TRIGGER ' || name || ' ') + 1) FROM sqlite_master"
                " WHERE type = 'trigger'"
            )
        else:
            cursor.execute(
                "SELECT tgname, obj_description(oid, 'pg_trigger') FROM pg_trigger"
                " WHERE tgenabled IN ('O', 'A') AND NOT tgisinternal"
            )
        return {str(name): str(body) for name, body in cursor.fetchall()}


def _describe(connection: BaseDatabaseWrapper, name: str, table: str, body: str) -> None:
    if connection.vendor == "postgresql":
        text = body.replace("'", "''")
        _execute(connection, (f"COMMENT ON TRIGGER {name} ON {table} IS '{text}'",))
