from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policy", "0007_notice_unfounded")]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="returned_because",
            field=models.TextField(
                blank=True, default="", help_text="Why the second person sent it back.", max_length=5000
            ),
            preserve_default=False,
        ),
    ]
