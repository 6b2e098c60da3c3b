"""What an account's terms add to the cost of a call: pure, exact to the scale of every stored cost."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from usage.core.money import COST_PLACES, ZERO
from usage.core.rating import Quantities

SECONDS_AN_HOUR = 3600
SMALLEST = Decimal(1).scaleb(-COST_PLACES)


class SurchargeTerms(NamedTuple):
    """USD that one call of a request type costs beside its price: for each request, and for each hour of the
    seconds it consumed, in proportion.
    """

    per_request: Decimal
    per_hour: Decimal = ZERO


NO_SURCHARGE = SurchargeTerms(ZERO)


class DatedTerms(NamedTuple):
    """Terms valid from an instant until the next ones."""

    effective_from: datetime
    terms: SurchargeTerms


# By request type, each ascending in time.
Surcharges = Mapping[str, Sequence[DatedTerms]]


def terms_at(surcharges: Surcharges, request_type: str, *, at: datetime) -> SurchargeTerms:
    """The terms in force at `at` for calls of `request_type`."""
    found = NO_SURCHARGE
    for dated in surcharges.get(request_type, ()):
        if dated.effective_from > at:
            break
        found = dated.terms
    return found


def surcharge(terms: SurchargeTerms, quantities: Quantities) -> Decimal:
    """What `terms` add for a call that consumed `quantities`.

    An hour's price divided by its seconds is no finite decimal: the share of an hour is rounded half-even to
    the 18 decimals a cost is kept in, and nothing else is rounded.
    """
    by_the_hour = ZERO
    if terms.per_hour and quantities.seconds:
        share = terms.per_hour * quantities.seconds / SECONDS_AN_HOUR
        by_the_hour = share.quantize(SMALLEST, rounding=ROUND_HALF_EVEN)
    return terms.per_request * quantities.requests + by_the_hour
