"""Whether an account spends more today than it ever gives reason to expect, and which past days stand out.

The yardstick is the account's own history: its median, and the median absolute deviation from it (MAD), which
no single day can move. Scaled by 1.4826 the MAD of a normal distribution is its standard deviation. A day is
unusual at three times (or a third of) the median, if that is more than six scaled MADs away.

Today is compared with the days before it; a past day with those after it too. So the first days of a new
level stand out until it has lasted for half a week, and then do not any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median

from usage.core.money import ZERO

DAYS_A_WEEK = 7
# With fewer whole days nothing is usual yet.
FEWEST_DAYS = DAYS_A_WEEK
# So many days of the same weekday are a history of their own.
FEWEST_OF_THE_WEEKDAY = 4
SMALLEST_UNUSUAL = Decimal(1)
SMALLEST_FACTOR = Decimal(3)
MOST_DEVIATIONS = Decimal(6)
MAD_SCALE = Decimal("1.4826")
# How many weeks before and after a past day its weekday is looked at, and how many days around it.
WEEKS_AROUND = 4
DAYS_AROUND = 3
# Of an account that is mostly idle, so many days with use say what one costs.
FEWEST_USED_DAYS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """A day that costs far more than usual, in USD. `factor` is how many times the expected amount, None
    where usually nothing is spent.
    """

    spent: Decimal
    expected: Decimal
    factor: Decimal | None
    same_weekday: bool


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class OddDay:
    """A day of a series that stands out: what it cost and what was to be expected, in USD."""

    day: date
    spent: Decimal
    expected: Decimal
    direction: Direction

    @property
    def reason(self) -> str:
        """A sentence for people."""
        if self.expected == ZERO:
            return f"${self.spent:,.2f} on a day on which nothing is usually spent."
        if self.spent == ZERO:
            return f"Nothing was spent; ${self.expected:,.2f} was to be expected."
        if self.direction is Direction.UP:
            times = self.spent / self.expected
            return f"{times:,.1f} times the ${self.expected:,.2f} that was to be expected."
        return f"{self.spent / self.expected:.0%} of the ${self.expected:,.2f} that was to be expected."


def unusual(today: Decimal, *, history: Sequence[Decimal]) -> Unusual | None:
    """What is unusual about spending `today` USD by now; None when nothing is, or when the history is too
    short to tell.

    `history` holds the costs of whole days without a gap, oldest first, the last one yesterday's. Compared
    are the days of today's weekday where there are FEWEST_OF_THE_WEEKDAY of them, else all. Unusual is at
    least 1 USD, at least three times the median, and more than six scaled MADs above it: of days of
    8, 9, 10, 10, 10, 11, 12 USD the median is 10, the MAD of 0, 0, 0, 1, 1, 2, 2 is 1, and unusual are from
    30 USD on, since 10 + 6 × 1.4826 = 18.90 is less.
    """
    if len(history) < FEWEST_DAYS:
        return None
    of_the_weekday = history[-DAYS_A_WEEK::-DAYS_A_WEEK]
    same_weekday = len(of_the_weekday) >= FEWEST_OF_THE_WEEKDAY
    days = of_the_weekday if same_weekday else history
    expected = median(days)
    if today < max(SMALLEST_UNUSUAL, SMALLEST_FACTOR * expected) or today <= expected + _reach(days):
        return None
    factor = today / expected if expected > ZERO else None
    return Unusual(spent=today, expected=expected, factor=factor, same_weekday=same_weekday)


def odd_days(days: Sequence[Decimal], *, start: date) -> list[OddDay]:
    """The days of a series that cost far more or far less than those around them, in their order.

    `days` holds the costs of whole days without a gap, oldest first, from `start` on. A day is compared with
    those of its weekday in the four weeks before and after, and with the week around it; it stands out from
    both, by at least 1 USD of cost (or of expected cost). On an account that is idle on most days, days with
    use are compared with each other, once there are FEWEST_USED_DAYS others. None with less than two weeks.
    """
    if len(days) < 2 * DAYS_A_WEEK:
        return []
    found = ((number, _odd(days, number)) for number in range(len(days)))
    return [
        OddDay(
            day=start + timedelta(days=number),
            spent=days[number],
            expected=expected,
            direction=Direction.UP if days[number] > expected else Direction.DOWN,
        )
        for number, expected in found
        if expected is not None
    ]


def spike(days: Sequence[Decimal], number: int) -> Decimal | None:
    """What was to be expected of the day of that `number`, if it is far more; however little it is."""
    day, same = days[number], _same_weekday(days, number)
    expected = median(same)
    if day <= SMALLEST_FACTOR * expected:
        return None
    expected = max(expected, median(_around(days, number)))
    if day <= SMALLEST_FACTOR * expected or day <= expected + _reach(same):
        return None
    return expected


def _dip(days: Sequence[Decimal], number: int) -> Decimal | None:
    """What was to be expected of the day of that `number`, if it is far less."""
    day, same = days[number], _same_weekday(days, number)
    expected = median(same)
    if SMALLEST_FACTOR * day >= expected:
        return None
    expected = min(expected, median(_around(days, number)))
    if SMALLEST_FACTOR * day >= expected or day >= expected - _reach(same):
        return None
    return expected


def _odd(days: Sequence[Decimal], number: int) -> Decimal | None:
    """What was to be expected of the day of that `number`, if it stands out."""
    expected = spike(days, number) if days[number] >= SMALLEST_UNUSUAL else None
    if expected == ZERO:
        expected = _of_used_days(days, number)
    if expected is None:
        expected = _dip(days, number)
        return expected if expected is not None and expected >= SMALLEST_UNUSUAL else None
    return expected


def _of_used_days(days: Sequence[Decimal], number: int) -> Decimal | None:
    """What other days with use cost, if the one of that `number` cost far more; 0 if there are too few."""
    reach = WEEKS_AROUND * DAYS_A_WEEK
    nearby = days[max(number - reach, 0) : number], days[number + 1 : number + reach + 1]
    used = [day for some in nearby for day in some if day > ZERO]
    if len(used) < FEWEST_USED_DAYS:
        return ZERO
    expected = median(used)
    far = days[number] > max(SMALLEST_FACTOR * expected, expected + _reach(used))
    return expected if far else None


def _same_weekday(days: Sequence[Decimal], number: int) -> list[Decimal]:
    """The other days of its weekday, up to WEEKS_AROUND before and after."""
    first = max(number - WEEKS_AROUND * DAYS_A_WEEK, number % DAYS_A_WEEK)
    last = number + WEEKS_AROUND * DAYS_A_WEEK
    return [*days[first:number:DAYS_A_WEEK], *days[number + DAYS_A_WEEK : last + 1 : DAYS_A_WEEK]]


def _around(days: Sequence[Decimal], number: int) -> Sequence[Decimal]:
    """A week, with the day in the middle where the series goes on long enough."""
    first = max(min(number - DAYS_AROUND, len(days) - DAYS_A_WEEK), 0)
    return days[first : first + DAYS_A_WEEK]


def _reach(days: Sequence[Decimal]) -> Decimal:
    """Six scaled MADs."""
    middle = median(days)
    return MOST_DEVIATIONS * MAD_SCALE * median(abs(day - middle) for day in days)
