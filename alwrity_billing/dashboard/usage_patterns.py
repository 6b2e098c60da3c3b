"""What the page of patterns shows: twelve months, and of one when it calls, whom, by whom and for what."""

from calendar import day_name
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from alwrity_billing.dashboard.costs import Line, lines_of, usage_query
from alwrity_billing.dashboard.heatmaps import HeatMap, heat_map
from alwrity_billing.dashboard.months import ShownMonth
from alwrity_billing.dashboard.series import Drawing, drawing_of
from alwrity_billing.dashboard.shares import share_of
from usage import analytics, patterns, queries
from usage.analytics import Breakdown, Dimension, GroupedSlice, Selection
from usage.core.money import ZERO
from usage.core.patterns import HOURS_A_DAY, Middle, Peak, peaks
from usage.models import Account
from usage.patterns import Allocation, Month
from usage.queries import Group, Slice, Totals

MONTHS = 12
MOST_HEAVY = 8
MOST_OF_A_KIND = 4
MOST_ALLOCATED = 8
TENTH = Decimal("0.1")
HOUR_NAMES = tuple(f"{hour:02}:00" for hour in range(HOURS_A_DAY))
NAMES = {Dimension.TEAM: "Team", Dimension.PROJECT: "Project", Dimension.DEPARTMENT: "Department"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The last twelve calendar months, each once, oldest first."""

    months: Sequence[Month]
    drawing: Drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekdayRow:
    """A weekday: how many of it the month had, and the calls of its hours on an average one."""

    name: str
    days: int
    averages: Sequence[Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """When the account calls, by weekday and hour, UTC."""

    heat: HeatMap
    rows: Sequence[WeekdayRow]
    peaks: Sequence[Peak]
    hours: Sequence[str] = HOUR_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLine:
    """A member, or several of a kind together. `times` is how often what the middle member costs."""

    name: str
    kind: str = ""
    totals: Totals
    share: Decimal
    times: Decimal | None = None
    query: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Who uses how much: the lines add up to all."""

    lines: Sequence[MemberLine]
    middle: Middle | None
    named: int
    heavy: int
    light: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocated:
    """What is allocated by one dimension: the lines and what is not allocated add up to all."""

    dimension: Dimension
    name: str
    lines: Sequence[Line]
    unallocated: Totals
    unallocated_share: Decimal
    unallocated_query: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsagePatterns:
    """The page."""

    month: ShownMonth
    totals: Totals
    trend: Trend
    providers: Sequence[Line]
    week: Week
    people: People
    allocations: Sequence[Allocated]


def patterns_of(account: Account, month: ShownMonth) -> UsagePatterns:
    """The account's month and the twelve up to now; three statements."""
    selection = Selection(account=account, start=month.start, end=month.end)
    found = analytics.breakdowns(selection, by=[Dimension.PROVIDER, Dimension.MEMBER, *patterns.ALLOCATED_BY])
    hours = analytics.over_time(selection, interval="hour")
    return UsagePatterns(
        month=month,
        totals=found[Dimension.PROVIDER].totals,
        trend=_trend(account, month),
        providers=lines_of(found[Dimension.PROVIDER], by=Dimension.PROVIDER, month=month),
        week=week_of([piece for piece in hours if piece.start < month.until]),
        people=people_of(found[Dimension.MEMBER], month=month),
        allocations=[
            _allocated(found[dimension], by=dimension, month=month) for dimension in patterns.ALLOCATED_BY
        ],
    )


def week_of(hours: Sequence[Slice]) -> Week:
    """When calls were made in `hours`, which are those of whole days."""
    summed = patterns.hours_of_week(hours)
    days = [len({piece.start.date() for piece in hours if piece.start.weekday() == day}) for day in range(7)]
    rows = [
        WeekdayRow(
            name=name,
            days=number,
            averages=[_average(totals.calls, number) for totals in by_hour],
        )
        for name, number, by_hour in zip(day_name, days, summed, strict=True)
    ]
    return Week(
        heat=heat_map(
            [row.averages for row in rows],
            rows=[row.name[:3] for row in rows],
            columns=HOUR_NAMES,
            titles=[_titles(row, by_hour) for row, by_hour in zip(rows, summed, strict=True)],
        ),
        rows=rows,
        peaks=peaks([sum(day[hour].calls for day in summed) for hour in range(HOURS_A_DAY)]),
    )


def people_of(found: Breakdown, *, month: ShownMonth) -> People:
    """Who stands out, and the others; a few of each kind by name."""
    members = patterns.members_of(found)
    cost, middle = found.totals.cost, members.middle
    kinds = [("heavy", members.heavy, MOST_HEAVY), ("", members.usual, MOST_OF_A_KIND)]
    lines = [line for kind in kinds for line in _of_a_kind(*kind, cost=cost, middle=middle, month=month)]
    lines += _of_a_kind("light", members.light, MOST_OF_A_KIND, cost=cost, middle=middle, month=month)
    if members.beyond.calls:
        name = f"{found.others_count:,} members beyond the dearest {analytics.MOST_GROUPS:,}"
        lines.append(MemberLine(name=name, totals=members.beyond, share=share_of(members.beyond, cost)))
    if members.unnamed.calls:
        query = usage_query(month, Dimension.MEMBER, "")
        lines.append(
            MemberLine(
                name="No member told",
                totals=members.unnamed,
                share=share_of(members.unnamed, cost),
                query=query,
            )
        )
    named = len(members.heavy) + len(members.usual) + len(members.light) + found.others_count
    return People(lines=lines, middle=middle, named=named, heavy=len(members.heavy), light=len(members.light))


def _of_a_kind(
    kind: str,
    groups: Sequence[Group],
    at_most: int,
    *,
    cost: Decimal,
    middle: Middle | None,
    month: ShownMonth,
) -> list[MemberLine]:
    """The dearest of a kind by name, the rest of it together."""
    typical = middle.typical if middle else ZERO
    lines = [
        MemberLine(
            name=group.key,
            kind=kind,
            totals=group.totals,
            share=share_of(group.totals, cost),
            times=group.totals.cost / typical if typical else None,
            query=usage_query(month, Dimension.MEMBER, group.key),
        )
        for group in groups[:at_most]
    ]
    rest = groups[at_most:]
    if rest:
        totals = queries.sum_of(group.totals for group in rest)
        name = f"{len(rest):,} more{' ' if kind else ''}{kind} member{'s' if len(rest) > 1 else ''}"
        lines.append(MemberLine(name=name, kind=kind, totals=totals, share=share_of(totals, cost)))
    return lines


def _trend(account: Account, month: ShownMonth) -> Trend:
    months = patterns.months(account, count=MONTHS, at=month.at)
    drawing = drawing_of(
        [GroupedSlice(start=each.start, groups={"cost": each.totals}) for each in months],
        interval="month",
        name=lambda _: "Cost",
        rest=lambda _: "Cost",
    )
    return Trend(months=months, drawing=drawing)


def _allocated(found: Breakdown, *, by: Dimension, month: ShownMonth) -> Allocated:
    allocation: Allocation = patterns.allocation_of(found)
    cost = found.totals.cost
    named = Breakdown(groups=allocation.named, others=allocation.others, others_count=found.others_count)
    lines = lines_of(named, by=by, month=month, at_most=MOST_ALLOCATED, of=cost)
    return Allocated(
        dimension=by,
        name=NAMES[by],
        lines=lines,
        unallocated=allocation.unallocated,
        unallocated_share=share_of(allocation.unallocated, cost),
        unallocated_query=usage_query(month, by, ""),
    )


def _average(calls: int, days: int) -> Decimal:
    if not days:
        return ZERO
    return (Decimal(calls) / days).quantize(TENTH, rounding=ROUND_HALF_EVEN)


def _titles(row: WeekdayRow, by_hour: Sequence[Totals]) -> list[str]:
    return [
        f"{row.name} {name}: {average:,} calls on average, {totals.calls:,} in all"
        for name, average, totals in zip(HOUR_NAMES, row.averages, by_hour, strict=True)
    ]
