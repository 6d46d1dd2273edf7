"""Who recorded that a body outside looks at an appeal is not who records that the office does what it said."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("policy", "0015_pin_and_proof"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            model_name="outofcourt",
            name="opened_by",
            field=models.ForeignKey(
                help_text="Somebody else records that the office does what the body said.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
    ]
