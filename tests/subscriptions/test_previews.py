"""The invoice that the running period is heading for."""

from datetime import timedelta
from decimal import Decimal

import pytest

from subscriptions import credits, lifecycle
from subscriptions.models import CreditKind, UserSubscription
from subscriptions.previews import Upcoming, upcoming
from tests.support.cast import an_account
from tests.support.invoices import APRIL, MARCH, a_customer, close, first_invoice, use
from tests.support.recording import prepare
from tests.support.subscribing import MONTHLY, TESTS, a_plan, subscribe
from usage.models import Account

pytestmark = pytest.mark.django_db
NOW = MARCH + timedelta(days=10)


@pytest.fixture
def subscription() -> UserSubscription:
    prepare()
    subscription = a_customer(account=Account.objects.get(external_id="acme"))
    first_invoice(subscription)
    return subscription


def preview(subscription: UserSubscription) -> Upcoming:
    found = upcoming(subscription.account, at=NOW)
    assert found is not None
    return found


def test_it_is_what_the_invoice_then_says(subscription: UserSubscription) -> None:
    use("4", at=MARCH)
    use("15", at=MARCH + timedelta(days=2))

    found = preview(subscription)

    assert [(each.line.kind, each.amount) for each in found.lines] == [
        ("base_fee", 30), ("usage", 19), ("included", -10), ("markup", Decimal("1.80")),
    ]  # fmt: skip
    assert found.total == close(subscription).total == Decimal("40.80")
    assert found.due_from == APRIL


def test_credits_come_off_what_is_due(subscription: UserSubscription) -> None:
    credits.grant(
        subscription.account, kind=CreditKind.PREPAID, amount=Decimal(12), reason="Ahead.", at=MARCH, by=TESTS
    )

    found = preview(subscription)

    assert (found.total, found.credit, found.amount_due) == (30, 12, 18)


def test_a_canceled_subscription_has_no_next_fee(subscription: UserSubscription) -> None:
    lifecycle.cancel(subscription, at=MARCH, by=TESTS)

    assert preview(subscription).total == 0


def test_a_scheduled_change_is_the_next_fee(subscription: UserSubscription) -> None:
    subscribe(a_plan("smaller", price="9"), account=subscription.account, cycle=MONTHLY, at=MARCH)

    (line,) = preview(subscription).lines
    assert (line.line.description, line.amount) == ("Smaller, monthly", 9)


def test_without_a_subscription_there_is_nothing_to_come() -> None:
    assert upcoming(an_account(), at=NOW) is None
