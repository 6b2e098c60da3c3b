"""Whether an account spends more today than it ever gives reason to expect.

The yardstick is the account's own history: its median, and the median absolute deviation from it (MAD), which
no single day can move. Scaled by 1.4826 the MAD of a normal distribution is its standard deviation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """A day that costs far more than usual, in USD. `factor` is how many times the expected amount, None
    where usually nothing is spent.
    """

    spent: Decimal
    expected: Decimal
    factor: Decimal | None
    same_weekday: bool


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
    deviation = MAD_SCALE * median(abs(day - expected) for day in days)
    if today < max(SMALLEST_UNUSUAL, SMALLEST_FACTOR * expected):
        return None
    if today <= expected + MOST_DEVIATIONS * deviation:
        return None
    factor = today / expected if expected > ZERO else None
    return Unusual(spent=today, expected=expected, factor=factor, same_weekday=same_weekday)
