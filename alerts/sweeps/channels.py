"""Channels that were switched off because nothing could be delivered to them."""

from collections.abc import Iterator
from datetime import datetime

from alerts import destinations, words
from alerts.core.findings import Finding, Severity
from alerts.core.rules import CHANNEL_DISABLED
from alerts.models import AlertChannel, ChannelState
from alerts.raising import Found

RULE = CHANNEL_DISABLED


def find(*, at: datetime) -> Iterator[Found]:
    """The channels that failed until they were switched off, and still are."""
    failed = AlertChannel.objects.filter(state=ChannelState.DISABLED, failing_since__isnull=False)
    for channel in failed.select_related("account").order_by("pk"):
        since = words.moment(channel.failing_since or at)
        yield (
            channel.account,
            Finding(
                subject=f"channel/{channel.pk}",
                occasion=since,
                severity=Severity.ERROR,
                title=f"{channel.kind_name} {channel.label} was switched off",
                message=(
                    f"Nothing could be delivered to it since {since}. The last answer: "
                    f"{channel.disabled_reason} Once that is mended, switch it on again."
                ),
                facts={"channel": str(channel), "reason": channel.disabled_reason, "since": since},
                path=destinations.settings_path(channel),
            ),
        )
