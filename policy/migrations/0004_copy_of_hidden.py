from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('policy', '0003_holds'),
    ]

    operations = [
        migrations.AlterField(
            model_name='flag',
            name='origin',
            field=models.CharField(choices=[('notice', 'a notice'), ('declared_synthetic', 'the file declares that it is synthetic'), ('consent_withdrawn', 'consent was withdrawn'), ('consent_refused', 'consent to publish was refused'), ('copy_of_hidden', 'it looks the same as a work that is not shown'), ('reviewer', 'a reviewer')], max_length=20),
        ),
    ]
