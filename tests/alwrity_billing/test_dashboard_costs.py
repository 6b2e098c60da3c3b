"""The pages about costs: what they say of a month, that their numbers add up, and to whom they say it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from alwrity_billing.dashboard.costs import Costs, costs_of
from alwrity_billing.dashboard.months import month_asked
from tests.support.cast import NOW, a_member, an_account
from tests.support.rolled_up import roll_up
from tests.support.usage_rows import MARCH, a_period, a_rollup, a_summary
from usage.core.cost_changes import Causes
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MOST_QUERIES = 15
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    """9 USD in March, 1 of them today, the 15th; 7 in February, 3 of them after its 14th day."""
    account = an_account("acme")
    a_rollup(
        account, hour=MARCH, calls=4, input_tokens=300, cached_input_tokens=75, cost="6", endpoint="chat"
    )
    a_rollup(account, hour=MARCH, model="o3", calls=2, errors=1, output_tokens=500, cost="2", endpoint="plan")
    a_rollup(account, hour=NOW, calls=1, input_tokens=100, cost="1", endpoint="chat")
    a_rollup(account, hour=FEBRUARY, calls=2, input_tokens=200, cost="4")
    a_rollup(account, hour=FEBRUARY + 14 * DAY, calls=2, input_tokens=200, cost="3")
    return account


@pytest.fixture
def alice(acme: Account, client: Client) -> Client:
    client.force_login(a_member(acme, role=Role.VIEWER))
    return client


def costs(account: Account, month: str = "", *, at: datetime = NOW) -> Costs:
    return costs_of(account, month_asked(month, at=at)[0])


def page(client: Client, path: str = "/costs/") -> str:
    response = client.get(path)
    assert response.status_code == 200
    return unescape(response.content.decode())


class TestTellingApart:
    def test_models_come_dearest_first_with_what_a_call_and_a_thousand_tokens_cost(
        self, acme: Account
    ) -> None:
        found = costs(acme).models

        assert [(line.name, line.detail, line.totals.cost, line.totals.calls) for line in found] == [
            ("gpt-4o", "OpenAI", Decimal(7), 5),
            ("o3", "OpenAI", Decimal(2), 2),
        ]
        # 7 USD / 5 calls; 7 USD / 400 tokens; 75 of 400 cached
        gpt = found[0].totals
        assert (gpt.cost_per_call, gpt.cost_per_1k_tokens) == (Decimal("1.4"), Decimal("17.5"))
        assert gpt.cached_percent == Decimal("18.75")

    def test_models_endpoints_and_days_add_up_to_the_same(self, acme: Account) -> None:
        found = costs(acme)

        assert found.totals.cost == 9
        assert sum(line.totals.cost for line in found.models) == 9
        assert sum(line.totals.cost for line in found.endpoints) == 9
        assert sum(line.share for line in found.models) == 100
        assert found.daily.amount == 9

    def test_what_is_beyond_twelve_stands_together_with_its_sum(self, acme: Account) -> None:
        for number in range(12):
            a_rollup(acme, model=f"m{number}", cost=f"0.{number + 10}")

        # 7 and 2 USD, then 0.21 down to 0.12; left are 0.10 and 0.11.
        rest = costs(acme).models[-1]
        assert (rest.name, rest.totals.cost, rest.query) == ("2 more models", Decimal("0.21"), None)

    def test_a_row_leads_to_the_days_that_have_begun(self, acme: Account) -> None:
        query = costs(acme).models[0].query
        assert query is not None
        assert (query["from"], query["to"], query["model"]) == ("2026-03-01", "2026-03-15", "openai/gpt-4o")


class TestComparing:
    def test_a_running_month_is_compared_by_its_days_that_are_over(self, acme: Account) -> None:
        found = costs(acme).comparison

        # gpt-4o: 4 USD of 2 calls and 200 tokens -> 4 calls 8 -> 300 tokens 6 -> 6; o3 is new.
        assert found is not None
        assert (found.words, found.before, found.now) == ("1–14 March with 1–14 February", 4, 8)
        assert found.percent == 100
        assert [(each.name, each.causes) for each in found.changes] == [
            ("gpt-4o", Causes(calls=Decimal(4), size=Decimal(-2), price=Decimal(0))),
            ("o3", Causes(started=Decimal(2))),
        ]
        assert found.started == ["o3"]
        assert found.causes.total == found.now - found.before == 4

    def test_a_month_that_is_over_is_compared_as_a_whole(self, acme: Account) -> None:
        a_rollup(acme, hour=FEBRUARY - DAY, model="o3", cost="2")

        found = costs(acme, "2026-02").comparison
        assert found is not None
        assert (found.words, found.before, found.now) == ("February with January", 2, 7)
        assert (found.started, found.stopped) == (["gpt-4o"], ["o3"])

    @pytest.mark.parametrize(
        ("at", "words", "before", "now"),
        [
            (MARCH + DAY, "1 March with 1 February", 4, 8),
            # After 28 days there are no more days of February.
            (MARCH + 28 * DAY, "1–28 March with 1–28 February", 7, 9),
            (MARCH + 30 * DAY, "1–28 March with 1–28 February", 7, 9),
        ],
    )
    def test_as_many_days_as_both_months_have_are_compared(
        self, acme: Account, at: datetime, words: str, before: int, now: int
    ) -> None:
        found = costs(acme, at=at).comparison
        assert found is not None
        assert (found.words, found.before, found.now) == (words, before, now)

    def test_on_its_first_day_a_month_is_not_compared(self, acme: Account) -> None:
        assert costs(acme, at=MARCH + timedelta(hours=23)).comparison is None

    def test_what_changed_least_stands_together(self, acme: Account) -> None:
        for number in range(14):
            a_rollup(acme, hour=MARCH, model=f"m{number}", cost=f"0.{number + 10}")

        found = costs(acme).comparison
        assert found is not None
        # 2 and 2 USD, then 0.23 down to 0.14; left are 0.10, 0.11, 0.12 and 0.13.
        assert (found.changes[-1].name, found.changes[-1].causes.total) == ("4 more models", Decimal("0.46"))
        assert sum(each.causes.total for each in found.changes) == found.causes.total


class TestLookingAhead:
    def test_an_unusual_day_is_marked_and_said(self, acme: Account) -> None:
        some_weeks(acme, unusual=date(2026, 3, 10))

        found = costs(acme)
        assert [odd.day for odd in found.unusual] == [date(2026, 3, 10)]
        marked = [column for column in found.daily.chart.columns if column.is_marked]
        assert [column.label for column in marked] == ["10 Mar"]
        assert "Unusual: " in marked[0].title

    def test_unusual_days_of_other_months_are_not_in_this_one(self, acme: Account) -> None:
        some_weeks(acme, unusual=date(2026, 2, 20))

        assert costs(acme).unusual == []
        assert [odd.day for odd in costs(acme, "2026-02").unusual] == [date(2026, 2, 20)]

    def test_with_history_the_page_gives_a_range(self, alice: Client, acme: Account) -> None:
        some_weeks(acme)

        body = page(alice)
        assert "April 2026, forecast" in body
        assert "At the pace of the last 28 days" in body

    def test_without_it_the_page_says_what_is_missing(self, alice: Client) -> None:
        assert "A forecast needs" in page(alice)

    def test_a_month_that_is_over_has_no_forecast(self, alice: Client) -> None:
        assert "forecast-heading" not in page(alice, "/costs/?month=2026-02")


class TestThePage:
    def test_it_leads_to_the_months_beside_it_as_far_as_they_have_begun(self, alice: Client) -> None:
        now, before = page(alice), page(alice, "/costs/?month=2026-02")

        assert 'rel="prev" href="/costs/?month=2026-02"' in now
        assert 'rel="next"' not in now
        assert 'rel="prev" href="/costs/?month=2026-01"' in before
        assert 'rel="next" href="/costs/"' in before

    @pytest.mark.parametrize("month", ["soon", "2026-13", "2026-04", "1999-12", "2026-03-01"])
    def test_a_month_that_cannot_be_shown_is_told_and_this_one_shown(self, alice: Client, month: str) -> None:
        body = page(alice, f"/costs/?month={month}")

        assert 'role="alert"' in body
        assert "This is March 2026." in body

    def test_a_month_without_calls_says_so(self, alice: Client, acme: Account) -> None:
        a_summary(a_period(acme), calls=11)

        assert "No call happened in December 2025." in page(alice, "/costs/?month=2025-12")

    def test_an_account_without_any_is_shown_how_to_begin(self, client: Client) -> None:
        client.force_login(a_member(an_account("new")))

        for path in ("/costs/", "/costs/patterns/"):
            assert "Send your first event" in page(client, path)

    def test_names_from_events_are_escaped(self, alice: Client, acme: Account) -> None:
        a_rollup(acme, hour=MARCH, model=HOSTILE, endpoint=HOSTILE, team=HOSTILE, end_user=HOSTILE, cost="9")

        for path in ("/costs/", "/costs/patterns/"):
            body = alice.get(path).content.decode()
            assert HOSTILE not in body
            assert "&lt;script&gt;alert" in body

    @pytest.mark.parametrize("path", ["/costs/", "/costs/patterns/"])
    def test_it_needs_few_queries_however_much_there_is(
        self, alice: Client, acme: Account, path: str, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        some_weeks(acme)
        for number in range(20):
            a_rollup(acme, provider=f"p{number}", model=f"m{number}", end_user=f"u{number}")

        with django_assert_max_num_queries(MOST_QUERIES):
            alice.get(path)

    @pytest.mark.parametrize("path", ["/costs/", "/costs/patterns/"])
    def test_strangers_see_nothing(self, client: Client, acme: Account, path: str) -> None:
        client.force_login(a_member(an_account("globex"), username="eve"))

        assert client.get(f"{path}?account=acme").status_code == 403
        assert "Send your first event" in page(client, path)

    @pytest.mark.parametrize("path", ["/costs/", "/costs/patterns/"])
    def test_who_is_not_logged_in_is_asked_to(self, client: Client, path: str) -> None:
        assert client.get(path).headers["Location"] == f"/login/?next={path}"


def some_weeks(account: Account, *, unusual: date | None = None) -> None:
    """Eight weeks of days at 10 USD more up to yesterday, one of them at 100 more; rolled up."""
    for number in range(1, 57):
        noon = NOW - number * DAY
        a_rollup(account, hour=noon, model="gpt-4.1", cost="100" if noon.date() == unusual else "10")
    roll_up(account, at=NOW)
