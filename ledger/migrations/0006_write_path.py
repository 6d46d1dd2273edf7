"""PostgreSQL only: how the busiest tables of the log are kept."""

from django.db import migrations

# A tile is hashes: nothing to compress, so nothing is tried.
TILES = "ALTER TABLE ledger_tile ALTER COLUMN data SET STORAGE {}"
# Every entry passes through the outbox, and the partial tiles are written again at each tick. By PostgreSQL's default
# dead rows are swept when they are a fifth of a table, which for a table that is empty most of the time says nothing.
SWEPT = ("autovacuum_vacuum_scale_factor", "autovacuum_vacuum_threshold")
OFTEN = {
    "ledger_outbox": [f"{SWEPT[0]} = 0", f"{SWEPT[1]} = 2000", "autovacuum_vacuum_cost_delay = 0"],
    "ledger_tile": [f"{part}{name}" for part in ("", "toast.") for name in (f"{SWEPT[0]} = 0.01", f"{SWEPT[1]} = 500")],
}


def keep(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TILES.format("EXTERNAL"))
        for table, settings in OFTEN.items():
            schema_editor.execute(f"ALTER TABLE {table} SET ({', '.join(settings)})")


def let_go(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(TILES.format("EXTENDED"))
        for table, settings in OFTEN.items():
            names = ", ".join(setting.partition(" = ")[0] for setting in settings)
            schema_editor.execute(f"ALTER TABLE {table} RESET ({names})")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_key_rotation")]
    operations = [migrations.RunPython(keep, let_go)]
