"""What the names are that calls were tagged with, and what each has cost lately."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode

from django.urls import reverse

from usage import analytics, queries
from usage.analytics import Dimension, GroupedSlice, Selection
from usage.models import Account
from usage.queries import NOTHING, Totals

DAYS = 90
MOST_NAMES = 100
KINDS = {
    Dimension.TEAM: "Teams",
    Dimension.PROJECT: "Projects",
    Dimension.DEPARTMENT: "Departments",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What the calls with a name add up to, and the first and the last UTC day of theirs; "" is untagged."""

    dimension: Dimension
    name: str
    totals: Totals
    first: date
    last: date

    @property
    def usage_path(self) -> str:
        """Where these calls are looked at closer."""
        asked = {"last": f"{DAYS}d", "by": Dimension.MODEL.value, self.dimension.value: self.name}
        return f"{reverse('usage')}?{urlencode(asked)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of tag, the most expensive names first, those that have none last. `others` are names beyond
    MOST_NAMES, together.
    """

    dimension: Dimension
    heading: str
    tags: Sequence[Tag]
    others: Totals
    totals: Totals

    @property
    def is_used(self) -> bool:
        return any(tag.name for tag in self.tags)


def kinds_of(account: Account, *, at: datetime) -> list[Kind]:
    """Teams, projects and departments of the last DAYS days, today included. A query for each."""
    today = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    selection = Selection(
        account=account, start=today - timedelta(days=DAYS - 1), end=today + timedelta(days=1)
    )
    return [_kind(selection, dimension) for dimension in KINDS]


def _kind(selection: Selection, dimension: Dimension) -> Kind:
    days = analytics.grouped_over_time(selection, interval="day", by=dimension, at_most=MOST_NAMES)
    tags = [_tag(dimension, name, days) for name in {name for day in days for name in day.groups}]
    tags.sort(key=lambda tag: (not tag.name, -tag.totals.cost, -tag.totals.calls, tag.name))
    return Kind(
        dimension=dimension,
        heading=KINDS[dimension],
        tags=tags,
        others=queries.sum_of(day.others for day in days),
        totals=queries.sum_of(day.totals for day in days),
    )


def _tag(dimension: Dimension, name: str, days: Sequence[GroupedSlice]) -> Tag:
    used = [day for day in days if name in day.groups]
    return Tag(
        dimension=dimension,
        name=name,
        totals=queries.sum_of(day.groups.get(name, NOTHING) for day in used),
        first=used[0].start.date(),
        last=used[-1].start.date(),
    )
