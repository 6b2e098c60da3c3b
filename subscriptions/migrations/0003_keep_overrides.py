"""Limits that staff had set themselves become overrides, which from now on write them."""

from django.db import migrations

KEEP = """
INSERT INTO limit_overrides (account_id, name, measure, scope, scope_value, "window", mode, amount, reason,
    created_at, ended_by)
SELECT account_id, name, measure, scope, scope_value, "window", mode, amount,
       'Set before overrides were kept with a reason.', now(), ''
FROM usage_limits WHERE source = 'override'
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_what_is_sold_stays"), ("usage", "0006_authorize_on_terms")]

    operations = [migrations.RunSQL(KEEP, migrations.RunSQL.noop)]
