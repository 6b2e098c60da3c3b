"""What a channel delivers: an alert as it was when it was raised, and whom it goes to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from alerts.core.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An alert in the form that every channel understands; a snapshot, nothing of it is looked up.

    `id` is the same in every attempt to deliver it. `rule` is one of `alerts.core.rules`. `account_id` is
    the account's external id, empty where the alert is for staff. `link` is an absolute address.
    `is_recovery`: something that was told before has ended.
    """

    id: str
    alert_id: int
    rule: str
    severity: Severity
    title: str
    text: str
    account_id: str
    account_name: str
    created_at: datetime
    provider: str = ""
    threshold: int = 0
    period_start: datetime | None = None
    period_end: datetime | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    is_recovery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a channel delivers to: an email address or a URL, and the secrets to sign with, newest first.

    `settings_link` leads to where alerts are chosen, `unsubscribe_link` to where they are stopped.
    """

    address: str
    secrets: tuple[str, ...] = ()
    settings_link: str = ""
    unsubscribe_link: str = ""


class Undelivered(Exception):
    """It did not arrive, for a reason fit for the customer's eyes.

    `is_final`: another attempt would not help. `is_gone`: the destination asked for no more at all.
    """

    def __init__(
        self, reason: str, *, status: int | None = None, is_final: bool = False, is_gone: bool = False
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.is_final = is_final
        self.is_gone = is_gone
