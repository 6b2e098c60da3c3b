"""Invoices in a small known world: acme on a plan that bills, with usage of round costs."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from subscriptions import invoicing, month_close
from subscriptions.models import BillingHistory, UserSubscription
from tests.support.cast import an_event
from tests.support.recording import record
from tests.support.subscribing import a_plan, start
from usage.core.calendar import months_after
from usage.events import ReportedCost
from usage.models import Account, BillingPeriod

MARCH = datetime(2026, 3, 1, tzinfo=UTC)
APRIL, MAY = months_after(MARCH, 1), months_after(MARCH, 2)
GRACE = timedelta(minutes=10)


def a_metered_plan(key: str = "metered", *, price: str = "30", **terms: Any) -> Any:
    """30 USD a month with 10 USD of usage; what is beyond costs a fifth more."""
    defaults = {
        "included_usage": Decimal(10),
        "overage_policy": "bill",
        "overage_markup_percent": Decimal(20),
    }
    return a_plan(key, price=price, **{**defaults, **terms})


def a_customer(*, account: Account | None = None, at: datetime = MARCH, **terms: Any) -> UserSubscription:
    """acme (or `account`) on the metered plan since March."""
    return start(a_metered_plan(**terms), account=account, at=at)


def use(cost: str, *, at: datetime, event_id: str = "", subject: str = "acme", **data: Any) -> None:
    """One call that the provider says cost so much."""
    said = ReportedCost(source="provider", amount=cost)
    happened = data.pop("happened", at)
    (outcome,) = record(
        an_event(event_id or f"{cost} at {happened}", subject=subject, at=happened, cost=said, **data), at=at
    )
    assert outcome.outcome == "recorded", outcome


def first_invoice(subscription: UserSubscription, *, at: datetime = MARCH) -> BillingHistory:
    """The invoice of what the subscription's start cost."""
    invoice = month_close.invoice_of(subscription, at=at)
    assert invoice is not None
    return invoice


def period_of(account: Account, *, at: datetime = MARCH) -> BillingPeriod:
    return BillingPeriod.objects.get(account=account, period_start__lte=at, period_end__gt=at)


def close(subscription: UserSubscription, *, of: datetime = MARCH) -> BillingHistory:
    """The final invoice of the period that was open at `of`."""
    period = period_of(subscription.account, at=of)
    at = period.period_end + GRACE
    invoice = invoicing.close_period(period, at=at)
    assert invoice is not None
    return invoicing.finalize(invoice, at=at)


def lines_of(invoice: BillingHistory) -> list[tuple[str, str]]:
    """Kind and amount in cents of each line, in order."""
    return [(line.kind, str(line.amount)) for line in invoice.lines.all()]
