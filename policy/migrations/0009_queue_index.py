"""The queue reads `review_queue`; an index that begins with the state made SQLite sort all that wait instead."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("policy", "0008_returned_because")]
    operations = [migrations.RemoveIndex(model_name="case", name="policy_case_state_df2664_idx")]
