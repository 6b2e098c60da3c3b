"""GET /api/billing/forecast"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, a_member, a_user, an_account
from tests.support.contract import Answer, ask
from tests.support.credentials import a_key
from tests.support.usage_rows import TODAY, a_day
from usage.api.forecast import WEEKDAYS
from usage.models import Account, Role, Scope

FORECAST = "/api/billing/forecast"
SATURDAY = 5
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Iterator[Account]:
    with time_machine.travel(NOW, tick=False):
        yield an_account("acme")


@pytest.fixture
def key(acme: Account) -> str:
    return a_key(acme).plain


def told(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200
    found: dict[str, Any] = answer.body["cost_forecasting"]
    return found


def use(account: Account, *, days: int, odd: dict[date, str] | None = None) -> None:
    """10 USD on each of the days before today, 3 at weekends; other amounts on odd days."""
    for number in range(1, days + 1):
        day = TODAY - timedelta(days=number)
        usual = "10" if day.weekday() < SATURDAY else "3"
        a_day(account, day=day, cost=(odd or {}).get(day, usual))


def test_the_next_month_is_predicted_with_its_range(acme: Account, key: str) -> None:
    use(acme, days=84)
    found = told(ask(FORECAST, key=key))

    # April has 22 workdays and 8 days of weekends: 244, drawn a little to 30 × 8 by one week of equal days.
    assert found["month"] == "2026-04"
    assert Decimal(240) < Decimal(found["next_month_prediction"]) < Decimal(244)
    interval = found["confidence_interval"]
    assert Decimal(interval["low"]) < Decimal(found["next_month_prediction"]) < Decimal(interval["high"])
    assert (interval["percent"], found["run_rate"]) == (80, "240")
    assert (found["days_of_history"], found["missing"], found["currency"]) == (84, None, "USD")


def test_amounts_are_in_cents(acme: Account, key: str) -> None:
    use(acme, days=84)
    found = told(ask(FORECAST, key=key))

    for amount in (found["next_month_prediction"], *map(found["confidence_interval"].get, ("low", "high"))):
        assert Decimal(amount) == round(Decimal(amount), 2)


def test_weekdays_are_told_from_monday_to_sunday(acme: Account, key: str) -> None:
    use(acme, days=84)
    trend = told(ask(FORECAST, key=key))["trend_analysis"]

    assert [each["weekday"] for each in trend["seasonal_patterns"]] == list(WEEKDAYS)
    # 10 and 3 of 8 on average, drawn to 1 by one week of equal days: of 8.2 weeks 7.2 weigh.
    assert [each["factor"] for each in trend["seasonal_patterns"]] == [1.22] * 5 + [0.45] * 2
    assert trend["weekday_strength"] > 0.9
    assert trend["growth_rate"] == 0


def test_odd_days_are_told_with_a_reason(acme: Account, key: str) -> None:
    use(acme, days=84, odd={date(2026, 3, 4): "45", date(2026, 3, 6): "0"})
    trend = told(ask(FORECAST, key=key))["trend_analysis"]

    assert trend["anomalies"] == [
        {
            "date": "2026-03-04",
            "cost": "45",
            "expected": "10",
            "direction": "up",
            "reason": "4.5 times the $10.00 that was to be expected.",
        },
        {
            "date": "2026-03-06",
            "cost": "0",
            "expected": "10",
            "direction": "down",
            "reason": "Nothing was spent; $10.00 was to be expected.",
        },
    ]


@pytest.mark.parametrize(
    ("days", "missing"),
    [
        (0, "A forecast needs 14 whole days of usage; there is none yet."),
        (5, "A forecast needs 14 whole days of usage; 5 are known. It will be here from 2026-03-24 on."),
        (13, "A forecast needs 14 whole days of usage; 13 are known. It will be here from 2026-03-16 on."),
    ],
)
def test_with_too_little_history_it_says_so_instead_of_inventing(
    acme: Account, key: str, days: int, missing: str
) -> None:
    use(acme, days=days)

    assert told(ask(FORECAST, key=key)) == {
        "currency": "USD",
        "month": "2026-04",
        "next_month_prediction": None,
        "confidence_interval": {"low": None, "high": None, "percent": 80},
        "run_rate": None,
        "trend_analysis": {
            "growth_rate": None,
            "seasonal_patterns": [],
            "weekday_strength": None,
            "anomalies": [],
        },
        "days_of_history": days,
        "missing": missing,
    }


def test_two_weeks_are_enough(acme: Account, key: str) -> None:
    use(acme, days=14)
    found = told(ask(FORECAST, key=key))

    assert found["missing"] is None
    assert found["next_month_prediction"] is not None
    assert found["trend_analysis"]["growth_rate"] is None


class TestAccess:
    @pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
    def test_a_member_reads_the_accounts(self, acme: Account, role: Role) -> None:
        assert ask(FORECAST, user=a_member(acme, role=role)).status == 200

    def test_a_stranger_is_refused_whether_the_account_exists_or_not(self) -> None:
        mallory = a_member(an_account("globex"), username="mallory")

        existing, missing = (
            ask(FORECAST, user=mallory, query={"user_id": name}) for name in ("acme", "nobody")
        )
        assert existing.status == missing.status == 403
        assert existing.body == missing.body

    def test_staff_may_name_any_account(self, acme: Account) -> None:
        use(acme, days=5)
        staff = a_user("staff", is_staff=True)

        assert told(ask(FORECAST, user=staff, query={"user_id": "acme"}))["days_of_history"] == 5
        assert ask(FORECAST, user=staff, query={"user_id": "nobody"}).status == 404

    def test_a_key_that_only_sends_usage_reads_none(self, acme: Account) -> None:
        assert ask(FORECAST, key=a_key(acme, scopes=(Scope.INGEST,)).plain).status == 403

    def test_without_a_credential_nothing_is_shown(self) -> None:
        assert ask(FORECAST).status == 401


def test_a_wrong_parameter_is_named(key: str) -> None:
    answer = ask(FORECAST, key=key, query={"user_id": "\0"})

    assert answer.status == 400
    assert [wrong["parameter"] for wrong in answer.body["errors"]] == ["user_id"]


def test_it_takes_two_queries(
    acme: Account, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    use(acme, days=20)
    ask(FORECAST, key=key)

    # The key, and the days.
    with django_assert_num_queries(2):
        ask(FORECAST, key=key)
