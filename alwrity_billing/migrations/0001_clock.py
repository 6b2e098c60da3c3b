"""What came of each task, and what the code last said about when it runs."""

from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='ClockDefault',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text="The entry's name.", max_length=200)),
                ('schedule', models.CharField(help_text='As `alwrity_billing.schedules` spells it.', max_length=200)),
                ('added_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'clock_defaults',
                'ordering': ['name'],
                'constraints': [models.UniqueConstraint(fields=('name',), name='clock_default_one_per_entry')],
            },
        ),
        migrations.CreateModel(
            name='TaskStanding',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(help_text="The task's dotted name.", max_length=200)),
                ('last_started_at', models.DateTimeField(null=True)),
                ('last_succeeded_at', models.DateTimeField(null=True)),
                ('last_failed_at', models.DateTimeField(null=True)),
                ('last_duration', models.DurationField(help_text='Of the run that ended last.', null=True)),
                ('last_rows', models.BigIntegerField(help_text='What the last run that succeeded did.', null=True)),
                ('last_error', models.CharField(blank=True, default='', max_length=500)),
                ('failures_in_a_row', models.PositiveIntegerField(default=0)),
                ('runs', models.PositiveBigIntegerField(default=0)),
                ('failures', models.PositiveBigIntegerField(default=0)),
            ],
            options={
                'verbose_name': 'task standing',
                'db_table': 'task_standings',
                'ordering': ['name'],
                'permissions': [('run_taskstanding', 'Can run a task now')],
                'constraints': [models.UniqueConstraint(fields=('name',), name='task_standing_one_per_task')],
            },
        ),
    ]
