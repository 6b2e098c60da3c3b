"""What is expected of the period, and of the day: told once each, and only where the history allows it."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.support.alerting import a_limit, limited, look, raised
from tests.support.cast import NOW
from tests.support.recording import prepare
from usage import periods
from usage.models import Account, LimitMode, LimitSource, Measure, UsageProjection

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


def projected(account: Account, expected: str = "60", **columns: Any) -> UsageProjection:
    """The open period is expected to cost so much, within 10 USD of it, with 1000 calls of 50 000 tokens."""
    UsageProjection.objects.filter(account=account).delete()
    amount = Decimal(expected)
    return UsageProjection.objects.create(
        **{
            "account": account,
            "billing_period": periods.open_period(account, at=NOW),
            "computed_at": NOW,
            "method": "weekdays",
            "days_of_history": 30,
            "calls": 10,
            "expected_calls": 1_000,
            "tokens": 500,
            "expected_tokens": 50_000,
            "spent": Decimal(20),
            "run_rate": amount,
            "expected": amount,
            "low": amount - 10,
            "high": amount + 10,
            **columns,
        }
    )


def budget(amount: str = "50") -> Any:
    return a_limit(Measure.COST, amount, mode=LimitMode.NOTIFY)


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("49.99", []),
        ("50", []),
        ("50.01", ["On the way beyond monthly budget: 50.01 USD expected"]),
    ],
)
def test_what_is_expected_to_come_to_more_than_the_budget_is_told(
    acme: Account, expected: str, told: list[str]
) -> None:
    limited(acme, budget("50"), source=LimitSource.BUDGET)
    projected(acme, expected)
    assert look(acme) == told


def test_it_is_told_with_its_range_once_a_period_and_amount(acme: Account) -> None:
    limited(acme, budget("50"), source=LimitSource.BUDGET)
    projected(acme, "60")
    look(acme)
    (alert,) = raised()
    assert alert.message == (
        "0.00 of 50.00 USD are used. If things go on as they do, this billing period will come to about "
        "60.00 USD (between 50.00 USD and 70.00 USD) by 1 April 2026, 00:00 UTC. Calls will go on."
    )
    projected(acme, "70")
    assert look(acme) == []
    limited(acme, budget("65"), source=LimitSource.BUDGET)
    assert look(acme) == ["On the way beyond monthly budget: 70.00 USD expected"]


def test_limits_of_calls_and_tokens_are_projected_as_well(acme: Account) -> None:
    limited(acme, a_limit(amount="999"), a_limit(Measure.TOKENS, "50000"), a_limit(Measure.IMAGES, "1"))
    projected(acme)
    assert look(acme) == ["On the way beyond calls: 1,000 calls expected"]
    assert raised()[0].severity == "warning"


def test_with_too_little_history_nothing_is_foretold(acme: Account) -> None:
    limited(acme, budget("50"), source=LimitSource.BUDGET)
    projected(acme, "60", method="run_rate", low=None, high=None)
    assert look(acme) == []


def test_when_less_is_expected_again_the_alert_ends_without_a_word(acme: Account) -> None:
    limited(acme, budget("50"), source=LimitSource.BUDGET)
    projected(acme, "60")
    look(acme)
    projected(acme, "40")
    assert look(acme) == []
    assert raised()[0].ended_at == NOW


def test_an_unusual_day_is_told_on_that_day_once(acme: Account) -> None:
    unusual = {"unusual_spent": Decimal(42), "unusual_expected": Decimal(10)}
    projected(acme, unusual_on=date(2026, 3, 14), **unusual)
    assert look(acme) == []
    projected(acme, unusual_on=date(2026, 3, 15), **unusual)
    assert look(acme) == ["Unusual spend today: 42.00 USD"]
    assert look(acme) == []
    (alert,) = raised()
    assert "4.2 times as much as usual; on a day like this 10.00 USD are usual" in alert.message
    assert not alert.is_lasting
