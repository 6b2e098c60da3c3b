"""Invitations, keys that take another's place, and the history of both, which stays as it was written."""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

PROTECT = """
CREATE FUNCTION refuse_change_of_account_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER account_history_stays BEFORE UPDATE OR DELETE ON account_changes
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_account_history();
"""
RELEASE = """
DROP TRIGGER account_history_stays ON account_changes;
DROP FUNCTION refuse_change_of_account_history();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('usage', '0014_unusual_days'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='apikey',
            name='replaced_by',
            field=models.OneToOneField(editable=False, help_text='The key that was made in its place; this one ends with its expiry.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='replaces', to='usage.apikey', to_field='prefix'),
        ),
        migrations.CreateModel(
            name='AccountChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(max_length=200)),
                ('about', models.CharField(choices=[('member', 'Member'), ('invitation', 'Invitation'), ('key', 'API key')], max_length=16)),
                ('subject', models.CharField(help_text='The member, address or key, by name.', max_length=254)),
                ('before', models.JSONField(blank=True, default=dict)),
                ('after', models.JSONField(blank=True, default=dict)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='changes', to='usage.account')),
                ('actor_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'db_table': 'account_changes',
                'ordering': ['account', '-id'],
                'indexes': [models.Index(fields=['account', '-id'], name='account_change_by_account')],
                'constraints': [models.CheckConstraint(condition=models.Q(('before', models.F('after')), _negated=True), name='account_change_changes_something'), models.CheckConstraint(condition=models.Q(('about__in', ['member', 'invitation', 'key'])), name='account_change_about_known')],
            },
        ),
        migrations.CreateModel(
            name='Invitation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', models.EmailField(max_length=254)),
                ('role', models.CharField(choices=[('owner', 'Owner'), ('billing_admin', 'Billing admin'), ('member', 'Member'), ('viewer', 'Viewer')], default='member', max_length=16)),
                ('invited_by', models.CharField(max_length=200)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_at', models.DateTimeField()),
                ('sent_at', models.DateTimeField(null=True)),
                ('error', models.CharField(blank=True, default='', max_length=500)),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='invitations', to='usage.account')),
            ],
            options={
                'db_table': 'account_invitations',
                'ordering': ['account', 'id'],
                'constraints': [models.UniqueConstraint(models.F('account'), django.db.models.functions.text.Lower('email'), name='invitation_once_per_address'), models.CheckConstraint(condition=models.Q(('role__in', ['owner', 'billing_admin', 'member', 'viewer'])), name='invitation_role_known'), models.CheckConstraint(condition=models.Q(('expires_at__gt', models.F('created_at'))), name='invitation_expires_after_it_began')],
            },
        ),
        migrations.RunSQL(PROTECT, RELEASE),
    ]
