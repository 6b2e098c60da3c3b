"""What a period has cost, is expected to, and may: drawn to one scale."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from alwrity_billing.dashboard.limit_bars import LimitBar, bar_of, bars_of
from alwrity_billing.dashboard.spending import Spending, spending_of
from usage.limits import LimitState
from usage.queries import Projected

MARCH, APRIL = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4))


def a_state(amount: str | None = "100", *, used: str = "0", held: str = "0", **terms: str) -> LimitState:
    """A plan's limit of all cost in the period, refusing beyond it, unless `terms` say otherwise."""
    usual = {
        "name": "monthly_cost",
        "source": "plan",
        "measure": "cost",
        "scope": "everything",
        "scope_value": "",
        "window": "period",
        "mode": "block",
    }
    return LimitState(
        **{**usual, **terms},
        amount=None if amount is None else Decimal(amount),
        used=Decimal(used),
        held=Decimal(held),
        window_start=MARCH,
        resets_at=APRIL,
    )


def projected(expected: str, low: str | None = None, high: str | None = None) -> Projected:
    return Projected(
        expected=Decimal(expected),
        low=None if low is None else Decimal(low),
        high=None if high is None else Decimal(high),
        by_weekdays=low is not None,
    )


def spending(spent: str, *states: LimitState, of: Projected | None = None) -> Spending:
    return spending_of(Decimal(spent), projected=of, states=states)


class TestSpending:
    def test_the_first_bound_beyond_what_is_expected_ends_the_drawing(self) -> None:
        found = spending("27", a_state("100"), of=projected("54", "43.2", "64.8"))

        # The width is 108 % of 100 USD.
        assert (found.spent_x, found.expected_x) == (25, 50)
        assert (found.low_x, found.high_x) == (40, 60)
        assert found.ceilings[0].x == Decimal("92.59")

    def test_a_bound_far_beyond_is_told_and_not_drawn(self) -> None:
        found = spending("4", a_state("100"), of=projected("4.99"))

        assert found.ceilings[0].x is None
        # 4 of 108 % of 4.99 USD.
        assert found.spent_x == Decimal("74.22")

    def test_twenty_times_what_is_expected_is_still_drawn(self) -> None:
        assert spending("4", a_state("100"), of=projected("5")).ceilings[0].x == Decimal("92.59")

    def test_bounds_come_from_the_lowest_and_say_what_is_left(self) -> None:
        found = spending("30", a_state("100"), a_state("40", source="budget"))

        assert [(one.name, one.left, one.spent_percent) for one in found.ceilings] == [
            ("Your budget", 10, 75),
            ("Monthly spend limit", 70, 30),
        ]

    @pytest.mark.parametrize(
        ("spent", "expected", "is_exceeded", "will_be"),
        [
            ("99", "100", False, False),
            ("99", "100.01", False, True),
            ("100", "120", True, False),
        ],
    )
    def test_a_bound_is_exceeded_or_will_be(
        self, spent: str, expected: str, is_exceeded: bool, will_be: bool
    ) -> None:
        (bound,) = spending(spent, a_state("100"), of=projected(expected)).ceilings

        assert (bound.is_exceeded, bound.will_be_exceeded) == (is_exceeded, will_be)

    def test_a_projection_that_is_behind_never_expects_less_than_is_spent(self) -> None:
        found = spending("80", of=projected("70", "60", "75"))

        assert (found.expected, found.low, found.high) == (80, 80, 80)

    def test_only_what_bounds_all_cost_of_the_period_counts(self) -> None:
        others = (
            a_state("5", window="day"),
            a_state("5", measure="tokens"),
            a_state("5", scope="provider", scope_value="openai"),
            a_state(None),
            a_state("0"),
        )

        assert spending("1", *others).ceilings == ()

    def test_without_anything_there_is_an_empty_drawing(self) -> None:
        found = spending("0")

        assert (found.spent_x, found.expected, found.ceilings) == (0, None, ())


class TestBars:
    @pytest.mark.parametrize(
        ("used", "held", "mode", "tone", "state"),
        [
            ("79.9", "0", "block", "accent", ""),
            ("79.9", "0.1", "block", "warn", "Nearly used up"),
            ("99.99", "0", "block", "warn", "Nearly used up"),
            ("100", "0", "block", "bad", "Used up"),
            ("90", "10", "block", "bad", "Used up"),
            ("120", "0", "bill", "accent", "Billed as overage"),
        ],
    )
    def test_its_colour_and_its_word_say_how_full_it_is(
        self, used: str, held: str, mode: str, tone: str, state: str
    ) -> None:
        bar = bar_of(a_state("100", used=used, held=held, mode=mode))

        assert (bar.tone, bar.state) == (tone, state)

    def test_used_and_held_never_reach_beyond_the_bar(self) -> None:
        bar = bar_of(a_state("100", used="90", held="30"))

        assert (bar.used_percent, bar.held_percent, bar.percent) == (90, 10, 120)
        assert (bar.held, bar.remaining) == ("30.00 USD", "0.00 USD")

    def test_a_limit_of_nothing_says_so(self) -> None:
        bar = bar_of(a_state("0", measure="images"))

        assert (bar.state, bar.used_percent) == ("Not included", 0)

    def test_the_fullest_come_first_and_rates_stand_apart(self) -> None:
        states = [
            *(a_state("100", used=str(10 * number), name=f"l{number}") for number in range(8)),
            a_state("10", measure="calls", window="minute"),
            a_state(None, measure="tokens"),
        ]

        bars = bars_of(states)

        def used(of: tuple[LimitBar, ...]) -> list[int]:
            return [int(bar.used_percent) for bar in of]

        assert used(bars.fullest) == [70, 60, 50, 40, 30, 20]
        assert used(bars.others) == [10, 0]
        assert [(bar.name, bar.window) for bar in bars.rates] == [("Calls", "per minute")]
