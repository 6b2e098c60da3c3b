"""Complete billing periods on every other plan: fee, overage, and limits that would have refused calls."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from subscriptions import plan_fit, plans
from subscriptions.core.recommendations import Confidence
from subscriptions.models import SubscriptionPlan, VersionSource
from subscriptions.replaying import Found
from tests.support.authorizing import a_limit
from tests.support.cast import an_account
from tests.support.invoices import a_metered_plan, use
from tests.support.recording import prepare
from tests.support.subscribing import TESTS, YEARLY, a_plan, a_version, start
from usage.core.calendar import months_after
from usage.models import Account, APIUsageLog

JANUARY = datetime.fromisoformat("2026-01-01T00:00Z")
MONTHS = [months_after(JANUARY, number) for number in range(3)]
APRIL = months_after(JANUARY, 3)

pytestmark = pytest.mark.django_db


def a_customer(
    plan: SubscriptionPlan, *, spending: Sequence[str] = ("4", "4", "4"), **options: Any
) -> Account:
    """acme on `plan` since January, with one call of so much in each month from then on."""
    prepare()
    acme = Account.objects.get(external_id="acme")
    start(plan, account=acme, at=JANUARY, **options)
    for month, cost in zip(MONTHS, spending, strict=False):
        use(cost, at=month + timedelta(days=3))
    return acme


def found_for(account: Account, *, at: datetime = APRIL) -> Found:
    found = plan_fit.found(account, at=at)
    assert found is not None
    return found


def test_a_cheaper_plan_that_would_have_allowed_all_calls_is_told_with_its_arithmetic() -> None:
    """Three months of 4 USD: metered is 30 a month with 10 included; small is 10 with 1 included and a fifth
    on what is beyond: 10 + 3 + 0.60.
    """
    a_metered_plan("small", price="10", included_usage=Decimal(1))

    found = found_for(a_customer(a_metered_plan()))

    assert (found.subject, found.alternative) == ("metered", "small")
    assert (found.now, found.then, found.saving) == (90, Decimal("40.8"), Decimal("16.4"))
    assert (found.calls, found.days, found.confidence) == (3, 90, Confidence.HIGH)
    assert found.arithmetic["lines"][:2] == [
        {"name": "Fee", "start": "2026-03-01", "end": "2026-04-01", "cost_now": "30", "cost_then": "10"},
        {
            "name": "Usage beyond what is included",
            "start": "2026-03-01",
            "end": "2026-04-01",
            "cost_now": "0",
            "cost_then": "3.6",
        },
    ]
    for side, total in (("cost_now", found.now), ("cost_then", found.then)):
        assert sum(Decimal(line[side]) for line in found.arithmetic["lines"]) == total


def test_overage_can_make_the_dearer_plan_the_cheaper_one() -> None:
    """Of 100 USD a month 90 are beyond what metered includes: 30 + 90 + 18; big is 100 and includes 100."""
    a_metered_plan("big", price="100", included_usage=Decimal(100))

    found = found_for(a_customer(a_metered_plan(), spending=("100", "100", "100")))

    assert (found.alternative, found.now, found.then, found.saving) == ("big", 414, 300, 38)


@pytest.mark.parametrize(
    ("allowed", "alternative"),
    [
        pytest.param(1, "", id="below: two calls a month"),
        pytest.param(2, "small", id="at"),
        pytest.param(None, "small", id="unlimited"),
    ],
)
def test_a_plan_whose_limit_would_have_refused_a_call_is_out(allowed: int | None, alternative: str) -> None:
    a_plan("small", a_limit(allowed, scope="provider", value="openai", name="openai_calls"), price="10")
    acme = a_customer(a_metered_plan())
    for month in MONTHS:
        use("1", at=month + timedelta(days=20))

    found = found_for(acme)

    assert found.alternative == alternative
    refusing = {"Small": "openai_calls: 2 of 1"} if allowed == 1 else {}
    assert found.arithmetic["facts"]["refusing"] == refusing


@pytest.mark.parametrize(
    ("measure", "window", "amount", "fits"),
    [
        # Calls at 12:00:00, 12:00:30 and 12:01:10: three lie in two minutes side by side.
        ("calls", "minute", "2", False),
        ("calls", "minute", "3", True),
        ("calls", "day", "2", False),
        ("calls", "day", "3", True),
        # The largest call costs 3 USD.
        ("cost", "request", "2.99", False),
        ("cost", "request", "3", True),
        ("tokens", "request", "1099", False),
        ("tokens", "request", "1100", True),
        # Nothing tells how many there were at the same time, and nothing bounds it now.
        ("calls", "concurrent", "100", False),
    ],
)
def test_limits_of_every_window_are_asked(measure: str, window: str, amount: str, fits: bool) -> None:
    a_plan("small", a_limit(amount, measure, window), price="10")
    acme = a_customer(a_metered_plan(), spending=())
    for number, second in enumerate((0, 30, 70)):
        use(str(number + 1), at=MONTHS[0] + timedelta(hours=12, seconds=second))

    assert found_for(acme, at=MONTHS[1]).alternative == ("small" if fits else "")


def test_a_plan_that_allows_as_many_calls_at_once_as_now_is_not_out() -> None:
    a_plan("small", a_limit(5, window="concurrent"), price="10")
    metered = a_metered_plan()
    a_version(
        metered, a_limit(5, window="concurrent"), price="30", at=JANUARY, included_usage=Decimal(10),
        overage_policy="bill",
    )  # fmt: skip

    assert found_for(a_customer(metered)).alternative == "small"


def test_included_usage_that_is_refused_beyond_is_a_limit_like_others() -> None:
    """Of small only 3 USD of the 4 are allowed."""
    a_plan("small", price="10", included_usage=Decimal(3))

    found = found_for(a_customer(a_metered_plan()))

    assert found.alternative == ""
    assert found.arithmetic["facts"]["refusing"] == {"Small": "monthly_cost: 4 of 3"}


def test_what_a_plan_adds_for_request_types_is_part_of_it() -> None:
    """The call of 4 USD costs a dollar more on small, of which 1 USD is included: 10 + 4 × 1.2."""
    small = SubscriptionPlan.objects.create(key="small", name="Small", visibility="public")
    plans.write_version(
        small,
        terms={
            "price_monthly": Decimal(10),
            "included_usage": Decimal(1),
            "overage_policy": "bill",
            "overage_markup_percent": Decimal(20),
        },
        limits=[],
        surcharges=[{"request_type": "smart", "per_request": Decimal(1), "per_hour": Decimal(0)}],
        source=VersionSource.STAFF,
        by=TESTS,
        at=JANUARY,
    )
    acme = a_customer(a_metered_plan(), spending=())
    use("4", at=MONTHS[0] + timedelta(days=3), request_type="smart")

    assert found_for(acme, at=MONTHS[1]).then == Decimal("14.8")


@pytest.mark.parametrize(
    ("price", "alternative"),
    [("28.51", ""), ("28.50", "small"), ("28.49", "small")],
    ids=["4.97 %", "5 %", "5.03 %"],
)
def test_less_than_a_twentieth_is_no_reason_to_leave(price: str, alternative: str) -> None:
    a_plan("small", price=price)

    found = found_for(a_customer(a_metered_plan()))

    assert (found.alternative, found.saving > 0) == (alternative, bool(alternative))


def test_without_a_cheaper_plan_the_account_is_told_to_stay() -> None:
    a_plan("big", price="200")

    found = found_for(a_customer(a_metered_plan()))

    assert (found.alternative, found.saving, found.now, found.then) == ("", 0, 90, 90)
    assert found.confidence is Confidence.HIGH
    assert found.arithmetic["facts"]["dearer"] == ["Big"]


@pytest.mark.parametrize(
    ("months", "confidence"), [(1, Confidence.LOW), (2, Confidence.MEDIUM), (3, Confidence.HIGH)]
)
def test_confidence_grows_with_the_periods(months: int, confidence: Confidence) -> None:
    a_plan("small", price="10")

    found = found_for(a_customer(a_metered_plan()), at=months_after(JANUARY, months))

    assert (found.alternative, found.confidence) == ("small", confidence)


def test_a_plan_that_is_cheaper_in_sum_but_not_always_is_told_with_low_confidence() -> None:
    """On small 10 + overage: 10, 10 and 10 + 25 beyond 5: cheaper than 3 × 30 in sum, not in March."""
    a_metered_plan("small", price="10", included_usage=Decimal(5), overage_markup_percent=Decimal(0))

    found = found_for(a_customer(a_metered_plan(included_usage=Decimal(50)), spending=("4", "4", "30")))

    assert (found.alternative, found.then, found.confidence) == ("small", 55, Confidence.LOW)


def test_under_a_yearly_cycle_yearly_prices_are_compared() -> None:
    """A year costs ten months: 25 and 8.333… a month instead of 30 and 10."""
    a_plan("small", price="10")

    found = found_for(a_customer(a_metered_plan(), cycle=YEARLY))

    assert found.now == 75
    assert found.then == 3 * Decimal("8.333333333333333333")


def test_the_running_period_is_not_compared() -> None:
    a_plan("small", price="10")

    assert plan_fit.found(a_customer(a_metered_plan()), at=MONTHS[1] - timedelta(seconds=1)) is None


def test_a_period_whose_log_is_not_whole_is_not_compared() -> None:
    a_plan("small", price="10")
    acme = a_customer(a_metered_plan())
    APIUsageLog.objects.filter(occurred_at__lt=MONTHS[1]).delete()

    assert found_for(acme).arithmetic["facts"]["periods"] == 2


def test_without_a_subscription_there_is_nothing_to_compare() -> None:
    a_plan("small", price="10")
    acme = an_account("acme")

    assert plan_fit.found(acme, at=APRIL) is None


def test_what_the_other_plan_lacks_is_said() -> None:
    a_plan("small", price="10", features=["basic_analytics"])

    found = found_for(a_customer(a_metered_plan(features=["basic_analytics", "priority_support"])))

    assert found.arithmetic["facts"]["features_lost"] == ["priority_support"]
