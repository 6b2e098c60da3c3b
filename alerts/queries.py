"""What is told of alerts, counted and picked. The pages of the inbox are `alerts.inbox`' business."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.lookups import IsNull

from alerts.models import AlertDelivery, UsageAlert
from usage.core.errors import NotFound
from usage.models import Account


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """The newest alerts of those asked for, how many those are, and how many of all are unread."""

    alerts: Sequence[UsageAlert]
    total: int
    unread_count: int


def inbox_of(account: Account, *, unread_only: bool, limit: int) -> Inbox:
    """The account's inbox, newest first, at most `limit` alerts of it."""
    shown = _shown(account)
    unread = shown.filter(read_at__isnull=True)
    asked_for = unread if unread_only else shown
    return Inbox(
        alerts=list(asked_for.order_by("-id")[:limit]),
        total=asked_for.count(),
        unread_count=unread.count(),
    )


def latest_alerts(account: Account, *, start: datetime, end: datetime, at_most: int) -> list[UsageAlert]:
    """What the account's inbox got in [start, end): the unread first, newest first."""
    alerts = _shown(account).filter(created_at__gte=start, created_at__lt=end)
    return list(alerts.order_by(IsNull(F("read_at"), True).desc(), "-id")[:at_most])


def open_for_staff(*, at_most: int) -> list[UsageAlert]:
    """What holds now, is for our staff, and none of them has marked read; newest first."""
    alerts = UsageAlert.objects.filter(account=None, is_shown=True, is_lasting=True)
    return list(alerts.filter(ended_at__isnull=True, read_at__isnull=True).order_by("-id")[:at_most])


def account_told(alert_id: int, *, among: Collection[int] | None) -> Account:
    """The account in whose inbox the alert is, if it is one of those with these ids (None: any). Raises
    NotFound, in the same words, for an alert of another account, one that is in no inbox, and none.
    """
    accounts = Account.objects.filter(alerts__pk=alert_id, alerts__is_shown=True)
    if among is not None:
        accounts = accounts.filter(pk__in=among)
    account = accounts.first()
    if account is None:
        raise NotFound("There is no such alert.", code="alert_unknown")
    return account


def delivery_of(account: Account, delivery_id: UUID) -> AlertDelivery:
    """A delivery of the account, with its alert and channel; raises NotFound, in the same words, for one of
    others and none.
    """
    deliveries = AlertDelivery.objects.filter(account=account, pk=delivery_id)
    delivery = deliveries.select_related("alert", "channel").first()
    if delivery is None:
        raise NotFound("There is no such delivery.", code="delivery_unknown")
    return delivery


def _shown(account: Account) -> "QuerySet[UsageAlert]":
    return UsageAlert.objects.filter(account=account, is_shown=True)
