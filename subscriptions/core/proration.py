"""Proration: what is left of a fee that was paid, against what the rest of another one costs.

Shares are of time, to the microsecond. Amounts are kept to the 18 decimals of every cost (half-even) and
rounded to cents by the invoice line alone.
"""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import NamedTuple

from subscriptions.core.terms import Term
from usage.core.money import COST_MAX_DIGITS, COST_PLACES, ZERO

MICROSECOND = timedelta(microseconds=1)
SMALLEST = Decimal(1).scaleb(-COST_PLACES)
# Digits enough for a fee times the microseconds of a year, divided once.
DIGITS = COST_MAX_DIGITS + 20


class Fee(NamedTuple):
    """USD for a whole term."""

    amount: Decimal
    term: Term


class Proration(NamedTuple):
    """USD, never negative: the unused part of the fee before, and what the rest of the new term costs."""

    credit: Decimal
    charge: Decimal

    @property
    def due(self) -> Decimal:
        """What is to pay; negative where the credit is larger, and then stays the customer's."""
        return self.charge - self.credit


NOTHING = Proration(ZERO, ZERO)


def rest_of(fee: Fee, *, at: datetime) -> Decimal:
    """What the part of the term from `at` on costs: all of it before the term, nothing after."""
    start, end = fee.term
    left = max(end - max(at, start), timedelta(0)) // MICROSECOND
    with localcontext(prec=DIGITS):
        share = fee.amount * left / ((end - start) // MICROSECOND)
        return share.quantize(SMALLEST, rounding=ROUND_HALF_EVEN)


def prorate(before: Fee, after: Fee, *, at: datetime) -> Proration:
    """What changing from one fee to another at `at` gives back and costs."""
    return Proration(credit=rest_of(before, at=at), charge=rest_of(after, at=at))
