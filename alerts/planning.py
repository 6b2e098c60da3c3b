"""Planning the deliveries of an alert: by which channels, to whom, when."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import uuid_utils.compat

from alerts import destinations, preferences, signals
from alerts.channels import CHANNELS
from alerts.core.rules import TEST, Rule
from alerts.models import AlertChannel, AlertDelivery, DeliveryState, EmailMode, UsageAlert
from alerts.preferences import Wishes
from usage.models import Account

# The hour, in UTC, at which digests go out.
DIGEST_HOUR = 8


@dataclass(frozen=True, slots=True)
class Ways:
    """Where the alerts of an account go, and who does not want which."""

    channels: Sequence[AlertChannel]
    wishes: Wishes

    def shows(self, rule: Rule) -> bool:
        """Whether alerts of the rule are in the inbox."""
        return rule is not TEST and not self.wishes.is_muted(rule.key, "in_app")


def ways_of(account: Account | None, *, at: datetime) -> Ways:
    """Where alerts of the account go now; the channels that everybody has are made if they are missing."""
    return Ways(destinations.active_of(account, at=at), preferences.wishes_of(account))


def plan(alerts: Iterable[UsageAlert], ways: Ways, *, at: datetime) -> list[AlertDelivery]:
    """Write the deliveries of an account's alerts, in the transaction that raises them."""
    return _write(
        [
            each
            for alert in alerts
            for channel in ways.channels
            if not ways.wishes.is_muted(alert.rule, channel.kind)
            for each in _planned(alert, channel, ways.wishes, at=at)
        ]
    )


def plan_only(alert: UsageAlert, channel: AlertChannel, *, at: datetime) -> list[AlertDelivery]:
    """Write the deliveries of an alert that goes to one channel alone, whatever anybody wishes."""
    wishes = preferences.wishes_of(channel.account, ignoring_muted=True)
    return _write(list(_planned(alert, channel, wishes, at=at)))


def retry(delivery: AlertDelivery, *, at: datetime) -> bool:
    """Let a delivery that was given up be made again, under the same id; whether it was given up."""
    parked = AlertDelivery.objects.filter(pk=delivery.pk, state=DeliveryState.PARKED)
    again = parked.update(state=DeliveryState.WAITING, next_attempt_at=at, attempts=0, error="")
    if again:
        signals.announce_deliveries()
    return bool(again)


def next_digest(at: datetime) -> datetime:
    """When the next digest goes out."""
    today = at.replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return today if today > at else today + timedelta(days=1)


def _write(planned: list[AlertDelivery]) -> list[AlertDelivery]:
    AlertDelivery.objects.bulk_create(planned)
    if planned:
        signals.announce_deliveries()
    return planned


def _planned(
    alert: UsageAlert, channel: AlertChannel, wishes: Wishes, *, at: datetime
) -> Iterator[AlertDelivery]:
    for recipient, mode in _recipients(alert, channel, wishes):
        is_digest = mode == EmailMode.DIGEST and alert.rule != TEST.key
        is_instant = CHANNELS[channel.kind].is_instant
        yield AlertDelivery(
            id=uuid_utils.compat.uuid7(),
            account=alert.account,
            alert=alert,
            channel=channel,
            recipient=recipient,
            is_digest=is_digest,
            state=DeliveryState.SENT if is_instant else DeliveryState.WAITING,
            sent_at=at if is_instant else None,
            next_attempt_at=None if is_instant else next_digest(at) if is_digest else at,
            created_at=at,
        )


def _recipients(alert: UsageAlert, channel: AlertChannel, wishes: Wishes) -> list[tuple[str, EmailMode]]:
    if destinations.is_of_members(channel):
        return wishes.members_told_of(alert.rule)
    return [("", EmailMode.EACH)]
