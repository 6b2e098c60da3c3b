"""Every price a model has had, has and will have, each against the one before it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from usage.core.price_changes import Change, compare
from usage.models import APIProviderPricing, HeldPrice
from usage.pricebook import price_of


class Standing(StrEnum):
    """Where a price stands in time."""

    PAST = "past"
    IN_FORCE = "in force"
    FUTURE = "future"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedPrice:
    """One row of the book: valid until `until` (None: until a later row is added), and its `lines` against
    those of the row before.
    """

    row: APIProviderPricing
    until: datetime | None
    standing: Standing
    lines: list[Change]
    is_first: bool


def dated_prices(provider: str, model_name: str, *, at: datetime) -> list[DatedPrice]:
    """The rows of the book for `provider`'s `model_name` (the book's own name), oldest first."""
    rows = list(
        APIProviderPricing.objects.filter(provider=provider, model_name=model_name)
        .select_related("created_by")
        .order_by("effective_from")
    )
    before = [None, *rows]
    ends = [*(row.effective_from for row in rows[1:]), None]
    return [
        DatedPrice(
            row=row,
            until=until,
            standing=_standing(row, until, at=at),
            lines=compare(None if earlier is None else price_of(earlier), price_of(row)),
            is_first=earlier is None,
        )
        for row, until, earlier in zip(rows, ends, before, strict=False)
    ]


def waiting_prices(provider: str, model_name: str) -> list[HeldPrice]:
    """The model's refreshed prices about which nobody has decided yet, by the date they would start."""
    waiting = HeldPrice.objects.filter(
        provider=provider, model_name=model_name, state=HeldPrice.State.WAITING
    )
    return list(waiting.order_by("effective_from", "pk"))


def _standing(row: APIProviderPricing, until: datetime | None, *, at: datetime) -> Standing:
    if row.effective_from > at:
        return Standing.FUTURE
    return Standing.IN_FORCE if until is None or until > at else Standing.PAST
