"""Tests that people send to their own channels."""

from datetime import datetime, timedelta
from math import ceil

import uuid_utils.compat
from django.db import transaction

from alerts import destinations, planning
from alerts.channels import CHANNELS
from alerts.core.findings import Severity
from alerts.core.rules import TEST
from alerts.locks import take_turn
from alerts.models import AlertChannel, AlertDelivery, ChannelState, UsageAlert
from usage.core.errors import Conflict

APART = timedelta(seconds=10)


def send_test(channel: AlertChannel, *, at: datetime) -> UsageAlert:
    """Raise a test that goes to this channel alone and is not in the inbox.

    Raises Conflict for a channel that nothing is delivered to, for the inbox, for emails that nobody gets,
    and for another test within APART.
    """
    if CHANNELS[channel.kind].is_instant:
        raise Conflict("The inbox needs no test: alerts are in it by being there.", code="test_not_needed")
    if channel.state != ChannelState.ACTIVE:
        is_unconfirmed = channel.state == ChannelState.UNCONFIRMED
        first = "its owner confirms the address" if is_unconfirmed else "switch it on"
        raise Conflict(f"Nothing is delivered to this channel now: first {first}.", code="channel_not_active")
    with transaction.atomic():
        take_turn(f"test {channel.pk}")
        _require_apart(channel, at=at)
        alert = UsageAlert.objects.create(
            account=channel.account,
            rule=TEST.key,
            key=str(uuid_utils.compat.uuid7()),
            subject=f"channel {channel.pk}",
            severity=Severity.INFO,
            title="This is a test",
            message="If you can read this, alerts arrive here.",
            path=destinations.settings_path(channel),
            payload=_payload(channel),
            is_shown=False,
            created_at=at,
        )
        if not planning.plan_only(alert, channel, at=at):
            raise Conflict("Nobody gets emails yet: choose who does first.", code="nobody_told")
    return alert


def _require_apart(channel: AlertChannel, *, at: datetime) -> None:
    tests = AlertDelivery.objects.filter(channel=channel, alert__rule=TEST.key, created_at__gt=at - APART)
    last = tests.order_by("-created_at").first()
    if last is not None:
        wait_s = ceil((last.created_at + APART - at).total_seconds())
        raise Conflict(
            "A test has just been sent: wait ten seconds.",
            code="test_too_soon",
            details={"retry_after": wait_s},
        )


def _payload(channel: AlertChannel) -> dict[str, object]:
    account = channel.account
    return {
        "account": None if account is None else {"id": account.external_id, "name": account.name},
        "facts": {},
        "recovery": None,
    }
