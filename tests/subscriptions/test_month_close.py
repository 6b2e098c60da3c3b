"""Closing by the clock: what is due, once, and around what fails."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command

from subscriptions import adjustments, month_close
from subscriptions.models import BillingHistory, CloseFailure, UserSubscription
from tests.support.cast import an_account
from tests.support.invoices import APRIL, GRACE, MARCH, a_metered_plan, use
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, start
from usage.models import Account, BillingPeriod, UsageSummary

pytestmark = pytest.mark.django_db
DUE = APRIL + GRACE


@pytest.fixture
def customers() -> list[UserSubscription]:
    """Three with usage of 11 USD each in March."""
    prepare()
    plan = a_metered_plan()
    names = ("acme", "beta", "gamma")
    accounts = [Account.objects.filter(external_id=name).first() or an_account(name) for name in names]
    subscriptions = [start(plan, account=account, at=MARCH) for account in accounts]
    month_close.invoice_changes(at=MARCH, limit=10)
    for name in names:
        use("11", at=MARCH, subject=name, event_id=name)
    return subscriptions


def closed() -> int:
    return BillingPeriod.objects.filter(closed_at__isnull=False).count()


def test_periods_wait_for_the_grace(customers: list[UserSubscription]) -> None:
    assert month_close.close_due(at=DUE - timedelta(seconds=1), limit=10) == 0
    assert month_close.close_due(at=DUE, limit=10) == 3
    assert month_close.close_due(at=DUE, limit=10) == 0
    assert BillingHistory.objects.filter(reason="period_closed", state="open").count() == 3


def test_a_run_does_no_more_than_it_may_and_the_next_goes_on(customers: list[UserSubscription]) -> None:
    assert month_close.close_due(at=DUE, limit=2) == 2
    assert month_close.progress(at=DUE).waiting == 1
    assert month_close.close_due(at=DUE, limit=2) == 1
    assert month_close.progress(at=DUE) == month_close.Progress(waiting=0, failed=0, drafts=0, oldest=None)


def test_one_that_fails_holds_up_no_other_and_is_tried_again(customers: list[UserSubscription]) -> None:
    broken = customers[0].account
    UsageSummary.objects.filter(account=broken).update(cost=Decimal(12))

    assert month_close.close_due(at=DUE, limit=10) == 2

    failure = CloseFailure.objects.get()
    assert (failure.billing_period.account, failure.attempts) == (broken, 1)
    assert "does not add up" in failure.error
    assert month_close.close_due(at=DUE + timedelta(minutes=4), limit=10) == 0
    assert CloseFailure.objects.get().attempts == 1
    month_close.close_due(at=DUE + timedelta(minutes=5), limit=10)
    assert CloseFailure.objects.get().attempts == 2

    UsageSummary.objects.filter(account=broken).update(cost=Decimal(11))
    month_close.try_again(failure, at=DUE + timedelta(minutes=6))
    assert month_close.close_due(at=DUE + timedelta(minutes=6), limit=10) == 1
    assert not CloseFailure.objects.exists()


def test_changes_are_invoiced_once(customers: list[UserSubscription]) -> None:
    assert month_close.invoice_changes(at=MARCH, limit=10) == 0
    assert BillingHistory.objects.filter(reason="subscription_changed").count() == 3


def test_a_draft_that_was_left_behind_is_finalized(customers: list[UserSubscription]) -> None:
    month_close.close_due(at=DUE, limit=10)
    left = BillingHistory.objects.create(
        account=customers[0].account, reason="subscription_changed", period_start=MARCH, period_end=APRIL,
        created_at=DUE,
    )  # fmt: skip

    assert month_close.finalize_drafts(at=DUE, limit=10) == 1
    left.refresh_from_db()
    assert (left.state, left.number) == ("paid", "2026-000007")


def test_the_command_closes_whatever_is_over(customers: list[UserSubscription]) -> None:
    told = StringIO()
    with time_machine.travel(DUE, tick=False):
        call_command("close_month", stdout=told)

    assert "3 billing periods closed, 0 left." in told.getvalue()


def test_a_dry_run_writes_nothing_and_shows_what_would_be(customers: list[UserSubscription]) -> None:
    told = StringIO()
    with time_machine.travel(DUE, tick=False):
        call_command("close_month", "--dry-run", stdout=told)

    assert closed() == 0
    # 1 USD beyond what is included and a fifth more; the next fee comes with the renewal.
    assert "3 periods that end in April 2026: 0 USD issued, 3.6 USD computed." in told.getvalue()


def test_a_dry_run_of_an_issued_month_agrees_with_it_until_somebody_changed_something(
    customers: list[UserSubscription],
) -> None:
    month_close.close_due(at=DUE, limit=10)
    told = StringIO()
    with time_machine.travel(DUE, tick=False):
        call_command("close_month", "--dry-run", "--all", stdout=told)
        assert "93.6 USD issued, 93.6 USD computed" in told.getvalue()
        UsageSummary.objects.filter(account=customers[1].account).update(cost=Decimal(99))

        with pytest.raises(CommandError, match="1 differ"):
            call_command("close_month", "--dry-run", stdout=told)

    assert "does not add up" in told.getvalue()


def test_a_dry_run_of_the_running_month_says_how_far_it_is(customers: list[UserSubscription]) -> None:
    told = StringIO()
    with time_machine.travel(MARCH + timedelta(days=3), tick=False):
        call_command("close_month", "--dry-run", "--month", "2026-04", stdout=told)

    assert "93.6 USD computed" in told.getvalue()


def test_a_draft_that_cannot_be_finalized_holds_up_no_other(customers: list[UserSubscription]) -> None:
    for _ in range(11):
        adjustments.add(
            customers[0].account,
            amount=-adjustments.MAX_AMOUNT,
            description="More than a credit may be over.",
            at=MARCH,
            by=TESTS,
        )

    for _ in range(2):
        month_close.finalize_drafts(at=DUE, limit=10)
        month_close.close_due(at=DUE, limit=10)

    assert month_close.progress(at=DUE) == month_close.Progress(waiting=0, failed=0, drafts=1, oldest=None)
    assert BillingHistory.objects.filter(reason="period_closed", state="open").count() == 2
