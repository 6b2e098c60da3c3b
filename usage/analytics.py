"""What was used when, by whom and for what: every read of the rollups of one account.

Months, days and hours of totals are read together, the coarsest that fits, each call counted once. Days and
months are brought up to date minutes after a call is recorded, so every statement first finds out up to where
they hold everything: the summaries count all calls of the account, marks how many of them the days contain
(`usage.rollups`). If what the hours of the last days have more than their days is exactly that difference,
the days before are complete; if not, the same is tried further back, and in the end the hours are read. It
happens in one snapshot with the sums, so that an answer is what the log adds up to at that moment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.db import connection

from usage import queries
from usage.models import Account
from usage.queries import NOTHING, Group, Interval, Slice, Totals
from usage.totals import DAY_OF_HOUR, DIMENSIONS, MEASURES, SUMS_OF_TOTALS


class Dimension(StrEnum):
    """What usage can be told apart by. A model goes by "provider/model"; without one, by its provider."""

    PROVIDER = "provider"
    MODEL = "model"
    ENDPOINT = "endpoint"
    REQUEST_TYPE = "request_type"
    TEAM = "team"
    PROJECT = "project"
    DEPARTMENT = "department"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The calls of `account` that happened in [start, end), whole UTC hours, and have all that `only` names.

    An empty value picks the calls that do not tell.
    """

    account: Account
    start: datetime
    end: datetime
    only: Mapping[Dimension, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakdown:
    """Totals by key, the most expensive first, "" for calls that do not tell; the rest, `others_count` keys,
    together."""

    groups: Sequence[Group]
    others: Totals = NOTHING
    others_count: int = 0

    @property
    def totals(self) -> Totals:
        return queries.sum_of([*(group.totals for group in self.groups), self.others])


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedSlice:
    """The totals of the interval that begins at `start`: of each key in it, of the other keys, of all."""

    start: datetime
    groups: Mapping[str, Totals] = field(default_factory=dict)
    others: Totals = NOTHING

    @property
    def totals(self) -> Totals:
        return queries.sum_of([*self.groups.values(), self.others])


MOST_GROUPS = 1_000
# Longer than any key there is.
LONGEST_KEY = 256
# How far back hours are compared with days: today and yesterday, a week, and beyond what can be sent late.
LOOKS_BACK = (1, 7, 36)

# What a key is, as SQL over the columns of a rollup.
KEYS = {
    **{dimension: dimension.value for dimension in Dimension},
    Dimension.MODEL: "concat_ws('/', provider, NULLIF(model, ''))",
    Dimension.MEMBER: "end_user",
}
_COLUMN_OF = {Dimension.MEMBER: "end_user"}
_READ_COLUMNS = ", ".join((*DIMENSIONS, *MEASURES))
_SLOTS = {
    "month": "month::timestamp AT TIME ZONE 'UTC'",
    "day": "date_trunc(%(interval)s, day::timestamp) AT TIME ZONE 'UTC'",
    "hour": "date_trunc(%(interval)s, hour, 'UTC')",
}
# The columns that `totals_of` reads.
SUMS = ", ".join(f"{expression} AS {name}" for name, expression in SUMS_OF_TOTALS.items())


def _lead(since: str) -> str:
    """By how many calls the hours from the day `since` on lead their days."""
    return f"""(
        (SELECT COALESCE(sum(calls), 0) FROM usage_rollups
         WHERE account_id = %(account)s AND hour >= ({since})::timestamp AT TIME ZONE 'UTC')
        - (SELECT COALESCE(sum(calls), 0) FROM usage_day_rollups
           WHERE account_id = %(account)s AND day >= {since})
    )"""


_TRIED = tuple(f"((SELECT day FROM newest) - {days})" for days in LOOKS_BACK)
_CASES = " ".join(f"WHEN {_lead(since)} = (SELECT calls FROM ahead) THEN {since}" for since in _TRIED)
# `days` and `months` bound those that stand for their hours. CASE looks no further back than it must.
COMPLETE = f"""
WITH newest AS MATERIALIZED (
    SELECT {DAY_OF_HOUR} AS day FROM usage_rollups WHERE account_id = %(account)s ORDER BY hour DESC LIMIT 1
), ahead AS MATERIALIZED (
    SELECT COALESCE(sum(calls), 0) - (
        SELECT COALESCE(sum(calls), 0) FROM usage_roll_up_marks WHERE account_id = %(account)s
    ) AS calls
    FROM usage_summaries WHERE account_id = %(account)s
), complete AS MATERIALIZED (
    SELECT CASE {_CASES} ELSE '-infinity'::date END AS before FROM ahead
), days AS MATERIALIZED (
    SELECT GREATEST(%(first_day)s::date, LEAST(%(last_day)s::date, before)) AS before FROM complete
), months AS MATERIALIZED (
    SELECT GREATEST(%(first_month)s::date, LEAST(%(last_month)s::date, date_trunc('month', before)::date))
           AS before
    FROM days
)"""

_DAYS_BEFORE, _MONTHS_BEFORE = "(SELECT before FROM days)", "(SELECT before FROM months)"
_HOUR_BEFORE = f"{_DAYS_BEFORE}::timestamp AT TIME ZONE 'UTC'"
# Relation, its column of time, and the bounds of what is read of it: together they cover the selection once.
_PARTS = (
    ("usage_month_rollups", "month", "%(first_month)s::date", _MONTHS_BEFORE),
    ("usage_day_rollups", "day", "%(first_day)s::date", f"LEAST(%(first_month)s::date, {_DAYS_BEFORE})"),
    ("usage_day_rollups", "day", _MONTHS_BEFORE, _DAYS_BEFORE),
    ("usage_rollups", "hour", "%(start)s", "%(first_hour)s"),
    ("usage_rollups", "hour", f"GREATEST(%(first_hour)s, {_HOUR_BEFORE})", "%(end)s"),
)


def totals(selection: Selection) -> Totals:
    """Everything selected, together."""
    (sums,) = _read(selection, f"SELECT {SUMS} FROM part")
    return totals_of(sums)


def grouped(selection: Selection, *, by: Dimension, at_most: int = MOST_GROUPS) -> Breakdown:
    """What is selected by `by`; keys beyond the `at_most` most expensive together."""
    return breakdowns(selection, by=[by], at_most=at_most)[by]


def breakdowns(
    selection: Selection, *, by: Sequence[Dimension], at_most: int = MOST_GROUPS
) -> dict[Dimension, Breakdown]:
    """As `grouped`, by each of several dimensions on its own, all in one statement."""
    ranked = " UNION ALL ".join(
        f"""SELECT '{dimension.value}' AS dimension, min(place) AS place,
                   CASE WHEN place <= %(at_most)s THEN key END AS shown, count(*), {SUMS}
            FROM (
                SELECT *, row_number() OVER (ORDER BY cost DESC, calls DESC, key) AS place
                FROM (SELECT {KEYS[dimension]} AS key, {SUMS} FROM part GROUP BY 1) AS keys
            ) AS ranked
            GROUP BY 3, CASE WHEN place <= %(at_most)s THEN place END"""
        for dimension in by
    )
    rows = _read(selection, f"{ranked} ORDER BY place", at_most=at_most)
    return {dimension: _breakdown(rows, of=dimension) for dimension in by}


def over_time(selection: Selection, *, interval: Interval) -> list[Slice]:
    """What is selected by UTC interval, oldest first, none left out.

    The first and the last slice cover only their part of the selection.
    """
    found = {
        start: totals_of(sums)
        for start, *sums in _read(
            selection, f"SELECT slot, {SUMS} FROM part GROUP BY slot", interval=interval
        )
    }
    return [Slice(start=at, totals=found.get(at, NOTHING)) for at in _starts(selection, interval)]


def grouped_over_time(
    selection: Selection, *, interval: Interval, by: Dimension, at_most: int = MOST_GROUPS
) -> list[GroupedSlice]:
    """As `over_time`, each slice by `by`; keys beyond the `at_most` most expensive of all slices together."""
    rows = _read(
        selection,
        f"""SELECT slot, CASE WHEN place <= %(at_most)s THEN key END AS shown, {SUMS}
            FROM (
                SELECT *, dense_rank() OVER (ORDER BY all_cost DESC, all_calls DESC, key) AS place
                FROM (
                    SELECT *, sum(cost) OVER (PARTITION BY key) AS all_cost,
                           sum(calls) OVER (PARTITION BY key) AS all_calls
                    FROM (SELECT slot, {KEYS[by]} AS key, {SUMS} FROM part GROUP BY 1, 2) AS keys
                ) AS weighed
            ) AS ranked
            GROUP BY 1, 2 ORDER BY slot, cost DESC, shown""",
        interval=interval,
        at_most=at_most,
    )
    groups: dict[datetime, dict[str, Totals]] = {}
    others: dict[datetime, Totals] = {}
    for start, key, *sums in rows:
        if key is None:
            others[start] = totals_of(sums)
        else:
            groups.setdefault(start, {})[key] = totals_of(sums)
    return [
        GroupedSlice(start=at, groups=groups.get(at, {}), others=others.get(at, NOTHING))
        for at in _starts(selection, interval)
    ]


def _starts(selection: Selection, interval: Interval) -> Iterable[datetime]:
    return queries.starts(start=selection.start, end=selection.end, interval=interval)


def statement(
    selection: Selection, select: str, *, interval: Interval, **more: int
) -> tuple[str, dict[str, Any]]:
    """`select` and its parameters. It reads `part`: rollups of every size, `slot` the start of their
    interval, which together hold what is selected once.
    """
    picks, picked = _picks(selection.only)
    parts = " UNION ALL ".join(
        f"SELECT {_READ_COLUMNS}, {_SLOTS[unit]} AS slot FROM {table} "
        f"WHERE account_id = %(account)s AND {unit} >= {start} AND {unit} < {end}{picks}"
        for table, unit, start, end in _PARTS
    )
    parameters = {"account": selection.account.pk, "interval": interval, **picked, **more}
    return f"{COMPLETE}, part AS ({parts}) {select}", {**parameters, **_bounds(selection, interval)}


def totals_of(sums: Sequence[Any]) -> Totals:
    """The totals that a row's SUMS are; a sum over no rows is NULL."""
    return Totals(**{name: total for name, total in zip(MEASURES, sums, strict=True) if total is not None})


def _read(
    selection: Selection, select: str, *, interval: Interval = "month", **more: int
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(*statement(selection, select, interval=interval, **more))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _bounds(selection: Selection, interval: Interval) -> dict[str, Any]:
    """The whole days and months in the selection, as far as `interval` lets them stand for their hours."""
    start, end = selection.start, selection.end
    first_day, last_day = _whole(start, end, unit="day")
    if interval == "hour" or first_day >= last_day:
        first_day = last_day = first_hour = start
    else:
        first_hour = first_day
    first_month, last_month = _whole(first_day, last_day, unit="month")
    if interval != "month" or first_month >= last_month:
        first_month = last_month = last_day
    return {
        "start": start,
        "end": end,
        "first_hour": first_hour,
        **{
            name: instant.astimezone(UTC).date()
            for name, instant in {
                "first_day": first_day,
                "last_day": last_day,
                "first_month": first_month,
                "last_month": last_month,
            }.items()
        },
    }


def _whole(start: datetime, end: datetime, *, unit: Interval) -> tuple[datetime, datetime]:
    """The first and the last beginning of a `unit` in [start, end]; the wrong way round without any."""
    first = queries.start_of(start, interval=unit)
    if first < start:
        first = queries.next_start(first, interval=unit)
    return first, queries.start_of(end, interval=unit)


def _picks(only: Mapping[Dimension, str]) -> tuple[str, dict[str, str]]:
    """Conditions for what `only` names, and their parameters."""
    wanted = {_COLUMN_OF.get(dimension, dimension.value): value for dimension, value in only.items()}
    if Dimension.MODEL in only:
        provider, _, wanted["model"] = only[Dimension.MODEL].partition("/")
        # Both may be asked for; a model of another provider is none.
        wanted["provider"] = provider if wanted.get("provider", provider) == provider else "\n"
    conditions = "".join(f" AND {column} = %(only_{column})s" for column in wanted)
    return conditions, {f"only_{column}": value for column, value in wanted.items()}


def _breakdown(rows: Iterable[tuple[Any, ...]], *, of: Dimension) -> Breakdown:
    """Of one dimension the rows: its name, a place, a key or None for the rest, how many keys, their sums."""
    known = [(key, count, totals_of(sums)) for dimension, _, key, count, *sums in rows if dimension == of]
    groups = [Group(key=key, totals=totals) for key, _, totals in known if key is not None]
    others, count = next(((totals, count) for key, count, totals in known if key is None), (NOTHING, 0))
    return Breakdown(groups=groups, others=others, others_count=count)
