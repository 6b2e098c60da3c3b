"""What the next calendar month is expected to cost, and what an account's days show: trend, week, odd days.

The month is forecast by the course of the account's weeks (`core/courses.py`). Accounts that have none,
because they are used now and then, are expected to go on as in the last year, by their weekdays
(`Weeks` of `core/forecasting.py`, with a longer memory: a week weighs 0.93 times as much as the next); if
they are idle for longer than ever before, as in the last eight weeks.

docs/forecasting.md tells how well that does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import combinations, pairwise
from statistics import median

from usage.core.anomalies import OddDay, odd_days
from usage.core.calendar import month_of, next_month
from usage.core.courses import DAYS_A_WEEK, Course, Range, course_of, shares, weekly_totals
from usage.core.forecasting import MOST_DAYS, WEIGHT_OF_THE_WEEK_BEFORE, Weeks, days_left
from usage.core.money import COST_MAX_DIGITS, ZERO

# A year of whole weeks.
HISTORY_DAYS = 52 * DAYS_A_WEEK
FEWEST_DAYS = 2 * DAYS_A_WEEK
LONG_MEMORY = Decimal("0.93")
RUN_RATE_DAYS = 4 * DAYS_A_WEEK
DAYS_A_MONTH = 30
# The weeks a trend is drawn through.
TREND_WEEKS = 13
FEWEST_TREND_WEEKS = 4
PATTERN_WEEKS = 12
ANOMALY_DAYS = 90
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekPattern:
    """What a day of the week costs in relation to an average day (1), from Monday to Sunday.

    `strength` is how much of the difference between the days of a week that explains: 0 nothing, 1 all of it.
    """

    factors: tuple[Decimal, ...]
    strength: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The calendar month (UTC) that begins on `month`, in USD, unrounded; and what it rests on.

    `expected`, `low`, `high`, `run_rate` and `week` are None while `missing` says what is missing. `low` and
    `high` are meant to hold four months of five. `run_rate` is what the month costs if its days cost what
    the last 28 did on average. `growth` is a share of the cost a month (0.05: 5 % more each month), None
    where weeks do not follow each other. The anomalies are those of the last ANOMALY_DAYS, the oldest
    first.
    """

    month: date
    days_of_history: int
    known_from: date | None = None
    expected: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    run_rate: Decimal | None = None
    growth: Decimal | None = None
    week: WeekPattern | None = None
    anomalies: tuple[OddDay, ...] = ()

    @property
    def missing(self) -> str | None:
        """A sentence for people: what a forecast lacks, and when it will be there."""
        if self.expected is not None:
            return None
        needed = f"A forecast needs {FEWEST_DAYS} whole days of usage"
        if self.known_from is None:
            return f"{needed}; there is none yet."
        known = f"{self.days_of_history} are" if self.days_of_history > 1 else "1 is"
        return f"{needed}; {known} known. It will be here from {self.known_from} on."


def outlook(history: Sequence[Decimal], *, today: date) -> Outlook:
    """The outlook on the month after that of `today`.

    `history` holds the costs of whole UTC days without a gap, oldest first, the last one yesterday's. Of more
    than HISTORY_DAYS the last ones count.
    """
    with localcontext(prec=COST_MAX_DIGITS):
        return _outlook(history[-HISTORY_DAYS:], today=today)


def _outlook(history: Sequence[Decimal], *, today: date) -> Outlook:
    at = datetime(today.year, today.month, today.day, tzinfo=UTC)
    _, start = month_of(at)
    days = len(history)
    if days < FEWEST_DAYS:
        begins = today + (FEWEST_DAYS - days) * DAY if days else None
        return Outlook(month=start.date(), days_of_history=days, known_from=begins)
    course = course_of(history)
    month = _month(history, course, at=at, start=start)
    recent = history[-RUN_RATE_DAYS:]
    first, since = today - days * DAY, today - ANOMALY_DAYS * DAY
    return Outlook(
        month=start.date(),
        days_of_history=days,
        expected=month.expected,
        low=month.low,
        high=month.high,
        run_rate=sum(recent, start=ZERO) / len(recent) * ((next_month(start) - start) // DAY),
        growth=None if course is None else growth(course.logarithms),
        week=week_pattern(history if course is None else course.usual, today=today),
        anomalies=tuple(odd for odd in odd_days(history, start=first) if odd.day >= since),
    )


def _month(history: Sequence[Decimal], course: Course | None, *, at: datetime, start: datetime) -> Range:
    """What the month from `start` on comes to."""
    days = list(days_left(at=start, end=next_month(start)))
    if course is not None:
        return course.ahead([part for _, part in days], skipped=(start - at) // DAY)
    if _has_stopped(history):
        return Weeks(history, at=at, most_days=MOST_DAYS, weight=WEIGHT_OF_THE_WEEK_BEFORE).range(days)
    return Weeks(history, at=at, most_days=HISTORY_DAYS, weight=LONG_MEMORY).range(days)


def _has_stopped(history: Sequence[Decimal]) -> bool:
    """Whether an account has been idle for longer than ever between two days with use."""
    used = [number for number, day in enumerate(history) if day > ZERO]
    pauses = [later - earlier for earlier, later in pairwise(used)]
    return not used or len(history) - used[-1] > max(pauses, default=DAYS_A_WEEK)


def growth(logarithms: Sequence[Decimal]) -> Decimal | None:
    """By which share weeks grow in DAYS_A_MONTH, from the logarithms of what they came to: the median of the
    growth between any two of the last TREND_WEEKS (Theil and Sen), which a few odd weeks do not move. None
    with fewer than FEWEST_TREND_WEEKS.
    """
    logarithms = logarithms[-TREND_WEEKS:]
    if len(logarithms) < FEWEST_TREND_WEEKS:
        return None
    slopes = (
        (later - earlier) / (end - start)
        for (start, earlier), (end, later) in combinations(enumerate(logarithms), 2)
    )
    return (median(slopes) * DAYS_A_MONTH / DAYS_A_WEEK).exp() - 1


def week_pattern(days: Sequence[Decimal], *, today: date) -> WeekPattern:
    """The pattern of whole days, the last one the day before `today`."""
    by_position = [DAYS_A_WEEK * share for share in shares(days)]
    # The first position is that of today's weekday.
    factors = tuple(by_position[(weekday - today.weekday()) % DAYS_A_WEEK] for weekday in range(DAYS_A_WEEK))
    return WeekPattern(factors=factors, strength=_strength(days, by_position))


def _strength(days: Sequence[Decimal], factors: Sequence[Decimal]) -> Decimal:
    """The explained part of the variance of days in relation to their week, less what seven factors explain
    of mere chance.
    """
    recent = days[-PATTERN_WEEKS * DAYS_A_WEEK :]
    recent = recent[len(recent) % DAYS_A_WEEK :]
    relations = [
        [DAYS_A_WEEK * day / total for day in recent[number * DAYS_A_WEEK : (number + 1) * DAYS_A_WEEK]]
        for number, total in enumerate(weekly_totals(recent))
        if total > ZERO
    ]
    whole = sum(((day - 1) ** 2 for week in relations for day in week), start=ZERO)
    if len(relations) < 2 or not whole:
        return ZERO
    left = sum(
        ((day - factor) ** 2 for week in relations for day, factor in zip(week, factors, strict=True)),
        start=ZERO,
    )
    chance = Decimal(len(relations)) / (len(relations) - 1)
    return max(1 - chance * left / whole, ZERO)
