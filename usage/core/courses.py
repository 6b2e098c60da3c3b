"""How an account's days run: its level, where that is heading, its week and its spikes, and what follows.

Whole weeks are followed, the last one ending with the last day of history, in these steps:

1. Days that stand out (`core/anomalies.py`) are set to what was to be expected of them. What they cost beyond
   that is added at the end, as the mean of all days: spikes come back, but nobody knows when.
2. The logarithms of the weeks' totals are smoothed exponentially with a damped trend (Holt): the level
   follows a part of each surprise, the trend a part of that part, and each week ahead the trend is worth
   PERSISTENCE of what it was a week before. The parts are tried out on the account itself: those are taken
   that would have come closest, from each week of the past, to as many weeks as are asked for, as far ahead,
   and to the next week (which knows of the last weeks too). With fewer than FEWEST_TRIALS such weeks,
   USUAL_PARTS.
3. A day ahead costs its week's total times its weekday's share in the last twelve weeks' totals, of which an
   older week counts less, and one week of equal shares is added.
4. The range rests on what these trials were off by, as a share of the cost. They are few and overlap; so
   three are added that are off as much as is usual when a week differs from what the last ones let expect by
   the share √v: 0.04² + v × (1 / weeks asked for + 0.3 × weeks from now to their middle). v is the account's
   own, with two more weeks of 0.1². Of a week only in part, v × (7 / days - 1) comes on top. With the
   variance of the spikes this is the variance of a log-normal distribution: a cost is never below nothing,
   and more often far above what was expected than far below. The range is its middle 80 %.

docs/forecasting.md tells how well that does. Everything is in the unit of the days, unrounded.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from operator import attrgetter
from typing import NamedTuple

from usage.core.anomalies import spike
from usage.core.money import ZERO

DAYS_A_WEEK = 7
FEWEST_WEEKS = 3
# Whoever was idle for so long begins anew. From these shares on there is no course to follow.
BREAK_DAYS = 14
RECENT_WEEKS = 13
MOST_IDLE_ONE_IN = 3
MOST_SPIKES = Decimal("0.5")

PARTS_OF_A_SURPRISE = (Decimal("0.1"), Decimal("0.3"), Decimal("0.6"))
PARTS_FOR_THE_TREND = (ZERO, Decimal("0.05"), Decimal("0.2"))
USUAL_PARTS = (Decimal("0.3"), Decimal("0.1"))
PERSISTENCE = Decimal("0.95")
# Of the logarithm: a sixth more each week. Who grows faster than that is starting, and nobody does for long.
MOST_TREND = Decimal("0.15")
# The first weeks' states are guesses; and fewer trials than this decide nothing.
FIRST_TRIAL = 3
FEWEST_TRIALS = 5

WEEKS_OF_SHARES = 12
SHARE_OF_THE_WEEK_BEFORE = Decimal("0.9")

ADDED_TRIALS = 3
LEAST_ERROR = Decimal("0.04") ** 2
DRIFT_A_WEEK = Decimal("0.3")
ADDED_WEEKS = 2
USUAL_SURPRISE = Decimal("0.1") ** 2
WITHIN_80_PERCENT = Decimal("1.2816")

Weeks = Sequence[Decimal]


class Range(NamedTuple):
    """An amount that is expected, and the two between which it lies four times of five."""

    expected: Decimal
    low: Decimal
    high: Decimal


NOTHING = Range(ZERO, ZERO, ZERO)


class _State(NamedTuple):
    """After a week: the logarithm of its total but for chance, and by how much that grows."""

    level: Decimal
    trend: Decimal

    def after(self, growths: Decimal) -> Decimal:
        """The logarithm of a week's total after so many growths, as `_growths` counts them."""
        return self.level + min(max(self.trend, -MOST_TREND), MOST_TREND) * growths


@dataclass(frozen=True, slots=True)
class _Smoothing:
    """The states after each week, and what they were off by: in the trials, and for the next week each."""

    states: Sequence[_State]
    errors: Sequence[Decimal]
    surprises: Sequence[Decimal]

    @property
    def squares(self) -> Decimal:
        return sum((error**2 for error in (*self.errors, *self.surprises)), start=ZERO)


