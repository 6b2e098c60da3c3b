"""What a recommendation looks like on a page: its saving, how sure it is, and the arithmetic line by line.

`cards_of` is all that a page needs; it includes `dashboard/costs/recommendations.html` with `cards`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from alwrity_billing.dashboard.definitions import Definition
from alwrity_billing.dashboard.figures import MINUS, exact_usd, usd
from subscriptions.core.recommendations import (
    MANY_CALLS,
    MONTH_DAYS,
    MOST_DAYS,
    SOME_CALLS,
    SOME_DAYS,
    WINDOW_DAYS,
    Confidence,
)
from subscriptions.invoice_texts import span
from subscriptions.models import RecommendationKind
from subscriptions.recommendations import ArithmeticLine, Recommendation, recommendations_of
from usage.models import Account

MILLION = 1_000_000
# Prices of what is consumed by the thousand are said for a million.
BY_THE_MILLION = "tokens"

SAVING = Definition(
    term="Saving a month",
    text=(
        f"What your own calls of {WINDOW_DAYS} whole days cost, less what they would have cost, carried to "
        f"{MONTH_DAYS} days; of a plan, what an average billing period would have cost less. Savings for the "
        "same calls do not add up: choose one."
    ),
)
RULES = {
    Confidence.HIGH: (
        f"at least {MANY_CALLS:,} calls on {MOST_DAYS} days, and each week saves at least half of their mean"
    ),
    Confidence.MEDIUM: (
        f"at least {SOME_CALLS} calls on {SOME_DAYS} days, and three of the four weeks save something"
    ),
    Confidence.LOW: f"fewer than {SOME_CALLS} calls or {SOME_DAYS} days, or too few weeks save something",
}
PLAN_RULES = {
    Confidence.HIGH: "three complete billing periods, and all of them agree",
    Confidence.MEDIUM: "two complete billing periods, and both agree",
    Confidence.LOW: "a single complete billing period, or not all of them agree",
}
TONES = {Confidence.HIGH: "good", Confidence.MEDIUM: "new", Confidence.LOW: "idle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An amount, and the product that it is; the latter empty where it is none."""

    cost: str
    product: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A line of the arithmetic, on either side."""

    name: str
    now: Side
    then: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A recommendation with all that its card shows; `number` tells the cards of a page apart."""

    number: int
    recommendation: Recommendation
    chip: str
    tone: str
    confidence: Definition
    sample: str
    rows: Sequence[Row]
    difference: Decimal
    carried: str
    span: str

    @property
    def saving(self) -> Definition:
        return SAVING

    @property
    def saving_id(self) -> str:
        return f"recommendation-saving-{self.number}"

    @property
    def confidence_id(self) -> str:
        return f"recommendation-confidence-{self.number}"


def cards_of(account: Account, *, at: datetime) -> list[Card]:
    """The account's recommendations as cards, what saves most first; one query."""
    found = recommendations_of(account, at=at)
    return [card_of(each, number=number) for number, each in enumerate(found, start=1)]


def card_of(recommendation: Recommendation, *, number: int) -> Card:
    """The card of one."""
    confidence = recommendation.confidence
    is_plan = recommendation.kind is RecommendationKind.PLAN
    rule = (PLAN_RULES if is_plan else RULES)[confidence]
    sample = _sample(recommendation, is_plan=is_plan)
    return Card(
        number=number,
        recommendation=recommendation,
        chip=f"{confidence.value.capitalize()} confidence",
        tone=TONES[confidence],
        confidence=Definition(
            term=f"{confidence.value.capitalize()} confidence",
            text=f"It rests on {sample}. The rule: {rule}.",
        ),
        sample=sample,
        rows=[_row(line) for line in recommendation.lines],
        difference=recommendation.cost_now - recommendation.cost_then,
        carried=_carried(recommendation, is_plan=is_plan),
        span=span(recommendation.start, recommendation.end),
    )


def _sample(recommendation: Recommendation, *, is_plan: bool) -> str:
    calls = f"{recommendation.calls:,} call{'' if recommendation.calls == 1 else 's'}"
    if is_plan:
        periods = _periods(recommendation)
        return f"{calls} in {periods} complete billing period{'' if periods == 1 else 's'}"
    return f"{calls} on {recommendation.days} of {WINDOW_DAYS} days"


def _periods(recommendation: Recommendation) -> int:
    return len({line.period for line in recommendation.lines})


def _carried(recommendation: Recommendation, *, is_plan: bool) -> str:
    """How the difference becomes the saving of a month."""
    difference, saving = recommendation.cost_now - recommendation.cost_then, recommendation.saving
    if not recommendation.saves:
        return ""
    if is_plan:
        return f"{usd(difference)} ÷ {_periods(recommendation)} = {usd(saving)} a billing period"
    return f"{usd(difference)} × {MONTH_DAYS} ÷ {WINDOW_DAYS} = {usd(saving)} in {MONTH_DAYS} days"


def _row(line: ArithmeticLine) -> Row:
    name = line.name if line.period is None else f"{line.name}, {_days(*line.period)}"
    return Row(
        name=name,
        now=_side(line.name, line.quantity_now, line.price_now, line.cost_now),
        then=_side(line.name, line.quantity_then, line.price_then, line.cost_then),
    )


def _side(name: str, quantity: Decimal | None, price: Decimal | None, cost: Decimal) -> Side:
    return Side(
        cost=_signed(cost), product="" if price is None else _product(name, quantity or Decimal(0), price)
    )


def _product(name: str, quantity: Decimal, price: Decimal) -> str:
    """ "28,000,000 × $2.50 a million"; a surcharge is an amount and no product."""
    if name.startswith("Surcharges"):
        return ""
    if BY_THE_MILLION in name.lower():
        return f"{quantity:,f} × {exact_usd(price * MILLION)} a million"
    return f"{quantity:,f} × {exact_usd(price)}"


def _signed(cost: Decimal) -> str:
    return f"{MINUS}{usd(-cost)}" if cost < 0 else usd(cost)


def _days(start: date, end: date) -> str:
    return f"{start:%-d %b} to {end:%-d %b %Y}"
