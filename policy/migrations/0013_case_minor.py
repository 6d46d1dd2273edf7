"""What is about a child says so by itself (I24), whatever its issue; and a proposal can be taken back."""

from typing import Any

from django.db import migrations, models


def fill(apps: Any, schema_editor: Any) -> None:
    cases = apps.get_model("policy", "Case").objects
    cases.filter(category="child_safety").update(minor=True)
    answers = apps.get_model("policy", "Notice").objects.values_list("case", "answers").iterator()
    for case in {case for case, answered in answers if answered.get("minor") == "yes"}:
        cases.filter(pk=case).update(minor=True)


class Migration(migrations.Migration):
    dependencies = [("policy", "0012_clock_settled")]
    operations = [
        migrations.AddField(
            model_name="case",
            name="minor",
            field=models.BooleanField(
                default=False,
                help_text="About a child: in no general list or export, and for who was trained for it (I24).",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="decision",
            name="state",
            field=models.CharField(
                choices=[
                    ("held", "waiting for a second person"),
                    ("returned", "sent back by the second person"),
                    ("withdrawn", "taken back before a second person agreed"),
                    ("in_effect", "in effect"),
                    ("expired", "run out"),
                    ("reversed", "reversed on appeal"),
                    ("superseded", "superseded by a later decision"),
                ],
                default="in_effect",
                max_length=10,
            ),
        ),
    ]
