"""The tax of an invoice, computed before it has its number, and what the tax reports are told of it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0007_what_staff_look_for'),
    ]

    operations = [
        migrations.AddField(
            model_name='billinghistory',
            name='tax_calculation_id',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AddField(
            model_name='billinghistory',
            name='tax_error',
            field=models.CharField(blank=True, default='', help_text='Why the tax of a draft could not be computed.', max_length=500),
        ),
        migrations.AddField(
            model_name='billinghistory',
            name='taxed_at',
            field=models.DateTimeField(help_text='When its tax was computed; empty: it has none.', null=True),
        ),
        migrations.CreateModel(
            name='TaxReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('push_at', models.DateTimeField(help_text='When it is pushed next; empty: nothing to push.', null=True)),
                ('push_claimed_until', models.DateTimeField(null=True)),
                ('push_attempts', models.PositiveIntegerField(default=0, help_text='Failures since the last success.')),
                ('push_error', models.CharField(blank=True, default='', max_length=500)),
                ('push_began_at', models.DateTimeField(help_text='Since then Stripe may know of it, also where no id came back.', null=True)),
                ('push_key_turn', models.PositiveSmallIntegerField(default=0, help_text='Part of the idempotency keys: raised when Stripe failed, as it would repeat that answer.')),
                ('kind', models.CharField(choices=[('sale', 'Sold'), ('credit_note', 'Taken back by a credit note'), ('void', 'Taken back by voiding')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, default=0, help_text='With tax, as much of the invoice as Stripe computed tax on.', max_digits=16)),
                ('reference', models.CharField(max_length=64, unique=True)),
                ('stripe_tax_transaction_id', models.CharField(blank=True, default='', max_length=64)),
                ('credit_note', models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='tax_report', to='subscriptions.creditnote')),
                ('invoice', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tax_reports', to='subscriptions.billinghistory')),
            ],
            options={
                'db_table': 'tax_reports',
                'ordering': ['invoice', 'id'],
                'indexes': [models.Index(condition=models.Q(('push_at__isnull', False)), fields=['push_at'], name='tax_report_to_push'), models.Index(condition=models.Q(('push_at__isnull', True), models.Q(('push_error', ''), _negated=True)), fields=['id'], name='tax_report_parked')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['sale', 'credit_note', 'void'])), name='tax_report_kind_known'), models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='tax_report_not_nothing'), models.UniqueConstraint(condition=models.Q(('credit_note__isnull', True)), fields=('invoice', 'kind'), name='tax_report_of_an_invoice_once'), models.CheckConstraint(condition=models.Q(models.Q(('credit_note__isnull', False), ('kind', 'credit_note')), models.Q(models.Q(('kind', 'credit_note'), _negated=True), ('credit_note__isnull', True)), _connector='OR'), name='tax_report_of_a_note_or_none')],
            },
        ),
    ]
