"""A person shown has a PIN of their own; who proved a request that came by letter, and how, is on record."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def _operator(help_text: str) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        help_text=help_text,
        null=True,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        to=settings.AUTH_USER_MODEL,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("policy", "0014_contested_warned_proved"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="person",
            name="pin_hash",
            field=models.CharField(
                blank=True,
                default="",
                help_text="Of the PIN given with the first answer by link; empty: none was given.",
                max_length=128,
            ),
            preserve_default=False,
        ),
        migrations.AddField(model_name="person", name="wrong_pins", field=models.PositiveSmallIntegerField(default=0)),
        migrations.AddField(model_name="person", name="locked_until", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="datarequest",
            name="written_by",
            field=_operator("Who wrote down what came by letter; null: they asked themselves."),
        ),
        migrations.AddField(
            model_name="datarequest",
            name="proved_by",
            field=_operator("Who was shown the proof. Somebody else carries it out."),
        ),
        migrations.AddField(
            model_name="datarequest",
            name="proved_how",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "not proved"),
                    ("letter", "A letter from the address we hold"),
                    ("code", "A code that we sent to the address we hold"),
                    ("in_person", "In person"),
                ],
                default="",
                max_length=9,
            ),
        ),
    ]
