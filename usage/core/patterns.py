"""What is typical of somebody's usage: the hours of a day, the way it goes, who uses much. Pure arithmetic.

Each rule is a comparison with the account's own middle, so that it means the same for small and large ones:

- A *peak* is an hour of the day (UTC) with at least one and a half times the calls of the average hour; such
  hours next to each other are one peak.
- A *trend* compares the last weeks with as many weeks before them, so that both have the same weekdays. A
  change of less than 10 percent is none.
- *Heavy* is who costs at least three times, *light* who costs at most a third of what the middle one costs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from statistics import median

from usage.core.money import ZERO

HOURS_A_DAY = 24
DAYS_A_WEEK = 7
PEAK_FACTOR = Decimal("1.5")
SMALLEST_CHANGE_PERCENT = Decimal(10)
HEAVY_FACTOR = Decimal(3)
# With fewer there is no middle to compare with.
FEWEST_TO_COMPARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """`hours` hours of the day from `start` (0 to 23, UTC) on, over midnight where it comes to that, and the
    percentage of all calls that were made in them.
    """

    start: int
    hours: int
    percent: Decimal

    def __str__(self) -> str:
        return f"{self.start:02}:00-{(self.start + self.hours) % HOURS_A_DAY:02}:00"


class Direction(StrEnum):
    """Which way it goes; unknown with too few days, and where nothing was spent."""

    INCREASING = "increasing"
    DECREASING = "decreasing"
    STABLE = "stable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What the last `weeks` weeks came to, against the `weeks` before; `percent` is None from nothing."""

    direction: Direction
    weeks: int = 0
    before: Decimal = ZERO
    now: Decimal = ZERO
    percent: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """What the one in the middle costs, and from where on and up to where others stand out."""

    typical: Decimal

    def is_heavy(self, cost: Decimal) -> bool:
        return cost > self.typical and cost >= HEAVY_FACTOR * self.typical

    def is_light(self, cost: Decimal) -> bool:
        return cost < self.typical and cost * HEAVY_FACTOR <= self.typical


def peaks(calls: Sequence[int]) -> list[Peak]:
    """The peaks of a day whose 24 hours had `calls`, the busiest first.

    Of 240 calls the average hour has 10, so an hour with 15 is a peak: 15, 20 and 25 from 9:00 on are one
    peak of 60 calls, 25 percent of all, from 9:00 to 12:00.
    """
    total = sum(calls)
    busy = [number > 0 and number * HOURS_A_DAY >= PEAK_FACTOR * total for number in calls]
    found = []
    # Not all hours can be above the average: each run begins after an hour that is not in it.
    for start in (hour for hour in range(HOURS_A_DAY) if busy[hour] and not busy[hour - 1]):
        run = _run(busy, start)
        made = sum(calls[hour] for hour in run)
        found.append(Peak(start=start, hours=len(run), percent=Decimal(100 * made) / total))
    return sorted(found, key=lambda peak: (-peak.percent, peak.start))


def growth_percent(before: Decimal, now: Decimal) -> Decimal | None:
    """By how many percent `now` is more than `before`, negative where it is less; None from nothing."""
    return 100 * (now - before) / before if before else None


def trend(days: Sequence[Decimal]) -> Trend:
    """Where the amounts of whole `days`, without a gap and oldest first, are going.

    Of 30 days the last two weeks are compared with the two before; the first two days are left out. 28 and
    31 USD are an increase of 3 / 28 = 10.7 percent. It takes two weeks at least.
    """
    weeks = len(days) // (2 * DAYS_A_WEEK)
    half = weeks * DAYS_A_WEEK
    if not weeks or not any(days[-2 * half :]):
        return Trend(direction=Direction.UNKNOWN)
    before, now = sum(days[-2 * half : -half], ZERO), sum(days[-half:], ZERO)
    percent = growth_percent(before, now)
    return Trend(direction=_direction(percent), weeks=weeks, before=before, now=now, percent=percent)


def middle(costs: Iterable[Decimal]) -> Middle | None:
    """The median of what each one cost; None of fewer than three. Of 1, 2, 2, 6, 9 USD it is 2: heavy are
    the 6 and the 9; light would be 0.66, which nobody is.
    """
    known = list(costs)
    return Middle(typical=median(known)) if len(known) >= FEWEST_TO_COMPARE else None


def _run(busy: Sequence[bool], start: int) -> list[int]:
    """The hours from `start` on that are busy without a break, over midnight."""
    run = []
    hour = start
    while busy[hour % HOURS_A_DAY]:
        run.append(hour % HOURS_A_DAY)
        hour += 1
    return run


def _direction(percent: Decimal | None) -> Direction:
    if percent is None or percent >= SMALLEST_CHANGE_PERCENT:
        return Direction.INCREASING
    return Direction.DECREASING if percent <= -SMALLEST_CHANGE_PERCENT else Direction.STABLE
