import core.clock
import core.ids
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('detection', '0004_labels_and_audits'),
        ('ledger', '0008_lean_sequence'),
    ]

    operations = [
        migrations.CreateModel(
            name='FederationRound',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('federation', models.CharField(max_length=40)),
                ('plan', models.CharField(help_text='SHA-256 of what the institutions agreed on.', max_length=64)),
                ('kind', models.CharField(choices=[('training', 'a round of training'), ('release', 'the release of statistics')], max_length=8)),
                ('number', models.PositiveIntegerField()),
                ('aggregation', models.CharField(max_length=6)),
                ('purpose', models.CharField(help_text="What each participant's material may be used for.", max_length=20)),
                ('before', models.CharField(help_text='SHA-256 of the shared model before the round.', max_length=64)),
                ('after', models.CharField(max_length=64)),
                ('void', models.BooleanField(default=False, help_text='Too little was left to move the model.')),
                ('epsilon', models.CharField(blank=True, help_text='Of differential privacy, per work, that it cost.', max_length=20)),
                ('contributions', models.JSONField(help_text='Each participant: outcome, reason, contribution hash, basis, items, signature.')),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
            ],
            options={
                'ordering': ['pk'],
                'constraints': [models.UniqueConstraint(fields=('plan', 'number'), name='one_row_a_round')],
            },
        ),
    ]
