"""What accounts have beside their calls: periods, plans, limits, invoices, alerts, people. Only reading is
measured, so it need not come into being through the operations that usually make it.
"""

from collections.abc import Sequence
from itertools import pairwise

from django.contrib.auth.models import User
from django.db import connection

from alerts import destinations
from alerts.models import AlertChannel
from benchmarks.alerting.filling import PORTION, a_version, give
from benchmarks.closing.filling import Month, a_change, a_subscription
from benchmarks.pages.filling import Year
from subscriptions.models import (
    BillingProfile,
    ChangeKind,
    PlanVersion,
    SubscriptionChange,
    UserSubscription,
)
from usage import keys
from usage.actors import Actor
from usage.models import Account, Member, Role, Scope

KEYS = 3
BENCHMARKS = Actor(name="benchmarks")

OPEN_PERIODS = """
INSERT INTO billing_periods (account_id, period_start, period_end, closed_at)
SELECT id, start, "end", CASE WHEN "end" <= %(at)s THEN "end" + interval '1 hour' END
FROM accounts, unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS month (start, "end")
ORDER BY start, id
"""
USE_LIMITS = """
UPDATE usage_limits SET used = trunc(amount * (1 + account_id % 10) / 10) WHERE "window" = 'period'
"""
PROJECT = """
INSERT INTO usage_projections (
    account_id, billing_period_id, computed_at, method, days_of_history, calls, expected_calls, tokens,
    expected_tokens, spent, run_rate, expected, low, high
)
SELECT account_id, billing_period_id, max(updated_at), 'weekdays', 90, sum(calls), 2 * sum(calls),
    sum(input_tokens + output_tokens), 2 * sum(input_tokens + output_tokens), sum(cost), 2 * sum(cost),
    2 * sum(cost), 1.5 * sum(cost), 3 * sum(cost)
FROM usage_summaries
JOIN (SELECT id AS billing_period_id FROM billing_periods WHERE closed_at IS NULL) AS opened
    USING (billing_period_id)
GROUP BY account_id, billing_period_id
"""
# A month's fee, and a line for each model that was used in it; all within the plan but the last cent.
INVOICE = (
    """
    INSERT INTO billing_history (
        account_id, state, reason, billing_period_id, plan_version_id, period_start, period_end, currency,
        subtotal, tax, tax_calculation_id, tax_error, total, credit_applied, amount_due, amount_credited,
        amount_paid, created_at, seller, bill_to
    )
    SELECT account_id, 'draft', 'period_closed', id, %(version)s, period_start, period_end, 'USD',
        0, 0, '', '', 0, 0, 0, 0, 0, closed_at, '{}', '{}'
    FROM billing_periods WHERE closed_at IS NOT NULL ORDER BY period_start, account_id
    """,
    """
    INSERT INTO billing_history_lines (
        invoice_id, position, kind, description, provider, model, quantity, unit, precise_amount, amount,
        period_start, period_end, plan_version_id, event_count, evidence, details
    )
    SELECT id, 0, 'base_fee', 'Basic, monthly', '', '', NULL::numeric, '', %(fee)s, %(fee)s, period_end,
        period_end + interval '1 month', %(version)s, 0, '', '{}'::jsonb
    FROM billing_history
    UNION ALL
    SELECT id, row_number() OVER (PARTITION BY id ORDER BY provider, model), 'usage',
        concat_ws(' ', provider, NULLIF(model, '')), provider, model, calls, 'call', cost, round(cost, 2),
        period_start, period_end, %(version)s, calls, repeat(md5(id || provider || model), 2),
        jsonb_build_object('input_tokens', input_tokens, 'output_tokens', output_tokens)
    FROM (
        SELECT invoice.id, provider, model, period_start, period_end, sum(calls) AS calls, sum(cost) AS cost,
            sum(input_tokens) AS input_tokens, sum(output_tokens) AS output_tokens
        FROM billing_history invoice JOIN usage_month_rollups rolled
            ON rolled.account_id = invoice.account_id
            AND rolled.month::timestamp AT TIME ZONE 'UTC' = invoice.period_start
        GROUP BY invoice.id, provider, model
    ) AS used
    """,
    """
    UPDATE billing_history SET state = 'paid', number = 'B-' || id, subtotal = lines.amount,
        total = lines.amount, amount_due = lines.amount, amount_paid = lines.amount,
        finalized_at = created_at, due_at = created_at, paid_at = created_at
    FROM (SELECT invoice_id, sum(amount) AS amount FROM billing_history_lines GROUP BY invoice_id) AS lines
    WHERE lines.invoice_id = billing_history.id
    """,
    """
    INSERT INTO billing_history_events (invoice_id, kind, state_after, at, actor, reason, amount)
    SELECT id, kind, state_after, created_at, 'system', '', total
    FROM billing_history, (VALUES ('finalized', 'open'), ('paid', 'paid')) AS events (kind, state_after)
    ORDER BY id, kind
    """,
)
# Of each account three a month, of which those of this month are open and unread.
ALERT = """
INSERT INTO usage_alerts (
    account_id, rule, key, subject, severity, title, message, provider, threshold, period_start, period_end,
    path, payload, is_lasting, is_recovery, is_shown, created_at, ended_at, read_at
)
SELECT account_id, 'limit', period_start || ' ' || threshold, 'OpenAI calls', 'warning',
    threshold || '% of your OpenAI calls used', 'Used ' || threshold || ' of 100 calls.', 'openai',
    threshold, period_start, period_end, '/', '{}', TRUE, FALSE, TRUE,
    period_start + interval '1 hour', closed_at, closed_at
FROM billing_periods, unnest(ARRAY[80, 90, 100]) AS threshold ORDER BY period_start, account_id, threshold
"""


