"""Terms: the months or the year that a base fee pays for, counted from the subscription's anchor.

Every term begins and ends with a month counted from the anchor, so that the monthly billing periods fit into
it without a remainder, under a yearly price as well. Pure: no clock, no Django.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from usage.core.calendar import MONTHS_A_YEAR, anchored_month, months_after, months_between


class BillingCycle(StrEnum):
    """How long a term is."""

    MONTHLY = "monthly"
    YEARLY = "yearly"

    @property
    def months(self) -> int:
        return MONTHS_A_YEAR if self is BillingCycle.YEARLY else 1


class Term(NamedTuple):
    """A paid span, half-open in UTC."""

    start: datetime
    end: datetime


class Timing(StrEnum):
    """When a change of plan takes effect."""

    NOW = "now"
    AT_TERM_END = "at_term_end"


def term_from(start: datetime, *, anchor: datetime, cycle: BillingCycle) -> Term:
    """The term that begins at `start`, which is the beginning of a month counted from `anchor`."""
    return Term(start, months_after(anchor, months_between(anchor, start) + cycle.months))


def term_around(at: datetime, *, anchor: datetime, cycle: BillingCycle) -> Term:
    """The term of `cycle` that begins with the month, counted from `anchor`, in which `at` lies."""
    return term_from(anchored_month(anchor, at)[0], anchor=anchor, cycle=cycle)


def timing(
    *,
    price_before: Decimal,
    price_after: Decimal,
    cycle_before: BillingCycle,
    cycle_after: BillingCycle,
    same_plan: bool,
) -> Timing:
    """When a change between plans takes effect: what gives more at once, what gives less at the term's end.

    Prices are those of one month under the monthly cycle, whichever cycle is paid: they rank the plans. Of
    the same plan, or one of the same price, a longer cycle is more and a shorter one less.
    """
    if not same_plan and price_after != price_before:
        return Timing.NOW if price_after > price_before else Timing.AT_TERM_END
    return Timing.AT_TERM_END if cycle_after.months < cycle_before.months else Timing.NOW
