"""What the usage page shows of one account, gathered from `usage.queries` and ready to be laid out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal

from alwrity_billing.dashboard.charts import Chart, Stack, stacked_bars
from alwrity_billing.dashboard.figures import usd
from usage import analytics, queries
from usage.analytics import Dimension, GroupedSlice, Selection
from usage.core.money import ZERO
from usage.models import Account, APIUsageLog, BillingPeriod
from usage.providers import name_of
from usage.queries import NOTHING, Totals

DAYS = 30
# More colours than these cannot be told apart; what is left shares the last one.
TONES = ("1", "2", "3", "4", "5", "6")
REST_TONE = "rest"
MOST_MODELS = 12
RECENT_CALLS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table of totals. `share` is percent of the period's cost, `tone` its colour in the chart."""

    name: str
    totals: Totals
    share: Decimal
    tone: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One colour of the chart: whom it stands for, and what that adds up to."""

    tone: str
    name: str
    providers: tuple[str, ...]
    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One UTC day: the cost of each series, in their order, and of all."""

    day: date
    amounts: tuple[Decimal, ...]
    cost: Decimal
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """Cost per day of the last DAYS days, oldest first, as a chart and as its numbers."""

    chart: Chart
    series: tuple[Series, ...]
    days: tuple[Day, ...]
    cost: Decimal
    calls: int
    peak: Day

    @property
    def average(self) -> Decimal:
        """USD per day, idle days and the running one included."""
        return self.cost / len(self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The page. `period` is None while none is open; `earlier` holds what the period bills from before it."""

    period: BillingPeriod | None
    totals: Totals
    providers: tuple[Line, ...]
    models: tuple[Line, ...]
    earlier: Line | None
    daily: Daily
    recent: Sequence[APIUsageLog]
    recorded_calls: int

    @property
    def last_day(self) -> date | None:
        """The last day that the period includes; its end is the first instant after it."""
        return (self.period.period_end - timedelta(microseconds=1)).date() if self.period else None


def overview_of(account: Account, *, at: datetime) -> Overview:
    """The account's usage as of `at`: the billing period open then, and the last DAYS UTC days with today."""
    period = queries.period_at(account, at=at)
    by_provider = queries.period_by_provider(account, period=period) if period else {}
    by_model = _models_of(account, period=period)
    totals = queries.sum_of(by_provider.values())
    daily = daily_of(account, at=at)
    tones = {provider: series.tone for series in daily.series for provider in series.providers}
    newest = queries.log_rows(account, limit=RECENT_CALLS, offset=0)
    return Overview(
        period=period,
        totals=totals,
        providers=tuple(
            Line(
                name=name_of(provider),
                totals=part,
                share=_share(part, of=totals),
                tone=tones.get(provider, ""),
            )
            for provider, part in by_provider.items()
        ),
        models=model_lines(by_model, of=totals),
        earlier=_earlier(totals, listed=by_model),
        daily=daily,
        recent=newest.rows,
        recorded_calls=newest.total_count,
    )


def daily_of(account: Account, *, at: datetime) -> Daily:
    """Cost per UTC day and provider of the DAYS days that end with the one holding `at`."""
    midnight = queries.start_of(at, interval="day")
    selection = Selection(
        account=account, start=midnight - timedelta(days=DAYS - 1), end=midnight + timedelta(days=1)
    )
    slices = analytics.grouped_over_time(selection, interval="day", by=Dimension.PROVIDER)
    series = series_of(slices)
    days = tuple(_day(piece, series=series) for piece in slices)
    return Daily(
        chart=stacked_bars([_stack(day, series=series) for day in days], tones=[one.tone for one in series]),
        series=series,
        days=days,
        cost=sum((day.cost for day in days), start=ZERO),
        calls=sum(day.calls for day in days),
        peak=max(days, key=lambda day: day.cost),
    )


def series_of(slices: Iterable[GroupedSlice]) -> tuple[Series, ...]:
    """A series for each of the most expensive providers, as many as there are tones; the rest share one."""
    costs: dict[str, Decimal] = {}
    for piece in slices:
        for provider, totals in piece.groups.items():
            costs[provider] = costs.get(provider, ZERO) + totals.cost
    ranked = sorted(costs, key=lambda provider: (-costs[provider], provider))
    series = [
        Series(tone=tone, name=name_of(provider), providers=(provider,), cost=costs[provider])
        for tone, provider in zip(TONES, ranked, strict=False)
    ]
    rest = tuple(ranked[len(TONES) :])
    if rest:
        name = f"{len(rest)} other providers" if len(rest) > 1 else name_of(rest[0])
        cost = sum((costs[provider] for provider in rest), start=ZERO)
        series.append(Series(tone=REST_TONE, name=name, providers=rest, cost=cost))
    return tuple(series)


def model_lines(groups: Sequence[queries.Group], *, of: Totals) -> tuple[Line, ...]:
    """The MOST_MODELS most expensive models as lines, the others together in one more."""
    lines = []
    for group in groups[:MOST_MODELS]:
        provider, _, model = group.key.partition("/")
        name, detail = (model, name_of(provider)) if model else (name_of(provider), "")
        share = _share(group.totals, of=of)
        lines.append(Line(name=name, detail=detail, totals=group.totals, share=share))
    others = groups[MOST_MODELS:]
    if others:
        totals = queries.sum_of(group.totals for group in others)
        name = f"{len(others)} other model{'s' if len(others) > 1 else ''}"
        lines.append(Line(name=name, totals=totals, share=_share(totals, of=of)))
    return tuple(lines)


def _models_of(account: Account, *, period: BillingPeriod | None) -> Sequence[queries.Group]:
    if period is None:
        return []
    # Usage is rolled up by the hour, and a period may begin within one.
    start = queries.start_of(period.period_start, interval="hour")
    selection = Selection(account=account, start=start, end=period.period_end)
    return analytics.grouped(selection, by=Dimension.MODEL).groups


def _earlier(totals: Totals, *, listed: Iterable[queries.Group]) -> Line | None:
    """What the period bills beyond the calls that happened in it; None when that is nothing."""
    happened = queries.sum_of(group.totals for group in listed)
    names = [column.name for column in fields(Totals)]
    rest = Totals(**{name: getattr(totals, name) - getattr(happened, name) for name in names})
    if rest.calls <= 0:
        return None
    return Line(name="Earlier calls", totals=rest, share=_share(rest, of=totals))


def _share(part: Totals, *, of: Totals) -> Decimal:
    return 100 * part.cost / of.cost if of.cost else ZERO


def _day(piece: GroupedSlice, *, series: Sequence[Series]) -> Day:
    amounts = tuple(
        sum((piece.groups.get(provider, NOTHING).cost for provider in one.providers), start=ZERO)
        for one in series
    )
    totals = piece.totals
    return Day(day=piece.start.date(), amounts=amounts, cost=totals.cost, calls=totals.calls)


def _stack(day: Day, *, series: Sequence[Series]) -> Stack:
    return Stack(
        label=f"{day.day.day} {day.day:%b}",
        headline=f"{day.day:%a} {day.day.day} {day.day:%b}: {usd(day.cost)}, {day.calls:,} calls",
        details=tuple(
            f"{one.name} {usd(amount)}" for one, amount in zip(series, day.amounts, strict=True) if amount
        ),
        amounts=day.amounts,
    )
