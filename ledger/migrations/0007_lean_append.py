"""What every append paid for and nothing needed: the second index on `type`, and all that PostgreSQL kept about the
outbox: its foreign key (a look-up and a row lock for each entry) and its primary key's index.

The sequencer finds what waits by place, takes only ids that are entries, and `ledger_sequence` holds each entry once.
"""

from django.db import migrations, models
import django.db.models.deletion

_PRIMARY_KEY = "ALTER TABLE ledger_outbox DROP CONSTRAINT IF EXISTS ledger_outbox_pkey"
_AGAIN = "ALTER TABLE ledger_outbox ADD PRIMARY KEY (entry_id)"


def drop_key(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_PRIMARY_KEY)


def add_key(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(_AGAIN)


class Migration(migrations.Migration):
    dependencies = [("ledger", "0006_write_path")]

    operations = [
        migrations.AlterField("entry", "type", models.CharField(max_length=40)),
        migrations.AddIndex("entry", models.Index(fields=["type"], name="entries_by_type")),
        migrations.AlterField(
            "outbox",
            "entry",
            models.OneToOneField(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                primary_key=True,
                related_name="+",
                serialize=False,
                to="ledger.entry",
            ),
        ),
        migrations.RunPython(drop_key, add_key),
    ]
