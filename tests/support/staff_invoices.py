"""Invoices as staff find them: of a plan's first fee, 30 USD unless told otherwise."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from subscriptions import month_close, payments
from subscriptions.models import BillingHistory, BillingProfile, SubscriptionPlan
from subscriptions.payments import Charge
from tests.support.cast import NOW, a_user, an_account
from tests.support.paying import a_card
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
        "card_exp_month": 4,
        "card_exp_year": 2030,
    }
    return a_card(account, **{**known, **fields})


def afresh(invoice: BillingHistory) -> BillingHistory:
    """The invoice as the database has it now."""
    return BillingHistory.objects.select_related("account").get(pk=invoice.pk)


def a_clerk(*permissions: str) -> Client:
    """Somebody of staff who may look at everything that is sold, and do what is named."""
    user = a_user("clerk", is_staff=True)
    seen = Q(codename__startswith="view_") | Q(codename__in=permissions)
    user.user_permissions.set(Permission.objects.filter(seen))
    client = Client()
    client.force_login(user)
    return client


def offered(client: Client, address: str, names: Iterable[str]) -> set[str]:
    """Which of the buttons so named the page has."""
    shown = client.get(address).content.decode()
    return {name for name in names if f'/{name}/"' in shown}


def queries_of(client: Client, address: str) -> list[str]:
    """The statements that showing a page takes."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return [each["sql"] for each in asked.captured_queries]


def history() -> list[str]:
    """What the admin's history says, oldest first."""
    return list(LogEntry.objects.order_by("id").values_list("change_message", flat=True))
