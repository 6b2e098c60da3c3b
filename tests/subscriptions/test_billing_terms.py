"""On which terms a period is billed, however late somebody sees to what ended in it."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from subscriptions import billing_terms, overrides, renewals
from subscriptions.models import UserSubscription
from tests.support.cast import an_account
from tests.support.invoices import APRIL, GRACE, MARCH, a_customer
from tests.support.subscribing import TESTS
from usage.limits import LimitTerms
from usage.models import LimitMode, Measure, Window

pytestmark = pytest.mark.django_db
MORE = LimitTerms(
    name="monthly_cost", measure=Measure.COST, window=Window.PERIOD, amount=Decimal(99), mode=LimitMode.BILL
)


@pytest.fixture
def subscription() -> UserSubscription:
    """10 USD are included."""
    return a_customer(account=an_account())


def override(subscription: UserSubscription, *, ends_at: datetime) -> None:
    overrides.add(subscription.account, MORE, reason="Generous.", by=TESTS, at=MARCH, ends_at=ends_at)


def included(subscription: UserSubscription) -> Decimal | None:
    terms = billing_terms.terms_at(subscription.account, period_end=APRIL)
    assert terms is not None
    return terms.usage.included


@pytest.mark.parametrize(
    ("ends_at", "amount"),
    [(APRIL - timedelta(seconds=1), 10), (APRIL, 99), (APRIL + timedelta(days=1), 99)],
)
def test_an_override_counts_until_its_end_also_before_the_sweep_has_ended_it(
    subscription: UserSubscription, ends_at: datetime, amount: int
) -> None:
    override(subscription, ends_at=ends_at)

    assert included(subscription) == amount
    renewals.expire_overrides(at=APRIL + GRACE, limit=10)
    assert included(subscription) == amount
