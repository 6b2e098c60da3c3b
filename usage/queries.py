"""Every read of recorded usage: one aggregated statement each, nothing that grows with usage held in memory.

Two sources, two times. *Summaries* are totals per billing period, which `recorded_at` chose: they say what a
period bills. *Rollups* are totals by `occurred_at`: they say when calls happened, and are read by
`usage.analytics`. Usage that arrives late is in the open period's summary and in the rollups of the time it
happened at, so the two need not agree for the same dates.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.conf import settings
from django.db.models import Max, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import TruncDay

from usage.core.calendar import month_of, next_month
from usage.core.money import ZERO
from usage.models import (
    Account,
    APIProviderPricing,
    APIUsageLog,
    BillingPeriod,
    ProjectionMethod,
    UsageProjection,
    UsageRollup,
    UsageSummary,
)

Interval = Literal["hour", "day", "month"]

# The furthest row a page of the log may start at, and as far as rows are counted that no summary counts.
MAX_LOG_OFFSET = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What some calls add up to. Cost in USD, unrounded; `response_time_ms` summed over `timed_calls`."""

    calls: int = 0
    errors: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0
    searches: int = 0
    images: int = 0
    pages: int = 0
    characters: int = 0
    seconds: Decimal = ZERO
    response_time_ms: int = 0
    timed_calls: int = 0
    cost: Decimal = ZERO

    @property
    def tokens(self) -> int:
        """Input and output; cached and reasoning tokens are part of them and not counted twice."""
        return self.input_tokens + self.output_tokens

    @property
    def error_rate(self) -> Decimal:
        """Percent of the calls that were answered with status 400 or above; 0 without calls."""
        return Decimal(100 * self.errors) / self.calls if self.calls else ZERO

    @property
    def average_response_s(self) -> Decimal:
        """Seconds per call whose response time was reported; 0 without any."""
        return Decimal(self.response_time_ms) / 1000 / self.timed_calls if self.timed_calls else ZERO

    @property
    def cost_per_call(self) -> Decimal:
        """USD a call, failed ones included; 0 without calls."""
        return self.cost / self.calls if self.calls else ZERO

    @property
    def cost_per_1k_tokens(self) -> Decimal | None:
        """USD per thousand tokens, whatever the cost was for; None without tokens."""
        return 1000 * self.cost / self.tokens if self.tokens else None

    @property
    def cached_percent(self) -> Decimal:
        """Percent of the input tokens that were read from the provider's cache; 0 without any."""
        return Decimal(100 * self.cached_input_tokens) / self.input_tokens if self.input_tokens else ZERO

    @property
    def reasoning_percent(self) -> Decimal:
        """Percent of the output tokens that were spent on reasoning; 0 without any."""
        return Decimal(100 * self.reasoning_tokens) / self.output_tokens if self.output_tokens else ZERO

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(**{name: getattr(self, name) + getattr(other, name) for name in _COLUMNS})


