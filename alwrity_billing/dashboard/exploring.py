"""What the usage page answers: a range of time, told apart by one dimension, narrowed by others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial

from alwrity_billing.dashboard.ranges import Range
from alwrity_billing.dashboard.series import Drawing, Quantity, drawing_of
from alwrity_billing.dashboard.shares import share_of
from usage import analytics, queries
from usage.analytics import Breakdown, Dimension, Selection
from usage.models import Account
from usage.providers import name_of
from usage.queries import NOTHING, Totals

# Rows that people still read; what is beyond stands together, and all of it in the export.
MOST_LINES = 50
MOST_SERIES = 6
TENTH = Decimal("0.1")

NAMES = {
    Dimension.PROVIDER: "Provider",
    Dimension.MODEL: "Model",
    Dimension.ENDPOINT: "Endpoint",
    Dimension.REQUEST_TYPE: "Request type",
    Dimension.TEAM: "Team",
    Dimension.PROJECT: "Project",
    Dimension.DEPARTMENT: "Department",
    Dimension.MEMBER: "Member",
}
PLURALS = {
    Dimension.PROVIDER: "providers",
    Dimension.MODEL: "models",
    Dimension.ENDPOINT: "endpoints",
    Dimension.REQUEST_TYPE: "request types",
    Dimension.TEAM: "teams",
    Dimension.PROJECT: "projects",
    Dimension.DEPARTMENT: "departments",
    Dimension.MEMBER: "members",
}
# What one asks next, having picked one of these.
NEXT = {Dimension.PROVIDER: Dimension.MODEL, Dimension.MODEL: Dimension.ENDPOINT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to show: of the range, by which dimension, narrowed to what, drawn as which quantity."""

    range: Range
    by: Dimension = Dimension.PROVIDER
    only: Mapping[Dimension, str]
    quantity: Quantity = Quantity.COST
    compares: bool = False

    @property
    def query(self) -> dict[str, str]:
        """What an address has to say to ask it."""
        asked = {**self.range.query, "by": self.by.value, "measure": self.quantity.value}
        asked |= {dimension.value: value for dimension, value in self.only.items()}
        return {**asked, "compare": "1"} if self.compares else asked

    def narrowed(self, key: str) -> dict[str, str]:
        """The query for what is behind one key."""
        by = NEXT.get(self.by, Dimension.MODEL if self.by is not Dimension.MODEL else self.by)
        if by in self.only:
            by = self.by
        return {**self.query, self.by.value: key, "by": by.value}

    def widened(self, dimension: Dimension) -> dict[str, str]:
        """The query without what narrows it by `dimension`."""
        return {name: value for name, value in self.query.items() if name != dimension.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Something that the answer is narrowed to, and the query without it."""

    dimension: str
    value: str
    without: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row of the table: a key's totals, its share of all cost, the change since the range before in percent
    (None where there was nothing), and the query for what is behind it (None where nothing is).
    """

    name: str
    detail: str
    tone: str
    totals: Totals
    share: Decimal
    before: Totals
    change: Decimal | None
    query: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The page."""

    question: Question
    picks: Sequence[Pick]
    drawing: Drawing
    lines: Sequence[Line]
    totals: Totals
    before: Totals
    change: Decimal | None


def answer(account: Account, question: Question) -> Answer:
    """The account's usage as asked; two statements, and one more to compare."""
    asked = question.range
    selection = Selection(account=account, start=asked.start, end=asked.end, only=question.only)
    found = analytics.grouped(selection, by=question.by, at_most=MOST_LINES)
    earlier = _earlier(account, question)
    drawing = drawing_of(
        analytics.grouped_over_time(selection, interval=asked.interval, by=question.by, at_most=MOST_SERIES),
        interval=asked.interval,
        name=partial(called, question.by),
        rest=lambda _: f"All other {PLURALS[question.by]}",
        quantity=question.quantity,
    )
    return Answer(
        question=question,
        picks=[
            Pick(
                dimension=NAMES[dimension],
                value=called(dimension, value),
                without=question.widened(dimension),
            )
            for dimension, value in question.only.items()
        ],
        drawing=drawing,
        lines=_lines(found, earlier, question=question, drawing=drawing),
        totals=found.totals,
        before=earlier.totals,
        change=change(found.totals.cost, earlier.totals.cost),
    )


def called(dimension: Dimension, key: str) -> str:
    """What people call a key: "OpenAI", "gpt-4o", "No team"."""
    if not key:
        return f"No {NAMES[dimension].lower()}"
    match dimension:
        case Dimension.PROVIDER:
            return name_of(key)
        case Dimension.MODEL:
            provider, _, model = key.partition("/")
            return model or name_of(provider)
    return key


def change(now: Decimal, before: Decimal) -> Decimal | None:
    """Percent more than before; None where there was nothing to compare with."""
    if not before:
        return None
    return (100 * (now - before) / before).quantize(TENTH, rounding=ROUND_HALF_EVEN)


def _earlier(account: Account, question: Question) -> Breakdown:
    if not question.compares:
        return Breakdown(groups=[])
    asked = question.range
    selection = Selection(account=account, start=asked.before, end=asked.start, only=question.only)
    return analytics.grouped(selection, by=question.by)


def _lines(found: Breakdown, earlier: Breakdown, *, question: Question, drawing: Drawing) -> list[Line]:
    cost = found.totals.cost
    before = {group.key: group.totals for group in earlier.groups}
    lines = [
        Line(
            name=called(question.by, group.key),
            detail=_detail(question.by, group.key),
            tone=drawing.tones.get(group.key, ""),
            totals=group.totals,
            share=share_of(group.totals, cost),
            before=before.get(group.key, NOTHING),
            change=change(group.totals.cost, before.get(group.key, NOTHING).cost),
            query=None if question.by in question.only else question.narrowed(group.key),
        )
        for group in found.groups
    ]
    shown = {group.key for group in found.groups}
    rest = queries.sum_of([earlier.others, *(totals for key, totals in before.items() if key not in shown)])
    if found.others_count or rest.calls:
        others = f"{found.others_count:,} more {PLURALS[question.by]}"
        lines.append(
            Line(
                name=others if found.others_count else f"{PLURALS[question.by].capitalize()} no longer used",
                detail="",
                tone="",
                totals=found.others,
                share=share_of(found.others, cost),
                before=rest,
                change=change(found.others.cost, rest.cost),
                query=None,
            )
        )
    return lines


def _detail(dimension: Dimension, key: str) -> str:
    provider, _, model = key.partition("/")
    return name_of(provider) if dimension is Dimension.MODEL and model else ""
