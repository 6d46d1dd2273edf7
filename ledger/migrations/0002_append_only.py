"""The database itself refuses to change the log, whoever asks: UPDATE, DELETE, TRUNCATE (PostgreSQL) and, on SQLite,
INSERT OR REPLACE, which would delete without firing a DELETE trigger. A tile may only grow by keeping its beginning.
"""

from django.db import migrations

FROZEN = ("ledger_entry", "ledger_sequence", "ledger_checkpoint")
# When an inserted row would take the place of another one.
TAKEN = {
    "ledger_entry": "EXISTS (SELECT 1 FROM ledger_entry WHERE id = NEW.id OR leaf_hash = NEW.leaf_hash)",
    "ledger_sequence": 'EXISTS (SELECT 1 FROM ledger_sequence WHERE "index" = NEW."index" OR entry_id = NEW.entry_id)',
    "ledger_checkpoint": "EXISTS (SELECT 1 FROM ledger_checkpoint WHERE size = NEW.size)",
    "ledger_tile": "EXISTS (SELECT 1 FROM ledger_tile WHERE id = NEW.id OR (level = NEW.level AND n = NEW.n))",
}
FULL_TILE = 8192


def _sqlite() -> dict[str, str]:
    made = {}
    for table in FROZEN:
        made[f"{table}_no_update"] = f"BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    for table in (*FROZEN, "ledger_tile"):
        made[f"{table}_no_delete"] = f"BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        made[f"{table}_no_replace"] = (
            f"BEFORE INSERT ON {table} WHEN {TAKEN[table]} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    made["ledger_tile_only_grows"] = (
        "BEFORE UPDATE ON ledger_tile WHEN NOT (NEW.id = OLD.id AND NEW.level = OLD.level AND NEW.n = OLD.n"
        " AND length(NEW.data) > length(OLD.data)"
        f" AND length(NEW.data) <= {FULL_TILE} AND substr(NEW.data, 1, length(OLD.data)) = OLD.data)"
        " BEGIN SELECT RAISE(ABORT, 'a tile only grows'); END"
    )
    return made


POSTGRESQL = [
    """CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    f"""CREATE FUNCTION ledger_tile_grows() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN
         IF NEW.id = OLD.id AND NEW.level = OLD.level AND NEW.n = OLD.n
            AND length(NEW.data) > length(OLD.data) AND length(NEW.data) <= {FULL_TILE}
            AND substring(NEW.data FROM 1 FOR length(OLD.data)) = OLD.data THEN
           RETURN NEW;
         END IF;
         RAISE EXCEPTION 'a tile only grows' USING ERRCODE = 'integrity_constraint_violation';
       END $$""",
    *(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_refuse()"
        for table in FROZEN
    ),
    "CREATE TRIGGER ledger_tile_no_delete BEFORE DELETE ON ledger_tile FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_tile_only_grows BEFORE UPDATE ON ledger_tile FOR EACH ROW EXECUTE FUNCTION ledger_tile_grows()",
    *(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
        for table in (*FROZEN, "ledger_tile")
    ),
]


def protect(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "sqlite":
            for name, body in _sqlite().items():
                cursor.execute(f"CREATE TRIGGER {name} {body}")
        elif schema_editor.connection.vendor == "postgresql":
            for statement in POSTGRESQL:
                cursor.execute(statement)
        else:
            raise RuntimeError("Assay runs on SQLite and PostgreSQL; this database cannot hold an append-only log")


def unprotect(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        if schema_editor.connection.vendor == "sqlite":
            for name in _sqlite():
                cursor.execute(f"DROP TRIGGER {name}")
        else:
            for table in (*FROZEN, "ledger_tile"):
                for kind in ("no_change", "no_delete", "only_grows", "no_truncate"):
                    cursor.execute(f"DROP TRIGGER IF EXISTS {table}_{kind} ON {table}")
            cursor.execute("DROP FUNCTION IF EXISTS ledger_refuse(), ledger_tile_grows()")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]
    operations = [migrations.RunPython(protect, unprotect)]
