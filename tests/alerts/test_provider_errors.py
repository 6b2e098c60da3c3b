"""A provider that answers many of an account's calls with errors is told of, and when it works again."""

from datetime import timedelta

import pytest

from alerts import evaluation
from tests.support.alerting import look, raised, titles, use
from tests.support.cast import NOW
from tests.support.recording import prepare
from usage.events import Units
from usage.models import Account

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


def fail(calls: int, *, since: int, **data: object) -> None:
    use(calls, since=since, status_code=503, **data)


@pytest.mark.parametrize(
    ("calls", "failed", "told"),
    [
        (19, 19, []),  # of fewer than 20 calls a share says nothing
        (20, 3, []),  # 15 percent
        (20, 4, ["20 % of your calls to OpenAI fail"]),
        (20, 20, ["100 % of your calls to OpenAI fail"]),
    ],
)
def test_from_twenty_calls_on_twenty_percent_are_told(
    acme: Account, calls: int, failed: int, told: list[str]
) -> None:
    fail(failed, since=0)
    use(calls - failed, since=failed)
    assert look(acme) == told


def test_it_is_told_once_a_day_and_that_calls_work_again(acme: Account) -> None:
    fail(20, since=0)
    assert look(acme) == ["100 % of your calls to OpenAI fail"]
    fail(20, since=20)
    assert look(acme) == []
    assert look(acme, at=NOW + 2 * HOUR) == ["Calls to OpenAI work again"]
    fail(20, since=40, at=NOW + 3 * HOUR)
    assert look(acme, at=NOW + 3 * HOUR) == []
    assert look(acme, at=NOW + 5 * HOUR) == []


def test_other_providers_are_not_blamed(acme: Account) -> None:
    fail(20, since=0)
    use(20, since=20, provider="tavily", model="", units=Units(searches=1))
    look(acme)
    assert [alert.provider for alert in raised()] == ["openai"]


def test_an_account_that_calls_no_more_is_looked_at_again_by_the_clock(acme: Account) -> None:
    fail(20, since=0)
    evaluation.evaluate_moved(at=NOW, limit=10)
    assert evaluation.recheck_due(at=NOW + HOUR, limit=10) == 0
    assert evaluation.recheck_due(at=NOW + 2 * HOUR, limit=10) == 1
    evaluation.evaluate_moved(at=NOW + 2 * HOUR, limit=10)
    assert titles()[-1] == "Calls to OpenAI work again"