_COLUMNS = tuple(column.name for column in fields(Totals))
# The sums cannot bear the names of the columns they add up.
_SUMS = {f"sum_{name}": Sum(name) for name in _COLUMNS}
NOTHING = Totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The totals of the calls that share `key`."""

    key: str
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The totals of the interval that begins at `start` (UTC)."""

    start: datetime
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """What a billing period is expected to cost in the end: USD. Without `by_weekdays` there is no range."""

    expected: Decimal
    low: Decimal | None
    high: Decimal | None
    by_weekdays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Rows of the log, newest first. `total_count` counts all rows that match, as `log_rows` says how."""

    rows: list[APIUsageLog]
    total_count: int
    has_more: bool


# --- Billing periods: what a period bills --------------------------------------------------------------


def period_at(account: Account, *, at: datetime) -> BillingPeriod | None:
    """The billing period that holds the instant `at`, or None when none has been opened for it."""
    return BillingPeriod.objects.filter(account=account, period_start__lte=at, period_end__gt=at).first()


def period_named(account: Account, *, year: int, month: int) -> BillingPeriod | None:
    """The billing period that starts in that UTC month; the last one where several do."""
    first, following = month_of(datetime(year, month, 1, tzinfo=UTC))
    starting = BillingPeriod.objects.filter(
        account=account, period_start__gte=first, period_start__lt=following
    )
    return starting.order_by("-period_start").first()


def period_totals(account: Account, *, period: BillingPeriod) -> Totals:
    """Everything `period` bills, late usage included."""
    return _total(UsageSummary.objects.filter(account=account, billing_period=period))


def period_by_provider(account: Account, *, period: BillingPeriod) -> dict[str, Totals]:
    """What `period` bills for each provider used in it, most expensive first."""
    return _by_provider(UsageSummary.objects.filter(account=account, billing_period=period))


def period_within_all_time(
    account: Account, *, period: BillingPeriod | None
) -> tuple[dict[str, Totals], int]:
    """As `period_by_provider`, nothing without a period; and how many calls were ever recorded."""
    sums: dict[str, Any] = {f"sum_{name}": Sum(name, filter=Q(billing_period=period)) for name in _COLUMNS}
    sums["ever"] = Sum("calls")
    providers = UsageSummary.objects.filter(account=account).values("provider")
    rows = list(_summed(providers, sums).order_by("provider"))
    used = [row for row in rows if row["sum_calls"] is not None] if period else []
    used.sort(key=lambda row: (-row["sum_cost"], -row["sum_calls"]))
    return {row["provider"]: _totals(row) for row in used}, sum(row["ever"] for row in rows)


def period_updated_at(account: Account, *, period: BillingPeriod) -> datetime | None:
    """When usage was last recorded in `period`; None when there is none."""
    summaries = UsageSummary.objects.filter(account=account, billing_period=period)
    latest: datetime | None = summaries.aggregate(latest=Max("updated_at"))["latest"]
    return latest


def projection_of(account: Account, *, at: datetime) -> UsageProjection | None:
    """What the billing period that holds the instant `at` was last projected to come to; None before that."""
    projections = UsageProjection.objects.filter(
        account=account, billing_period__period_start__lte=at, billing_period__period_end__gt=at
    )
    return projections.select_related("billing_period").first()


def projected_period(account: Account, *, at: datetime) -> tuple[BillingPeriod | None, Projected | None]:
    """The billing period that holds the instant `at`, and what it was last projected to come to."""
    known = UsageProjection.objects.filter(account=account, billing_period=OuterRef("pk"))
    columns = ("expected", "low", "high", "method")
    periods = BillingPeriod.objects.filter(account=account, period_start__lte=at, period_end__gt=at)
    period = periods.annotate(**{f"projected_{name}": known.values(name)[:1] for name in columns}).first()
    expected, low, high, method = (getattr(period, f"projected_{name}", None) for name in columns)
    if expected is None:
        return period, None
    by_weekdays = method == ProjectionMethod.WEEKDAYS
    return period, Projected(expected=expected, low=low, high=high, by_weekdays=by_weekdays)


def all_time_by_provider(account: Account) -> dict[str, Totals]:
    """What all billing periods of the account hold for each provider, most expensive first."""
    return _by_provider(UsageSummary.objects.filter(account=account))


def all_time_calls(account: Account) -> int:
    """How many calls of the account were ever recorded."""
    return _recorded_calls(account, provider=None, period=None)


# --- Rollups of all accounts: when calls happened ----------------------------------------------------


def cost_by_day(*, start: datetime, end: datetime) -> list[tuple[date, Decimal]]:
    """What the calls of all accounts that happened on each UTC day of [start, end), midnights, cost: USD."""
    hours = UsageRollup.objects.filter(hour__gte=start, hour__lt=end)
    rows = hours.values(day=TruncDay("hour", tzinfo=UTC)).annotate(spent=Sum("cost")).order_by()
    found = {row["day"]: row["spent"] for row in rows}
    return [(day.date(), found.get(day, ZERO)) for day in starts(start=start, end=end, interval="day")]


# --- The log, and prices -------------------------------------------------------------------------------


def log_rows(
    account: Account,
    *,
    limit: int,
    offset: int,
    provider: str | None = None,
    status_code: int | None = None,
    period: BillingPeriod | None = None,
) -> LogPage:
    """A page of the account's log, newest call first; `offset` at most MAX_LOG_OFFSET.

    `total_count` comes from the summaries, exactly, unless `status_code` filters: then rows are counted, no
    further than MAX_LOG_OFFSET. Rows whose month was pruned from the log remain in the summaries' count.
    Reads `limit` + 1 rows. Raises ValueError for a page out of bounds.
    """
    if limit < 1 or not 0 <= offset <= MAX_LOG_OFFSET:
        raise ValueError(f"a page needs a limit of at least 1 and an offset in 0..{MAX_LOG_OFFSET}")
    matching = _matching_rows(account, provider=provider, status_code=status_code, period=period)
    newest = matching.select_related("billing_period").order_by("-occurred_at", "-id")
    rows = list(newest[offset : offset + limit + 1])
    if status_code is None:
        total = _recorded_calls(account, provider=provider, period=period)
    else:
        total = matching.order_by()[:MAX_LOG_OFFSET].count()
    return LogPage(rows=rows[:limit], total_count=total, has_more=len(rows) > limit)


def prices_in_force(*, at: datetime, provider: str | None = None) -> list[APIProviderPricing]:
    """The price of every model that is valid at the instant `at`, by provider and model."""
    prices = APIProviderPricing.objects.filter(effective_from__lte=at)
    if provider is not None:
        prices = prices.filter(provider=provider)
    return list(
        prices.order_by("provider", "model_name", "-effective_from").distinct("provider", "model_name")
    )


# --- Intervals and sums --------------------------------------------------------------------------------


def start_of(at: datetime, *, interval: Interval) -> datetime:
    """The instant at which the UTC interval that holds `at` began."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    match interval:
        case "hour":
            return hour
        case "day":
            return hour.replace(hour=0)
        case "month":
            return month_of(hour)[0]


