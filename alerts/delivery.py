"""Delivering what is due.

One delivery of a channel is under way at a time, by whichever worker, so that alerts arrive in their order;
channels are worked on side by side, so that a dead one holds up no other. A claim whose worker died runs out,
and the delivery is repeated under the same id.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from alerts import destinations, preferences
from alerts.channels import CHANNELS
from alerts.core.findings import Severity
from alerts.core.messages import Message, Undelivered
from alerts.core.retries import wait_after
from alerts.links import absolute
from alerts.models import AlertChannel, AlertDelivery, ChannelState, DeliveryState, UsageAlert
from alerts.sealing import Unreadable

logger = logging.getLogger(__name__)

AT_ONCE = 16
# Longer than any channel takes.
LEASE = timedelta(minutes=2)
# After a failure a channel rests until that delivery's next attempt, but not for longer than this.
LONGEST_REST = timedelta(minutes=1)
DISABLED_AFTER = timedelta(days=3)
MOST_IN_A_DIGEST = 200
UNWANTED = "Nobody with this address wants emails of the account any more."


@dataclass(frozen=True, slots=True)
class Claimed:
    """Deliveries that this worker makes now, as one message, and until when they are its own."""

    channel: AlertChannel
    deliveries: Sequence[AlertDelivery]
    until: datetime


def deliver_due(*, clock: Callable[[], datetime], limit: int, until: datetime | None = None) -> int:
    """Make up to `limit` deliveries that are due, beginning none from `until` on; returns how many were
    tried. Safe to run twice and in parallel. `clock` says what time it is.
    """
    tried = 0
    under_way: dict[Future[int | None], Claimed] = {}
    with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="delivery") as pool:
        while True:
            while len(under_way) < AT_ONCE and tried < limit and (until is None or clock() < until):
                claimed = _claim(at=clock())
                if claimed is None:
                    break
                tried += len(claimed.deliveries)
                sending = _begin(pool, claimed, at=clock())
                if sending is not None:
                    under_way[sending] = claimed
            if not under_way:
                return tried
            for finished in wait(under_way, return_when=FIRST_COMPLETED).done:
                _record(under_way.pop(finished), finished, at=clock())


def message_of(delivery: AlertDelivery) -> Message:
    """The alert as channels know it: all of it from its own row."""
    alert = delivery.alert
    account = alert.payload.get("account") or {"id": "", "name": ""}
    return Message(
        id=f"msg_{delivery.pk.hex}",
        alert_id=alert.pk,
        rule=alert.rule,
        severity=Severity(alert.severity),
        title=alert.title,
        text=alert.message,
        account_id=account["id"],
        account_name=account["name"],
        created_at=alert.created_at,
        provider=alert.provider,
        threshold=alert.threshold,
        period_start=alert.period_start,
        period_end=alert.period_end,
        facts=alert.payload.get("facts", {}),
        link=absolute(alert.path),
        is_recovery=alert.is_recovery,
    )


def _due(at: datetime) -> "QuerySet[AlertDelivery]":
    return AlertDelivery.objects.filter(state=DeliveryState.WAITING, next_attempt_at__lte=at)


def _free(at: datetime) -> Q:
    return Q(busy_until__isnull=True) | Q(busy_until__lte=at)


def _claim(*, at: datetime) -> Claimed | None:
    """What is due longest at a channel where nothing is under way; None when there is nothing."""
    until = at + LEASE
    free = AlertChannel.objects.filter(_free(at), state=ChannelState.ACTIVE)
    while True:
        due = _due(at).filter(channel__in=free).order_by("next_attempt_at")
        channel_id = due.values_list("channel", flat=True).first()
        if channel_id is None:
            return None
        if free.filter(pk=channel_id).update(busy_until=until):
            deliveries = _next_of(channel_id, at=at)
            if deliveries:
                break
            # Another worker has made it between the two looks.
            AlertChannel.objects.filter(pk=channel_id, busy_until=until).update(busy_until=None)
    ids = [delivery.pk for delivery in deliveries]
    AlertDelivery.objects.filter(pk__in=ids).update(claimed_until=until, attempts=F("attempts") + 1)
    for delivery in deliveries:
        delivery.attempts += 1
    return Claimed(deliveries[0].channel, deliveries, until)


def _next_of(channel_id: int, *, at: datetime) -> list[AlertDelivery]:
    """The oldest delivery that is due, of a digest all that its recipient is due."""
    due = _due(at).filter(channel=channel_id).select_related("alert", "channel", "account")
    due = due.order_by("alert_id", "pk")
    first = due.first()
    if first is None or not first.is_digest:
        return [] if first is None else [first]
    return list(due.filter(is_digest=True, recipient=first.recipient)[:MOST_IN_A_DIGEST])


def _begin(pool: ThreadPoolExecutor, claimed: Claimed, *, at: datetime) -> Future[int | None] | None:
    """Begin to send; None where it could not even begin."""
    recipient = claimed.deliveries[0].recipient
    if not _is_wanted(claimed.channel, recipient):
        _mine(claimed).update(
            state=DeliveryState.PARKED, next_attempt_at=None, claimed_until=None, error=UNWANTED
        )
        _let_go(claimed, rest_until=None)
        return None
    try:
        to = destinations.destination_of(claimed.channel, recipient, at=at)
    except Unreadable as unreadable:
        _failed(claimed, Undelivered(str(unreadable), is_final=True), at=at)
        return None
    messages = [message_of(delivery) for delivery in claimed.deliveries]
    return pool.submit(CHANNELS[claimed.channel.kind].send, messages, to, at=at)


def _is_wanted(channel: AlertChannel, recipient: str) -> bool:
    """Whether a mail to a member still is, who may have unsubscribed or left since it was planned."""
    if channel.account_id is None or not destinations.is_of_members(channel):
        return True
    return preferences.wants_emails(channel.account_id, recipient)


def _record(claimed: Claimed, sent: Future[int | None], *, at: datetime) -> None:
    try:
        status = sent.result()
    except Undelivered as undelivered:
        _failed(claimed, undelivered, at=at)
    except Exception as failure:
        logger.exception("an alert could not be delivered by %s", claimed.channel.kind)
        _failed(claimed, Undelivered(f"Something went wrong here ({type(failure).__name__})."), at=at)
    else:
        _sent(claimed, status, at=at)


def _sent(claimed: Claimed, status: int | None, *, at: datetime) -> None:
    waiting = _mine(claimed)
    waiting.update(
        state=DeliveryState.SENT,
        sent_at=at,
        next_attempt_at=None,
        claimed_until=None,
        status_code=status,
        error="",
    )
    alerts = [delivery.alert_id for delivery in claimed.deliveries]
    UsageAlert.objects.filter(pk__in=alerts, sent_at__isnull=True).update(sent_at=at)
    channels = AlertChannel.objects.filter(pk=claimed.channel.pk)
    channels.update(last_delivered_at=at, failing_since=None)
    _let_go(claimed, rest_until=None)


def _failed(claimed: Claimed, undelivered: Undelivered, *, at: datetime) -> None:
    rest_until = None
    for delivery in claimed.deliveries:
        wait_for = None if undelivered.is_final else wait_after(delivery.attempts, key=str(delivery.pk))
        gives_up = wait_for is None
        _mine(claimed).filter(pk=delivery.pk).update(
            state=DeliveryState.PARKED if gives_up else DeliveryState.WAITING,
            next_attempt_at=None if wait_for is None else at + wait_for,
            claimed_until=None,
            status_code=undelivered.status,
            error=undelivered.reason[:500],
        )
        if wait_for is not None:
            rest_until = at + min(wait_for, LONGEST_REST)
    channels = AlertChannel.objects.filter(pk=claimed.channel.pk)
    channels.update(failing_since=Coalesce(F("failing_since"), at))
    _let_go(claimed, rest_until=rest_until)
    if undelivered.is_gone or _has_failed_for_long(claimed.channel, at=at):
        since = claimed.channel.failing_since or at
        destinations.disable(claimed.channel, reason=undelivered.reason, failing_since=since)


def _has_failed_for_long(channel: AlertChannel, *, at: datetime) -> bool:
    since = channel.failing_since
    return destinations.has_address(channel) and since is not None and at - since >= DISABLED_AFTER


def _mine(claimed: Claimed) -> "QuerySet[AlertDelivery]":
    """The claimed deliveries, unless the claim ran out and another worker has made them meanwhile."""
    ids = [delivery.pk for delivery in claimed.deliveries]
    return AlertDelivery.objects.filter(pk__in=ids, state=DeliveryState.WAITING)


def _let_go(claimed: Claimed, *, rest_until: datetime | None) -> None:
    mine = AlertChannel.objects.filter(pk=claimed.channel.pk, busy_until=claimed.until)
    mine.update(busy_until=rest_until)
