"""The outlook of an account: from its days alone, in one statement."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from tests.support.cast import NOW, an_account
from tests.support.usage_rows import TODAY, a_day
from usage.core.outlook import HISTORY_DAYS
from usage.models import Account
from usage.outlook import outlook_of

CLOSE = Decimal("1e-15")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme() -> Account:
    return an_account("acme")


def steady(account: Account, *, days: int, cost: str = "2") -> None:
    for number in range(1, days + 1):
        a_day(account, day=TODAY - timedelta(days=number), cost=cost)


def test_the_next_month_is_forecast_from_the_days_before_today(acme: Account) -> None:
    steady(acme, days=28)
    a_day(acme, cost="500")
    found = outlook_of(acme, at=NOW)

    # April has thirty days.
    assert found.month == date(2026, 4, 1)
    assert found.expected is not None
    assert abs(found.expected - 60) < CLOSE
    assert (found.run_rate, found.days_of_history) == (60, 28)


def test_all_models_count_and_other_accounts_do_not(acme: Account) -> None:
    steady(acme, days=14)
    steady(an_account("globex"), days=14, cost="900")
    for number in range(1, 15):
        a_day(acme, day=TODAY - timedelta(days=number), model="gpt-4o-mini", cost="1")

    assert outlook_of(acme, at=NOW).run_rate == 90


@pytest.mark.parametrize(
    ("days_ago", "days"), [(0, 0), (5, 5), (HISTORY_DAYS, HISTORY_DAYS), (400, HISTORY_DAYS)]
)
def test_history_begins_with_the_first_use_at_most_a_year_ago(
    acme: Account, days_ago: int, days: int
) -> None:
    a_day(acme, day=TODAY - timedelta(days=days_ago), cost="1")

    assert outlook_of(acme, at=NOW).days_of_history == days


def test_an_account_never_used_says_what_is_missing(acme: Account) -> None:
    assert outlook_of(acme, at=NOW).missing == "A forecast needs 14 whole days of usage; there is none yet."


def test_it_takes_one_query(acme: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    steady(acme, days=20)

    with django_assert_num_queries(1):
        outlook_of(acme, at=NOW)
