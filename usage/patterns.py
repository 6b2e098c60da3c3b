"""What an account's usage shows beyond its sums: when it calls, how it grows, by whom and for whom.

All of it is read from rollups through `usage.analytics`; the arithmetic is that of `usage.core.patterns`.
Providers, models and the like are compared by `analytics.grouped`, whose `Totals` tell what a call and a
thousand tokens cost, how long calls take and how many fail. What could be had for less is
`usage.inefficiencies`' business.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from usage import analytics, queries
from usage.analytics import Breakdown, Dimension, Selection
from usage.core import patterns
from usage.core.calendar import month_of
from usage.core.patterns import DAYS_A_WEEK, HOURS_A_DAY, Middle, Peak, Trend, growth_percent
from usage.models import Account
from usage.queries import NOTHING, Group, Slice, Totals

# Hours of the day are told of the last eight weeks of a selection: a year of hours says no more.
MOST_DAYS_OF_HOURS = timedelta(weeks=8)
MOST_MODELS = 5
ALLOCATED_BY = (Dimension.TEAM, Dimension.PROJECT, Dimension.DEPARTMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekday:
    """All of one weekday (0 is Monday) in a selection: how many days that are, unused ones included."""

    weekday: int
    days: int
    totals: Totals

    @property
    def cost_a_day(self) -> Decimal:
        return self.totals.cost / self.days if self.days else self.totals.cost

    @property
    def calls_a_day(self) -> Decimal:
        return Decimal(self.totals.calls) / self.days if self.days else Decimal(self.totals.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A calendar month (UTC). `growth` is by how many percent it cost more than the month before: None for
    the first one told, after a month that cost nothing, and while the month `is_running`.
    """

    start: datetime
    totals: Totals
    growth: Decimal | None
    is_running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Whose calls they were, the dearest first: who stands out, and the others. `unnamed` are the calls that
    told no member, `beyond` those of members that are not listed for being too many.

    `middle` is None with too few members; then nobody stands out.
    """

    middle: Middle | None
    heavy: Sequence[Group]
    usual: Sequence[Group]
    light: Sequence[Group]
    unnamed: Totals
    beyond: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What is allocated to each name, the dearest first, to names not listed for being too many (`others`),
    and to none: the three come to all that was selected.
    """

    named: Sequence[Group]
    others: Totals
    unallocated: Totals


def hours_of_day(selection: Selection) -> list[Totals]:
    """What the selection's last eight weeks add up to in each of the 24 hours of the day, UTC."""
    start = max(selection.start, selection.end - MOST_DAYS_OF_HOURS)
    hours = [NOTHING] * HOURS_A_DAY
    for piece in analytics.over_time(replace(selection, start=start), interval="hour"):
        if piece.totals.calls:
            hours[piece.start.hour] += piece.totals
    return hours


def hours_of_week(hours: Iterable[Slice]) -> list[list[Totals]]:
    """What hours add up to on each of the seven weekdays, Monday first, in each of their 24 hours, UTC."""
    found = [[NOTHING] * HOURS_A_DAY for _ in range(DAYS_A_WEEK)]
    for piece in hours:
        if piece.totals.calls:
            found[piece.start.weekday()][piece.start.hour] += piece.totals
    return found


def peak_hours(selection: Selection) -> list[Peak]:
    """When the account calls most, as far as it calls more at some hours than at others."""
    return patterns.peaks([totals.calls for totals in hours_of_day(selection)])


def weekdays(selection: Selection) -> list[Weekday]:
    """The seven weekdays, Monday first; days that the selection holds in part count as days."""
    found = [Weekday(weekday=number, days=0, totals=NOTHING) for number in range(DAYS_A_WEEK)]
    for piece in analytics.over_time(selection, interval="day"):
        known = found[piece.start.weekday()]
        found[known.weekday] = replace(known, days=known.days + 1, totals=known.totals + piece.totals)
    return found


def months(account: Account, *, count: int, at: datetime) -> list[Month]:
    """The `count` calendar months up to the one that holds `at`, oldest first, each once."""
    running, end = month_of(at)
    start = queries.earlier_start(running, by=count - 1, interval="month")
    slices = analytics.over_time(Selection(account=account, start=start, end=end), interval="month")
    before = [None, *(piece.totals.cost for piece in slices)]
    return [
        Month(
            start=piece.start,
            totals=piece.totals,
            growth=None
            if cost_before is None or piece.start == running
            else growth_percent(cost_before, piece.totals.cost),
            is_running=piece.start == running,
        )
        for piece, cost_before in zip(slices, before, strict=False)
    ]


def cost_trend(selection: Selection, *, at: datetime) -> Trend:
    """Where the cost of the selection's whole UTC days is going; those not over at `at` are left out."""
    end = min(queries.start_of(selection.end, interval="day"), queries.start_of(at, interval="day"))
    start = queries.start_of(selection.start, interval="day")
    if start < selection.start:
        start = queries.next_start(start, interval="day")
    if start >= end:
        return patterns.trend([])
    slices = analytics.over_time(replace(selection, start=start, end=end), interval="day")
    return patterns.trend([piece.totals.cost for piece in slices])


def most_used_models(models: Breakdown, *, at_most: int = MOST_MODELS) -> list[Group]:
    """Of usage by model, those with the most calls."""
    return sorted(models.groups, key=lambda group: (-group.totals.calls, group.key))[:at_most]


def members(selection: Selection) -> Members:
    """Who uses much and who little. Compared are the members that are told, of them the dearest 1000."""
    return members_of(analytics.grouped(selection, by=Dimension.MEMBER))


def members_of(found: Breakdown) -> Members:
    """As `members`, of usage that was read by member."""
    named = [group for group in found.groups if group.key]
    middle = patterns.middle(group.totals.cost for group in named)
    is_heavy, is_light = (middle.is_heavy, middle.is_light) if middle else (_nobody, _nobody)
    return Members(
        middle=middle,
        heavy=[group for group in named if is_heavy(group.totals.cost)],
        usual=[group for group in named if not (is_heavy(group.totals.cost) or is_light(group.totals.cost))],
        light=[group for group in named if is_light(group.totals.cost)],
        unnamed=_unnamed(found.groups),
        beyond=found.others,
    )


def allocation(selection: Selection, *, by: Dimension) -> Allocation:
    """What is allocated by one dimension, such as the team, and what is not."""
    return allocation_of(analytics.grouped(selection, by=by))


def allocation_of(found: Breakdown) -> Allocation:
    """As `allocation`, of usage that was read by the dimension."""
    return Allocation(
        named=[group for group in found.groups if group.key],
        others=found.others,
        unallocated=_unnamed(found.groups),
    )


def allocations(selection: Selection) -> Mapping[Dimension, Allocation]:
    """The allocation by team, by project and by department, each of everything that is selected."""
    found = analytics.breakdowns(selection, by=ALLOCATED_BY)
    return {dimension: allocation_of(breakdown) for dimension, breakdown in found.items()}


def _nobody(_: Decimal) -> bool:
    return False


def _unnamed(groups: Sequence[Group]) -> Totals:
    return next((group.totals for group in groups if not group.key), NOTHING)
