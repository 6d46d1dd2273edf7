import core.clock
import core.ids
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('detection', '0003_model_versions'),
        ('ledger', '0008_lean_sequence'),
        ('provenance', '0002_credentials_of_every_form'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Audit',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('detector', models.CharField(max_length=40)),
                ('digest', models.CharField(help_text='Of the model that was audited.', max_length=71)),
                ('set_name', models.CharField(max_length=80)),
                ('set_sha256', models.CharField(help_text="Of the set's list, as it was audited.", max_length=64)),
                ('attribute', models.CharField(help_text='By which self-reported attribute.', max_length=40)),
                ('basis', models.CharField(help_text='Under which consent the people in it answered.', max_length=200)),
                ('table', models.JSONField(help_text='Rates by group with intervals, noise floor, tests; groups below k left out.')),
                ('flagged', models.BooleanField(default=False, help_text='A gap over the threshold that is no noise.')),
                ('case', models.CharField(blank=True, help_text='Id of the case against the model that it opened.', max_length=36)),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('audited_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
            ],
        ),
        migrations.CreateModel(
            name='Label',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('sha256', models.CharField(help_text='Of the original file.', max_length=64)),
                ('question', models.CharField(choices=[('declared', 'declared'), ('synthetic', 'synthetic'), ('edited', 'edited'), ('face', 'face'), ('voice', 'voice'), ('history', 'history')], max_length=12)),
                ('claim', models.CharField(choices=[('real', 'not what was looked for'), ('made', 'what was looked for: generated, edited, synthesised')], max_length=4)),
                ('origin', models.CharField(choices=[('reviewer', 'a reviewer'), ('decision', 'a decision of a case'), ('appeal', 'an appeal that was upheld'), ('provenance', 'valid credentials of the file')], max_length=10)),
                ('state', models.CharField(choices=[('proposed', 'proposed'), ('corroborated', 'corroborated by a second source'), ('trainable', 'may be trained on'), ('excluded', 'not used')], default='proposed', max_length=12)),
                ('source', models.CharField(help_text='organisation:<id> whose work it is; caps count by it.', max_length=60)),
                ('basis', models.CharField(blank=True, help_text='What allows training: consent:<id> or owner:<id>.', max_length=80)),
                ('excluded_for', models.CharField(blank=True, max_length=40)),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='labels', to='provenance.asset')),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
                ('submitter', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='Corroboration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
                ('label', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='corroborations', to='detection.label')),
            ],
        ),
        migrations.CreateModel(
            name='PermanentTest',
            fields=[
                ('id', models.UUIDField(default=core.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('sha256', models.CharField(max_length=64)),
                ('question', models.CharField(choices=[('declared', 'declared'), ('synthetic', 'synthetic'), ('edited', 'edited'), ('face', 'face'), ('voice', 'voice'), ('history', 'history')], max_length=12)),
                ('claim', models.CharField(choices=[('real', 'not what was looked for'), ('made', 'what was looked for: generated, edited, synthesised')], help_text='What is true of it.', max_length=4)),
                ('created_at', models.DateTimeField(default=core.clock.now)),
                ('asset', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='permanent_tests', to='provenance.asset')),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='ledger.entry')),
            ],
        ),
        migrations.AddIndex(
            model_name='label',
            index=models.Index(fields=['question', 'state'], name='detection_l_questio_5a9ba5_idx'),
        ),
        migrations.AddConstraint(
            model_name='label',
            constraint=models.UniqueConstraint(fields=('asset', 'question', 'origin'), name='one_label_an_origin'),
        ),
        migrations.AddConstraint(
            model_name='corroboration',
            constraint=models.UniqueConstraint(fields=('label', 'by'), name='one_corroboration_a_person'),
        ),
        migrations.AddConstraint(
            model_name='permanenttest',
            constraint=models.UniqueConstraint(fields=('asset', 'question'), name='one_permanent_test_a_question'),
        ),
    ]
