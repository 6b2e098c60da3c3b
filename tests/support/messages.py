"""An alert as channels are given it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from alerts.core.findings import Severity
from alerts.core.messages import Message

CREATED = datetime(2026, 3, 15, 12, 0, tzinfo=UTC)
LIMIT_WARNING = Message(
    id="0195984e-2a00-7c3e-9f0a-5d0c6a7b8c9d",
    alert_id=42,
    rule="limit_threshold",
    severity=Severity.WARNING,
    title="80 % of OpenAI tokens used",
    text="Your plan includes 1,000,000 OpenAI tokens a billing period; 803,412 are used.",
    account_id="acme",
    account_name="Acme Corp",
    created_at=CREATED,
    provider="openai",
    threshold=80,
    period_start=datetime(2026, 3, 1, tzinfo=UTC),
    period_end=datetime(2026, 4, 1, tzinfo=UTC),
    facts={"used": "803,412 tokens", "amount": "1,000,000 tokens", "percent": "80 %"},
    link="https://billing.example.com/alerts/42/",
)


def a_message(**changes: Any) -> Message:
    """The warning of a limit, but for `changes`."""
    return replace(LIMIT_WARNING, **changes)
