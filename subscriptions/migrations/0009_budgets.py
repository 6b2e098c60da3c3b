"""What customers may spend by their own choice, and the history of it, which stays as it was written."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


# The function is from 0005_what_was_invoiced_stays.
PROTECT = """
CREATE TRIGGER budget_history_stays BEFORE UPDATE OR DELETE ON budget_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
"""
RELEASE = "DROP TRIGGER budget_history_stays ON budget_changes;"


class Migration(migrations.Migration):

    dependencies = [
        ('subscriptions', '0008_tax'),
        ('usage', '0009_periods_by_end'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Budget',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='budget', serialize=False, to='usage.account')),
                ('monthly_budget', models.DecimalField(blank=True, decimal_places=18, help_text='USD of a billing period.', max_digits=36, null=True)),
                ('per_request', models.DecimalField(blank=True, decimal_places=18, help_text='USD that one request may cost.', max_digits=36, null=True)),
                ('per_hour', models.DecimalField(blank=True, decimal_places=18, help_text='USD within an hour.', max_digits=36, null=True)),
                ('per_day', models.DecimalField(blank=True, decimal_places=18, help_text='USD within a day.', max_digits=36, null=True)),
                ('alert_thresholds', django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), blank=True, help_text='Percent of the budget at which people are told; empty: those of the plan.', null=True, size=None)),
                ('auto_pause', models.BooleanField(default=True, help_text='Whether the budget refuses calls and pauses; otherwise it only tells.')),
                ('max_monthly_cost', models.DecimalField(blank=True, decimal_places=18, help_text='USD that no billing period can cost more than.', max_digits=36, null=True)),
                ('pause_at_maximum', models.BooleanField(default=False, help_text='Whether everything pauses once what a billing period may cost is reached.')),
                ('throttle_from', models.PositiveSmallIntegerField(blank=True, help_text='Percent of the monthly budget from which on calls are slowed down.', null=True)),
                ('throttle_to', models.PositiveSmallIntegerField(blank=True, help_text='Percent of each rate limit that is left then.', null=True)),
                ('paused_at', models.DateTimeField(editable=False, null=True)),
                ('paused_reason', models.CharField(blank=True, default='', editable=False, max_length=140)),
                ('paused_until', models.DateTimeField(editable=False, null=True)),
                ('paused_automatically', models.BooleanField(default=False, editable=False)),
                ('throttled_at', models.DateTimeField(editable=False, null=True)),
                ('protected_until', models.DateTimeField(editable=False, null=True)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                'db_table': 'budgets',
                'ordering': ['account'],
                'indexes': [models.Index(condition=models.Q(('protected_until__isnull', False)), fields=['protected_until'], name='budget_by_end_of_protection')],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('monthly_budget__isnull', True), ('monthly_budget__gt', 0), _connector='OR'), models.Q(('per_request__isnull', True), ('per_request__gt', 0), _connector='OR'), models.Q(('per_hour__isnull', True), ('per_hour__gt', 0), _connector='OR'), models.Q(('per_day__isnull', True), ('per_day__gt', 0), _connector='OR'), models.Q(('max_monthly_cost__isnull', True), ('max_monthly_cost__gt', 0), _connector='OR')), name='budget_amounts_positive'), models.CheckConstraint(condition=models.Q(models.Q(('throttle_from__isnull', True), ('throttle_to__isnull', True)), models.Q(('throttle_from__gte', 1), ('throttle_from__isnull', False), ('throttle_from__lte', 100), ('throttle_to__gte', 1), ('throttle_to__isnull', False), ('throttle_to__lt', 100)), _connector='OR'), name='budget_throttles_whole_or_not'), models.CheckConstraint(condition=models.Q(models.Q(('paused_at__isnull', True), ('paused_automatically', False), ('paused_reason', ''), ('paused_until__isnull', True)), models.Q(('paused_at__isnull', False), ('paused_automatically', False), ('paused_until__isnull', True), models.Q(('paused_reason', ''), _negated=True)), models.Q(('paused_at__isnull', False), ('paused_automatically', True), ('paused_until__isnull', False), models.Q(('paused_reason', ''), _negated=True)), _connector='OR'), name='budget_pause_says_why')],
            },
        ),
        migrations.CreateModel(
            name='BudgetChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
                ('before', models.JSONField()),
                ('after', models.JSONField()),
                ('reason', models.CharField(blank=True, default='', max_length=300)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='budget_changes', to='usage.account')),
                ('actor_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'budget_changes',
                'ordering': ['account', '-id'],
                'indexes': [models.Index(fields=['account', '-id'], name='budget_change_by_account')],
                'constraints': [models.CheckConstraint(condition=models.Q(('before', models.F('after')), _negated=True), name='budget_change_changes_something')],
            },
        ),
        migrations.RunSQL(PROTECT, RELEASE),
    ]
