"""What the clock finds: each rule about money and terms tells what it finds once, and that it is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine

from alerts import destinations, evaluation
from alerts.models import UsageAlert
from alerts.sweeps import SWEEPS
from subscriptions import lifecycle, renewals
from subscriptions.models import CloseFailure, OveragePolicy, StripeEvent, StripeEventState
from tests.support.alerting import raised, titles
from tests.support.cast import NOW
from tests.support.invoicing import metered, paid, refused, start_invoice, used
from tests.support.paying import a_card
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, a_plan, again, subscribe
from usage.models import Account, BillingPeriod, HeldPrice

DAY = timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        prepare()
        yield Account.objects.get()


def swept(*, at: datetime = NOW) -> list[str]:
    """The titles of the alerts that a sweep raises."""
    known = {alert.pk for alert in raised()}
    evaluation.sweep(at=at)
    return [alert.title for alert in raised() if alert.pk not in known]


def test_where_nothing_is_the_matter_nothing_is_told(acme: Account) -> None:
    a_card(acme)
    paid(start_invoice(metered()))
    assert swept() == ["Invoice 2026-000001 is ready: 30.00 USD"]
    assert swept() == []


def test_an_invoice_says_what_is_due_and_where_it_is() -> None:
    start_invoice(metered())
    evaluation.sweep(at=NOW)
    (alert,) = raised()
    assert alert.message == "30.00 USD are due by 29 March 2026. With a card on file it is charged by itself."
    assert alert.path == "/billing/invoices/2026-000001/"
    assert not alert.is_lasting


def test_an_invoice_that_is_no_news_any_more_is_not_told() -> None:
    start_invoice(metered())
    assert swept(at=NOW + 3 * DAY) == []


def test_each_attempt_that_fails_is_told_and_that_the_invoice_is_settled_in_the_end() -> None:
    invoice = start_invoice(metered())
    swept()
    refused(invoice, charge="ch_1")
    assert swept() == ["30.00 USD could not be paid"]
    assert swept() == []
    refused(invoice, at=NOW + 3 * DAY, charge="ch_2")
    assert swept(at=NOW + 3 * DAY) == ["30.00 USD could not be paid"]
    paid(invoice, at=NOW + 4 * DAY, charge="ch_paid")
    assert swept(at=NOW + 4 * DAY) == ["Invoice 2026-000001 is settled"]
    assert not UsageAlert.objects.filter(is_lasting=True, ended_at__isnull=True).exists()


def test_after_the_last_attempt_the_pause_is_told_as_well() -> None:
    invoice = start_invoice(metered())
    swept()
    for number, days in enumerate((0, 3, 8, 15)):
        refused(invoice, at=NOW + days * DAY, charge=f"ch_{number}")
    assert swept(at=NOW + 15 * DAY) == [
        "Your subscription is paused: calls are refused",
        "30.00 USD could not be paid",
    ]
    paid(invoice, at=NOW + 16 * DAY, charge="ch_paid")
    assert swept(at=NOW + 16 * DAY) == [
        "Your subscription goes on",
        "Invoice 2026-000001 is settled",
    ]


def test_included_usage_that_is_used_up_pauses_and_is_told_until_it_resumes() -> None:
    subscription = metered(overage_policy=OveragePolicy.PAUSE, included_usage=Decimal(1))
    used("1")
    renewals.pause_exhausted(at=NOW + timedelta(hours=1), limit=10)
    assert "Your subscription is paused: calls are refused" in swept(at=NOW + timedelta(hours=1))
    resumes = again(subscription).resumes_at
    assert resumes is not None
    renewals.resume_due(at=resumes, limit=10)
    assert "Your subscription goes on" in swept(at=resumes)


def test_a_pause_by_hand_is_not_told() -> None:
    subscription = metered()
    swept()
    lifecycle.pause(subscription, at=NOW, by=TESTS)
    assert swept() == []


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC), []),
        (datetime(2026, 5, 2, tzinfo=UTC), ["Your Visa ending in 4242 expires before 1 June 2026"]),
        (datetime(2026, 6, 1, tzinfo=UTC), ["Your Visa ending in 4242 has expired"]),
    ],
)
def test_a_card_is_told_of_a_month_before_it_expires_and_when_it_has(
    acme: Account, at: datetime, told: list[str]
) -> None:
    a_card(acme, card_exp_year=2026, card_exp_month=5)
    assert swept(at=at) == told


def test_a_card_that_was_replaced_is_told_of_no_more(acme: Account) -> None:
    a_card(acme, card_exp_year=2026, card_exp_month=3)
    swept()
    a_card(acme, payment_method_id="pm_new")
    assert swept() == []
    assert not UsageAlert.objects.filter(ended_at__isnull=True).exists()


@pytest.mark.parametrize(("days", "told"), [(8, 0), (7, 1), (2, 1)])
def test_a_trial_is_told_of_a_week_before_its_end(days: int, told: int) -> None:
    subscribe(a_plan(trial_days=days))
    assert len(swept()) == told


def test_a_trial_is_told_of_again_on_its_last_day_and_never_when_canceled() -> None:
    subscription = subscribe(a_plan(trial_days=5))
    assert swept() == ["Your trial of Team ends on 20 March 2026"]
    assert swept(at=NOW + 4 * DAY) == ["Your trial of Team ends on 20 March 2026"]
    assert [alert.severity for alert in raised()] == ["info", "warning"]
    lifecycle.cancel(again(subscription), at=NOW + 4 * DAY, by=TESTS)
    assert swept(at=NOW + 4 * DAY) == []


def test_staff_are_told_of_what_waits_for_them_once_a_day(acme: Account) -> None:
    over = {"period_start": NOW - 40 * DAY, "period_end": NOW - 10 * DAY}
    CloseFailure.objects.create(
        billing_period=BillingPeriod.objects.create(account=acme, **over),
        error="It broke.",
        first_failed_at=NOW,
        next_attempt_at=NOW,
    )
    for number in range(2):
        StripeEvent.objects.create(
            event_id=f"evt_{number}",
            type="charge.succeeded",
            created_at=NOW,
            received_at=NOW,
            body="{}",
            state=StripeEventState.PARKED,
            error="It broke.",
        )
    HeldPrice.objects.create(
        provider="openai", model_name="gpt-4o", effective_from=NOW, reason="moved", created_at=NOW
    )
    a_card(acme, push_error="No such customer.")
    told = [
        "1 billing period cannot be closed",
        "1 new price waits to be confirmed",
        "Stripe refused 1 billing profiles",
        "2 events of Stripe's could not be processed",
    ]
    assert swept() == told
    assert swept(at=NOW + timedelta(hours=11)) == []
    assert swept(at=NOW + DAY) == told
    assert {alert.account for alert in raised()} == {None}
    StripeEvent.objects.all().delete()
    assert swept(at=NOW + DAY) == []


def test_a_channel_that_was_switched_off_because_it_failed_is_told(acme: Account) -> None:
    email = destinations.all_of(acme, at=NOW)[0]
    destinations.disable(email, reason="Nobody is there.", failing_since=NOW - 3 * DAY)
    evaluation.sweep(at=NOW)
    (alert,) = raised(acme)
    assert alert.message == (
        "Nothing could be delivered to it since 12 March 2026, 12:00 UTC. The last answer: Nobody is there. "
        "Once that is mended, switch it on again."
    )
    destinations.disable(email, reason="Not wanted.")
    assert swept() == []


def test_every_sweep_has_a_rule_of_its_own() -> None:
    keys = [module.RULE.key for module in SWEEPS]
    assert len(set(keys)) == len(keys)
    assert titles() == []
