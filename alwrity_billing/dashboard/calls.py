"""What a call's page shows, gathered and ready to be laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from subscriptions import invoice_queries
from subscriptions.models import InvoiceLine
from usage import call_stories
from usage.authorization import Granted
from usage.call_stories import CallStory
from usage.core.cost_lines import CostLine
from usage.core.money import ZERO, format_amount
from usage.core.rating import Quantities
from usage.models import Account, APIUsageLog, AuthorizationState
from usage.price_lists import ALWAYS

# What a price charges for: as a quantity is called, and one of it.
UNITS: Mapping[str, tuple[str, str]] = {
    "input": ("input tokens", "token"),
    "cached_input": ("cached input tokens", "token"),
    "cache_write": ("tokens written to the cache", "token"),
    "output": ("output tokens", "token"),
    "reasoning": ("reasoning tokens", "token"),
    "request": ("requests", "request"),
    "search": ("searches", "search"),
    "image": ("images", "image"),
    "page": ("pages", "page"),
    "second": ("seconds", "second"),
    "character": ("characters", "character"),
    "hour": ("hours", "hour"),
}
PARTS = {
    "cached_input_tokens": "Cached, part of the input",
    "cache_write_tokens": "Written to the cache, part of the input",
    "reasoning_tokens": "Reasoning, part of the output",
}
TAGS = {"team": "Team", "project": "Project", "department": "Department", "end_user": "Member"}
HOUR_PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what stands beside it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """A line of a cost: so many of `what` at `price` USD for one `unit`. `about`: the quantity is rounded."""

    what: str
    quantity: str
    price: Decimal
    unit: str
    amount: Decimal
    about: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """How much of a measure was held for a call, and how much it came to; None where that is another's."""

    measure: str
    held: str
    used: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """A call with everything that is kept about it.

    `line` is the invoice's line that bills it; without one, `not_billed` says why.
    """

    story: CallStory
    quantities: Sequence[Fact]
    tags: Sequence[Fact]
    lines: Sequence[Arithmetic]
    surcharges: Sequence[Arithmetic]
    held: Sequence[Held]
    hold_state: str
    line: InvoiceLine | None
    not_billed: str

    @property
    def row(self) -> APIUsageLog:
        return self.story.row

    @property
    def paid_elsewhere(self) -> Decimal:
        """What the customer's own provider key took off the cost, as a negative amount."""
        return -(self.row.list_cost or ZERO)

    @property
    def price_since(self) -> datetime | None:
        """From when on the price is valid; None for a first price, which holds for all time before."""
        price = self.story.price
        return None if price is None or price.effective_from == ALWAYS else price.effective_from

    @property
    def is_late(self) -> bool:
        """Whether the call happened before the billing period that it was recorded in."""
        period = self.story.period
        return period is not None and self.row.occurred_at < period.period_start


def call_page(account: Account, row: APIUsageLog, *, at: datetime) -> CallPage:
    """The page of a row of the account's log."""
    story = call_stories.story_of(account, row)
    line = None if story.period is None else invoice_queries.line_billing(row, story.period)
    return CallPage(
        story=story,
        quantities=_quantities(story.quantities),
        tags=[Fact(name=name, value=getattr(row, tag)) for tag, name in TAGS.items() if getattr(row, tag)],
        lines=[_arithmetic(each) for each in story.lines],
        surcharges=[_arithmetic(each) for each in story.surcharge_lines],
        held=[] if story.granted is None else _held(story.granted, story),
        hold_state="" if story.granted is None else _state(story.granted, at=at),
        line=line,
        not_billed="" if line is not None else _why_not_billed(story),
    )


def _quantities(quantities: Quantities) -> list[Fact]:
    """What was consumed; of a part it is said what it is part of."""
    return [
        Fact(name=PARTS.get(name, name.replace("_", " ").capitalize()), value=_number(Decimal(count)))
        for name, count in quantities._asdict().items()
        if count
    ]


def _arithmetic(line: CostLine) -> Arithmetic:
    what, unit = UNITS[line.unit]
    quantity = line.quantity.quantize(HOUR_PLACES) if line.unit == "hour" else line.quantity
    return Arithmetic(
        what=what,
        quantity=_number(quantity),
        price=line.unit_price,
        unit=unit,
        amount=line.amount,
        about=quantity != line.quantity,
    )


def _held(granted: Granted, story: CallStory) -> list[Held]:
    """Measure by measure: the worst case, and this call beside it."""
    counts = story.quantities
    used = {
        **{name: Decimal(count) for name, count in counts._asdict().items()},
        "calls": Decimal(1),
        "tokens": Decimal(counts.input_tokens + counts.output_tokens),
        "cost": story.row.cost,
    }
    return [
        Held(
            measure="Cost (USD)" if measure == "cost" else measure.capitalize(),
            held=_number(Decimal(amount)),
            used=_number(used[measure]),
        )
        for measure, amount in granted.held.items()
    ]


def _state(granted: Granted, *, at: datetime) -> str:
    found = granted.authorization
    is_late = found.state == AuthorizationState.OPEN and found.expires_at <= at
    return (AuthorizationState.EXPIRED if is_late else AuthorizationState(found.state)).label


def _why_not_billed(story: CallStory) -> str:
    period = story.period
    if period is None:
        return "Its billing period is not known any more."
    if period.closed_at is None:
        return (
            "Not billed yet: its billing period ends on "
            f"{period.period_end:%-d %b %Y}, and the invoice is written shortly after."
        )
    return "Its billing period was closed, and no invoice with a number bills it."


def _number(number: Decimal) -> str:
    whole, dot, decimals = format_amount(number).partition(".")
    return f"{int(whole):,}{dot}{decimals}"
