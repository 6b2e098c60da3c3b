"""Accounts with limits, and what became of them: alerts and deliveries."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import uuid_utils.compat

from alerts import evaluation
from alerts.models import AlertChannel, AlertDelivery, DeliveryState, UsageAlert
from tests.support.cast import NOW, an_event
from tests.support.recording import record
from usage import limits
from usage.limits import LimitTerms
from usage.models import Account, LimitMode, LimitScope, LimitSource, Measure, Window


def a_limit(measure: Measure = Measure.CALLS, amount: str = "10", **terms: Any) -> LimitTerms:
    """A limit of the billing period, blocking, over everything."""
    return LimitTerms(
        **{
            "name": f"{measure.value}_limit",
            "measure": measure,
            "window": Window.PERIOD,
            "amount": Decimal(amount),
            **terms,
        }
    )


def of_provider(provider: str, measure: Measure = Measure.CALLS, amount: str = "10") -> LimitTerms:
    return a_limit(
        measure, amount, name=f"{provider}_{measure.value}", scope=LimitScope.PROVIDER, scope_value=provider
    )


def limited(
    account: Account, *terms: LimitTerms, source: LimitSource = LimitSource.PLAN, at: datetime = NOW
) -> Account:
    limits.put(account, source=source, limits=terms, at=at)
    return account


def use(calls: int, *, since: int = 0, at: datetime = NOW, **data: Any) -> None:
    """Record so many calls of acme, of 1000 input and 100 output tokens each."""
    events = [an_event(f"call-{since + number}", at=at, **data) for number in range(calls)]
    if events:
        record(*events, at=at)


def look(account: Account, *, at: datetime = NOW) -> list[str]:
    """Look at the account; the titles of the alerts raised."""
    return [alert.title for alert in evaluation.evaluate(account, at=at)]


def raised(account: Account | None = None, **filters: Any) -> list[UsageAlert]:
    """All alerts there are, oldest first."""
    found = UsageAlert.objects.filter(**filters).order_by("id")
    return list(found if account is None else found.filter(account=account))


def titles(**filters: Any) -> list[str]:
    return [alert.title for alert in raised(**filters)]


def thresholds(alerts: Sequence[UsageAlert]) -> list[int]:
    return [alert.threshold for alert in alerts]


def deliveries(**filters: Any) -> list[AlertDelivery]:
    """In the order they were planned."""
    return list(
        AlertDelivery.objects.filter(**filters).select_related("channel", "alert").order_by("alert_id", "pk")
    )


def an_alert(account: Account | None, title: str = "80 % of calls used", **fields: Any) -> UsageAlert:
    """A warning that 8 of 10 calls are used, as if it had just been raised; nobody was told of it."""
    number = UsageAlert.objects.count()
    facts = {"used": "8 calls", "amount": "10 calls", "percent": "80 %", "remaining": "2 calls"}
    return UsageAlert.objects.create(
        **{
            "account": account,
            "rule": "limit_threshold",
            "key": f"calls|{number}",
            "subject": "calls",
            "severity": "warning",
            "title": title,
            "message": "8 of 10 calls are used this billing period (calls).",
            "path": "/alerts/",
            "payload": {"facts": facts, "recovery": None},
            "is_lasting": True,
            "created_at": NOW,
            **fields,
        }
    )


def a_delivery(alert: UsageAlert, channel: AlertChannel, **fields: Any) -> AlertDelivery:
    """A delivery of the alert that waits for its first attempt, unless `fields` say otherwise."""
    state = fields.get("state", DeliveryState.WAITING)
    times = {
        DeliveryState.WAITING: {"next_attempt_at": NOW},
        DeliveryState.SENT: {"sent_at": NOW},
        DeliveryState.PARKED: {"error": "503 Service Unavailable"},
    }
    made = {"id": uuid_utils.compat.uuid7(), "account": alert.account, "created_at": NOW}
    return AlertDelivery.objects.create(alert=alert, channel=channel, **{**made, **times[state], **fields})


def channel_of(account: Account | None, kind: str) -> AlertChannel:
    return AlertChannel.objects.get(account=account, kind=kind)


__all__ = [
    "LimitMode",
    "a_delivery",
    "a_limit",
    "an_alert",
    "channel_of",
    "deliveries",
    "limited",
    "look",
    "of_provider",
    "raised",
    "thresholds",
    "titles",
    "use",
]
