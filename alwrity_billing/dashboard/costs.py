"""What the costs page shows of one month: where the money goes, what drives its change, what comes next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from alwrity_billing.dashboard.exploring import PLURALS, called, change
from alwrity_billing.dashboard.months import DAY, ShownMonth
from alwrity_billing.dashboard.series import Drawing, drawing_of
from alwrity_billing.dashboard.shares import share_of
from usage import analytics, inefficiencies, outlook, queries
from usage.analytics import Breakdown, Dimension, GroupedSlice, Selection
from usage.core.anomalies import OddDay
from usage.core.cost_changes import Causes, CostChange, Used, cost_changes, together
from usage.core.money import ZERO
from usage.core.outlook import Outlook
from usage.inefficiencies import Inefficiency
from usage.models import Account
from usage.providers import name_of
from usage.queries import NOTHING, Totals

# Rows that people still compare; the usage page has all.
MOST_LINES = 12
# Stands for the models that are not told apart for being too many.
OTHERS = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of a table: its totals, its part of the cost in percent, and the usage page's query for it."""

    name: str
    detail: str = ""
    totals: Totals
    share: Decimal
    query: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLine:
    """A model, or several together: what it cost, what it costs, and why."""

    name: str
    detail: str = ""
    before: Decimal
    now: Decimal
    causes: Causes
    is_new: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A month against the one before it: the first `days` days of both, or all of each.

    `changes` add up to `causes`, and these to what `now` is more than `before`.
    """

    month: ShownMonth
    days: int
    before: Decimal
    now: Decimal
    percent: Decimal | None
    causes: Causes
    changes: Sequence[ChangeLine]
    started: Sequence[str]
    stopped: Sequence[str]

    @property
    def words(self) -> str:
        """ "1–14 March with 1–14 February", "March with February"."""
        now, before = f"{self.month.start:%B}", f"{self.month.before.start:%B}"
        if not self.month.is_running:
            return f"{now} with {before}"
        span = "1" if self.days == 1 else f"1–{self.days}"
        return f"{span} {now} with {span} {before}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The page. `comparison` is None before the first day of the month is over."""

    month: ShownMonth
    totals: Totals
    models: Sequence[Line]
    endpoints: Sequence[Line]
    daily: Drawing
    unusual: Sequence[OddDay]
    comparison: Comparison | None
    outlook: Outlook
    inefficiencies: Sequence[Inefficiency]

    @property
    def growth_percent(self) -> Decimal | None:
        """By how many percent weeks grow in a month."""
        return None if self.outlook.growth is None else 100 * self.outlook.growth


def costs_of(account: Account, month: ShownMonth) -> Costs:
    """The account's month; four statements, and one more when prices have changed."""
    selection = Selection(account=account, start=month.start, end=month.end)
    found = analytics.breakdowns(selection, by=[Dimension.MODEL, Dimension.ENDPOINT])
    models, endpoints = found[Dimension.MODEL], found[Dimension.ENDPOINT]
    days = analytics.grouped_over_time(
        Selection(account=account, start=month.before.start, end=month.end),
        interval="day",
        by=Dimension.MODEL,
    )
    ahead = outlook.outlook_of(account, at=month.at)
    odd = [day for day in ahead.anomalies if month.start.date() <= day.day < month.end.date()]
    daily = _daily([day for day in days if month.start <= day.start < month.until], odd=odd)
    return Costs(
        month=month,
        totals=models.totals,
        models=lines_of(models, by=Dimension.MODEL, month=month),
        endpoints=lines_of(endpoints, by=Dimension.ENDPOINT, month=month),
        daily=daily,
        unusual=odd,
        comparison=comparison_of(days, month=month),
        outlook=ahead,
        inefficiencies=inefficiencies.inefficiencies(models, at=month.at),
    )


def lines_of(
    found: Breakdown,
    *,
    by: Dimension,
    month: ShownMonth,
    at_most: int = MOST_LINES,
    of: Decimal | None = None,
) -> list[Line]:
    """The `at_most` dearest of what was told apart, the rest together in one more; shares are of the cost
    `of`, or of all that was found.
    """
    cost = found.totals.cost if of is None else of
    lines = [
        Line(
            name=called(by, group.key),
            detail=_provider(group.key) if by is Dimension.MODEL else "",
            totals=group.totals,
            share=share_of(group.totals, cost),
            query=usage_query(month, by, group.key),
        )
        for group in found.groups[:at_most]
    ]
    left = found.groups[at_most:]
    number = len(left) + found.others_count
    if number:
        totals = queries.sum_of([*(group.totals for group in left), found.others])
        name = f"{number:,} more {PLURALS[by]}"
        lines.append(Line(name=name, totals=totals, share=share_of(totals, cost)))
    return lines


