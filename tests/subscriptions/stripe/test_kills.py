"""A worker killed outright while Stripe answers it: the next one goes on, and nothing is done twice."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.utils import timezone

from subscriptions import credit_notes
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import (
    BillingHistory,
    CreditNote,
    CreditNoteKind,
    Payment,
    StripeEvent,
    SubscriptionChange,
)
from subscriptions.stripe import inbox, push, reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import (
    AT_MOST,
    STAFF,
    a_checkout,
    a_saved_card,
    an_event_of_stripe,
    an_invoice,
    library,
    processed,
    pushed,
    pushed_until_quiet,
    signed,
)
from tests.support.processes import wait_until
from tests.support.subscribing import a_plan
from usage.models import Account

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # From 3.12 on Python warns of forks beside threads; the child here uses none of ours.
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

PATIENCE_S = 20
# What a push of an invoice changes at Stripe, in order.
STEPS = ["tell who is invoiced", "make the draft", "add lines", "finalize", "pay"]
BEFORE_AND_AFTER = pytest.mark.parametrize(
    "kind", ["timeout_before", "timeout_after_commit"], ids=["before", "after"]
)


def killed(simulator: Simulator, act: Callable[[], object], *, method: str, kind: str, skip: int = 0) -> None:
    """Run `act` in a process of its own, killed while it waits for an answer of Stripe's: that to its first
    call of the method, or to one after `skip` others.
    """
    simulator.faults.add(method=method, path=".*", kind=kind, skip=skip, hold_s=PATIENCE_S)
    connection.close()
    child = os.fork()
    if child == 0:
        # In a thread of its own, which shares no connection to Stripe with this one.
        worker = threading.Thread(target=act)
        worker.start()
        worker.join()
        os._exit(1)
    assert wait_until(lambda: not simulator.faults.pending(), seconds=PATIENCE_S)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def push_now() -> None:
    push.push_due(at=NOW, limit=AT_MOST)


def a_billed_account() -> tuple[Account, BillingHistory]:
    account = an_account()
    a_saved_card(account)
    return account, an_invoice(account)


@BEFORE_AND_AFTER
@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_an_invoice_is_there_and_paid_once(at_stripe: Simulator, step: int, kind: str) -> None:
    _, invoice = a_billed_account()

    killed(at_stripe, push_now, method="POST", kind=kind, skip=step)
    pushed_until_quiet()

    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.PAID
    assert Payment.objects.count() == 1
    assert [each.status for each in library().v1.invoices.list().data] == ["paid"]
    assert [each.amount for each in library().v1.charges.list().data] == [3000]
    assert list(reconcile.differences(at=NOW)) == []


@BEFORE_AND_AFTER
def test_a_customer_is_made_once(at_stripe: Simulator, kind: str) -> None:
    an_invoice()

    killed(at_stripe, push_now, method="POST", kind=kind)
    pushed_until_quiet()

    assert len(library().v1.customers.list().data) == 1
    assert [each.status for each in library().v1.invoices.list().data] == ["open"]


@BEFORE_AND_AFTER
def test_money_goes_back_once(at_stripe: Simulator, kind: str) -> None:
    _, invoice = a_billed_account()
    pushed()
    credit_notes.issue(
        invoice, kind=CreditNoteKind.TO_CARD, amount=Decimal(30), reason="Sorry.", at=NOW, by=STAFF
    )

    killed(at_stripe, push_now, method="POST", kind=kind)
    pushed_until_quiet()

    assert [each.amount for each in library().v1.refunds.list().data] == [3000]
    assert (CreditNote.objects.get().refund_status, Payment.objects.get().refunded) == ("succeeded", 30)


@pytest.mark.parametrize(
    ("method", "skip"), [("GET", 0), ("GET", 1), ("POST", 0), ("GET", 2)],
    ids=["read the session", "read the card before", "prefer the card", "read the card after"],
)  # fmt: skip
def test_a_checkout_subscribes_once(at_stripe: Simulator, method: str, skip: int) -> None:
    account = an_account()
    body = an_event_of_stripe("checkout.session.completed", object_id=a_checkout(account, plan=a_plan()))
    inbox.receive(body.encode(), signature=signed(body), at=timezone.now())

    killed(at_stripe, processed, method=method, kind="timeout_after_commit", skip=skip)
    processed(at=timezone.now() + inbox.LEASE + timedelta(seconds=1))
    pushed_until_quiet(at=timezone.now() + inbox.LEASE)

    assert StripeEvent.objects.get().state == "done"
    assert SubscriptionChange.objects.count() == 1
    assert BillingHistory.objects.get().state == InvoiceState.PAID
    assert len(library().v1.charges.list().data) == 1
