"""A seventh origin of flags: what a person asked us to look at, which hides nothing; and what is counted of uploads, in words."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policy", "0010_misuse_one_alive")]
    operations = [
        migrations.AlterField(
            model_name="flag",
            name="origin",
            field=models.CharField(
                choices=[
                    ("notice", "a notice"),
                    ("declared_synthetic", "the file declares that it is synthetic"),
                    ("consent_withdrawn", "consent was withdrawn"),
                    ("consent_refused", "consent to publish was refused"),
                    ("copy_of_hidden", "it looks the same as a work that is not shown"),
                    ("copy_of_listed", "it looks the same as what we were asked to look at"),
                    ("reviewer", "a reviewer"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="misuse",
            name="kind",
            field=models.CharField(
                choices=[
                    ("uploads", "uploads that decisions restricted"),
                    ("notices", "manifestly unfounded notices"),
                ],
                max_length=7,
            ),
        ),
    ]
