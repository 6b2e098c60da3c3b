"""The log of an account's deliveries: what went where, what became of it, and another try.

The inbox is left out: an alert is in it by being there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from django.db.models import Q, QuerySet

from alerts import planning
from alerts.channels import CHANNELS
from alerts.models import AlertDelivery, ChannelState, DeliveryState
from usage.core.errors import Conflict, NotFound
from usage.models import Account

MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the log: the deliveries that follow come after the one of this alert and id."""

    alert_id: int
    delivery_id: UUID

    def __str__(self) -> str:
        return f"{self.alert_id}-{self.delivery_id.hex}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The place that `text` names; None where it names none."""
        alert_id, _, delivery_id = text.partition("-")
        if not (alert_id.isascii() and alert_id.isdecimal() and delivery_id.isascii()):
            return None
        try:
            return cls(min(int(alert_id[:20]), MAX_ID), UUID(hex=delivery_id[:36]))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some deliveries, those of the newest alerts first; `after` is where the next page begins, None where
    none follows.
    """

    deliveries: Sequence[AlertDelivery]
    after: Place | None


def page_of(
    account: Account,
    *,
    limit: int,
    channel_id: int | None = None,
    state: DeliveryState | None = None,
    after: Place | None = None,
) -> LogPage:
    """At most `limit` deliveries of the account with their alerts and channels, of one channel and in one
    state if they are named.
    """
    found = without_inbox(AlertDelivery.objects.filter(account=account))
    if channel_id is not None:
        found = found.filter(channel=channel_id)
    if state is not None:
        found = found.filter(state=state)
    if after is not None:
        # The first condition says what the second implies: by it the index is entered at the right place.
        found = found.filter(alert__lte=after.alert_id)
        found = found.filter(Q(alert__lt=after.alert_id) | Q(pk__lt=after.delivery_id))
    rows = list(found.select_related("alert", "channel").order_by("-alert_id", "-pk")[: limit + 1])
    last = rows[limit - 1] if len(rows) > limit else None
    return LogPage(deliveries=rows[:limit], after=None if last is None else Place(last.alert_id, last.pk))


def without_inbox(deliveries: "QuerySet[AlertDelivery]") -> "QuerySet[AlertDelivery]":
    """Those of `deliveries` that went, or are to go, out."""
    instant = [channel.key for channel in CHANNELS.values() if channel.is_instant]
    return deliveries.exclude(channel__kind__in=instant)


def try_again(account: Account | None, delivery_id: UUID, *, at: datetime) -> None:
    """Let a delivery of the account (None: of what our staff are told) that was given up be made again; one
    that is under way is left alone.

    Raises NotFound, in the same words, for another account's delivery and none; Conflict where nothing is
    delivered to its channel, and for one that has arrived.
    """
    found = AlertDelivery.objects.filter(account=account, pk=delivery_id).select_related("channel").first()
    if found is None:
        raise NotFound("There is no such delivery.", code="delivery_unknown")
    if found.channel.state != ChannelState.ACTIVE:
        raise Conflict(
            "Nothing is delivered to this channel now: switch it on first.", code="channel_not_active"
        )
    if not planning.retry(found, at=at):
        found.refresh_from_db()
        if found.state == DeliveryState.SENT:
            raise Conflict("It has arrived already.", code="delivery_sent")
