"""An item is withdrawn by its opposite, once; invoices are found by when they were finalized."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0006_talk_to_stripe'),
        ('usage', '0008_period_closing'),
    ]

    operations = [
        migrations.AddField(
            model_name='invoiceitem',
            name='withdraws',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='withdrawn_by', to='subscriptions.invoiceitem'),
        ),
        migrations.AddIndex(
            model_name='billinghistory',
            index=models.Index(fields=['finalized_at'], name='invoice_by_finalized'),
        ),
    ]
