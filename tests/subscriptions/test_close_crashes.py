"""Month close killed (SIGKILL) at each step: nothing half-written, and the next run bills each thing once."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from subscriptions import credits, month_close
from subscriptions.models import BillingHistory, CreditKind, InvoiceLine, UserSubscription
from subscriptions.verification import verify
from tests.support.billing import broken_invoices, rows_not_billed_once
from tests.support.cast import an_account
from tests.support.clients import Tell, clients, wait_for_the_end
from tests.support.concurrency import holding, wait_for_blocked_session
from tests.support.invoices import APRIL, GRACE, MARCH, a_metered_plan, use
from tests.support.racing import wait_until_alone
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, start
from usage.models import BillingPeriod

pytestmark = pytest.mark.django_db(transaction=True)
DUE = APRIL + GRACE

# What the close waits for when it is killed, in the order in which it comes by.
STEPS = {
    "the period is claimed, the term ends": "SELECT FROM user_subscriptions FOR UPDATE",
    "the renewal is written down": "LOCK TABLE subscription_changes IN SHARE MODE",
    "the limits follow": "SELECT FROM accounts FOR UPDATE",
    "the draft is written": "LOCK TABLE billing_history IN SHARE MODE",
    "its lines are written": "LOCK TABLE billing_history_lines IN SHARE MODE",
    "its event is written": "LOCK TABLE billing_history_events IN SHARE MODE",
    "the period is closed": "LOCK TABLE close_failures IN SHARE MODE",
    "credits are applied": "SELECT FROM credit_grants FOR UPDATE",
    "the number is given": "LOCK TABLE number_series IN SHARE MODE",
    "the collection is made": "LOCK TABLE invoice_collections IN SHARE MODE",
}


def a_customer() -> UserSubscription:
    """11 USD of usage in March, a credit of 5, the first invoice written."""
    prepare()
    subscription = start(a_metered_plan(), account=an_account("customer"), at=MARCH)
    month_close.invoice_of(subscription, at=MARCH)
    use("11", at=MARCH, subject="customer")
    credits.grant(
        subscription.account, kind=CreditKind.PREPAID, amount=Decimal(5), reason="Ahead.", at=DUE, by=TESTS
    )
    return subscription


def close(number: int, tell: Tell) -> None:
    month_close.finalize_drafts(at=DUE, limit=10)
    month_close.close_due(at=DUE, limit=10)


@pytest.mark.parametrize("held", STEPS.values(), ids=STEPS)
def test_killed_at_a_step_the_next_run_finishes_and_nothing_is_doubled(held: str, tmp_path: Path) -> None:
    subscription = a_customer()

    with holding(held) as let_go, clients(close, count=1, folder=tmp_path) as (worker,):
        wait_for_blocked_session()
        worker.kill()
        wait_for_the_end([worker])
        let_go()
    wait_until_alone()
    close(0, lambda line: None)

    period = BillingPeriod.objects.get(account=subscription.account, period_start=MARCH)
    assert period.closed_at == DUE
    invoice = BillingHistory.objects.get(billing_period=period)
    assert (invoice.number, invoice.state) == ("2026-000002", "open")
    # The next fee, 1 USD beyond what is included and a fifth of it, less the credit.
    assert (invoice.total, invoice.amount_due) == (Decimal("31.20"), Decimal("26.20"))
    assert InvoiceLine.objects.filter(kind="base_fee").count() == 2
    assert subscription.changes.filter(kind="renewed").count() == 1
    assert rows_not_billed_once([subscription.account]) == []
    assert broken_invoices() == []
    assert list(verify(invoice)) == []


def test_killed_between_customers_the_first_stays_closed(tmp_path: Path) -> None:
    first = a_customer()
    second = start(a_metered_plan("other"), account=an_account("second"), at=MARCH + timedelta(hours=1))
    month_close.invoice_of(second, at=MARCH + timedelta(hours=1))
    held = f"SELECT FROM user_subscriptions WHERE account_id = {second.account_id} FOR UPDATE"
    due = DUE + timedelta(hours=1)

    def close_both(number: int, tell: Tell) -> None:
        month_close.close_due(at=due, limit=10)

    with holding(held) as let_go, clients(close_both, count=1, folder=tmp_path) as (worker,):
        wait_for_blocked_session()
        worker.kill()
        wait_for_the_end([worker])
        let_go()
    wait_until_alone()

    assert BillingHistory.objects.filter(reason="period_closed").get().account == first.account
    assert month_close.progress(at=due).waiting == 1
    assert month_close.close_due(at=due, limit=10) == 1
    assert broken_invoices() == []
