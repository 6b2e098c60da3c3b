"""Totals by the day and by the month, made from the hourly ones, and how far that has come."""

import django.db.models.deletion
from django.db import migrations, models

# The running day's and month's rows are updated again and again: room on the page keeps that off the indexes.
LEAVE_ROOM_FOR_UPDATES = """
ALTER TABLE usage_day_rollups SET (fillfactor = 80);
ALTER TABLE usage_month_rollups SET (fillfactor = 80);
ALTER TABLE usage_roll_up_marks SET (fillfactor = 70);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0010_moved_accounts'),
    ]

    operations = [
        migrations.CreateModel(
            name='RollUpMark',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'billing_period_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('calls', models.BigIntegerField()),
                ('rolled_up_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='usage.account')),
                ('billing_period', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='usage.billingperiod')),
            ],
            options={
                'db_table': 'usage_roll_up_marks',
                'constraints': [models.CheckConstraint(condition=models.Q(('calls__gte', 0)), name='roll_up_mark_calls_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='UsageDayRollup',
            fields=[
                ('calls', models.BigIntegerField(default=0)),
                ('errors', models.BigIntegerField(default=0, help_text='Calls answered with status 400 or above.')),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_input_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('requests', models.BigIntegerField(default=0)),
                ('searches', models.BigIntegerField(default=0)),
                ('images', models.BigIntegerField(default=0)),
                ('pages', models.BigIntegerField(default=0)),
                ('characters', models.BigIntegerField(default=0)),
                ('seconds', models.DecimalField(decimal_places=3, default=0, max_digits=20)),
                ('response_time_ms', models.BigIntegerField(default=0, help_text='Sum over the timed calls.')),
                ('timed_calls', models.BigIntegerField(default=0)),
                ('cost', models.DecimalField(decimal_places=18, default=0, max_digits=36)),
                ('dimensions_hash', models.UUIDField()),
                ('provider', models.CharField(db_collation='C', max_length=64)),
                ('model', models.CharField(db_collation='C', max_length=160)),
                ('endpoint', models.CharField(db_collation='C', max_length=200)),
                ('request_type', models.CharField(db_collation='C', max_length=64)),
                ('team', models.CharField(db_collation='C', max_length=128)),
                ('project', models.CharField(db_collation='C', max_length=128)),
                ('department', models.CharField(db_collation='C', max_length=128)),
                ('end_user', models.CharField(db_collation='C', max_length=128)),
                ('pk', models.CompositePrimaryKey('account_id', 'day', 'dimensions_hash', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.account')),
            ],
            options={
                'db_table': 'usage_day_rollups',
                'constraints': [models.CheckConstraint(condition=models.Q(('calls__gte', models.F('errors'))), name='day_rollup_errors_within_calls')],
            },
        ),
        migrations.CreateModel(
            name='UsageMonthRollup',
            fields=[
                ('calls', models.BigIntegerField(default=0)),
                ('errors', models.BigIntegerField(default=0, help_text='Calls answered with status 400 or above.')),
                ('input_tokens', models.BigIntegerField(default=0)),
                ('cached_input_tokens', models.BigIntegerField(default=0)),
                ('cache_write_tokens', models.BigIntegerField(default=0)),
                ('output_tokens', models.BigIntegerField(default=0)),
                ('reasoning_tokens', models.BigIntegerField(default=0)),
                ('requests', models.BigIntegerField(default=0)),
                ('searches', models.BigIntegerField(default=0)),
                ('images', models.BigIntegerField(default=0)),
                ('pages', models.BigIntegerField(default=0)),
                ('characters', models.BigIntegerField(default=0)),
                ('seconds', models.DecimalField(decimal_places=3, default=0, max_digits=20)),
                ('response_time_ms', models.BigIntegerField(default=0, help_text='Sum over the timed calls.')),
                ('timed_calls', models.BigIntegerField(default=0)),
                ('cost', models.DecimalField(decimal_places=18, default=0, max_digits=36)),
                ('dimensions_hash', models.UUIDField()),
                ('provider', models.CharField(db_collation='C', max_length=64)),
                ('model', models.CharField(db_collation='C', max_length=160)),
                ('endpoint', models.CharField(db_collation='C', max_length=200)),
                ('request_type', models.CharField(db_collation='C', max_length=64)),
                ('team', models.CharField(db_collation='C', max_length=128)),
                ('project', models.CharField(db_collation='C', max_length=128)),
                ('department', models.CharField(db_collation='C', max_length=128)),
                ('end_user', models.CharField(db_collation='C', max_length=128)),
                ('pk', models.CompositePrimaryKey('account_id', 'month', 'dimensions_hash', blank=True, editable=False, primary_key=True, serialize=False)),
                ('month', models.DateField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.account')),
            ],
            options={
                'db_table': 'usage_month_rollups',
                'constraints': [models.CheckConstraint(condition=models.Q(('calls__gte', models.F('errors'))), name='month_rollup_errors_within_calls'), models.CheckConstraint(condition=models.Q(('month__day', 1)), name='month_rollup_month_is_a_first')],
            },
        ),
        migrations.RunSQL(LEAVE_ROOM_FOR_UPDATES, migrations.RunSQL.noop),
    ]
