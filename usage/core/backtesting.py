"""How far forecasts were off: they are made as of past days, from what was known then, and compared.

Two targets. The *running month* at its end, as of several of its days (`core/forecasting.py`), and the *next
month*, as of several days of the month before (`core/outlook.py`). Both at midnight UTC, with at least two
weeks of history.

What they have to beat: the *run rate*, by which the average of the running month so far goes on (on the first
of a month, that of the month before); and the *seasonal naive* forecast, by which the last week is repeated.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from statistics import median

from usage.core.calendar import month_of, months_after, next_month
from usage.core.courses import DAYS_A_WEEK
from usage.core.forecasting import forecast
from usage.core.money import ZERO
from usage.core.outlook import FEWEST_DAYS, HISTORY_DAYS, outlook

DAYS_OF_THE_RUNNING_MONTH = (3, 5, 8, 12, 15, 20, 25)
DAYS_OF_THE_MONTH_BEFORE = (1, 8, 15, 22, 28)
DAY = timedelta(days=1)


class Target(StrEnum):
    RUNNING_MONTH = "running month"
    NEXT_MONTH = "next month"


class Method(StrEnum):
    FORECAST = "forecast"
    RUN_RATE = "run rate"
    SEASONAL_NAIVE = "seasonal naive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`costs` are those of the whole UTC days from `start` on, none left out. `kind` groups accounts."""

    kind: str
    start: date
    costs: Sequence[Decimal]

    def between(self, start: date, end: date) -> Sequence[Decimal]:
        """The costs of the days from `start` to before `end`, as far as they are known."""
        first, last = ((day - self.start).days for day in (start, end))
        return self.costs[max(first, 0) : max(last, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a month came to, and what was said of it as of one day."""

    kind: str
    target: Target
    made_on: date
    actual: Decimal
    said: Mapping[Method, Decimal]
    low: Decimal
    high: Decimal

    def error(self, method: Method) -> Decimal:
        """Percent of what the month came to, which is more than nothing."""
        return 100 * abs(self.said[method] - self.actual) / self.actual


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors in percent of what months came to; `coverage` and `width` of the range in percent."""

    trials: int
    median_error: Mapping[Method, Decimal]
    mean_error: Mapping[Method, Decimal]
    coverage: Decimal
    width: Decimal


def trials(series: Series) -> Iterator[Trial]:
    """Every trial that the days of `series` allow."""
    first = datetime(series.start.year, series.start.month, series.start.day, tzinfo=UTC)
    end = first + len(series.costs) * DAY
    start, _ = month_of(first)
    while (following := next_month(start)) <= end:
        if first <= start:
            yield from _trials(series, Target.RUNNING_MONTH, start=start, end=following)
        if next_month(following) <= end:
            yield from _trials(series, Target.NEXT_MONTH, start=following, end=next_month(following))
        start = following


def scores(trials: Iterable[Trial], *, by: Callable[[Trial], str]) -> dict[str, Score]:
    """The score of each group of trials, in the order in which groups occur."""
    groups: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        groups[by(trial)].append(trial)
    return {name: score(group) for name, group in groups.items()}


def score(trials: Sequence[Trial]) -> Score:
    """Of at least one trial. Months that came to nothing count for the coverage alone."""
    used = [trial for trial in trials if trial.actual > ZERO]
    errors = {method: [trial.error(method) for trial in used] or [ZERO] for method in Method}
    held = sum(trial.low <= trial.actual <= trial.high for trial in trials)
    widths = [100 * (trial.high - trial.low) / trial.actual for trial in used] or [ZERO]
    return Score(
        trials=len(trials),
        median_error={method: median(found) for method, found in errors.items()},
        mean_error={method: sum(found, start=ZERO) / len(found) for method, found in errors.items()},
        coverage=Decimal(100 * held) / len(trials),
        width=median(widths),
    )


def _trials(series: Series, target: Target, *, start: datetime, end: datetime) -> Iterator[Trial]:
    """Of the month in [start, end)."""
    running = target is Target.RUNNING_MONTH
    before = start if running else months_after(start, -1)
    for day in DAYS_OF_THE_RUNNING_MONTH if running else DAYS_OF_THE_MONTH_BEFORE:
        at = before.replace(day=day)
        history = series.between(series.start, at.date())[-HISTORY_DAYS:]
        if len(history) >= FEWEST_DAYS:
            yield _trial(series, history, target, at=at, start=start, end=end)


def _trial(
    series: Series,
    history: Sequence[Decimal],
    target: Target,
    *,
    at: datetime,
    start: datetime,
    end: datetime,
) -> Trial:
    spent = sum(series.between(start.date(), at.date()), start=ZERO)
    if target is Target.RUNNING_MONTH:
        found = forecast(history, spent=spent, start=start, end=end, at=at)
        expected, low, high = found.expected, found.low, found.high
    else:
        ahead = outlook(history, today=at.date())
        expected, low, high = ahead.expected or ZERO, ahead.low, ahead.high
    return Trial(
        kind=series.kind,
        target=target,
        made_on=at.date(),
        actual=sum(series.between(start.date(), end.date()), start=ZERO),
        said={
            Method.FORECAST: expected,
            Method.RUN_RATE: _run_rate(series, at=at) * ((end - start) // DAY),
            Method.SEASONAL_NAIVE: spent + _last_week_again(history, at=at, start=max(at, start), end=end),
        },
        low=low if low is not None else expected,
        high=high if high is not None else expected,
    )


def _run_rate(series: Series, *, at: datetime) -> Decimal:
    """What a day of the month so far cost on average."""
    start, _ = month_of(at - DAY)
    days = series.between(start.date(), at.date())
    return sum(days, start=ZERO) / len(days)


def _last_week_again(history: Sequence[Decimal], *, at: datetime, start: datetime, end: datetime) -> Decimal:
    week = history[-DAYS_A_WEEK:]
    ahead = range((start - at) // DAY, (end - at) // DAY)
    return sum((week[day % DAYS_A_WEEK] for day in ahead), start=ZERO)
