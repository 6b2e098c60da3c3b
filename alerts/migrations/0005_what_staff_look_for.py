"""What staff look for among many alerts, and what is to be forgotten, have their indexes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alerts', '0004_active_addresses_are_confirmed'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='alertdelivery',
            index=models.Index(condition=models.Q(('state', 'parked')), fields=['-id'], name='alert_delivery_parked'),
        ),
        migrations.AddIndex(
            model_name='usagealert',
            index=models.Index(fields=['rule', '-id'], name='alert_by_rule'),
        ),
        migrations.AddIndex(
            model_name='usagealert',
            index=models.Index(fields=['created_at'], name='alert_by_age'),
        ),
    ]
