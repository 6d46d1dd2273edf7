import core.clock
import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('detection', '0002_weight_of_evidence'),
        ('ledger', '0008_lean_sequence'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ModelVersion',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('detector', models.CharField(max_length=40)),
                ('version', models.CharField(max_length=12)),
                ('digest', models.CharField(help_text='sha256:<hex> of its signed manifest.', max_length=71)),
                ('stage', models.CharField(choices=[('challenger', 'challenger: registered, not in use'), ('shadow', 'shadow: passed the gate, runs beside the champion, its answers are not shown'), ('champion', 'champion: in service'), ('retired', 'retired')], default='challenger', max_length=10)),
                ('reason', models.CharField(help_text='Why this version was made.', max_length=300)),
                ('brought', models.BooleanField(default=False, help_text='Made elsewhere and imported.')),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('shadow_since', models.DateTimeField(null=True)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
                ('parent', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='children', to='detection.modelversion')),
                ('registered_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('replaced', models.ForeignKey(help_text='The champion before it.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='detection.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='Approval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='approvals', to='detection.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='ShadowReading',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('answer', models.CharField(blank=True, max_length=10)),
                ('champion_answer', models.CharField(blank=True, max_length=10)),
                ('llr', models.CharField(blank=True, max_length=20)),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shadow_readings', to='detection.run')),
                ('version', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='shadow_readings', to='detection.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='DriftWindow',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('detector', models.CharField(max_length=40)),
                ('digest', models.CharField(help_text='Of the model that gave the scores.', max_length=71)),
                ('source', models.CharField(help_text='organisation:<id>', max_length=60)),
                ('size', models.PositiveIntegerField()),
                ('last_finding', models.UUIDField(help_text='The newest finding in it.')),
                ('ks_p', models.CharField(help_text='p of the two-sample Kolmogorov-Smirnov test, after Holm.', max_length=20)),
                ('psi', models.CharField(help_text='Population stability index.', max_length=20)),
                ('psi_p', models.CharField(help_text='Its p, after Holm.', max_length=20)),
                ('alarmed', models.BooleanField(default=False)),
                ('cleared_at', models.DateTimeField(help_text='When an operator said that it was looked into.', null=True)),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
            ],
            options={
                'indexes': [models.Index(fields=['detector', 'source', '-created_at'], name='detection_d_detecto_0377e4_idx')],
            },
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.UniqueConstraint(fields=('detector', 'version'), name='one_row_a_model_version'),
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.UniqueConstraint(condition=models.Q(('stage', 'champion')), fields=('detector',), name='one_champion_a_detector'),
        ),
        migrations.AddConstraint(
            model_name='modelversion',
            constraint=models.UniqueConstraint(condition=models.Q(('stage', 'shadow')), fields=('detector',), name='one_shadow_a_detector'),
        ),
        migrations.AddConstraint(
            model_name='approval',
            constraint=models.UniqueConstraint(fields=('version', 'by'), name='one_approval_a_person'),
        ),
        migrations.AddConstraint(
            model_name='shadowreading',
            constraint=models.UniqueConstraint(fields=('version', 'run'), name='one_shadow_reading_a_run'),
        ),
    ]
