"""What the open billing periods are expected to come to."""

import django.db.models.deletion
from django.db import migrations, models

# Written again every few minutes: room on the page keeps that off the indexes.
LEAVE_ROOM_FOR_UPDATES = "ALTER TABLE usage_projections SET (fillfactor = 70)"


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0011_day_rollups'),
    ]

    operations = [
        migrations.CreateModel(
            name='UsageProjection',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'billing_period_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('computed_at', models.DateTimeField()),
                ('method', models.CharField(choices=[('run_rate', 'The average so far: less than a week of history'), ('weekdays', "The account's weekdays")], max_length=8)),
                ('days_of_history', models.PositiveSmallIntegerField()),
                ('calls', models.BigIntegerField(help_text='Recorded in the period when it was computed.')),
                ('expected_calls', models.BigIntegerField()),
                ('tokens', models.BigIntegerField(help_text='Recorded in the period when it was computed.')),
                ('expected_tokens', models.BigIntegerField()),
                ('spent', models.DecimalField(decimal_places=18, max_digits=36)),
                ('run_rate', models.DecimalField(decimal_places=18, max_digits=36)),
                ('expected', models.DecimalField(decimal_places=18, max_digits=36)),
                ('low', models.DecimalField(decimal_places=18, max_digits=36, null=True)),
                ('high', models.DecimalField(decimal_places=18, max_digits=36, null=True)),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='usage.account')),
                ('billing_period', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='usage.billingperiod')),
            ],
            options={
                'db_table': 'usage_projections',
                'constraints': [models.CheckConstraint(condition=models.Q(('expected__gte', models.F('spent'))), name='projection_includes_spent'), models.CheckConstraint(condition=models.Q(models.Q(('high__isnull', True), ('low__isnull', True)), models.Q(('high__gte', models.F('expected')), ('low__gte', models.F('spent')), ('low__lte', models.F('expected'))), _connector='OR'), name='projection_within_its_range'), models.CheckConstraint(condition=models.Q(('method', 'run_rate'), ('low__isnull', False), _connector='OR'), name='projection_by_weekdays_has_range')],
            },
        ),
        migrations.RunSQL(LEAVE_ROOM_FOR_UPDATES, migrations.RunSQL.noop),
    ]
