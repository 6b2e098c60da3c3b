"""An item is withdrawn by its opposite, once; what staff look for among many rows has its indexes."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0006_talk_to_stripe'),
        ('usage', '0009_periods_by_end'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
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
        migrations.AddIndex(
            model_name='billingprofile',
            index=models.Index(condition=models.Q(('push_at__isnull', True), models.Q(('push_error', ''), _negated=True)), fields=['account'], name='profile_parked'),
        ),
        migrations.AddIndex(
            model_name='creditnote',
            index=models.Index(condition=models.Q(('push_at__isnull', True), models.Q(('push_error', ''), _negated=True)), fields=['id'], name='credit_note_parked'),
        ),
        migrations.AddIndex(
            model_name='invoicecollection',
            index=models.Index(condition=models.Q(('push_at__isnull', True), models.Q(('push_error', ''), _negated=True)), fields=['invoice'], name='collection_parked'),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(condition=models.Q(('state', 'parked')), fields=['-received_at'], name='stripe_event_parked'),
        ),
    ]
