"""What a sweep is, and what those for our staff share."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from alerts.core.findings import Finding, Severity
from alerts.core.rules import Rule
from alerts.raising import Found


class Sweep(Protocol):
    """A module about one rule: all that holds of it, whoever's account it is; None for our staff."""

    RULE: Rule

    def find(self, *, at: datetime) -> Iterator[Found]: ...


def a_day(
    subject: str, *, at: datetime, severity: Severity, title: str, message: str, count: int, path: str
) -> Finding:
    """Something that waits for staff, told once a day for as long as it does."""
    return Finding(
        subject=subject,
        occasion=f"{at:%Y-%m-%d}",
        severity=severity,
        title=title,
        message=message,
        facts={"count": str(count)},
        path=path,
    )
