"""Billing periods that cannot be closed."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Severity
from alerts.core.rules import CLOSE_FAILING
from alerts.raising import Found
from alerts.sweeps.base import a_day
from subscriptions import business

RULE = CLOSE_FAILING


def find(*, at: datetime) -> Iterator[Found]:
    """What failed, all in one."""
    count = business.stuck().close_failures
    if count:
        yield (
            None,
            a_day(
                "periods to close",
                at=at,
                severity=Severity.ERROR,
                title=f"{count} billing {'period' if count == 1 else 'periods'} cannot be closed",
                message="No invoice is written for them until what is wrong is mended; they are tried again.",
                count=count,
                path="/admin/subscriptions/closefailure/",
            ),
        )
