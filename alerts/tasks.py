"""What alerts do by themselves. Each task calls one operation and is safe to run twice at once."""

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from alerts import delivery, evaluation, retention

logger = logging.getLogger(__name__)

# What one run does at most; the next one goes on.
AT_MOST = 5_000
# Alerts to forget at a time.
PRUNE_AT_MOST = 2_000


@shared_task
def evaluate_alerts() -> int:
    """Look at the accounts whose usage or limits moved, and raise and end alerts."""
    return _report("accounts looked at", evaluation.evaluate_moved(at=timezone.now(), limit=AT_MOST))


@shared_task
def recheck_alerts() -> int:
    """Mark accounts with open alerts that may be over, so that they are looked at again."""
    return _report("alerts to look at again", evaluation.recheck_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def sweep_alerts() -> int:
    """Raise and end the alerts that no usage moves: payments, cards, trials, prices, what got stuck."""
    return _report("alerts raised by the clock", evaluation.sweep(at=timezone.now()))


@shared_task
def deliver_alerts() -> int:
    """Deliver the alerts that are due to their channels."""
    enough = timezone.now() + timedelta(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    tried = delivery.deliver_due(clock=timezone.now, limit=AT_MOST, until=enough)
    return _report("deliveries tried", tried)


@shared_task
def prune_alerts() -> int:
    """Forget the alerts that were kept long enough, with their deliveries."""
    enough = timezone.now() + timedelta(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    forgotten = 0
    while pruned := retention.prune(at=timezone.now(), limit=PRUNE_AT_MOST):
        forgotten += pruned
        if timezone.now() >= enough:
            break
    return _report("alerts pruned", forgotten)


def _report(what: str, count: int) -> int:
    if count:
        logger.info("%s: %s", what, count)
    return count