def usage_query(month: ShownMonth, by: Dimension, key: str) -> dict[str, str]:
    """What the usage page has to be asked to show what is behind a row."""
    next_by = Dimension.ENDPOINT if by is Dimension.MODEL else Dimension.MODEL
    last_day = (month.until - DAY).date()
    return {
        "from": str(month.start.date()),
        "to": str(last_day),
        "interval": "day",
        "by": next_by.value,
        by.value: key,
    }


def comparison_of(days: Iterable[GroupedSlice], *, month: ShownMonth) -> Comparison | None:
    """The month's days that are over, by model, with the same days of the month before; of a month that is
    over all days of both.
    """
    before = month.before
    number = min(month.days, before.days) if month.is_running else month.days
    if not number:
        return None
    end = month.start + number * DAY
    end_before = before.start + number * DAY if month.is_running else before.end
    then: dict[str, Totals] = {}
    now: dict[str, Totals] = {}
    for day in days:
        if before.start <= day.start < end_before:
            _add(day, to=then)
        elif month.start <= day.start < end:
            _add(day, to=now)
    changes = cost_changes(_used(then), _used(now))
    causes = together(changes)
    cost_before = queries.sum_of(then.values()).cost
    cost_now = queries.sum_of(now.values()).cost
    return Comparison(
        month=month,
        days=number,
        before=cost_before,
        now=cost_now,
        percent=change(cost_now, cost_before),
        causes=causes,
        changes=_change_lines(changes),
        started=[_model(each.key) for each in changes if each.is_new],
        stopped=[_model(each.key) for each in changes if each.is_gone],
    )


def _change_lines(changes: Sequence[CostChange]) -> list[ChangeLine]:
    lines = [
        ChangeLine(
            name=_model(each.key),
            detail=_provider(each.key),
            before=each.before.cost,
            now=each.now.cost,
            causes=each.causes,
            is_new=each.is_new,
            is_gone=each.is_gone,
        )
        for each in changes[:MOST_LINES]
    ]
    rest = changes[MOST_LINES:]
    if rest:
        lines.append(
            ChangeLine(
                name=f"{len(rest):,} more models",
                before=sum((each.before.cost for each in rest), start=ZERO),
                now=sum((each.now.cost for each in rest), start=ZERO),
                causes=together(rest),
            )
        )
    return lines


def _add(day: GroupedSlice, *, to: dict[str, Totals]) -> None:
    for key, totals in [*day.groups.items(), (OTHERS, day.others)]:
        to[key] = to.get(key, NOTHING) + totals


def _used(totals: Mapping[str, Totals]) -> dict[str, Used]:
    return {
        key: Used(calls=each.calls, tokens=each.tokens, cost=each.cost)
        for key, each in totals.items()
        if each.calls
    }


def _daily(days: Sequence[GroupedSlice], *, odd: Sequence[OddDay]) -> Drawing:
    """Cost per day and provider, with the days that stand out marked."""
    return drawing_of(
        [_by_provider(day) for day in days],
        interval="day",
        name=name_of,
        rest=lambda _: "All other providers",
        marked={_midnight(day): f"Unusual: {day.reason}" for day in odd},
    )


def _by_provider(day: GroupedSlice) -> GroupedSlice:
    providers: dict[str, Totals] = {}
    for key, totals in day.groups.items():
        provider = key.partition("/")[0]
        providers[provider] = providers[provider] + totals if provider in providers else totals
    return GroupedSlice(start=day.start, groups=providers, others=day.others)


def _midnight(odd: OddDay) -> datetime:
    return datetime(odd.day.year, odd.day.month, odd.day.day, tzinfo=UTC)


def _model(key: str) -> str:
    return called(Dimension.MODEL, key) if key else "All other models"


def _provider(key: str) -> str:
    """The provider of a model that has a name of its own."""
    provider, _, model = key.partition("/")
    return name_of(provider) if model else ""