def next_start(start: datetime, *, interval: Interval) -> datetime:
    """The beginning of the interval after the one that begins at `start`."""
    match interval:
        case "hour":
            return start + timedelta(hours=1)
        case "day":
            return start + timedelta(days=1)
        case "month":
            return next_month(start)


def earlier_start(start: datetime, *, by: int, interval: Interval) -> datetime:
    """The beginning of the interval that comes `by` intervals before the one that begins at `start`."""
    match interval:
        case "hour":
            return start - timedelta(hours=by)
        case "day":
            return start - timedelta(days=by)
        case "month":
            months = 12 * start.year + start.month - 1 - by
            return start.replace(year=months // 12, month=months % 12 + 1)


def starts(*, start: datetime, end: datetime, interval: Interval) -> Iterator[datetime]:
    """The beginnings of the intervals that [start, end) touches, oldest first."""
    current = start_of(start, interval=interval)
    while current < end:
        yield current
        current = next_start(current, interval=interval)


def sum_of(parts: Iterable[Totals]) -> Totals:
    """All `parts` together."""
    return sum(parts, start=NOTHING)


def _summed(rows: QuerySet[Any, Any], sums: Mapping[str, Any] = _SUMS) -> QuerySet[Any, dict[str, Any]]:
    summed: QuerySet[Any, dict[str, Any]] = rows.annotate(**sums)
    return summed


def _total(rows: QuerySet[Any]) -> Totals:
    return _totals(rows.aggregate(**_SUMS))


def _by_provider(rows: QuerySet[Any]) -> dict[str, Totals]:
    grouped = _summed(rows.values("provider")).order_by("-sum_cost", "-sum_calls", "provider")
    return {row["provider"]: _totals(row) for row in grouped}


def _totals(row: Mapping[str, Any]) -> Totals:
    # A sum over no rows is NULL.
    sums = {name: row[f"sum_{name}"] for name in _COLUMNS}
    return Totals(**{name: amount for name, amount in sums.items() if amount is not None})


def _matching_rows(
    account: Account, *, provider: str | None, status_code: int | None, period: BillingPeriod | None
) -> QuerySet[APIUsageLog]:
    rows = APIUsageLog.objects.filter(account=account)
    if provider is not None:
        rows = rows.filter(provider=provider)
    if status_code is not None:
        rows = rows.filter(status_code=status_code)
    if period is not None:
        # No call of the period happened later than this, so the newest-first scan may begin here.
        latest = period.period_end + settings.INGEST_MAX_CLOCK_SKEW
        rows = rows.filter(billing_period=period, occurred_at__lt=latest)
    return rows


def _recorded_calls(account: Account, *, provider: str | None, period: BillingPeriod | None) -> int:
    summaries = UsageSummary.objects.filter(account=account)
    if provider is not None:
        summaries = summaries.filter(provider=provider)
    if period is not None:
        summaries = summaries.filter(billing_period=period)
    return summaries.aggregate(calls=Sum("calls", default=0))["calls"] or 0
