"""A worker killed outright at every change it makes at Stripe: the next one goes on where it was."""

import os
import signal
import threading

import pytest
from django.db import connection

from subscriptions.core.invoices import InvoiceState
from subscriptions.models import Payment
from subscriptions.stripe import push, reconcile
from subscriptions.stripe.simulator.server import Simulator
from tests.support.cast import NOW, an_account
from tests.support.paying import AT_MOST, a_saved_card, an_invoice, library, pushed_until_quiet
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE_S = 20
# What a push of an invoice changes at Stripe, in order.
STEPS = ["tell who is invoiced", "make the draft", "add lines", "finalize", "pay"]


def push_and_be_killed_at(simulator: Simulator, *, step: int, kind: str) -> None:
    """Push in a process of its own, killed while it waits for Stripe's answer to its `step`th change."""
    simulator.faults.add(method="POST", path=".*", kind=kind, skip=step, hold_s=PATIENCE_S)
    connection.close()
    child = os.fork()
    if child == 0:
        # In a thread of its own, which shares no connection to Stripe with this one.
        worker = threading.Thread(target=push.push_due, kwargs={"at": NOW, "limit": AT_MOST})
        worker.start()
        worker.join()
        os._exit(1)
    assert wait_until(lambda: not simulator.faults.pending(), seconds=PATIENCE_S)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


@pytest.mark.parametrize("kind", ["timeout_before", "timeout_after_commit"], ids=["before", "after"])
@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_a_killed_push_is_finished_by_the_next(at_stripe: Simulator, step: int, kind: str) -> None:
    account = an_account()
    a_saved_card(account)
    invoice = an_invoice(account)

    push_and_be_killed_at(at_stripe, step=step, kind=kind)
    pushed_until_quiet()

    invoice.refresh_from_db()
    assert invoice.state == InvoiceState.PAID
    assert Payment.objects.count() == 1
    assert [each.status for each in library().v1.invoices.list().data] == ["paid"]
    assert [each.amount for each in library().v1.charges.list().data] == [3000]
    assert list(reconcile.differences(at=NOW)) == []
