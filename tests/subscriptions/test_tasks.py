"""Tasks that talk to Stripe or see to budgets: what they do in one run, and that a wake-up may get lost."""

from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from subscriptions import budgets, invoicing, tasks
from subscriptions.core.invoices import InvoiceState
from subscriptions.models import BillingHistory, InvoiceCollection, StripeEvent
from subscriptions.stripe import inbox
from tests.support.authorizing import is_granted
from tests.support.cast import NOW, an_account, an_event
from tests.support.paying import a_checkout, a_saved_card, an_event_of_stripe, an_invoice, deliver, signed
from tests.support.recording import prepare, record
from tests.support.subscribing import TESTS, a_plan, start
from usage.core.calendar import months_after
from usage.models import Account

pytestmark = pytest.mark.django_db


@time_machine.travel(NOW, tick=False)
def test_one_run_pushes_all_that_is_due(at_stripe: Any) -> None:
    for name in ("a", "b"):
        account = an_account(name)
        a_saved_card(account)
        an_invoice(account, plan=a_plan(name))

    tasks.push_to_stripe()

    assert set(BillingHistory.objects.values_list("state", flat=True)) == {InvoiceState.PAID}


@time_machine.travel(NOW, tick=False)
def test_a_run_whose_time_is_over_leaves_the_rest_to_the_next(at_stripe: Any, settings: Any) -> None:
    for name in ("a", "b"):
        an_invoice(an_account(name), plan=a_plan(name))
    settings.CELERY_TASK_SOFT_TIME_LIMIT = 0
    pushed = InvoiceCollection.objects.filter(stripe_invoice_id__isnull=False)

    tasks.push_to_stripe()
    assert pushed.count() == 1

    # Two customers, made meanwhile, are rows of their own.
    for _ in range(4):
        tasks.push_to_stripe()
    assert pushed.count() == 2


@time_machine.travel(NOW, tick=False)
def test_one_run_takes_over_all_webhooks_and_the_next_charges_what_follows(at_stripe: Any) -> None:
    a_checkout(an_account(), plan=a_plan())
    deliver()

    tasks.process_stripe_events()
    tasks.push_to_stripe()

    assert not StripeEvent.objects.filter(state="received").exists()
    assert BillingHistory.objects.get().state == InvoiceState.PAID


def test_where_no_cards_are_charged_nothing_is_pushed_or_processed(settings: Any) -> None:
    an_invoice()
    body = an_event_of_stripe("plan.created")
    inbox.receive(body.encode(), signature=signed(body), at=timezone.now())
    settings.STRIPE_MODE = "off"

    tasks.push_to_stripe()
    tasks.process_stripe_events()

    assert InvoiceCollection.objects.get().push_at == NOW
    assert StripeEvent.objects.get().state == "received"


@time_machine.travel(NOW, tick=False)
def test_one_run_taxes_all_drafts_and_the_next_charges_them(at_stripe: Any, settings: Any) -> None:
    settings.STRIPE_TAX = True
    for name in ("a", "b"):
        account = an_account(name)
        a_saved_card(account)
        an_invoice(account, plan=a_plan(name))
    tasks.push_to_stripe()
    before = set(BillingHistory.objects.values_list("state", flat=True))

    tasks.tax_drafts()
    tasks.push_to_stripe()

    assert before == {InvoiceState.DRAFT}
    assert set(BillingHistory.objects.values_list("state", flat=True)) == {InvoiceState.PAID}


def test_where_tax_is_off_no_draft_is_taxed() -> None:
    draft = invoicing.invoice_changes(start(a_plan(), account=an_account()), at=NOW)
    assert draft is not None

    tasks.tax_drafts()

    assert BillingHistory.objects.get().taxed_at is None


class Broken:
    """A task whose broker is away."""

    asked = 0

    def apply_async(self, **options: Any) -> None:
        self.asked += 1
        raise ConnectionError("the broker is away")


@pytest.mark.django_db(transaction=True)
def test_a_worker_is_woken_once_the_transaction_is_over_and_a_broker_that_is_away_fails_nothing() -> None:
    task = Broken()

    with transaction.atomic():
        tasks.soon(task)
        assert task.asked == 0

    assert task.asked == 1


def test_a_budget_is_let_go_of_once_its_period_is_over() -> None:
    prepare()
    account = start(a_plan(), account=Account.objects.get()).account
    budgets.update(account, changes={"monthly_budget": Decimal("0.0035")}, at=NOW, by=TESTS)
    record(an_event())
    budgets.protect(account, at=NOW)

    with time_machine.travel(months_after(NOW, 1), tick=False):
        tasks.protect_budgets()
        assert is_granted(at=timezone.now())
