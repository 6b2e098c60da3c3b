"""What a billing period will have come to at its end, from what it has come to and the days before.

Two estimates. The *run rate* carries the average since the period's start to its end. The *forecast* follows
the course of the account's weeks (`core/courses.py`), from three weeks of history on. With less, and for
accounts that are used now and then and have no course, it knows the weekdays:

- A day of history weighs 1 in the last seven days, and 0.8 times as much with every week before that.
- A weekday is expected to cost the weighted mean of that weekday's days, with one more day that cost the mean
  of all days (weight 1). So much is one week not taken for a pattern, and after a few a pattern is seen.
- What is left of the period is the sum over its days, the last and the present one in part. What is spent is
  spent: expected = spent + what is left.
- The range is meant to hold four results of five. Each day of history is compared with what the *other* days
  would have let expect of it; s² is the weighted mean of these differences squared. Over D days left, with a
  history that is worth N = (Σw)² / Σw² days of equal weight, the sum is off by s × √(c × (D + D²/N)): D for
  the days themselves, D²/N for not knowing the mean. c = (1 + r) / (1 - r) is for busy days that follow busy
  days, which do not cancel out: r is the correlation of differences with the next day's, from two weeks of
  history on, at least 0 and at most 0.8. Of a normal distribution 80 % lie within 1.2816 of these.

A small example: one week, 10 USD on each of five workdays and 3 on Saturday and Sunday, 40 USD spent in the
period, one more week to come. The mean is 56 / 7 = 8. A workday is expected to cost (10 + 8) / (1 + 1) = 9, a
day of the weekend (3 + 8) / 2 = 5.5; that week 5 × 9 + 2 × 5.5 = 56, the period 96. Without itself each
weekday has no day left and is expected to cost 8: s² = (5 × 2² + 2 × 5²) / 7 = 10. With D = N = 7 and
c = 1 the range is 96 ± 1.2816 × √(10 × (7 + 7²/7)) = 96 ± 15.16.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from functools import cached_property
from itertools import pairwise

from usage.core.courses import DAYS_A_WEEK, WITHIN_80_PERCENT, Range, course_of
from usage.core.money import COST_MAX_DIGITS, ZERO

MOST_DAYS = 8 * DAYS_A_WEEK
# With less than a week some weekdays have never been seen.
FEWEST_DAYS = DAYS_A_WEEK
WEIGHT_OF_THE_WEEK_BEFORE = Decimal("0.8")
WEIGHT_OF_THE_MEAN = Decimal(1)
FEWEST_DAYS_TO_CORRELATE = 2 * DAYS_A_WEEK
MOST_CORRELATED = Decimal("0.8")
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a period is expected to come to, in the unit of what was spent, unrounded.

    With less than FEWEST_DAYS of history `expected` is the run rate and there is no range.
    """

    spent: Decimal
    run_rate: Decimal
    expected: Decimal
    low: Decimal | None
    high: Decimal | None
    days_of_history: int

    @property
    def knows_weekdays(self) -> bool:
        return self.low is not None


