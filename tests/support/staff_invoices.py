"""Invoices as staff find them: of a plan's first fee, 30 USD unless told otherwise."""

from datetime import datetime
from decimal import Decimal

from subscriptions import month_close, payments
from subscriptions.models import BillingHistory, BillingProfile, SubscriptionPlan
from subscriptions.payments import Charge
from tests.support.cast import NOW, an_account
from tests.support.subscribing import a_plan, start
from usage.models import Account


def an_invoice(external_id: str = "acme", *, price: str = "30", at: datetime = NOW) -> BillingHistory:
    """The open invoice of a new customer's first month."""
    key = f"team-{price}"
    plan = SubscriptionPlan.objects.filter(key=key).first() or a_plan(key, price=price)
    invoice = month_close.invoice_of(start(plan, account=an_account(external_id), at=at), at=at)
    assert invoice is not None
    return invoice


def charged(invoice: BillingHistory, *, amount: str = "30", at: datetime = NOW) -> BillingHistory:
    """The invoice after its card paid so much of it."""
    payments.record(invoice, a_charge(invoice, amount=amount, at=at), at=at)
    return afresh(invoice)


def declined(invoice: BillingHistory, *, at: datetime = NOW) -> BillingHistory:
    """The invoice after its card was declined."""
    charge = a_charge(invoice, code="card_declined", message="The card has no money.", at=at)
    payments.record(invoice, charge, at=at)
    return afresh(invoice)


def a_charge(
    invoice: BillingHistory,
    *,
    amount: str = "30",
    at: datetime = NOW,
    code: str = "",
    message: str = "",
) -> Charge:
    return Charge(
        id=f"ch_{invoice.pk}_{code or amount}",
        payment_intent_id=f"pi_{invoice.pk}",
        amount=Decimal(amount),
        method="visa 4242",
        at=at,
        failure_code=code,
        failure_message=message,
    )


def a_profile(account: Account, **fields: object) -> BillingProfile:
    """What Stripe and we know of a customer who pays by card."""
    known = {
        "stripe_customer_id": f"cus_{account.external_id}",
        "payment_method_id": f"pm_{account.external_id}",
        "card_brand": "visa",
        "card_last4": "4242",
        "card_exp_month": 4,
        "card_exp_year": 2030,
    }
    return BillingProfile.objects.create(account=account, updated_at=NOW, **{**known, **fields})


def afresh(invoice: BillingHistory) -> BillingHistory:
    """The invoice as the database has it now."""
    return BillingHistory.objects.select_related("account").get(pk=invoice.pk)
