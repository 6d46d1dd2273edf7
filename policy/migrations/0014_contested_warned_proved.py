"""A notice is contested once, a warning has a name, and an address counts once a link that went to it was used."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("policy", "0013_case_minor"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="notice",
            name="contested_at",
            field=models.DateTimeField(help_text="Once: a second “unfounded”, of somebody else, stands.", null=True),
        ),
        migrations.AddField(
            model_name="misuse",
            name="warned_by",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="person",
            name="contact_proved_at",
            field=models.DateTimeField(
                help_text="When a link that went to the contact was used; null: anybody may have typed it.", null=True
            ),
        ),
    ]
