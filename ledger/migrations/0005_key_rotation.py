from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_cosigned_again")]

    operations = [
        migrations.AddField(
            model_name="logkey",
            name="retires_at",
            field=models.DateTimeField(
                help_text="When the overlap with its successor ends, if it has one.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="personkey",
            index=models.Index(fields=["version"], name="person_keys_by_master"),
        ),
    ]