def make_accounts(count: int, *, year: Year) -> list[Account]:
    """Let so many accounts be all that Django's database has, with the year's billing periods."""
    Account.objects.all().delete()
    accounts = Account.objects.bulk_create(
        (Account(external_id=f"pages-{n:05d}", name=f"Customer {n}") for n in range(count)),
        batch_size=PORTION,
    )
    months = year.months
    with connection.cursor() as cursor:
        cursor.execute(OPEN_PERIODS, {"starts": months[:-1], "ends": months[1:], "at": year.at})
    return accounts


def furnish(accounts: Sequence[Account], *, year: Year) -> None:
    """Give accounts whose usage is there what rests on it, and a plan since the year began."""
    *_, current, _ = year.months
    version = a_version(Month(start=year.start, end=current, at=year.at))
    subscribe(accounts, version, year)
    BillingProfile.objects.bulk_create((a_profile(account, year) for account in accounts), batch_size=PORTION)
    AlertChannel.objects.bulk_create(
        (
            AlertChannel(account=account, kind=kind, created_at=year.start)
            for account in accounts
            for kind in destinations.OF_ACCOUNTS
        ),
        batch_size=PORTION,
    )
    give(version, at=year.at)
    with connection.cursor() as cursor:
        for statement in (USE_LIMITS, PROJECT, ALERT):
            cursor.execute(statement)
        for statement in INVOICE:
            cursor.execute(statement, {"version": version.pk, "fee": version.price_monthly})


def subscribe(accounts: Sequence[Account], version: PlanVersion, year: Year) -> None:
    """Put the accounts on the plan, renewed every month; each fee but the present one was invoiced."""
    *_, current, _ = year.months
    subscriptions = UserSubscription.objects.bulk_create(
        (
            a_subscription(account, version, Month(start=year.start, end=current, at=year.at))
            for account in accounts
        ),
        batch_size=PORTION,
    )
    for start, _ in pairwise(year.months):
        kind = ChangeKind.STARTED if start == year.start else ChangeKind.RENEWED
        SubscriptionChange.objects.bulk_create(
            (a_change(each, kind, start) for each in subscriptions), batch_size=PORTION
        )


def a_profile(account: Account, year: Year) -> BillingProfile:
    return BillingProfile(
        account=account,
        email=f"{account.external_id}@example.com",
        stripe_customer_id=f"cus_{account.pk}",
        payment_method_id=f"pm_{account.pk}",
        card_brand="visa",
        card_last4="4242",
        card_exp_month=12,
        card_exp_year=year.at.year + 5,
        updated_at=year.start,
    )


def a_member(account: Account, *, year: Year) -> User:
    """The account's owner, and keys of its servers."""
    user = User.objects.create_user(account.external_id, email=f"{account.external_id}@example.com")
    Member.objects.create(account=account, user=user, role=Role.OWNER, created_at=year.start)
    for number in range(KEYS):
        keys.issue(name=f"server {number}", account=account, scopes=[Scope.INGEST], at=year.at, by=BENCHMARKS)
    return user
