"""Entries come in the order of time, so PostgreSQL indexes `created_at` by block ranges, which costs an append nothing; and
what the sequencer has just joined with `ledger_entry` is not looked up there once more by a foreign key.
"""

from django.db import migrations, models
import django.db.models.deletion

import core.clock

_BY_TIME = {
    "postgresql": "CREATE INDEX entries_by_time ON ledger_entry USING brin (created_at)"
    " WITH (pages_per_range = 32, autosummarize = on)",
    "sqlite": "CREATE INDEX entries_by_time ON ledger_entry (created_at)",
}


def index(apps, schema_editor):
    schema_editor.execute(_BY_TIME[schema_editor.connection.vendor])


def drop(apps, schema_editor):
    schema_editor.execute("DROP INDEX IF EXISTS entries_by_time")


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_lean_append")]

    operations = [
        migrations.AlterField("entry", "created_at", models.DateTimeField(default=core.clock.now)),
        migrations.AlterField(
            "sequence",
            "entry",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="sequence",
                to="ledger.entry",
            ),
        ),
        migrations.RunPython(index, drop),
    ]