class Course:
    """What can be foreseen of an account whose days have a course; `course_of` finds out.

    `usual` are the days without their spikes, `logarithms` those of what whole weeks of them came to.
    """

    def __init__(self, days: Sequence[Decimal], *, usual: Sequence[Decimal]) -> None:
        self._spikes = [day - usual_day for day, usual_day in zip(days, usual, strict=True)]
        self.usual = usual
        self._weeks = _followed(weekly_totals(usual))
        self.logarithms = [total.ln() for total in self._weeks]
        self._shares = shares(usual)

    def ahead(self, parts: Sequence[Decimal], *, skipped: int = 0) -> Range:
        """What the days after the last known one come to, of each its part, the first `skipped` left out."""
        days = sum(parts, start=ZERO)
        if not days:
            return NOTHING
        weeks = max(round(days / DAYS_A_WEEK), 1)
        skipped_weeks = round(Decimal(skipped) / DAYS_A_WEEK)
        smoothing = self._closest(weeks, skipped_weeks)
        usual = sum(self._of_days(smoothing.states[-1], parts, skipped), start=ZERO)
        error = self._squared_error(smoothing, days, weeks, skipped_weeks)
        spikes, spread = self._of_spikes(days)
        return _log_normal(usual + spikes, variance=usual**2 * error + spread)

    def _closest(self, weeks: int, skipped: int) -> _Smoothing:
        """The smoothing whose trials came closest, or the usual one."""
        logarithms = [
            (sum(self._weeks[first : first + weeks], start=ZERO) / weeks).ln()
            for first in range(FIRST_TRIAL + 1 + skipped, len(self._weeks) - weeks + 1)
        ]
        growths = _growths(skipped + Decimal(weeks + 1) / 2)
        usual = self._smoothed(USUAL_PARTS, logarithms, growths)
        if len(logarithms) < FEWEST_TRIALS:
            return usual
        tried = (
            self._smoothed(parts, logarithms, growths)
            for parts in product(PARTS_OF_A_SURPRISE, PARTS_FOR_THE_TREND)
        )
        return min(tried, key=attrgetter("squares"))

    def _smoothed(
        self, parts: tuple[Decimal, Decimal], targets: Sequence[Decimal], growths: Decimal
    ) -> _Smoothing:
        states = list(_states(self.logarithms, parts))
        # The last states have no target yet.
        trials = zip(states[FIRST_TRIAL:], targets, strict=False)
        following = zip(states[1:], self.logarithms[2:], strict=False)
        return _Smoothing(
            states=states,
            errors=[target - state.after(growths) for state, target in trials],
            surprises=[logarithm - state.after(PERSISTENCE) for state, logarithm in following],
        )

    def _of_days(self, state: _State, parts: Sequence[Decimal], skipped: int) -> Iterator[Decimal]:
        # From the middle of the last week to the middle of the first day are four days.
        a_day = PERSISTENCE ** (1 / Decimal(DAYS_A_WEEK))
        left = a_day ** (skipped + 4)
        for number, part in enumerate(parts, start=skipped):
            yield part * self._shares[number % DAYS_A_WEEK] * state.after(_growths_left(left)).exp()
            left *= a_day

    def _squared_error(self, smoothing: _Smoothing, days: Decimal, weeks: int, skipped: int) -> Decimal:
        """Of the usual cost of these days, as a share of it."""
        v = _mean_square(smoothing.surprises, added=ADDED_WEEKS, each=USUAL_SURPRISE)
        usual = LEAST_ERROR + v * (1 / Decimal(weeks) + DRIFT_A_WEEK * (skipped + Decimal(weeks) / 2))
        # Trials that overlap are not as many.
        worth = Decimal(len(smoothing.errors)) / weeks
        seen = _mean_square(smoothing.errors) * worth
        shorter = max(DAYS_A_WEEK / days - 1, ZERO)
        return (seen + ADDED_TRIALS * usual) / (worth + ADDED_TRIALS) + v * shorter

    def _of_spikes(self, days: Decimal) -> tuple[Decimal, Decimal]:
        """What spikes add, and its variance."""
        known = len(self._spikes)
        mean = sum(self._spikes, start=ZERO) / known
        variance = sum(((spike - mean) ** 2 for spike in self._spikes), start=ZERO) / known
        return mean * days, variance * (days + days**2 / known)


