from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_witnesses_and_keys")]

    operations = [
        migrations.RemoveConstraint(model_name="cosignature", name="one_cosignature_a_key"),
        migrations.AddConstraint(
            model_name="cosignature",
            constraint=models.UniqueConstraint(
                fields=("checkpoint", "name", "key_id", "timestamp"), name="one_cosignature_a_time"
            ),
        ),
    ]
