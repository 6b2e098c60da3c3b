"""What a rule finds: something that holds now, and all that people will be told of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How urgent it is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """What people are told once it holds no more."""

    title: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """It holds that `subject` (a limit, an invoice, a provider …) is in a state worth telling.

    Once per `subject`, `occasion` and `threshold` of a rule and account an alert is raised; the occasion is
    what makes the same subject worth another one, such as a billing period or an amount that was raised.
    `threshold` is percent, 0 where there is none. `facts` are figures for people and programs, in words and
    decimal strings. `path` is the page that shows it. `recheck_at`: when it may have ended without anything
    moving.
    """

    subject: str
    occasion: str = ""
    threshold: int = 0
    severity: Severity
    title: str
    message: str
    provider: str = ""
    period_start: datetime | None = None
    period_end: datetime | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    path: str = "/alerts/"
    recheck_at: datetime | None = None
    recovery: Recovery | None = None

    @property
    def key(self) -> str:
        """What makes it the same as one that was found before."""
        return f"{self.subject}|{self.occasion}|{self.threshold}"
