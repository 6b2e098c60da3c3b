"""Invoices in a small known world: written, paid and refused as the system does it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from subscriptions import invoicing, month_close, payments
from subscriptions.models import BillingHistory, OveragePolicy, Payment, UserSubscription
from tests.support.cast import NOW, an_event
from tests.support.recording import record
from tests.support.subscribing import a_plan, subscribe
from usage import periods
from usage.events import ReportedCost
from usage.models import Account, BillingPeriod

SOON = timedelta(minutes=1)


def metered(key: str = "team", **terms: Any) -> UserSubscription:
    """Acme on a plan of 30 USD since NOW that includes 2 USD of usage and bills the rest, plus 10 %."""
    usual = {
        "overage_policy": OveragePolicy.BILL,
        "included_usage": Decimal(2),
        "overage_markup_percent": Decimal(10),
    }
    return subscribe(a_plan(key, **{**usual, **terms}))


def used(cost: str, *, event_id: str = "e1", at: datetime = NOW + SOON, **data: Any) -> None:
    """A call of acme's that cost so many USD, as the provider reported."""
    told = ReportedCost(amount=cost, source="provider")
    record(an_event(event_id, at=at, cost=told, **data), at=at)


def start_invoice(subscription: UserSubscription, *, at: datetime = NOW) -> BillingHistory:
    """The final invoice of what the subscription's changes cost at once."""
    invoice = month_close.invoice_of(subscription, at=at)
    assert invoice is not None
    return invoice


def period_invoice(account: Account) -> BillingHistory:
    """The final invoice of the account's oldest period that is not closed; then the next one is open."""
    period = BillingPeriod.objects.filter(account=account, closed_at=None).earliest("period_start")
    draft = invoicing.close_period(period, at=period.period_end)
    assert draft is not None
    periods.open_period(account, at=period.period_end)
    return invoicing.finalize(draft, at=period.period_end)


def paid(invoice: BillingHistory, *, at: datetime = NOW, charge: str = "ch_1") -> Payment:
    """A charge that paid all of the invoice."""
    return payments.record(invoice, _charge(invoice, charge, at=at), at=at)


def refused(invoice: BillingHistory, *, at: datetime = NOW, charge: str = "ch_no") -> Payment:
    """A charge that the card's bank declined."""
    why = {"failure_code": "card_declined", "failure_message": "Your card was declined."}
    return payments.record(invoice, _charge(invoice, charge, at=at, **why), at=at)


def _charge(invoice: BillingHistory, charge: str, *, at: datetime, **why: str) -> payments.Charge:
    return payments.Charge(
        id=charge,
        payment_intent_id=f"pi_{charge}",
        amount=invoice.amount_remaining,
        method="visa 4242",
        at=at,
        **why,
    )
