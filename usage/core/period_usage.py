"""What a billing period's usage came to, by model and price: the form in which it is billed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageGroup:
    """Calls of one model at one price in one period: what they consumed and cost, from when to when.

    `late` calls happened before the period that bills them. `evidence` is the hash over their ids and costs
    (migration 0008): whoever has the rows can compute it again.
    """

    provider: str
    model: str
    price_id: int | None
    late: bool
    first_at: datetime
    last_at: datetime
    calls: int
    quantities: Mapping[str, int | Decimal]
    surcharge: Decimal
    cost: Decimal
    evidence: str
