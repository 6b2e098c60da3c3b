"""Prices that moved so far that they wait for staff."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Severity
from alerts.core.rules import PRICE_HELD
from alerts.raising import Found
from alerts.sweeps.base import a_day
from usage.models import HeldPrice

RULE = PRICE_HELD
NAMED = 5


def find(*, at: datetime) -> Iterator[Found]:
    """What waits, all in one."""
    waiting = HeldPrice.objects.filter(state=HeldPrice.State.WAITING).order_by("created_at", "pk")
    count = waiting.count()
    if count:
        named = [f"{price.provider}/{price.model_name}" for price in waiting[:NAMED]]
        more = " and others" if count > NAMED else ""
        yield (
            None,
            a_day(
                "held prices",
                at=at,
                severity=Severity.WARNING,
                title=f"{count} new {'price waits' if count == 1 else 'prices wait'} to be confirmed",
                message=f"{', '.join(named)}{more}: until then the prices before them are charged.",
                count=count,
                path="/admin/usage/heldprice/?state__exact=waiting",
            ),
        )
