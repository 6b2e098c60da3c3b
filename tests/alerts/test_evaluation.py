"""Accounts that moved are looked at; each threshold is told once, what ended is told, nobody else is read."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alerts import evaluation, preferences
from alerts.models import UsageAlert
from tests.support.alerting import a_limit, limited, look, of_provider, raised, thresholds, titles, use
from tests.support.cast import NOW, an_account
from tests.support.concurrency import at_once
from tests.support.recording import prepare
from usage.models import Account, LimitMode, LimitSource, Measure, MovedAccount, Window

SECOND = timedelta(seconds=1)
NEXT_PERIOD = datetime(2026, 4, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Account:
    prepare()
    return Account.objects.get(external_id="acme")


@pytest.mark.parametrize(
    ("calls", "told"),
    [(7, []), (8, [80]), (9, [80, 90]), (10, [80, 90, 100]), (12, [80, 90, 100])],
)
def test_of_ten_calls_each_threshold_reached_is_told(acme: Account, calls: int, told: list[int]) -> None:
    limited(acme, a_limit(amount="10"))
    use(calls)
    look(acme)
    assert thresholds(raised()) == told


def test_looking_again_tells_nothing_again(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(9)
    look(acme)
    use(1, since=9)
    assert look(acme) == ["Calls: the limit is reached"]
    assert look(acme) == []


def test_limits_of_all_measures_and_providers_are_told_of(acme: Account) -> None:
    """Ten calls of 1100 tokens and 0.0035 USD each, against 10 calls, 12 000 tokens and 0.05 USD."""
    limited(
        acme,
        of_provider("openai", Measure.CALLS, "10"),
        of_provider("openai", Measure.TOKENS, "12000"),
        of_provider("gemini", Measure.CALLS, "10"),
        a_limit(Measure.COST, "0.04"),
    )
    use(10)
    look(acme)
    assert titles() == [
        "80 % of OpenAI calls used",
        "90 % of OpenAI calls used",
        "OpenAI calls: the limit is reached",
        "80 % of OpenAI tokens used",
        "90 % of OpenAI tokens used",
        "80 % of monthly spend limit used",
    ]
    assert [alert.provider for alert in raised()] == ["openai"] * 5 + [""]


def test_what_is_unlimited_or_not_included_or_a_rate_is_never_told_of(acme: Account) -> None:
    limited(
        acme,
        a_limit(amount="0", mode=LimitMode.NOTIFY),
        a_limit(Measure.TOKENS, amount="1", window=Window.MINUTE),
        a_limit(Measure.IMAGES, amount="1"),
    )
    use(3)
    assert look(acme) == []


@pytest.mark.parametrize(
    ("mode", "severities"),
    [
        (LimitMode.BLOCK, ["warning", "warning", "error"]),
        (LimitMode.BILL, ["warning", "warning", "warning"]),
        (LimitMode.NOTIFY, ["warning", "warning", "warning"]),
    ],
)
def test_only_a_limit_that_refuses_calls_is_an_error_when_it_is_reached(
    acme: Account, mode: LimitMode, severities: list[str]
) -> None:
    limited(acme, a_limit(amount="10", mode=mode))
    use(10)
    look(acme)
    assert [alert.severity for alert in raised()] == severities


def test_an_account_has_thresholds_of_its_own(acme: Account) -> None:
    preferences.choose_limit_thresholds(acme, [25, 75], at=NOW)
    limited(acme, a_limit(amount="10"))
    use(8)
    look(acme)
    assert thresholds(raised()) == [25, 75]


def test_a_limit_that_refuses_calls_is_told_of_when_reached_whatever_was_chosen(acme: Account) -> None:
    preferences.choose_limit_thresholds(acme, [50], at=NOW)
    limited(acme, a_limit(amount="10"))
    use(10)
    look(acme)
    assert thresholds(raised()) == [50, 100]


def test_budgets_have_thresholds_of_their_own(acme: Account) -> None:
    limited(acme, a_limit(Measure.COST, "0.035", mode=LimitMode.NOTIFY), source=LimitSource.BUDGET)
    use(10)
    look(acme)
    assert [(alert.rule, alert.threshold) for alert in raised()] == [
        ("budget_threshold", 50),
        ("budget_threshold", 80),
        ("budget_threshold", 95),
    ]


def test_each_leads_to_where_it_is_shown(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    limited(acme, a_limit(Measure.COST, "0.05", mode=LimitMode.NOTIFY), source=LimitSource.BUDGET)
    use(8)
    look(acme)
    assert {(alert.rule, alert.path) for alert in raised()} == {
        ("limit_threshold", "/"),
        ("budget_threshold", "/billing/"),
    }


def test_a_raised_limit_ends_its_alerts_and_is_told_of_anew(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(10)
    look(acme)
    limited(acme, a_limit(amount="20"))
    assert look(acme) == ["Calls: calls go through again"]
    assert not UsageAlert.objects.filter(is_lasting=True, ended_at__isnull=True).exists()
    use(6, since=10)
    assert look(acme) == ["80 % of calls used"]


def test_a_limit_that_was_only_nearly_used_up_ends_without_a_word(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(9)
    look(acme)
    limited(acme, a_limit(amount="20"))
    assert look(acme) == []


def test_with_a_new_period_limits_are_told_of_anew(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(10)
    look(acme)
    use(8, since=10, at=NEXT_PERIOD)
    assert look(acme, at=NEXT_PERIOD) == ["80 % of calls used"]
    assert [alert.billing_period for alert in raised()] == ["2026-03"] * 3 + ["2026-04"]


def test_a_limit_without_room_is_found_to_have_some_when_its_period_ends(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    use(10)
    evaluation.evaluate_moved(at=NOW, limit=10)
    assert evaluation.recheck_due(at=NEXT_PERIOD, limit=10) == 0
    assert evaluation.recheck_due(at=NEXT_PERIOD + SECOND, limit=10) == 3
    assert evaluation.evaluate_moved(at=NEXT_PERIOD + SECOND, limit=10) == 1
    assert titles()[3:] == ["Calls: calls go through again"]


def test_the_alert_says_what_happened_and_what_follows(acme: Account) -> None:
    limited(acme, of_provider("openai", Measure.CALLS, "10"))
    use(10)
    look(acme)
    last = raised()[-1]
    assert last.message == (
        "10 of 10 calls are used this billing period (OpenAI calls). Calls that count towards it are "
        "refused until 1 April 2026, 00:00 UTC, or until the limit is raised."
    )
    assert last.payload["facts"]["percent"] == "100 %"
    assert last.payload["account"] == {"id": "acme", "name": "Acme"}


def test_only_accounts_that_moved_are_looked_at(acme: Account) -> None:
    limited(acme, a_limit(amount="10"))
    limited(an_account("globex"), a_limit(amount="10"))
    evaluation.evaluate_moved(at=NOW, limit=10)
    assert not MovedAccount.objects.exists()
    use(8)
    assert evaluation.evaluate_moved(at=NOW, limit=10) == 1
    assert [alert.account for alert in raised()] == [acme]
    assert evaluation.evaluate_moved(at=NOW, limit=10) == 0


@pytest.mark.django_db(transaction=True)
def test_eight_who_look_at_once_tell_each_threshold_once_and_in_order(acme: Account) -> None:
    limited(acme, a_limit(amount="10"), a_limit(Measure.TOKENS, "11000"))
    use(10)
    at_once(lambda number: evaluation.evaluate(acme, at=NOW), times=8)
    assert [(alert.payload["facts"]["measure"], alert.threshold) for alert in raised()] == [
        ("calls", 80),
        ("calls", 90),
        ("calls", 100),
        ("tokens", 80),
        ("tokens", 90),
        ("tokens", 100),
    ]


def test_amounts_are_compared_exactly(acme: Account) -> None:
    """0.0035 USD are 80 percent of 0.004375."""
    below, at = Decimal("0.004375") + Decimal("1e-18"), Decimal("0.004375")
    limited(acme, a_limit(Measure.COST, str(below)))
    use(1)
    assert look(acme) == []
    limited(acme, a_limit(Measure.COST, str(at)))
    assert look(acme) == ["80 % of monthly spend limit used"]
