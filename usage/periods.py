"""Billing periods: stored, half-open, in UTC. Months from the account's anchor, calendar months without one.

A period is made when something first happens in it, or by the clock, and its start never moves. Its end moves
only while it is open, when whoever sells subscriptions begins or re-anchors the account's months.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, Q

from usage.core.calendar import anchored_month, month_of, months_between
from usage.models import Account, BillingPeriod

# An account that nothing happened in for longer than ten years begins anew.
MAX_PERIODS_AT_ONCE = 120
MICROSECOND = timedelta(microseconds=1)


def ensure(account_ids: Collection[int], *, at: datetime) -> dict[int, int]:
    """The id of the period open at `at` for each account; a missing one is made.

    It is the month from the account's anchor (the calendar month without one), or what the account's other
    periods leave of it around `at`. With an anchor, the months since its last period that nothing happened in
    are made as well, so that its periods have no gap. Racing callers end with the same periods: the table's
    constraints let each in once.
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


def begin(account: Account, *, anchor: datetime, at: datetime) -> None:
    """Begin a new period of `account` at `at`, and count its months from `anchor` from then on.

    What was open ends at `at`; the new period lasts to the first month's end after `at`. One that began at
    this very instant is kept and gets that end.
    """
    with transaction.atomic():
        _anchor(account, anchor)
        cut = BillingPeriod.objects.filter(account=account, period_start__lt=at, period_end__gt=at)
        cut.update(period_end=at)
        BillingPeriod.objects.update_or_create(
            account=account, period_start=at, defaults={"period_end": _end(account, at=at)}
        )


def move_anchor(account: Account, *, anchor: datetime, at: datetime) -> None:
    """Count the months of `account` from `anchor` from now on; what is open ends with the month at `at`."""
    with transaction.atomic():
        _anchor(account, anchor)
        current = ensure([account.pk], at=at)[account.pk]
        BillingPeriod.objects.filter(pk=current).update(period_end=_end(account, at=at))


def open_missing(*, at: datetime, limit: int) -> int:
    """Make the periods that up to `limit` anchored accounts lack up to `at` because nothing happened in them;
    returns of how many accounts. Safe to run twice and beside everything else.
    """
    current = BillingPeriod.objects.filter(account=OuterRef("pk"), period_end__gt=at)
    behind = Account.objects.filter(~Exists(current), period_anchor__isnull=False).order_by("pk")
    ids = list(behind.values_list("pk", flat=True)[:limit])
    return len(ensure(ids, at=at))


def _anchor(account: Account, anchor: datetime) -> None:
    """Lock the account, as all do who change what its limits count, and keep the anchor."""
    Account.objects.select_for_update(no_key=True).get(pk=account.pk)
    Account.objects.filter(pk=account.pk).update(period_anchor=anchor)
    account.period_anchor = anchor


def _end(account: Account, *, at: datetime) -> datetime:
    """When a period open at `at` ends: with the account's month, or where another period begins."""
    end = _month(account.period_anchor, at)[1]
    later = BillingPeriod.objects.filter(account=account, period_start__gt=at)
    begins: datetime | None = later.aggregate(begins=Min("period_start"))["begins"]
    return end if begins is None else min(end, begins)


def _open(account_ids: Collection[int], *, at: datetime) -> dict[int, int]:
    periods = BillingPeriod.objects.filter(
        account_id__in=account_ids, period_start__lte=at, period_end__gt=at
    )
    return dict(periods.values_list("account_id", "id"))


def _month(anchor: datetime | None, at: datetime) -> tuple[datetime, datetime]:
    return month_of(at) if anchor is None else anchored_month(anchor, at)


def _fitting(account_ids: Collection[int], *, at: datetime) -> list[BillingPeriod]:
    """The months each account lacks, cut where a period before or after `at` reaches into them."""
    anchors = dict(Account.objects.filter(pk__in=account_ids).values_list("pk", "period_anchor"))
    neighbours = (
        BillingPeriod.objects.filter(account_id__in=account_ids)
        .values("account_id")
        .annotate(
            before=Max("period_end", filter=Q(period_end__lte=at)),
            after=Min("period_start", filter=Q(period_start__gt=at)),
        )
    )
    cuts = {row["account_id"]: (row["before"], row["after"]) for row in neighbours}
    return [
        BillingPeriod(account_id=account_id, period_start=start, period_end=end)
        for account_id in sorted(account_ids)
        for start, end in _months(anchors.get(account_id), *cuts.get(account_id, (None, None)), at=at)
    ]


def _months(
    anchor: datetime | None, before: datetime | None, after: datetime | None, *, at: datetime
) -> list[tuple[datetime, datetime]]:
    """The month of `at` between the period that ended `before` and the one that begins `after`; with an
    anchor all months since `before`, unless those are too many to be worth it.
    """
    start, end = _month(anchor, at)
    found = [(max(start, before or start), min(end, after or end))]
    if anchor is None or before is None or months_between(before, start) > MAX_PERIODS_AT_ONCE:
        return found
    while (start := found[0][0]) > before:
        found.insert(0, (max(_month(anchor, start - MICROSECOND)[0], before), start))
    return found
