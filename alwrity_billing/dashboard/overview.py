"""What the overview shows of one account, gathered from `usage.queries` and ready to be laid out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal

from alerts import inbox
from alerts.models import UsageAlert
from alwrity_billing.dashboard.alert_cards import Card, card_of
from alwrity_billing.dashboard.limit_bars import LimitBars, bars_of
from alwrity_billing.dashboard.series import Drawing, drawing_of
from alwrity_billing.dashboard.shares import share_of
from alwrity_billing.dashboard.spending import Spending, spending_of
from usage import analytics, browsing, limits, queries
from usage.analytics import Dimension, Selection
from usage.models import Account, APIUsageLog, BillingPeriod
from usage.providers import name_of
from usage.queries import Totals

DAYS = 30
MOST_MODELS = 12
RECENT_CALLS = 10
OPEN_ALERTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table of totals. `share` is percent of the period's cost, `tone` its colour in the chart."""

    name: str
    totals: Totals
    share: Decimal
    tone: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The page. `period` is None while none is open; `earlier` holds what the period bills from before it."""

    period: BillingPeriod | None
    totals: Totals
    spending: Spending
    limits: LimitBars
    alerts: Sequence[Card]
    providers: tuple[Line, ...]
    models: tuple[Line, ...]
    earlier: Line | None
    daily: Drawing
    recent: Sequence[APIUsageLog]
    recorded_calls: int
    version: str

    @property
    def last_day(self) -> date | None:
        """The last day that the period includes; its end is the first instant after it."""
        return (self.period.period_end - timedelta(microseconds=1)).date() if self.period else None


def overview_of(account: Account, *, at: datetime) -> Overview:
    """The account's usage as of `at`: the billing period open then, and the last DAYS UTC days with today."""
    period, projected = queries.projected_period(account, at=at)
    by_provider, recorded_calls = queries.period_within_all_time(account, period=period)
    by_model = _models_of(account, period=period)
    totals = queries.sum_of(by_provider.values())
    daily = daily_of(account, at=at)
    states = limits.states(account, at=at)
    alerts = inbox.page_of(account, limit=OPEN_ALERTS, show=inbox.Show.OPEN).alerts
    return Overview(
        period=period,
        totals=totals,
        spending=spending_of(totals.cost, projected=projected, states=states),
        limits=bars_of(states),
        alerts=[card_of(alert) for alert in alerts],
        providers=tuple(
            Line(
                name=name_of(provider),
                totals=part,
                share=share_of(part, totals.cost),
                tone=daily.tones.get(provider, ""),
            )
            for provider, part in by_provider.items()
        ),
        models=model_lines(by_model, of=totals),
        earlier=_earlier(totals, listed=by_model),
        daily=daily,
        recent=browsing.newest(account, limit=RECENT_CALLS),
        recorded_calls=recorded_calls,
        version=version_of(recorded_calls, alerts),
    )


def current_version(account: Account) -> str:
    """The `version` that the account's overview would have now, at the cost of two small queries."""
    alerts = inbox.page_of(account, limit=OPEN_ALERTS, show=inbox.Show.OPEN).alerts
    return version_of(queries.all_time_calls(account), alerts)


def version_of(recorded_calls: int, alerts: Sequence[UsageAlert]) -> str:
    """What differs whenever something was recorded, or an alert came or went."""
    return ".".join(map(str, (recorded_calls, *(alert.pk for alert in alerts))))


def daily_of(account: Account, *, at: datetime) -> Drawing:
    """Cost per UTC day and provider of the DAYS days that end with the one holding `at`."""
    midnight = queries.start_of(at, interval="day")
    selection = Selection(
        account=account, start=midnight - timedelta(days=DAYS - 1), end=midnight + timedelta(days=1)
    )
    slices = analytics.grouped_over_time(selection, interval="day", by=Dimension.PROVIDER)
    return drawing_of(
        slices, interval="day", name=name_of, rest=lambda providers: f"{providers} other providers"
    )


def model_lines(groups: Sequence[queries.Group], *, of: Totals) -> tuple[Line, ...]:
    """The MOST_MODELS most expensive models as lines, the others together in one more."""
    lines = []
    for group in groups[:MOST_MODELS]:
        provider, _, model = group.key.partition("/")
        name, detail = (model, name_of(provider)) if model else (name_of(provider), "")
        share = share_of(group.totals, of.cost)
        lines.append(Line(name=name, detail=detail, totals=group.totals, share=share))
    others = groups[MOST_MODELS:]
    if others:
        totals = queries.sum_of(group.totals for group in others)
        name = f"{len(others)} other model{'s' if len(others) > 1 else ''}"
        lines.append(Line(name=name, totals=totals, share=share_of(totals, of.cost)))
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
    return Line(name="Earlier calls", totals=rest, share=share_of(rest, totals.cost))
