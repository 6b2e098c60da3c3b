"""Accounts on a plan of the default catalog, with its limits and with channels for their alerts. Only looking
is measured, so they need not come into being through the operations that usually make them.
"""

from datetime import datetime

from django.db import connection

from alerts import destinations
from alerts.models import AlertChannel
from benchmarks.closing.filling import Month, a_subscription
from subscriptions import catalog_file, catalog_loading, entitlements
from subscriptions.models import PlanVersion, UserSubscription
from usage import periods
from usage.models import Account

# Within one insert.
PORTION = 1_000
CATALOG, PLAN = "default", "basic"
# What goes out by it is written down: the least that a delivery can cost.
CHANNEL = "log"

# What `usage.limits.put` does account by account, for all accounts at once.
GIVE = """
INSERT INTO usage_limits (account_id, source, name, measure, scope, scope_value, "window", mode, amount, used,
    held, previous, window_start)
SELECT period.account_id, 'plan', given.name, given.measure, given.scope, given.scope_value, given."window",
       given.mode, given.amount, 0, 0, 0,
       COALESCE(usage_window_start(given."window", %(at)s, period.period_start), %(at)s)
FROM billing_periods period
CROSS JOIN unnest(%(name)s::text[], %(measure)s::text[], %(scope)s::text[], %(scope_value)s::text[],
                  %(window)s::text[], %(mode)s::text[], %(amount)s::numeric[])
     AS given(name, measure, scope, scope_value, "window", mode, amount)
WHERE period.closed_at IS NULL
ORDER BY period.account_id
"""


def fill(count: int, *, month: Month, at: datetime) -> list[Account]:
    """Let so many accounts be all that Django's database has; subscribed since `month` was over."""
    Account.objects.all().delete()
    accounts = Account.objects.bulk_create(
        (Account(external_id=f"alerts-{n:05d}", name=f"Customer {n}") for n in range(count)),
        batch_size=PORTION,
    )
    version = a_version(month)
    UserSubscription.objects.bulk_create(
        (a_subscription(account, version, month) for account in accounts), batch_size=PORTION
    )
    AlertChannel.objects.bulk_create(
        (
            AlertChannel(account=account, kind=kind, created_at=at)
            for account in accounts
            for kind in (*destinations.OF_ACCOUNTS, CHANNEL)
        ),
        batch_size=PORTION,
    )
    periods.ensure([account.pk for account in accounts], at=at)
    give(version, at=at)
    return accounts


def a_version(month: Month) -> PlanVersion:
    catalog_loading.load(catalog_file.read(CATALOG), at=month.start)
    return PlanVersion.objects.get(plan__key=PLAN)


def give(version: PlanVersion, *, at: datetime) -> None:
    """Give every account whose billing period is open the limits that the version sells."""
    sold = entitlements.limit_terms(version)
    names = ("name", "measure", "scope", "scope_value", "window", "mode", "amount")
    values = {name: [getattr(terms, name) for terms in sold] for name in names}
    with connection.cursor() as cursor:
        cursor.execute(GIVE, {**values, "at": at})
