"""Tests that people send to their own channels."""

from datetime import datetime, timedelta

import uuid_utils.compat
from django.db import transaction

from alerts import planning
from alerts.core.findings import Severity
from alerts.core.rules import TEST
from alerts.locks import take_turn
from alerts.models import AlertChannel, AlertDelivery, ChannelState, UsageAlert
from usage.core.errors import Conflict

APART = timedelta(seconds=10)
SETTINGS_PATH = "/alerts/settings/"


def send_test(channel: AlertChannel, *, at: datetime) -> UsageAlert:
    """Raise a test that goes to this channel alone and is not in the inbox.

    Raises Conflict for a channel that nothing is delivered to, and for another test within APART.
    """
    if channel.state != ChannelState.ACTIVE:
        raise Conflict("Nothing is delivered to this channel now.", code="channel_not_active")
    with transaction.atomic():
        take_turn(f"test {channel.pk}")
        just_now = AlertDelivery.objects.filter(
            channel=channel, alert__rule=TEST.key, created_at__gt=at - APART
        )
        if just_now.exists():
            raise Conflict("A test has just been sent: wait ten seconds.", code="test_too_soon")
        alert = UsageAlert.objects.create(
            account=channel.account,
            rule=TEST.key,
            key=str(uuid_utils.compat.uuid7()),
            subject=f"channel {channel.pk}",
            severity=Severity.INFO,
            title="This is a test",
            message="If you can read this, alerts arrive here.",
            path=SETTINGS_PATH,
            payload=_payload(channel),
            is_shown=False,
            created_at=at,
        )
        planning.plan_only(alert, channel, at=at)
    return alert


def _payload(channel: AlertChannel) -> dict[str, object]:
    account = channel.account
    return {
        "account": None if account is None else {"id": account.external_id, "name": account.name},
        "facts": {},
        "recovery": None,
    }
