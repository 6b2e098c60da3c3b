"""What the course of an account's weeks lets expect: level, trend, weekdays, spikes, and the range."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usage.core.courses import Course, course_of, shares

CLOSE = Decimal("1e-15")
ONE, TEN = Decimal(1), Decimal(10)
IDLE = Decimal(0)
A_WEEK = [Decimal(1)] * 7
FOUR_WEEKS = [Decimal(1)] * 28


def the_course(days: Sequence[Decimal]) -> Course:
    course = course_of(days)
    assert course is not None
    return course


def growing(weeks: int, *, by: str) -> list[Decimal]:
    """Days of 10 in the first week, and so many times as much in each week after."""
    return [TEN * Decimal(by) ** week for week in range(weeks) for _ in range(7)]


class TestWhetherThereIsOne:
    @pytest.mark.parametrize(("days", "expected"), [(20, False), (21, True), (22, True)])
    def test_three_weeks_make_a_course(self, days: int, expected: bool) -> None:
        assert (course_of([TEN] * days) is not None) is expected

    @pytest.mark.parametrize(("idle", "expected"), [(9, True), (10, True), (11, False)])
    def test_an_account_that_is_idle_on_more_than_a_third_of_the_days_has_none(
        self, idle: int, expected: bool
    ) -> None:
        # Of 30 days; never two idle ones in a row.
        days = [IDLE if number % 2 and number < 2 * idle else TEN for number in range(30)]

        assert (course_of(days) is not None) is expected

    @pytest.mark.parametrize(
        ("idle", "days", "expected"),
        [
            (13, 25, False),  # no break: 13 of 53 days are idle, and a whole week among them
            (14, 20, False),
            (14, 21, True),
        ],
    )
    def test_after_a_break_of_two_weeks_an_account_begins_anew(
        self, idle: int, days: int, expected: bool
    ) -> None:
        assert (course_of([TEN] * 15 + [IDLE] * idle + [TEN] * days) is not None) is expected

    def test_days_before_the_break_do_not_count(self) -> None:
        before = [Decimal(999)] * 28 + [IDLE] * 14

        assert the_course(before + FOUR_WEEKS).ahead(A_WEEK) == the_course(FOUR_WEEKS).ahead(A_WEEK)

    @pytest.mark.parametrize(("spike", "expected"), [("36", True), ("37", False)])
    def test_an_account_whose_cost_is_mostly_spikes_has_none(self, spike: str, expected: bool) -> None:
        # 34 days of 1 and the spike, of which 1 was to be expected: 35 are half of 34 + 36.
        days = [ONE] * 17 + [Decimal(spike)] + [ONE] * 17

        assert (course_of(days) is not None) is expected


class TestWhatIsExpected:
    def test_a_steady_account_goes_on(self) -> None:
        assert abs(the_course([TEN] * 28).ahead(A_WEEK).expected - 70) < CLOSE

    def test_of_a_day_in_part_only_that_is(self) -> None:
        assert abs(the_course([TEN] * 28).ahead([Decimal("0.25"), ONE]).expected - Decimal("12.5")) < CLOSE

    def test_nothing_is_left_of_no_days(self) -> None:
        assert the_course([TEN] * 28).ahead([]) == (0, 0, 0)

    def test_weekdays_keep_their_shares(self) -> None:
        # The first day of each week costs 28 of 70, after three weeks; with one more week of equal shares.
        course = the_course(([Decimal(28)] + [Decimal(7)] * 6) * 3)
        first, second = (course.ahead([ONE], skipped=skipped).expected for skipped in (0, 1))

        # Weights 1, 0.9 and 0.81: (2.71 × 0.4 + 1 / 7) / 3.71 of 70, and (2.71 × 0.1 + 1 / 7) / 3.71.
        assert abs(first - 70 * (Decimal("1.084") + ONE / 7) / Decimal("3.71")) < CLOSE
        assert abs(second - 70 * (Decimal("0.271") + ONE / 7) / Decimal("3.71")) < CLOSE

    def test_a_trend_goes_on_damped(self) -> None:
        # 70 a week, 5 % more each; 26 weeks known. The four weeks after the next four.
        true = sum(70 * Decimal("1.05") ** week for week in range(30, 34))
        flat = 4 * 70 * Decimal("1.05") ** 25
        found = the_course(growing(26, by="1.05")).ahead([ONE] * 28, skipped=28)

        assert flat < Decimal("1.2") * flat < found.expected < true
        assert found.low < true < found.high

    def test_nobody_is_expected_to_grow_by_more_than_a_sixth_a_week(self) -> None:
        doubling = growing(8, by="2")

        # e ^ 0.15 = 1.1618: far from twice the last week.
        assert the_course(doubling).ahead(A_WEEK).expected < Decimal("1.17") * sum(doubling[-7:])

    @pytest.mark.parametrize("weeks", [2, 4, 8])
    def test_a_new_level_is_followed(self, weeks: int) -> None:
        found = the_course([TEN] * 84 + [Decimal(20)] * (7 * weeks)).ahead([ONE] * 28)

        # At first it might as well be a trend; the range leaves out the old level.
        assert 280 < found.low < 28 * 20 < found.high
        assert (abs(found.expected - 560) < 56) is (weeks == 8)

    def test_a_spike_comes_on_top_as_the_mean_of_all_days(self) -> None:
        days = [TEN] * 56
        days[30] = Decimal(500)

        # Seven of 10, and seven times 490 / 56.
        assert abs(the_course(days).ahead(A_WEEK).expected - Decimal("131.25")) < CLOSE


class TestRange:
    def test_without_own_trials_it_is_as_wide_as_is_usual(self) -> None:
        found = the_course([TEN] * 21).ahead(A_WEEK)

        # One week came as expected, and two of 0.1² are added: v = 0.02 / 3. For the next week
        # 0.04² + v × (1 + 0.3 / 2) is the variance.
        square = (1 + Decimal("0.0016") + Decimal("0.02") / 3 * Decimal("1.15")).ln()
        reach = Decimal("1.2816") * square.sqrt()
        assert abs(found.low - 70 * (-square / 2 - reach).exp()) < CLOSE
        assert abs(found.high - 70 * (-square / 2 + reach).exp()) < CLOSE

    def test_an_unsteady_account_is_less_certain(self) -> None:
        unsteady = [Decimal(amount) for amount in (6, 14, 10, 13, 7, 11, 9, 15)] * 14
        steady = [TEN] * len(unsteady)

        assert width(unsteady) > width(steady)

    def test_what_is_further_away_is_less_certain(self) -> None:
        course = the_course(growing(26, by="1.01"))
        near, far = (course.ahead([ONE] * 28, skipped=skipped) for skipped in (0, 28))

        assert (far.high - far.low) / far.expected > (near.high - near.low) / near.expected

    def test_a_spike_makes_it_wider(self) -> None:
        days = [TEN] * 56
        days[30] = Decimal(100)

        assert width(days) > width([TEN] * 56)


def width(days: Sequence[Decimal]) -> Decimal:
    found = the_course(days).ahead([ONE] * 28)
    return (found.high - found.low) / found.expected


class TestShares:
    def test_less_than_a_week_says_nothing_of_weekdays(self) -> None:
        assert shares([TEN] * 6) == [ONE / 7] * 7

    def test_idle_weeks_say_nothing_of_weekdays(self) -> None:
        week = [Decimal(day) for day in range(1, 8)]

        assert shares([IDLE] * 7 + week) == shares(week)

    @pytest.mark.parametrize("weeks", [12, 13, 40])
    def test_twelve_weeks_count(self, weeks: int) -> None:
        other = [Decimal(day) for day in range(7)] * (weeks - 12)

        assert shares(other + A_WEEK * 12) == shares(A_WEEK * 12)


AMOUNTS = st.decimals(min_value=0, max_value=10**6, places=6)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    days=st.lists(AMOUNTS, min_size=21, max_size=120), ahead=st.integers(1, 31), skipped=st.integers(0, 31)
)
def test_the_range_holds_what_is_expected_and_is_never_below_nothing(
    days: list[Decimal], ahead: int, skipped: int
) -> None:
    course = course_of(days)
    if course is not None:
        found = course.ahead([ONE] * ahead, skipped=skipped)
        assert 0 <= found.low <= found.expected <= found.high
