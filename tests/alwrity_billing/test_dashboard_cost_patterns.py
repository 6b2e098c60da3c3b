"""The page of patterns: months, hours, members and allocation, each adding up to the whole."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.test import Client

from alwrity_billing.dashboard.months import month_asked
from alwrity_billing.dashboard.usage_patterns import UsagePatterns, patterns_of
from tests.support.cast import NOW, a_member, an_account
from tests.support.usage_rows import MARCH, a_period, a_rollup, a_summary
from usage.analytics import Dimension
from usage.models import Account, Role

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def frozen_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Account:
    return an_account("acme")


def patterns(account: Account, month: str = "") -> UsagePatterns:
    return patterns_of(account, month_asked(month, at=NOW)[0])


class TestMonths:
    def test_the_twelve_up_to_now_stand_there_once_whichever_is_shown(self, acme: Account) -> None:
        a_rollup(acme, hour=MARCH, cost="6")
        a_rollup(acme, hour=MARCH - DAY, cost="4")

        found = patterns(acme, "2025-12").trend
        assert [f"{each.start:%Y-%m}" for each in found.months] == [
            *(f"2025-{month:02}" for month in range(4, 13)),
            "2026-01",
            "2026-02",
            "2026-03",
        ]
        assert [slot.amount for slot in found.drawing.slots] == [0] * 10 + [4, 6]


class TestHours:
    def test_an_hour_tells_the_calls_of_an_average_weekday(self, acme: Account) -> None:
        # Until the 15th March has three Sundays (1, 8, 15) and two Mondays.
        a_rollup(acme, hour=MARCH + 9 * HOUR, calls=4)
        a_rollup(acme, hour=MARCH + 7 * DAY + 9 * HOUR, calls=5)
        a_rollup(acme, hour=MARCH + DAY + 9 * HOUR, calls=3)

        week = patterns(acme).week
        sunday, monday = week.rows[6], week.rows[0]
        assert (sunday.name, sunday.days, sunday.averages[9]) == ("Sunday", 3, Decimal("3.0"))
        assert (monday.name, monday.days, monday.averages[9]) == ("Monday", 2, Decimal("1.5"))
        # 3.0 is the most, 1.5 half of it: the third fifth.
        assert week.heat.cells[6 * 24 + 9].shade == 5
        assert week.heat.cells[9].shade == 3
        assert week.heat.cells[9].title == "Monday 09:00: 1.5 calls on average, 3 in all"
        assert [(str(peak), peak.percent) for peak in week.peaks] == [("09:00-10:00", 100)]


class TestMembers:
    def test_heavy_and_light_ones_are_named_and_all_add_up(self, acme: Account) -> None:
        for name, cost in (("ann", "9"), ("ben", "3"), ("cem", "3"), ("dan", "3"), ("eve", "1"), ("", "2")):
            a_rollup(acme, end_user=name, cost=cost)

        people = patterns(acme).people
        # The middle one costs 3 USD: heavy are from 9 on, light up to 1.
        assert [(line.name, line.kind, line.times) for line in people.lines] == [
            ("ann", "heavy", Decimal(3)),
            ("ben", "", Decimal(1)),
            ("cem", "", Decimal(1)),
            ("dan", "", Decimal(1)),
            ("eve", "light", Decimal(1) / 3),
            ("No member told", "", None),
        ]
        assert sum(line.totals.cost for line in people.lines) == 21

    def test_those_beyond_a_few_of_their_kind_stand_together(self, acme: Account) -> None:
        for number in range(6):
            a_rollup(acme, end_user=f"u{number}", cost=f"1.{number}")

        lines = patterns(acme).people.lines
        # 1.5 down to 1.2 by name; 1.1 and 1.0 are left.
        assert [line.name for line in lines] == ["u5", "u4", "u3", "u2", "2 more members"]
        assert lines[-1].totals.cost == Decimal("2.1")


class TestAllocation:
    def test_what_is_allocated_and_what_is_not_is_the_whole(self, acme: Account) -> None:
        a_rollup(acme, team="red", project="atlas", cost="5")
        a_rollup(acme, team="blue", cost="3")
        a_rollup(acme, cost="2", model="o3")

        by = {each.dimension: each for each in patterns(acme).allocations}
        team = by[Dimension.TEAM]
        assert [(line.name, line.totals.cost, line.share) for line in team.lines] == [
            ("red", 5, 50),
            ("blue", 3, 30),
        ]
        assert (team.unallocated.cost, team.unallocated_share) == (2, 20)
        assert (by[Dimension.PROJECT].unallocated.cost, by[Dimension.DEPARTMENT].lines) == (5, [])

    def test_names_beyond_eight_stand_together_and_still_add_up(self, acme: Account) -> None:
        for number in range(10):
            a_rollup(acme, team=f"t{number}", cost=f"{number + 1}")

        team = patterns(acme).allocations[0]
        assert (team.lines[-1].name, team.lines[-1].totals.cost) == ("2 more teams", 3)
        assert sum(line.share for line in team.lines) == 100


class TestThePage:
    @pytest.fixture
    def alice(self, acme: Account, client: Client) -> Client:
        client.force_login(a_member(acme, role=Role.VIEWER))
        return client

    def page(self, client: Client, query: str = "") -> str:
        response = client.get(f"/costs/patterns/{query}")
        assert response.status_code == 200
        return unescape(response.content.decode())

    def test_providers_are_compared_by_cost_time_and_errors(self, alice: Client, acme: Account) -> None:
        a_rollup(acme, calls=4, errors=1, response_time_ms=6000, timed_calls=4, cost="2", input_tokens=1000)

        body = self.page(alice)
        # 2 USD / 4 calls, 2 USD / 1 thousand tokens, 1 of 4 failed, 6 s / 4
        for figure in ("$0.50", "$2.00", "25.0%", "1.50 s"):
            assert figure in body

    def test_what_is_not_told_is_said(self, alice: Client, acme: Account) -> None:
        a_rollup(acme)

        body = self.page(alice)
        assert "says which member of yours it was for" in body
        assert "Nothing allocated: no call tells its team" in body

    def test_a_month_without_calls_still_shows_the_twelve(self, alice: Client, acme: Account) -> None:
        a_rollup(acme)
        a_summary(a_period(acme))

        body = self.page(alice, "?month=2026-01")
        assert "No call happened in January 2026." in body
        assert "December 2025" in body
