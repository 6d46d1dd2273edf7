"""One row of misuse that is not over for each account or person; and no documents with a counter-notice, which
17 U.S.C. 512(g)(3) does not ask for and no page took.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("policy", "0009_queue_index")]
    operations = [
        migrations.RemoveField(model_name="attachment", name="counter_notice"),
        migrations.AddConstraint(
            model_name="misuse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "ended"), _negated=True),
                fields=("user", "kind"),
                name="one_misuse_an_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="misuse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "ended"), _negated=True),
                fields=("person", "kind"),
                name="one_misuse_a_person",
            ),
        ),
    ]
