"""A month that is over: subscribed accounts, their log of it, and its totals. Only closing is measured, so
the rows need not come in through the operations that usually write them.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection

from subscriptions import plans
from subscriptions.actors import SYSTEM
from subscriptions.core.states import State
from subscriptions.core.terms import BillingCycle
from subscriptions.models import (
    ChangeKind,
    OveragePolicy,
    PlanVersion,
    SubscriptionChange,
    SubscriptionPlan,
    UserSubscription,
    VersionSource,
)
from usage import partitions, totals
from usage.core.calendar import next_month
from usage.models import Account, APIProviderPricing, BillingPeriod

# Within one insert.
PORTION = 1_000
FEE = Decimal(30)
INCLUDED = Decimal(1)
MARKUP_PERCENT = Decimal(20)
# By rank an account has so many rows as the busiest one divided by the rank to this power: of a thousand
# accounts the busiest has two rows in five, and half of them have less than one in ten thousand.
SKEW = 1.5
MODELS = (
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("openai", "o3"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("mistral", "mistral-large"),
)

# In the order in which the calls came in, so that each account's rows lie scattered over the whole log.
FILL = """
INSERT INTO api_usage_logs (
    account_id, billing_period_id, price_id, occurred_at, recorded_at, input_tokens, output_tokens,
    response_time_ms, status_code, retry_count, cost_input, cost_output, cost, cost_source, source, event_id,
    provider, provider_name, model, model_used, endpoint, method, request_type, team, project, department,
    end_user, "authorization", error_message
)
SELECT account_id, period_id, (%(prices)s::bigint[])[kind], at, at, tokens, 100,
    500, 200, 0, tokens * 0.0000025, 0.001, tokens * 0.0000025 + 0.001, 'local', 'gateway',
    account_id || '-' || call,
    (%(providers)s::text[])[kind], (%(providers)s::text[])[kind], (%(models)s::text[])[kind],
    (%(models)s::text[])[kind], '/v1/chat/completions', 'POST', 'chat', 'content', 'blog', '', '', '', ''
FROM (
    SELECT account_id, period_id, call, 1000 + call %% 997 AS tokens,
        1 + (number + call) %% cardinality(%(models)s::text[]) AS kind,
        period_start + (period_end - period_start) * ((call - (1 + number %% 97) / 98.0) / calls) AS at
    FROM (
        SELECT account_id, id AS period_id, period_start, period_end, number,
            ceil(%(busiest)s / power(1 + number %% %(cycle)s, %(skew)s))::int AS calls
        FROM (
            SELECT *, row_number() OVER (ORDER BY account_id) - 1 AS number FROM billing_periods
        ) AS periods
    ) AS owners, generate_series(1, calls) AS call
    ORDER BY at
) AS calls
ORDER BY at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """The calendar month that is closed, and when: a day after it is over."""

    start: datetime
    end: datetime
    at: datetime


def fill(accounts: int, rows: int, *, cycle: int, month: Month) -> None:
    """Give Django's database so many subscribed accounts, and so many or a few more rows of the month.

    Every `cycle` accounts share the rows alike: with a multiple of them an account has as many rows.
    """
    partitions.ensure([month.start, month.end])
    owners = Account.objects.bulk_create(
        (Account(external_id=f"closing-{n:05d}", name=f"Customer {n}") for n in range(accounts)),
        batch_size=PORTION,
    )
    subscribe(owners, month)
    busiest = rows * cycle / accounts / sum((rank + 1) ** -SKEW for rank in range(cycle))
    values = {
        "busiest": busiest,
        "skew": SKEW,
        "cycle": cycle,
        "providers": [provider for provider, _ in MODELS],
        "models": [model for _, model in MODELS],
        "prices": [price_of(provider, model) for provider, model in MODELS],
    }
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
        cursor.execute(totals.ADD_TO_SUMMARIES.format(rows="api_usage_logs"), {"at": month.end})


def subscribe(accounts: list[Account], month: Month) -> None:
    """Put the accounts on a plan that bills what is beyond the included usage, since the month began; renewed
    when it was over. No fee has been invoiced.
    """
    version = a_version(month)
    BillingPeriod.objects.bulk_create(
        (
            BillingPeriod(account=account, period_start=month.start, period_end=month.end)
            for account in accounts
        ),
        batch_size=PORTION,
    )
    subscriptions = UserSubscription.objects.bulk_create(
        (a_subscription(account, version, month) for account in accounts), batch_size=PORTION
    )
    for kind, start in ((ChangeKind.STARTED, month.start), (ChangeKind.RENEWED, month.end)):
        SubscriptionChange.objects.bulk_create(
            (a_change(each, kind, start) for each in subscriptions), batch_size=PORTION
        )


def a_version(month: Month) -> PlanVersion:
    return plans.write_version(
        SubscriptionPlan.objects.create(key="closing", name="Closing"),
        terms={
            "price_monthly": FEE,
            "included_usage": INCLUDED,
            "overage_policy": OveragePolicy.BILL,
            "overage_markup_percent": MARKUP_PERCENT,
        },
        limits=[],
        surcharges=[],
        source=VersionSource.STAFF,
        by=SYSTEM,
        at=month.start,
    )


def a_subscription(account: Account, version: PlanVersion, month: Month) -> UserSubscription:
    return UserSubscription(
        account=account,
        plan_version=version,
        billing_cycle=BillingCycle.MONTHLY,
        state=State.ACTIVE,
        anchor=month.start,
        term_start=month.end,
        term_end=next_month(month.end),
        term_fee=FEE,
        renewal_count=1,
        started_at=month.start,
        updated_at=month.end,
    )


def a_change(subscription: UserSubscription, kind: ChangeKind, start: datetime) -> SubscriptionChange:
    return SubscriptionChange(
        subscription=subscription,
        account_id=subscription.account_id,
        kind=kind,
        at=start,
        recorded_at=start,
        actor=SYSTEM.name,
        state_after=State.ACTIVE,
        version_after_id=subscription.plan_version_id,
        billing_cycle=BillingCycle.MONTHLY,
        term_start=start,
        term_end=next_month(start),
        renewal_count=int(kind is ChangeKind.RENEWED),
        amount_due=FEE,
    )


def price_of(provider: str, model: str) -> int:
    """The price book's newest row for the model."""
    found = APIProviderPricing.objects.filter(provider=provider, model_name=model)
    return found.values_list("pk", flat=True).latest("effective_from")