def run_rate(spent: Decimal, *, start: datetime, end: datetime, at: datetime) -> Decimal:
    """What the period in [start, end) comes to if it goes on as it did until `at`: spent × whole ÷ passed, in
    whole seconds. `spent` itself in the first second, and when the period is over.
    """
    passed, whole = ((moment - start) // SECOND for moment in (at, end))
    return spent * whole / passed if 0 < passed < whole else spent


def forecast(
    history: Sequence[Decimal], *, spent: Decimal, start: datetime, end: datetime, at: datetime
) -> Forecast:
    """What the period in [start, end), of which `spent` is known at `at`, is expected to come to.

    `history` holds the amounts of whole UTC days without a gap, oldest first; the last one is the day before
    that of `at`. Of more than MOST_DAYS the last ones count.
    """
    # The largest amounts that are stored have more digits than Decimal keeps by itself.
    with localcontext(prec=COST_MAX_DIGITS):
        return _forecast(history, spent=spent, start=start, end=end, at=at)


def _forecast(
    history: Sequence[Decimal], *, spent: Decimal, start: datetime, end: datetime, at: datetime
) -> Forecast:
    rate = run_rate(spent, start=start, end=end, at=at)
    days = min(len(history), MOST_DAYS)
    if days < FEWEST_DAYS:
        return Forecast(spent=spent, run_rate=rate, expected=rate, low=None, high=None, days_of_history=days)
    left = list(days_left(at=at, end=end))
    course = course_of(history[-MOST_DAYS:])
    rest = Weeks(history, at=at).range(left) if course is None else course.ahead([part for _, part in left])
    return Forecast(
        spent=spent,
        run_rate=rate,
        expected=spent + rest.expected,
        low=spent + rest.low,
        high=spent + rest.high,
        days_of_history=days,
    )


def days_left(*, at: datetime, end: datetime) -> Iterator[tuple[int, Decimal]]:
    """The UTC days that [at, end) touches: weekday (0 is Monday), and how much of the day is in it."""
    at, end = at.astimezone(UTC), end.astimezone(UTC)
    while at < end:
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        until = min(midnight, end)
        yield at.weekday(), Decimal((until - at) // SECOND) / Decimal(DAY // SECOND)
        at = until


class Weeks:
    """An account's weekdays, as its history tells them."""

    def __init__(
        self,
        history: Sequence[Decimal],
        *,
        at: datetime,
        most_days: int = MOST_DAYS,
        weight: Decimal = WEIGHT_OF_THE_WEEK_BEFORE,
    ) -> None:
        """`history` as `forecast` takes it, at least one day; its last `most_days` count, a week `weight`
        times as much as the one after it.
        """
        today = at.astimezone(UTC).weekday()
        amounts = history[: -most_days - 1 : -1]
        # The youngest first: yesterday has age 0.
        self._days = [
            ((today - 1 - age) % DAYS_A_WEEK, weight ** (age // DAYS_A_WEEK), amount)
            for age, amount in enumerate(amounts)
        ]
        self._weight = sum((weight for _, weight, _ in self._days), start=ZERO)
        self.mean = sum((weight * amount for _, weight, amount in self._days), start=ZERO) / self._weight
        self._weight_on = [WEIGHT_OF_THE_MEAN] * DAYS_A_WEEK
        self._amount_on = [WEIGHT_OF_THE_MEAN * self.mean] * DAYS_A_WEEK
        for weekday, weight, amount in self._days:
            self._weight_on[weekday] += weight
            self._amount_on[weekday] += weight * amount

    def expected_on(self, weekday: int) -> Decimal:
        """The amount of a whole such day."""
        return self._amount_on[weekday] / self._weight_on[weekday]

    def expected(self, days: Sequence[tuple[int, Decimal]]) -> Decimal:
        """The amount of all `days`, as `days_left` gives them."""
        return sum((part * self.expected_on(weekday) for weekday, part in days), start=ZERO)

    def range(self, days: Sequence[tuple[int, Decimal]]) -> Range:
        """What all `days` come to, and within which range."""
        expected = self.expected(days)
        reach = WITHIN_80_PERCENT * self.deviation(days)
        return Range(expected, max(expected - reach, ZERO), expected + reach)

    def deviation(self, days: Sequence[tuple[int, Decimal]]) -> Decimal:
        """By how much the sum of `days` is off: one standard deviation."""
        left = sum((part for _, part in days), start=ZERO)
        worth = self._weight**2 / sum((weight**2 for _, weight, _ in self._days), start=ZERO)
        spread = self._variance * (1 + self._correlation) / (1 - self._correlation)
        return (spread * (left + left**2 / worth)).sqrt()

    @cached_property
    def _differences(self) -> list[Decimal]:
        """What each day differs by from what the others let expect of it, the youngest first."""
        return [
            amount - (self._amount_on[weekday] - weight * amount) / (self._weight_on[weekday] - weight)
            for weekday, weight, amount in self._days
        ]

    @property
    def _variance(self) -> Decimal:
        squares = (
            weight * difference**2
            for (_, weight, _), difference in zip(self._days, self._differences, strict=True)
        )
        return sum(squares, start=ZERO) / self._weight

    @property
    def _correlation(self) -> Decimal:
        squares = sum((difference**2 for difference in self._differences), start=ZERO)
        if len(self._days) < FEWEST_DAYS_TO_CORRELATE or not squares:
            return ZERO
        products = sum((one * next_one for one, next_one in pairwise(self._differences)), start=ZERO)
        return min(max(products / squares, ZERO), MOST_CORRELATED)
