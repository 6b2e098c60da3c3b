"""What the usage app does by itself. Each task calls one operation, is safe to run twice at once, and returns
how many rows it did.
"""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from usage import (
    authorization,
    drift_reports,
    partitions,
    periods,
    price_checks,
    projections,
    retention,
    rollups,
)

logger = logging.getLogger(__name__)

DRIFT_CHECK_DAYS = 2
EXPIRE_ACCOUNTS_AT_MOST = 1_000
OPEN_ACCOUNTS_AT_MOST = 10_000
ROLL_UP_ACCOUNTS_AT_MOST = 10_000
PROJECT_PERIODS_AT_MOST = 10_000
# Of each kind, at a time.
PRUNE_AT_MOST = 10_000


@shared_task
def make_log_partitions() -> int:
    """Make the log's partitions of this month and the configured ones ahead; warn of rows without one."""
    made = partitions.ensure_ahead(at=timezone.now(), months=settings.LOG_PARTITIONS_AHEAD_MONTHS)
    stray = partitions.default_rows()
    logger.info("log partitions made: %s", ", ".join(made) or "none")
    if stray:
        logger.error("the default partition of the usage log holds %s rows or more", stray)
    return len(made)


@shared_task
def expire_holds() -> int:
    """Give back the holds past their deadline that no later authorization of their account has reclaimed."""
    expired = authorization.expire(at=timezone.now(), limit=EXPIRE_ACCOUNTS_AT_MOST)
    if expired:
        logger.info("holds expired: %s", expired)
    return expired


@shared_task
def open_billing_periods() -> int:
    """Open the billing periods that began without any usage, so that an account's periods have no gap."""
    made = periods.open_missing(at=timezone.now(), limit=OPEN_ACCOUNTS_AT_MOST)
    if made:
        logger.info("billing periods opened: %s", made)
    return made


@shared_task
def roll_up_days() -> int:
    """Bring the days and months of the accounts whose usage moved up to date with their hours."""
    rolled = rollups.roll_up(at=timezone.now(), limit=ROLL_UP_ACCOUNTS_AT_MOST)
    if rolled:
        logger.info("accounts rolled up: %s", rolled)
    return rolled


@shared_task
def roll_up_all_periods() -> int:
    """The same of every account that lacks anything, whatever period counts it."""
    rolled = rollups.roll_up(at=timezone.now(), limit=ROLL_UP_ACCOUNTS_AT_MOST, everything=True)
    logger.info("accounts rolled up from all periods: %s", rolled)
    return rolled


@shared_task
def compute_projections() -> int:
    """Project what the open billing periods come to, those first whose projection is oldest."""
    computed = projections.compute_due(at=timezone.now(), limit=PROJECT_PERIODS_AT_MOST)
    if computed:
        logger.info("billing periods projected: %s", computed)
    return computed


@shared_task
def check_recent_totals() -> int:
    """Compare the totals of the last days with the log, and limits with it and the open holds.

    A difference is a bug: it is logged as an error, and reported to staff, who repair it.
    """
    at = timezone.now()
    end = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    report = drift_reports.check(start=end - timedelta(days=DRIFT_CHECK_DAYS), end=end, at=at)
    for difference in report.differences:
        logger.error("drifted: %s", difference)
    logger.info("totals checked: %s drifted", report.found)
    return report.found


@shared_task
def prune_usage() -> int:
    """Forget what was kept long enough: months of the log, their event keys, closed authorizations."""
    enough = timezone.now() + timedelta(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    rows = 0
    while pruned := retention.prune(at=timezone.now(), limit=PRUNE_AT_MOST):
        rows += pruned
        if timezone.now() >= enough:
            break
    if rows:
        logger.info("rows of usage pruned: %s", rows)
    return rows


@shared_task
def check_prices() -> int:
    """Compare the installed price lists with the book, and where PRICE_REFRESH says so, add what is new."""
    found = price_checks.check(
        at=timezone.now(),
        factor_limit=settings.PRICE_CHANGE_FACTOR_LIMIT,
        load=settings.PRICE_REFRESH == "load",
    )
    logger.info("price lists compared: %s", found)
    return found.added + found.held
