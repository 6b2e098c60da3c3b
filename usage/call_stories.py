"""Everything kept about one call: what it consumed, how its cost came about, what was held for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from usage import authorization, surcharges
from usage.authorization import Granted
from usage.core.cost_lines import CostLine, cost_lines, surcharge_lines, total_of
from usage.core.money import ZERO
from usage.core.rating import BATCH_REQUEST_TYPES, Quantities
from usage.core.surcharges import terms_at
from usage.models import Account, APIProviderPricing, APIUsageLog, BillingPeriod
from usage.pricebook import price_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStory:
    """A row of the log with all that it points to.

    `lines` are the arithmetic of what was rated: of the cost, or of the list cost where the customer's own
    key paid; none where somebody else said what the call cost. `surcharge` is what the account's terms added,
    `surcharge_lines` its arithmetic, empty where today's record of the terms does not give it.
    """

    row: APIUsageLog
    quantities: Quantities
    period: BillingPeriod | None
    price: APIProviderPricing | None
    is_batch: bool
    lines: Sequence[CostLine]
    rated: Decimal
    surcharge: Decimal
    surcharge_lines: Sequence[CostLine]
    granted: Granted | None

    @property
    def own_key_paid(self) -> bool:
        """Whether the customer's own provider key was charged, and the call is not billed."""
        return self.row.list_cost is not None

    @property
    def adds_up(self) -> bool:
        """Whether the price's arithmetic and the surcharge come to the cost exactly; so it is of every row
        that nobody touched.
        """
        if self.price is None:
            return True
        paid = self.row.list_cost if self.row.list_cost is not None else self.row.cost - self.surcharge
        return self.rated == paid


def story_of(account: Account, row: APIUsageLog) -> CallStory:
    """The story of a row of the account's log."""
    counts: Iterable[Any] = (getattr(row, name) or 0 for name in Quantities._fields)
    quantities = Quantities(*counts)
    is_batch = row.request_type in BATCH_REQUEST_TYPES
    price = None if row.price_id is None else APIProviderPricing.objects.filter(pk=row.price_id).first()
    lines = [] if price is None else cost_lines(quantities, price_of(price), batch=is_batch)
    surcharge = row.surcharge or ZERO
    return CallStory(
        row=row,
        quantities=quantities,
        period=BillingPeriod.objects.filter(pk=row.billing_period_id).first(),
        price=price,
        is_batch=is_batch,
        lines=lines,
        rated=total_of(lines),
        surcharge=surcharge,
        surcharge_lines=_surcharge_lines(account, row, quantities) if surcharge else [],
        granted=authorization.granted(account.pk, row.authorization) if row.authorization else None,
    )


def _surcharge_lines(account: Account, row: APIUsageLog, quantities: Quantities) -> list[CostLine]:
    known = surcharges.of_account(account)
    lines = surcharge_lines(quantities, terms_at(known, row.request_type, at=row.occurred_at))
    return lines if total_of(lines) == row.surcharge else []
