"""Billing periods: stored, half-open, in UTC. Without a subscription an account has calendar months."""

from collections.abc import Collection
from datetime import datetime

from django.db.models import Max, Min, Q

from usage.core.calendar import month_of
from usage.models import Account, BillingPeriod


def ensure(account_ids: Collection[int], *, at: datetime) -> dict[int, int]:
    """The id of the period open at `at` for each account; a missing one is made.

    It is the calendar month, or what the account's other periods leave of it around `at`. Racing callers end
    with the same period: the table's constraints let only one in.
    """
    found = _open(account_ids, at=at)
    missing = set(account_ids) - found.keys()
    if missing:
        BillingPeriod.objects.bulk_create(_fitting(missing, at=at), ignore_conflicts=True)
        found |= _open(missing, at=at)
    return found


def open_period(account: Account, *, at: datetime) -> BillingPeriod:
    """The account's period open at `at`, made if it is missing."""
    return BillingPeriod.objects.get(pk=ensure([account.pk], at=at)[account.pk])


def _open(account_ids: Collection[int], *, at: datetime) -> dict[int, int]:
    periods = BillingPeriod.objects.filter(
        account_id__in=account_ids, period_start__lte=at, period_end__gt=at
    )
    return dict(periods.values_list("account_id", "id"))


def _fitting(account_ids: Collection[int], *, at: datetime) -> list[BillingPeriod]:
    """The calendar month for each account, cut where a period before or after `at` reaches into it."""
    month_start, month_end = month_of(at)
    neighbours = BillingPeriod.objects.filter(
        account_id__in=account_ids, period_start__lt=month_end, period_end__gt=month_start
    )
    cuts = neighbours.values("account_id").annotate(
        before=Max("period_end", filter=Q(period_end__lte=at)),
        after=Min("period_start", filter=Q(period_start__gt=at)),
    )
    start = {row["account_id"]: row["before"] or month_start for row in cuts}
    end = {row["account_id"]: row["after"] or month_end for row in cuts}
    return [
        BillingPeriod(
            account_id=account_id,
            period_start=start.get(account_id, month_start),
            period_end=end.get(account_id, month_end),
        )
        for account_id in sorted(account_ids)
    ]