def course_of(days: Sequence[Decimal]) -> Course | None:
    """The course of whole days without a gap, the oldest first.

    Only the days after the last BREAK_DAYS without any use count. None with less than FEWEST_WEEKS of these,
    and where there is nothing to follow: of the last RECENT_WEEKS one came to nothing or more than a third of
    the days did, or more than half of all amounts were spikes.
    """
    days = _since_break(days)
    recent = days[-RECENT_WEEKS * DAYS_A_WEEK :]
    idle = sum(day <= ZERO for day in recent)
    if len(days) < FEWEST_WEEKS * DAYS_A_WEEK or idle * MOST_IDLE_ONE_IN > len(recent):
        return None
    usual = without_spikes(days)
    followed = min(weekly_totals(usual[-len(recent) :])) > ZERO
    if not followed or sum(usual, start=ZERO) < (1 - MOST_SPIKES) * sum(days, start=ZERO):
        return None
    return Course(days, usual=usual)


def without_spikes(days: Sequence[Decimal]) -> list[Decimal]:
    """The days, those that stand out above the others as they were to be expected."""
    expected = (spike(days, number) for number in range(len(days)))
    return [day if usual is None else usual for day, usual in zip(days, expected, strict=True)]


def shares(days: Sequence[Decimal]) -> list[Decimal]:
    """What part of a week each weekday makes, the first one that of the day after the last known one."""
    added = Decimal(1) / DAYS_A_WEEK
    sums, weight, weights = [added] * DAYS_A_WEEK, Decimal(1), Decimal(1)
    for end in range(
        len(days), max(len(days) - WEEKS_OF_SHARES * DAYS_A_WEEK, DAYS_A_WEEK - 1), -DAYS_A_WEEK
    ):
        week = days[end - DAYS_A_WEEK : end]
        total = sum(week, start=ZERO)
        if total > ZERO:
            sums = [known + weight * day / total for known, day in zip(sums, week, strict=True)]
            weights += weight
        weight *= SHARE_OF_THE_WEEK_BEFORE
    return [known / weights for known in sums]


def weekly_totals(days: Sequence[Decimal]) -> list[Decimal]:
    """What whole weeks came to, the last one ending with the last day."""
    first = len(days) % DAYS_A_WEEK
    return [
        sum(days[start : start + DAYS_A_WEEK], start=ZERO) for start in range(first, len(days), DAYS_A_WEEK)
    ]


def _since_break(days: Sequence[Decimal]) -> Sequence[Decimal]:
    idle = 0
    for number in range(len(days) - 1, -1, -1):
        idle = 0 if days[number] > ZERO else idle + 1
        if idle == BREAK_DAYS:
            return days[number + BREAK_DAYS :]
    return days


def _followed(weeks: Sequence[Decimal]) -> Sequence[Decimal]:
    """The weeks after the last one that came to nothing."""
    idle = [number for number, week in enumerate(weeks) if week <= ZERO]
    return weeks[idle[-1] + 1 :] if idle else weeks


def _states(logarithms: Sequence[Decimal], parts: tuple[Decimal, Decimal]) -> Iterator[_State]:
    of_surprise, for_trend = parts
    level, trend = logarithms[0], ZERO
    yield _State(level, trend)
    for number, logarithm in enumerate(logarithms[1:], start=2):
        trend *= PERSISTENCE
        surprise = logarithm - level - trend
        # The first weeks are averaged.
        followed = max(of_surprise, 1 / Decimal(number)) * surprise
        level += trend + followed
        trend += for_trend * followed
        yield _State(level, trend)


def _growths(weeks: Decimal) -> Decimal:
    """How many times the trend of now a level grows in so many weeks: damped, so fewer."""
    return _growths_left(PERSISTENCE**weeks)


def _growths_left(persistence: Decimal) -> Decimal:
    return PERSISTENCE * (1 - persistence) / (1 - PERSISTENCE)


def _mean_square(errors: Sequence[Decimal], *, added: int = 0, each: Decimal = ZERO) -> Decimal:
    """Of the errors, and of so many added ones of that square; 0 of none."""
    number = len(errors) + added
    return (sum((error**2 for error in errors), start=ZERO) + added * each) / number if number else ZERO


def _log_normal(mean: Decimal, *, variance: Decimal) -> Range:
    """The middle 80 % of the log-normal distribution with this mean and variance."""
    square = (1 + variance / mean**2).ln()
    reach = WITHIN_80_PERCENT * square.sqrt()
    low, high = ((square / -2 + sign * reach).exp() * mean for sign in (-1, 1))
    # Of an extremely uncertain amount nearly all is below its mean.
    return Range(mean, min(low, mean), max(high, mean))
