"""What the nightly tasks keep of what they found and did, and indexes for what is pruned."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0012_projections'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DriftReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('checked_at', models.DateTimeField()),
                ('start', models.DateTimeField()),
                ('end', models.DateTimeField()),
                ('found', models.PositiveIntegerField(help_text='How many rows differed.')),
                ('by_kind', models.JSONField(default=dict, help_text='How many of each kind.')),
                ('differences', models.JSONField(default=list, help_text='The first of them, for people.')),
                ('repaired_at', models.DateTimeField(null=True)),
                ('repaired', models.PositiveIntegerField(help_text='How many rows differed at the repair.', null=True)),
                ('left', models.PositiveIntegerField(help_text='How many still differed after it.', null=True)),
            ],
            options={
                'db_table': 'drift_reports',
                'ordering': ['-id'],
                'permissions': [('repair_driftreport', 'Can repair totals that drifted')],
            },
        ),
        migrations.CreateModel(
            name='PriceCheck',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('checked_at', models.DateTimeField()),
                ('loaded', models.BooleanField()),
                ('added', models.PositiveIntegerField()),
                ('held', models.PositiveIntegerField()),
                ('kept', models.PositiveIntegerField()),
                ('sentences', models.JSONField(default=list, help_text='The first of what was or would be added or held.')),
            ],
            options={
                'db_table': 'price_checks',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='PrunedMonth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateTimeField(help_text='Its first moment, UTC.')),
                ('periods_until', models.DateTimeField()),
                ('rows', models.BigIntegerField(help_text='How many the partition had.')),
                ('pruned_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'pruned_months',
                'ordering': ['-month'],
            },
        ),
        migrations.AddIndex(
            model_name='authorization',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['created_at'], name='authorization_by_creation'),
        ),
        migrations.AddIndex(
            model_name='eventkey',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['recorded_at'], name='event_key_by_recording'),
        ),
        migrations.AddField(
            model_name='driftreport',
            name='repaired_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='driftreport',
            constraint=models.CheckConstraint(condition=models.Q(('start__lt', models.F('end'))), name='drift_report_of_some_hours'),
        ),
    ]
