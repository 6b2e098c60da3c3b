from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from alwrity_billing.dashboard.overview import Overview, overview_of
from tests.support.cast import NOW, an_account
from tests.support.usage_rows import a_log_row, a_period, a_rollup, a_summary
from usage.models import Account

pytestmark = pytest.mark.django_db

FEBRUARY = datetime(2026, 2, 20, 9, tzinfo=UTC)


@pytest.fixture
def acme() -> Account:
    return an_account("acme")


def of(account: Account) -> Overview:
    return overview_of(account, at=NOW)


def test_totals_are_what_the_open_period_bills(acme: Account) -> None:
    period = a_period(acme)
    a_summary(period, provider="openai", calls=10, cost="47.608895")
    a_summary(period, provider="tavily", calls=2, cost="0.002")
    page = of(acme)
    assert (page.totals.calls, page.totals.cost) == (12, Decimal("47.610895"))
    assert page.last_day == date(2026, 3, 31)


def test_providers_are_listed_by_cost_with_their_share(acme: Account) -> None:
    period = a_period(acme)
    a_summary(period, provider="tavily", cost="1")
    a_summary(period, provider="openai", cost="3")
    lines = of(acme).providers
    assert [(line.name, line.share) for line in lines] == [
        ("OpenAI", Decimal(75)),
        ("Tavily", Decimal(25)),
    ]


def test_shares_are_nothing_when_nothing_was_to_pay(acme: Account) -> None:
    a_summary(a_period(acme), cost="0")
    assert of(acme).providers[0].share == 0


def test_a_provider_has_its_chart_colour_in_the_table(acme: Account) -> None:
    period = a_period(acme)
    for provider, cost in (("openai", "3"), ("tavily", "1")):
        a_summary(period, provider=provider, cost=cost)
        a_rollup(acme, provider=provider, cost=cost)
    page = of(acme)
    colours = {series.name: series.tone for series in page.daily.series}
    assert {line.name: line.tone for line in page.providers} == colours == {"OpenAI": "1", "Tavily": "2"}


def test_models_stand_beside_their_provider(acme: Account) -> None:
    a_summary(a_period(acme), cost="4")
    a_rollup(acme, provider="huggingface", model="openai/gpt-oss-120b:groq", cost="3")
    a_rollup(acme, provider="tavily", model="", cost="1")
    lines = of(acme).models
    assert [(line.name, line.detail, line.share) for line in lines] == [
        ("openai/gpt-oss-120b:groq", "Hugging Face", Decimal(75)),
        ("Tavily", "", Decimal(25)),
    ]


def test_models_beyond_the_most_expensive_are_added_up_in_one_line(acme: Account) -> None:
    a_summary(a_period(acme), calls=14, cost="119")
    for number in range(14):
        a_rollup(acme, model=f"model-{number:02}", cost=str(2 + number))
    lines = of(acme).models
    assert len(lines) == 13
    # The two cheapest: 2 + 3.
    assert (lines[-1].name, lines[-1].totals.calls, lines[-1].totals.cost) == (
        "2 other models",
        2,
        Decimal(5),
    )


def test_models_and_earlier_calls_add_up_to_what_the_period_bills(acme: Account) -> None:
    a_summary(a_period(acme), calls=3, input_tokens=300, cost="7")
    a_rollup(acme, calls=1, input_tokens=100, cost="2")
    a_rollup(acme, hour=FEBRUARY, calls=2, input_tokens=200, cost="5")
    page = of(acme)
    assert page.earlier is not None
    assert (page.earlier.totals.calls, page.earlier.totals.tokens, page.earlier.totals.cost) == (
        2,
        200,
        Decimal(5),
    )
    assert [line.totals.cost for line in page.models] == [2]


def test_without_late_usage_there_are_no_earlier_calls(acme: Account) -> None:
    a_summary(a_period(acme), cost="2")
    a_rollup(acme, cost="2")
    assert of(acme).earlier is None


def test_the_chart_has_thirty_utc_days_that_end_today(acme: Account) -> None:
    a_rollup(acme, hour=datetime(2026, 2, 14, 0, tzinfo=UTC), cost="1")
    a_rollup(acme, hour=datetime(2026, 2, 13, 23, tzinfo=UTC), cost="100")
    a_rollup(acme, hour=NOW + timedelta(hours=1), model="o3", cost="2")
    daily = of(acme).daily
    assert [daily.slots[0].label, daily.slots[-1].label] == ["14 Feb", "15 Mar"]
    assert len(daily.slots) == len(daily.chart.columns) == 30
    assert (daily.amount, daily.average) == (Decimal(3), Decimal("0.1"))
    assert daily.peak.label == "15 Mar"


def test_seven_providers_have_seven_colours_and_their_own_names(acme: Account) -> None:
    for number in range(7):
        a_rollup(acme, provider=f"p{number}", cost=str(10 - number))
    series = of(acme).daily.series
    assert [one.tone for one in series] == ["1", "2", "3", "4", "5", "6", "rest"]
    assert series[-1].name == "p6"


def test_the_smallest_of_many_providers_share_the_last_colour(acme: Account) -> None:
    for number in range(9):
        a_rollup(acme, provider=f"p{number}", cost=str(10 - number))
    daily = of(acme).daily
    rest = daily.series[-1]
    # The three cheapest: 4 + 3 + 2.
    assert (rest.name, rest.keys, rest.amount) == ("3 other providers", ("p6", "p7", "p8"), Decimal(9))
    assert daily.slots[-1].amounts == tuple(map(Decimal, (10, 9, 8, 7, 6, 5, 9)))


def test_the_newest_ten_calls_are_shown(acme: Account) -> None:
    period = a_period(acme)
    for number in range(12):
        a_log_row(period, event_id=f"e{number}", at=NOW - timedelta(minutes=number))
    a_summary(period, calls=12)
    page = of(acme)
    assert [row.event_id for row in page.recent] == [f"e{number}" for number in range(10)]
    assert page.recorded_calls == 12


def test_other_accounts_do_not_show(acme: Account) -> None:
    other = an_account("other")
    period = a_period(other)
    a_summary(period, cost="9")
    a_rollup(other, cost="9")
    a_log_row(period)
    page = of(acme)
    assert page.period is None
    assert (page.totals.calls, page.daily.calls, len(page.recent)) == (0, 0, 0)


def test_before_a_period_is_open_older_usage_still_shows(acme: Account) -> None:
    february = a_period(acme, start=FEBRUARY.replace(day=1), end=datetime(2026, 3, 1, tzinfo=UTC))
    a_summary(february, calls=5)
    a_rollup(acme, hour=FEBRUARY, calls=5, cost="1")
    page = of(acme)
    assert page.period is None
    assert page.last_day is None
    assert (page.recorded_calls, page.daily.calls) == (5, 5)
