"""Stripe failing at every call in turn: once it answers again, each thing is there exactly once."""

from decimal import Decimal

import pytest

from subscriptions import credit_notes
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, CreditNoteKind, Payment
from subscriptions.stripe import reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import (
    STAFF,
    a_saved_card,
    an_invoice,
    library,
    pushed,
    pushed_until_quiet,
)

pytestmark = pytest.mark.django_db

KINDS = ["error_500", "rate_limited_429", "timeout_before", "timeout_after_commit", "connection_reset"]
# Each call that paying an invoice makes.
CALLS = {
    "tell who is invoiced": ("POST", "/v1/customers/[^/]+"),
    "make the draft": ("POST", "/v1/invoices"),
    "add lines": ("POST", "/v1/invoices/[^/]+/add_lines"),
    "read the draft": ("GET", "/v1/invoices/[^/]+"),
    "finalize": ("POST", "/v1/invoices/[^/]+/finalize"),
    "pay": ("POST", "/v1/invoices/[^/]+/pay"),
    "read the charges": ("GET", "/v1/charges"),
}


def everything_once(invoice: BillingHistory) -> None:
    """Stripe has one invoice and one charge, and both sides say the same."""
    api = library().v1
    assert [each.status for each in api.invoices.list().data] == ["paid"]
    assert [each.amount for each in api.charges.list().data] == [3000]
    assert len(api.customers.list().data) == 1
    invoice.refresh_from_db()
    assert (invoice.state, Payment.objects.get().amount) == (InvoiceState.PAID, Decimal(30))
    assert list(reconcile.differences(at=NOW)) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", list(CALLS))
def test_an_invoice_is_there_and_paid_once_whatever_fails(at_stripe: Simulator, call: str, kind: str) -> None:
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)
    method, path = CALLS[call]
    at_stripe.faults.add(method=method, path=path, kind=kind, times=2)

    pushed_until_quiet()

    everything_once(invoice)
    assert sum(fault["times"] for fault in at_stripe.faults.pending()) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_customer_is_made_once_whatever_fails(at_stripe: Simulator, kind: str) -> None:
    an_invoice(an_account())
    at_stripe.faults.add(method="POST", path="/v1/customers", kind=kind, times=2)

    pushed_until_quiet()

    assert len(library().v1.customers.list().data) == 1
    assert [each.status for each in library().v1.invoices.list().data] == ["open"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/charges/[^/]+"])
def test_a_refund_is_made_once_whatever_fails(at_stripe: Simulator, path: str, kind: str) -> None:
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)
    pushed()
    credit_notes.issue(
        invoice, kind=CreditNoteKind.TO_CARD, amount=Decimal(10), reason="Sorry.", at=NOW, by=STAFF
    )
    method = "POST" if path == "/v1/refunds" else "GET"
    at_stripe.faults.add(method=method, path=path, kind=kind, times=2)

    pushed_until_quiet()

    assert [each.amount for each in library().v1.refunds.list().data] == [1000]
    assert Payment.objects.get().refunded == 10
    assert list(reconcile.differences(at=NOW)) == []
