"""Events of Stripe's that could not be processed and wait for staff."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Severity
from alerts.core.rules import WEBHOOK_PARKED
from alerts.raising import Found
from alerts.sweeps.base import a_day
from subscriptions import business

RULE = WEBHOOK_PARKED


def find(*, at: datetime) -> Iterator[Found]:
    """What is parked, all in one."""
    count = business.stuck().events
    if count:
        yield (
            None,
            a_day(
                "stripe events",
                at=at,
                severity=Severity.ERROR,
                title=f"{count} {'event' if count == 1 else 'events'} of Stripe's could not be processed",
                message="They are parked with the reason. Once that is mended, let them be processed again.",
                count=count,
                path="/admin/subscriptions/stripeevent/?state__exact=parked",
            ),
        )
