"""When a missed deadline was settled after all: one of a case that was decided long ago drives no queue any more."""

import datetime as dt
from typing import Any

from django.db import migrations, models
from django.db.models import F

DECIDED = ("decided", "closed")
NO_DEADLINE = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)  # policy.models.cases.NO_DEADLINE


def settle(apps: Any, schema_editor: Any) -> None:
    missed = apps.get_model("policy", "Clock").objects.filter(state="breached", case__state__in=DECIDED)
    missed.update(settled_at=F("ended_at"))
    decided = apps.get_model("policy", "Case").objects.filter(state__in=DECIDED, next_due_at__isnull=False)
    decided.update(next_due_at=None, next_rule_id="", queue_at=NO_DEADLINE)


class Migration(migrations.Migration):
    dependencies = [("policy", "0011_copy_of_listed")]
    operations = [
        migrations.AddField(
            model_name="clock",
            name="settled_at",
            field=models.DateTimeField(null=True, help_text="Missed; since then done, or not needed any more."),
        ),
        migrations.RunPython(settle, migrations.RunPython.noop),
    ]
