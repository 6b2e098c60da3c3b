"""Which credits an invoice takes, and how much of each. Pure."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from usage.core.money import ZERO

# Credits without an expiry come after all that have one.
NEVER = datetime.max.replace(tzinfo=UTC)


class Credit(NamedTuple):
    """What is left of a grant, in USD, and what decides its turn."""

    grant_id: int
    balance: Decimal
    priority: int
    expires_at: datetime | None


class Use(NamedTuple):
    """So much of a grant is taken."""

    grant_id: int
    amount: Decimal


def uses(credits: Iterable[Credit], due: Decimal) -> Iterator[Use]:
    """What `due` takes of `credits`: lower priority first, then what expires sooner, then the older."""
    left = max(due, ZERO)
    for credit in sorted(credits, key=_turn):
        amount = min(left, credit.balance)
        if amount:
            yield Use(credit.grant_id, amount)
        left -= amount


def _turn(credit: Credit) -> tuple[int, datetime, int]:
    return credit.priority, credit.expires_at or NEVER, credit.grant_id
