"""The inbox of an account, or of our staff: the alerts for reading, newest first, and that they were read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import QuerySet

from alerts.models import UsageAlert
from usage.core.errors import NotFound
from usage.models import Account

# Beyond it unread alerts are not counted: nobody needs to know by how much.
MOST_COUNTED = 100


class Show(StrEnum):
    """Which alerts of the inbox."""

    ALL = "all"
    UNREAD = "unread"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxPage:
    """Some alerts, newest first; those that follow are older than `older_than`, None where none follow."""

    alerts: Sequence[UsageAlert]
    older_than: int | None


def page_of(
    account: Account, *, limit: int, show: Show = Show.ALL, older_than: int | None = None
) -> InboxPage:
    """At most `limit` alerts of the account's inbox, from the newest on or from those older than that id."""
    found = _shown(account, show).order_by("-id")
    if older_than is not None:
        found = found.filter(pk__lt=older_than)
    alerts = list(found[: limit + 1])
    return InboxPage(alerts=alerts[:limit], older_than=alerts[limit - 1].pk if len(alerts) > limit else None)


def unread_count(account: Account) -> int:
    """How many alerts of the account nobody has read, at most MOST_COUNTED."""
    return _shown(account, Show.UNREAD).order_by()[:MOST_COUNTED].count()


def mark_read(account: Account | None, alert_id: int, *, at: datetime) -> None:
    """Somebody of the account (None: of our staff) has read it; once more changes nothing. Raises NotFound,
    in the same words, for an alert of another account, one that is not in the inbox, and none.
    """
    alert = _shown(account).filter(pk=alert_id)
    if not alert.filter(read_at__isnull=True).update(read_at=at) and not alert.exists():
        raise NotFound("There is no such alert.", code="alert_unknown")


def mark_all_read(account: Account, *, at: datetime, up_to: int | None = None) -> int:
    """Somebody has read all alerts, up to the one of that id if they have seen no newer one; returns how many
    were unread.
    """
    unread = _shown(account, Show.UNREAD)
    if up_to is not None:
        unread = unread.filter(pk__lte=up_to)
    return unread.update(read_at=at)


def _shown(account: Account | None, show: Show = Show.ALL) -> "QuerySet[UsageAlert]":
    alerts = UsageAlert.objects.filter(account=account, is_shown=True)
    match show:
        case Show.UNREAD:
            return alerts.filter(read_at__isnull=True)
        case Show.OPEN:
            return alerts.filter(is_lasting=True, ended_at__isnull=True)
    return alerts
