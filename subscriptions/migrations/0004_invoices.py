"""Invoices with their lines, credits, payments, credit notes, and what Stripe is told and tells."""

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0003_keep_overrides'),
        ('usage', '0008_period_closing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BillingHistory',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('draft', 'Draft'), ('open', 'Open'), ('paid', 'Paid'), ('void', 'Void'), ('uncollectible', 'Uncollectible')], default='draft', max_length=16)),
                ('reason', models.CharField(choices=[('period_closed', 'Billing period closed'), ('subscription_changed', 'Subscription changed')], max_length=24)),
                ('number', models.CharField(max_length=32, null=True, unique=True)),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField()),
                ('currency', models.CharField(default='USD', max_length=3)),
                ('subtotal', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('tax', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('total', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('credit_applied', models.DecimalField(decimal_places=2, default=0, help_text="Taken from the account's credits before charging.", max_digits=16)),
                ('amount_due', models.DecimalField(decimal_places=2, default=0, help_text='To be paid when it was finalized.', max_digits=16)),
                ('amount_credited', models.DecimalField(decimal_places=2, default=0, help_text='What credit notes took off what was due.', max_digits=16)),
                ('amount_paid', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('created_at', models.DateTimeField()),
                ('finalized_at', models.DateTimeField(null=True)),
                ('due_at', models.DateTimeField(null=True)),
                ('paid_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(help_text='When it was voided or given up as uncollectible.', null=True)),
                ('seller', models.JSONField(default=dict, help_text='Who invoices, as of the day it was finalized.')),
                ('bill_to', models.JSONField(default=dict, help_text='Who is invoiced, as of the day it was finalized.')),
            ],
            options={
                'verbose_name': 'invoice',
                'db_table': 'billing_history',
                'ordering': ['-id'],
                'permissions': [('settle_billinghistory', 'Can void, write off, credit and refund invoices')],
            },
        ),
        migrations.CreateModel(
            name='BillingProfile',
            fields=[
                ('push_at', models.DateTimeField(help_text='When it is pushed next; empty: nothing to push.', null=True)),
                ('push_claimed_until', models.DateTimeField(null=True)),
                ('push_attempts', models.PositiveIntegerField(default=0, help_text='Failures since the last success.')),
                ('push_error', models.CharField(blank=True, default='', max_length=500)),
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='billing_profile', serialize=False, to='usage.account')),
                ('name', models.CharField(blank=True, default='', max_length=200)),
                ('email', models.EmailField(blank=True, default='', max_length=254)),
                ('address', models.JSONField(default=dict, help_text='line1, line2, city, state, postal_code, country (two letters).')),
                ('tax_id', models.CharField(blank=True, default='', max_length=64)),
                ('stripe_customer_id', models.CharField(max_length=64, null=True, unique=True)),
                ('payment_method_id', models.CharField(blank=True, default='', max_length=64)),
                ('card_brand', models.CharField(blank=True, default='', max_length=32)),
                ('card_last4', models.CharField(blank=True, default='', max_length=4)),
                ('card_exp_month', models.PositiveSmallIntegerField(null=True)),
                ('card_exp_year', models.PositiveSmallIntegerField(null=True)),
                ('hold_reason', models.CharField(blank=True, default='', help_text='While this says why, no card is charged.', max_length=200)),
                ('updated_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'billing_profiles',
            },
        ),
        migrations.CreateModel(
            name='CloseFailure',
            fields=[
                ('billing_period', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='close_failure', serialize=False, to='usage.billingperiod')),
                ('error', models.CharField(max_length=500)),
                ('attempts', models.PositiveIntegerField(default=1)),
                ('first_failed_at', models.DateTimeField()),
                ('next_attempt_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'close_failures',
                'ordering': ['first_failed_at'],
            },
        ),
        migrations.CreateModel(
            name='CreditEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('granted', 'Granted'), ('applied', 'Applied'), ('returned', 'Returned by a voided invoice'), ('expired', 'Expired'), ('voided', 'Voided')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=16)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
                ('reason', models.CharField(blank=True, default='', max_length=300)),
            ],
            options={
                'verbose_name_plural': 'credit entries',
                'db_table': 'credit_entries',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='CreditGrant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('prepaid', 'Prepaid'), ('promotional', 'Promotional'), ('refund', 'Given back')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, default=0, help_text='USD', max_digits=16)),
                ('balance', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('priority', models.PositiveSmallIntegerField(default=50, help_text='Lower goes first.')),
                ('expires_at', models.DateTimeField(blank=True, help_text='What is left then is lost.', null=True)),
                ('reason', models.CharField(max_length=300)),
                ('created_at', models.DateTimeField(editable=False)),
                ('voided_at', models.DateTimeField(editable=False, null=True)),
            ],
            options={
                'db_table': 'credit_grants',
                'ordering': ['account', '-id'],
            },
        ),
        migrations.CreateModel(
            name='CreditNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('push_at', models.DateTimeField(help_text='When it is pushed next; empty: nothing to push.', null=True)),
                ('push_claimed_until', models.DateTimeField(null=True)),
                ('push_attempts', models.PositiveIntegerField(default=0, help_text='Failures since the last success.')),
                ('push_error', models.CharField(blank=True, default='', max_length=500)),
                ('number', models.CharField(max_length=32, unique=True)),
                ('kind', models.CharField(choices=[('reduce', 'Reduces what is due'), ('to_card', 'Refunded to the card'), ('to_credit', 'Given as credit')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('reason', models.CharField(max_length=300)),
                ('stripe_credit_note_id', models.CharField(max_length=64, null=True, unique=True)),
                ('stripe_refund_id', models.CharField(blank=True, default='', max_length=64)),
                ('refund_status', models.CharField(blank=True, default='', max_length=32)),
                ('created_at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'credit_notes',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='InvoiceEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('drafted', 'Drafted'), ('finalized', 'Finalized'), ('payment_failed', 'Payment failed'), ('paid', 'Paid'), ('voided', 'Voided'), ('uncollectible', 'Given up as uncollectible'), ('credited', 'Credit note issued'), ('refunded', 'Refunded'), ('disputed', 'Payment disputed')], max_length=24)),
                ('state_after', models.CharField(choices=[('draft', 'Draft'), ('open', 'Open'), ('paid', 'Paid'), ('void', 'Void'), ('uncollectible', 'Uncollectible')], max_length=16)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
                ('reason', models.CharField(blank=True, default='', max_length=300)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=16, null=True)),
            ],
            options={
                'db_table': 'billing_history_events',
                'ordering': ['invoice', 'id'],
            },
        ),
        migrations.CreateModel(
            name='InvoiceItem',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('description', models.CharField(max_length=300)),
                ('amount', models.DecimalField(decimal_places=18, max_digits=36)),
                ('created_at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'invoice_items',
                'ordering': ['id'],
            },
        ),
        migrations.CreateModel(
            name='InvoiceLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveIntegerField()),
                ('kind', models.CharField(choices=[('base_fee', 'Base fee'), ('proration_credit', 'Unused time'), ('proration_charge', 'Remaining time'), ('usage', 'Usage'), ('late_usage', 'Late usage'), ('included', 'Included'), ('above_maximum', 'Above the maximum'), ('markup', 'Markup'), ('adjustment', 'Adjustment'), ('carried_over', 'Carried over')], max_length=24)),
                ('description', models.CharField(max_length=400)),
                ('provider', models.CharField(blank=True, db_collation='C', default='', max_length=64)),
                ('model', models.CharField(blank=True, db_collation='C', default='', max_length=160)),
                ('quantity', models.DecimalField(decimal_places=3, max_digits=24, null=True)),
                ('unit', models.CharField(blank=True, default='', max_length=16)),
                ('precise_amount', models.DecimalField(decimal_places=18, max_digits=36)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=16)),
                ('period_start', models.DateTimeField()),
                ('period_end', models.DateTimeField()),
                ('event_count', models.BigIntegerField(default=0)),
                ('evidence', models.CharField(blank=True, default='', max_length=64)),
                ('details', models.JSONField(default=dict)),
            ],
            options={
                'db_table': 'billing_history_lines',
                'ordering': ['invoice', 'position'],
            },
        ),
        migrations.CreateModel(
            name='NumberSeries',
            fields=[
                ('key', models.CharField(max_length=16, primary_key=True, serialize=False)),
                ('last', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'verbose_name_plural': 'number series',
                'db_table': 'number_series',
            },
        ),
        migrations.CreateModel(
            name='Payment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('succeeded', 'Succeeded'), ('failed', 'Failed'), ('refunded', 'Refunded'), ('disputed', 'Disputed'), ('lost', 'Lost in a dispute')], max_length=16)),
                ('amount', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('refunded', models.DecimalField(decimal_places=2, default=0, max_digits=16)),
                ('stripe_charge_id', models.CharField(max_length=64, null=True, unique=True)),
                ('stripe_payment_intent_id', models.CharField(blank=True, db_index=True, default='', max_length=64)),
                ('stripe_dispute_id', models.CharField(blank=True, default='', max_length=64)),
                ('dispute_status', models.CharField(blank=True, default='', max_length=32)),
                ('fraud_warning', models.CharField(blank=True, default='', max_length=64)),
                ('method', models.CharField(help_text='Such as visa 4242, or bank transfer.', max_length=64)),
                ('reference', models.CharField(blank=True, default='', max_length=200)),
                ('failure_code', models.CharField(blank=True, default='', max_length=64)),
                ('failure_message', models.CharField(blank=True, default='', max_length=300)),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
            ],
            options={
                'db_table': 'payments',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='StripeEvent',
            fields=[
                ('event_id', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('type', models.CharField(max_length=100)),
                ('object_id', models.CharField(blank=True, default='', max_length=64)),
                ('livemode', models.BooleanField(default=False)),
                ('created_at', models.DateTimeField(help_text='When it happened, says Stripe.')),
                ('received_at', models.DateTimeField()),
                ('body', models.TextField()),
                ('state', models.CharField(choices=[('received', 'Received'), ('done', 'Done'), ('ignored', 'Of no interest'), ('parked', 'Parked')], default='received', max_length=16)),
                ('attempts', models.PositiveSmallIntegerField(default=0)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('next_attempt_at', models.DateTimeField(null=True)),
                ('claimed_until', models.DateTimeField(null=True)),
                ('processed_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'stripe_events',
                'ordering': ['-received_at'],
            },
        ),
        migrations.AddIndex(
            model_name='subscriptionchange',
            index=models.Index(condition=models.Q(('amount_due__gt', 0)), fields=['recorded_at'], name='change_that_costs'),
        ),
        migrations.CreateModel(
            name='InvoiceCollection',
            fields=[
                ('push_at', models.DateTimeField(help_text='When it is pushed next; empty: nothing to push.', null=True)),
                ('push_claimed_until', models.DateTimeField(null=True)),
                ('push_attempts', models.PositiveIntegerField(default=0, help_text='Failures since the last success.')),
                ('push_error', models.CharField(blank=True, default='', max_length=500)),
                ('invoice', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='collection', serialize=False, to='subscriptions.billinghistory')),
                ('stripe_invoice_id', models.CharField(max_length=64, null=True, unique=True)),
                ('stripe_status', models.CharField(blank=True, default='', max_length=16)),
                ('hosted_url', models.CharField(blank=True, default='', max_length=1000)),
                ('payment_attempts', models.PositiveSmallIntegerField(default=0)),
                ('failed_attempts', models.PositiveSmallIntegerField(default=0)),
                ('next_payment_at', models.DateTimeField(null=True)),
                ('last_failure_code', models.CharField(blank=True, default='', max_length=64)),
                ('last_failure', models.CharField(blank=True, default='', max_length=300)),
            ],
            options={
                'db_table': 'invoice_collections',
            },
        ),
        migrations.AddField(
            model_name='billinghistory',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoices', to='usage.account'),
        ),
        migrations.AddField(
            model_name='billinghistory',
            name='billing_period',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoice', to='usage.billingperiod'),
        ),
        migrations.AddField(
            model_name='billinghistory',
            name='plan_version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.planversion'),
        ),
        migrations.AddIndex(
            model_name='billingprofile',
            index=models.Index(condition=models.Q(('push_at__isnull', False)), fields=['push_at'], name='profile_to_push'),
        ),
        migrations.AddConstraint(
            model_name='billingprofile',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('card_last4', ''), ('payment_method_id', '')), models.Q(('payment_method_id', ''), _negated=True), _connector='OR'), name='profile_card_has_a_method'),
        ),
        migrations.AddConstraint(
            model_name='billingprofile',
            constraint=models.CheckConstraint(condition=models.Q(('payment_method_id', ''), ('stripe_customer_id__isnull', False), _connector='OR'), name='profile_card_has_a_customer'),
        ),
        migrations.AddConstraint(
            model_name='closefailure',
            constraint=models.CheckConstraint(condition=models.Q(('error', ''), _negated=True), name='close_failure_says_why'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.account'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='actor_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='invoice',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_entries', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='creditgrant',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_grants', to='usage.account'),
        ),
        migrations.AddField(
            model_name='creditgrant',
            name='from_invoice',
            field=models.OneToOneField(blank=True, editable=False, help_text='The invoice whose total was negative.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='creditentry',
            name='grant',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='subscriptions.creditgrant'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='usage.account'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='actor_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='grant',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_note', to='subscriptions.creditgrant'),
        ),
        migrations.AddField(
            model_name='creditnote',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credit_notes', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='invoiceevent',
            name='actor_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invoiceevent',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='events', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='invoice_items', to='usage.account'),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='actor_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='invoiceitem',
            name='corrects',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='corrections', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='change',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='invoice_lines', to='subscriptions.subscriptionchange'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='subscriptions.billinghistory'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='item',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='line', to='subscriptions.invoiceitem'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='plan_version',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='subscriptions.planversion'),
        ),
        migrations.AddField(
            model_name='invoiceline',
            name='price',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='usage.apiproviderpricing'),
        ),
        migrations.AddConstraint(
            model_name='numberseries',
            constraint=models.CheckConstraint(condition=models.Q(('key', ''), _negated=True), name='number_series_has_a_key'),
        ),
        migrations.AddField(
            model_name='payment',
            name='account',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='usage.account'),
        ),
        migrations.AddField(
            model_name='payment',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='payments', to='subscriptions.billinghistory'),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(condition=models.Q(('state', 'received')), fields=['next_attempt_at'], name='stripe_event_to_process'),
        ),
        migrations.AddIndex(
            model_name='stripeevent',
            index=models.Index(fields=['-received_at'], name='stripe_event_newest'),
        ),
        migrations.AddConstraint(
            model_name='stripeevent',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['received', 'done', 'ignored', 'parked'])), name='stripe_event_state_known'),
        ),
        migrations.AddConstraint(
            model_name='stripeevent',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('next_attempt_at__isnull', False), ('state', 'received')), models.Q(models.Q(('state', 'received'), _negated=True), ('next_attempt_at__isnull', True)), _connector='OR'), name='stripe_event_waits_while_received'),
        ),
        migrations.AddIndex(
            model_name='invoicecollection',
            index=models.Index(condition=models.Q(('push_at__isnull', False)), fields=['push_at'], name='collection_to_push'),
        ),
        migrations.AddConstraint(
            model_name='invoicecollection',
            constraint=models.CheckConstraint(condition=models.Q(('payment_attempts__gte', models.F('failed_attempts'))), name='collection_failures_within_attempts'),
        ),
        migrations.AddIndex(
            model_name='billinghistory',
            index=models.Index(fields=['account', '-id'], name='invoice_by_account'),
        ),
        migrations.AddIndex(
            model_name='billinghistory',
            index=models.Index(condition=models.Q(('state', 'draft')), fields=['id'], name='invoice_drafts'),
        ),
        migrations.AddIndex(
            model_name='billinghistory',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['account'], name='invoice_open'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['draft', 'open', 'paid', 'void', 'uncollectible'])), name='invoice_state_known'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(('reason__in', ['period_closed', 'subscription_changed'])), name='invoice_reason_known'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finalized_at__isnull', True), ('number__isnull', True), ('state', 'draft')), models.Q(('finalized_at__isnull', False), ('number__isnull', False), models.Q(('state', 'draft'), _negated=True)), _connector='OR'), name='invoice_numbered_when_final'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(('total', django.db.models.expressions.CombinedExpression(models.F('subtotal'), '+', models.F('tax')))), name='invoice_total_is_subtotal_and_tax'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'draft'), models.Q(('amount_due', django.db.models.expressions.CombinedExpression(models.F('total'), '-', models.F('credit_applied'))), ('total__gt', 0)), models.Q(('amount_due', 0), ('credit_applied', 0), ('total__lte', 0)), _connector='OR'), name='invoice_due_is_total_less_credits'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(('amount_credited__gte', 0), ('amount_due__gte', 0), ('amount_paid__gte', 0), ('credit_applied__gte', 0), ('amount_due__gte', django.db.models.expressions.CombinedExpression(models.F('amount_credited'), '+', models.F('amount_paid')))), name='invoice_settled_within_due'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'paid'), _negated=True), models.Q(('amount_due', django.db.models.expressions.CombinedExpression(models.F('amount_credited'), '+', models.F('amount_paid'))), ('paid_at__isnull', False)), _connector='OR'), name='invoice_paid_in_full'),
        ),
        migrations.AddConstraint(
            model_name='billinghistory',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('billing_period__isnull', False), ('reason', 'period_closed')), models.Q(('billing_period__isnull', True), ('reason', 'subscription_changed')), _connector='OR'), name='invoice_closes_a_period_or_none'),
        ),
        migrations.AddIndex(
            model_name='creditgrant',
            index=models.Index(condition=models.Q(('balance__gt', 0)), fields=['account'], name='credit_left_by_account'),
        ),
        migrations.AddIndex(
            model_name='creditgrant',
            index=models.Index(condition=models.Q(('balance__gt', 0)), fields=['expires_at'], name='credit_left_by_expiry'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['prepaid', 'promotional', 'refund'])), name='credit_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='credit_grant_not_nothing'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('balance__gte', 0), ('balance__lte', models.F('amount'))), name='credit_balance_within_grant'),
        ),
        migrations.AddConstraint(
            model_name='creditgrant',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='credit_grant_says_why'),
        ),
        migrations.AddIndex(
            model_name='creditentry',
            index=models.Index(fields=['account', '-id'], name='credit_entry_by_account'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['granted', 'applied', 'returned', 'expired', 'voided'])), name='credit_entry_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('kind__in', ['granted', 'returned'])), models.Q(('amount__lt', 0), ('kind__in', ['applied', 'expired', 'voided'])), _connector='OR'), name='credit_entry_signed_by_kind'),
        ),
        migrations.AddConstraint(
            model_name='creditentry',
            constraint=models.UniqueConstraint(fields=('grant', 'invoice', 'kind'), name='credit_moved_once_per_invoice'),
        ),
        migrations.AddIndex(
            model_name='creditnote',
            index=models.Index(condition=models.Q(('push_at__isnull', False)), fields=['push_at'], name='credit_note_to_push'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['reduce', 'to_card', 'to_credit'])), name='credit_note_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='credit_note_not_nothing'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(('reason', ''), _negated=True), name='credit_note_says_why'),
        ),
        migrations.AddConstraint(
            model_name='creditnote',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('grant__isnull', False), ('kind', 'to_credit')), models.Q(models.Q(('kind', 'to_credit'), _negated=True), ('grant__isnull', True)), _connector='OR'), name='credit_note_grants_what_it_says'),
        ),
        migrations.AddConstraint(
            model_name='invoiceevent',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['drafted', 'finalized', 'payment_failed', 'paid', 'voided', 'uncollectible', 'credited', 'refunded', 'disputed'])), name='invoice_event_kind_known'),
        ),
        migrations.AddIndex(
            model_name='invoiceitem',
            index=models.Index(fields=['account', 'id'], name='invoice_item_by_account'),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(('amount', 0), _negated=True), name='invoice_item_not_nothing'),
        ),
        migrations.AddConstraint(
            model_name='invoiceitem',
            constraint=models.CheckConstraint(condition=models.Q(('description', ''), _negated=True), name='invoice_item_says_why'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.UniqueConstraint(fields=('invoice', 'position'), name='invoice_line_position_once'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['base_fee', 'proration_credit', 'proration_charge', 'usage', 'late_usage', 'included', 'above_maximum', 'markup', 'adjustment', 'carried_over'])), name='invoice_line_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.UniqueConstraint(fields=('change', 'kind'), name='subscription_change_billed_once'),
        ),
        migrations.AddConstraint(
            model_name='invoiceline',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('event_count__gt', 0), ('kind__in', ['late_usage', 'usage'])), models.Q(models.Q(('kind__in', ['late_usage', 'usage']), _negated=True), ('event_count', 0), ('evidence', '')), _connector='OR'), name='invoice_line_evidence_of_metered_only'),
        ),
        migrations.AddIndex(
            model_name='payment',
            index=models.Index(fields=['account', '-id'], name='payment_by_account'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['succeeded', 'failed', 'refunded', 'disputed', 'lost'])), name='payment_state_known'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='payment_not_nothing'),
        ),
        migrations.AddConstraint(
            model_name='payment',
            constraint=models.CheckConstraint(condition=models.Q(('refunded__gte', 0), ('refunded__lte', models.F('amount'))), name='payment_refunded_within_amount'),
        ),
        # What happened before there were invoices was billed elsewhere, if at all; what happens now is not.
        migrations.AddField(
            model_name='subscriptionchange',
            name='is_billed_elsewhere',
            field=models.BooleanField(default=True, help_text='From before there were invoices: no invoice bills it.'),
        ),
        migrations.AlterField(
            model_name='subscriptionchange',
            name='is_billed_elsewhere',
            field=models.BooleanField(default=False, help_text='From before there were invoices: no invoice bills it.'),
        ),
    ]
