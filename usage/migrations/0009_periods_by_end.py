"""Billing periods are found by when they end, closed ones too."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0008_period_closing'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='billingperiod',
            index=models.Index(fields=['period_end', 'closed_at'], name='billing_period_by_end'),
        ),
    ]
