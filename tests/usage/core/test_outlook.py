"""The outlook on the next month: the forecast, what is missing for one, and what the days show."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from usage.core.outlook import HISTORY_DAYS, Outlook, growth, outlook, week_pattern

# A Monday.
TODAY = date(2026, 11, 30)
DAY = timedelta(days=1)
TEN, IDLE = Decimal(10), Decimal(0)
CLOSE = Decimal("1e-15")


def ahead(*days: Decimal, today: date = TODAY) -> Outlook:
    return outlook(days, today=today)


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("days", "sentence"),
        [
            (0, "A forecast needs 14 whole days of usage; there is none yet."),
            (1, "A forecast needs 14 whole days of usage; 1 is known. It will be here from 2026-12-13 on."),
            (5, "A forecast needs 14 whole days of usage; 5 are known. It will be here from 2026-12-09 on."),
            (
                13,
                "A forecast needs 14 whole days of usage; 13 are known. It will be here from 2026-12-01 on.",
            ),
            (14, None),
        ],
    )
    def test_with_less_than_two_weeks_it_says_when_there_will_be_a_forecast(
        self, days: int, sentence: str | None
    ) -> None:
        found = ahead(*[TEN] * days)

        assert found.missing == sentence
        known = (found.expected, found.low, found.high, found.run_rate, found.week)
        assert [each is None for each in known] == [sentence is not None] * 5
        assert found.days_of_history == days

    def test_from_the_day_it_names_there_is_a_forecast(self) -> None:
        begins = ahead(*[TEN] * 5).known_from
        assert begins is not None

        assert ahead(*[TEN] * (5 + (begins - TODAY).days), today=begins).missing is None


class TestMonth:
    @pytest.mark.parametrize(
        ("today", "month", "days"),
        [
            (date(2026, 11, 1), date(2026, 12, 1), 31),
            (date(2026, 11, 30), date(2026, 12, 1), 31),
            (date(2026, 12, 31), date(2027, 1, 1), 31),
            (date(2027, 1, 5), date(2027, 2, 1), 28),
        ],
    )
    def test_it_is_the_calendar_month_after_todays(self, today: date, month: date, days: int) -> None:
        found = ahead(*[TEN] * 28, today=today)

        assert found.month == month
        assert found.expected is not None
        assert abs(found.expected - 10 * days) < CLOSE
        assert found.run_rate == 10 * days

    def test_the_run_rate_is_that_of_four_weeks(self) -> None:
        assert ahead(*[Decimal(99)] * 20, *[TEN] * 14, *[Decimal(20)] * 14).run_rate == 15 * 31

    def test_between_two_and_three_weeks_weekdays_are_all_there_is(self) -> None:
        found = ahead(*[TEN] * 14)

        assert (found.low, found.expected, found.high) == (310, 310, 310)

    def test_an_account_used_now_and_then_goes_on_as_in_the_last_year(self) -> None:
        # 10 on every tenth day: 1 a day.
        days = [TEN if number % 10 == 9 else IDLE for number in range(HISTORY_DAYS - 4)]
        found = ahead(*days)

        assert found.expected is not None
        assert found.low is not None
        assert found.high is not None
        assert abs(found.expected - 31) < 3
        assert found.low < 31 < found.high
        assert found.growth is None

    def test_an_account_that_has_stopped_is_expected_to_spend_nothing_after_eight_weeks(self) -> None:
        found = ahead(*[TEN] * 200, *[IDLE] * 56)

        assert (found.low, found.expected, found.high) == (0, 0, 0)

    @pytest.mark.parametrize("days", [HISTORY_DAYS, HISTORY_DAYS + 1, HISTORY_DAYS + 300])
    def test_a_year_counts(self, days: int) -> None:
        found = ahead(*[Decimal(999)] * (days - HISTORY_DAYS), *[TEN] * HISTORY_DAYS)

        assert found == ahead(*[TEN] * HISTORY_DAYS)


class TestGrowth:
    @pytest.mark.parametrize(("weeks", "known"), [(3, False), (4, True), (5, True)])
    def test_it_takes_four_weeks(self, weeks: int, known: bool) -> None:
        assert (ahead(*[TEN] * (7 * weeks)).growth is not None) is known

    def test_it_is_what_weeks_grow_by_in_thirty_days(self) -> None:
        weeks = [(70 * Decimal("1.02") ** week).ln() for week in range(13)]
        found = growth(weeks)

        assert found is not None
        assert abs(found - ((Decimal("1.02").ln() * 30 / 7).exp() - 1)) < CLOSE

    def test_a_few_odd_weeks_do_not_move_it(self) -> None:
        weeks = [(70 * Decimal("1.02") ** week).ln() for week in range(13)]
        odd = [*weeks]
        odd[12] = odd[12] + 2
        assert growth(odd) is not None

        assert abs((growth(odd) or 0) - (growth(weeks) or 0)) < Decimal("0.01")

    def test_thirteen_weeks_count(self) -> None:
        weeks = [Decimal(week) for week in range(13)]

        assert growth([Decimal(99), *weeks]) == growth(weeks)


class TestWeek:
    def test_a_weekend_is_seen_whatever_today_is(self) -> None:
        # Twelve weeks of 10 on workdays and 3 at the weekend, from Monday on.
        days = ([TEN] * 5 + [Decimal(3)] * 2) * 12
        patterns = [
            week_pattern(days[skipped:] + days[:skipped], today=TODAY + skipped * DAY) for skipped in range(7)
        ]

        for pattern in patterns:
            workday, saturday = pattern.factors[0], pattern.factors[5]
            assert pattern.factors == (workday,) * 5 + (saturday,) * 2
            # 7 × 10 / 56 and 7 × 3 / 56, drawn to 1 by one equal week.
            assert Decimal("1.2") < workday < Decimal("1.25")
            assert Decimal("0.375") < saturday < Decimal("0.5")
            assert pattern.strength > Decimal("0.9")

    def test_without_a_difference_there_is_no_pattern(self) -> None:
        pattern = week_pattern([TEN] * 28, today=TODAY)

        assert all(abs(factor - 1) < CLOSE for factor in pattern.factors)
        assert pattern.strength == 0

    def test_chance_is_no_pattern(self) -> None:
        # Eight days in turn fall on every weekday alike.
        days = [Decimal(amount) for amount in (1, 9, 3, 7, 2, 8, 4, 6)] * 14

        assert week_pattern(days, today=TODAY).strength < Decimal("0.1")

    def test_an_idle_account_has_none(self) -> None:
        pattern = week_pattern([IDLE] * 28, today=TODAY)

        assert (set(pattern.factors), pattern.strength) == ({Decimal(7) * (Decimal(1) / 7)}, 0)


@pytest.mark.parametrize(("days_ago", "told"), [(89, True), (90, True), (91, False)])
def test_odd_days_of_the_last_ninety_are_told(days_ago: int, told: bool) -> None:
    days = [TEN] * 120
    days[-days_ago] = Decimal(100)
    found = ahead(*days).anomalies

    assert [odd.day for odd in found] == [TODAY - days_ago * DAY] * told
