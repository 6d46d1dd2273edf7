from django.db import migrations, models

QUESTIONS = ['declared', 'synthetic', 'edited', 'face', 'voice', 'history']


class Migration(migrations.Migration):

    dependencies = [
        ('detection', '0001_initial'),
    ]

    operations = [
        migrations.AddField('finding', 'answer', models.CharField(blank=True, choices=[('signals', 'signals'), ('no_signals', 'no_signals'), ('cant_say', 'cant_say')], default='', max_length=10), preserve_default=False),
        migrations.AddField('finding', 'llr', models.CharField(blank=True, default='', help_text='log10 of the likelihood ratio; empty: can’t say.', max_length=20), preserve_default=False),
        migrations.AddField('finding', 'low', models.CharField(blank=True, default='', help_text='Of its 95 % interval.', max_length=20), preserve_default=False),
        migrations.AddField('finding', 'high', models.CharField(blank=True, default='', help_text='Of its 95 % interval.', max_length=20), preserve_default=False),
        migrations.AddField('finding', 'calibration', models.CharField(blank=True, default='', help_text='Id of the calibration set.', max_length=64), preserve_default=False),
        migrations.AddField('finding', 'reason', models.SlugField(blank=True, default='', help_text='Why it can’t say (detection.reasons.Reason).', max_length=40), preserve_default=False),
        migrations.AddField('finding', 'places', models.JSONField(default=dict, help_text='Where: regions, spans, timeline (detection.detectors.Reading).')),
        migrations.AlterField('run', 'version', models.CharField(help_text='Of the detector, and after “+” of the model in service.', max_length=80)),
        migrations.AddField('run', 'question', models.CharField(blank=True, choices=[(one, one) for one in QUESTIONS], default='', max_length=10), preserve_default=False),
        migrations.AddField('run', 'standing', models.CharField(choices=[('experimental', 'experimental'), ('shipped', 'shipped')], default='shipped', max_length=12)),
    ]
