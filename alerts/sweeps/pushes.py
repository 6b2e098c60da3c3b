"""What Stripe refused for good and waits for staff."""

from collections.abc import Iterator
from datetime import datetime

from alerts.core.findings import Severity
from alerts.core.rules import PUSH_PARKED
from alerts.raising import Found
from alerts.sweeps.base import a_day
from subscriptions import business

RULE = PUSH_PARKED


def find(*, at: datetime) -> Iterator[Found]:
    """What is parked, all in one."""
    stuck = business.stuck()
    parked = {
        "invoices": stuck.invoices,
        "credit notes": stuck.credit_notes,
        "billing profiles": stuck.profiles,
    }
    count = sum(parked.values())
    if count:
        said = ", ".join(f"{number} {what}" for what, number in parked.items() if number)
        yield (
            None,
            a_day(
                "pushes",
                at=at,
                severity=Severity.ERROR,
                title=f"Stripe refused {said}",
                message="They wait with the reason. Once that is mended, let them be pushed again.",
                count=count,
                path="/admin/",
            ),
        )
