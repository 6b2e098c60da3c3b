"""Billing periods: stored, half-open, in UTC. Without a subscription an account has calendar months."""

from collections.abc import Collection
from datetime import datetime

from usage.core.calendar import month_of
from usage.models import Account, BillingPeriod


def ensure(account_ids: Collection[int], *, at: datetime) -> dict[int, int]:
    """The id of the period open at `at` for each account; a missing one is made as the calendar month.

    Racing callers end with the same period: the table's constraints let only one in.
    """
    found = _open(account_ids, at=at)
    missing = set(account_ids) - found.keys()
    if missing:
        start, end = month_of(at)
        BillingPeriod.objects.bulk_create(
            [
                BillingPeriod(account_id=account_id, period_start=start, period_end=end)
                for account_id in sorted(missing)
            ],
            ignore_conflicts=True,
        )
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
