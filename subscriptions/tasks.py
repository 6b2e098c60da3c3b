"""What subscriptions do by themselves. Each task calls one operation and is safe to run twice at once."""

import logging

from celery import shared_task
from django.utils import timezone

from subscriptions import credits, month_close, renewals, rollouts

logger = logging.getLogger(__name__)

# What one run does at most; the next one, a minute later, goes on.
AT_MOST = 5_000


@shared_task
def renew_subscriptions() -> None:
    """End the terms and trials that are over: renew, change as scheduled, cancel or expire."""
    _report("terms ended", renewals.renew_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def resume_subscriptions() -> None:
    """Resume what was paused until now."""
    _report("subscriptions resumed", renewals.resume_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def pause_exhausted_subscriptions() -> None:
    """Pause what has used up its included usage, where the plan says so."""
    _report("subscriptions paused", renewals.pause_exhausted(at=timezone.now(), limit=AT_MOST))


@shared_task
def expire_limit_overrides() -> None:
    """End the overrides that are over."""
    _report("overrides ended", renewals.expire_overrides(at=timezone.now(), limit=AT_MOST))


@shared_task
def roll_out_plan_versions() -> None:
    """Give subscribers the plan versions that staff want them to have at once."""
    _report("plan versions applied", rollouts.advance(at=timezone.now(), limit=AT_MOST))


@shared_task
def invoice_subscription_changes() -> None:
    """Invoice what starts, upgrades and resumptions cost at once."""
    _report("invoices of changes", month_close.invoice_changes(at=timezone.now(), limit=AT_MOST))


@shared_task
def close_billing_periods() -> None:
    """Close the billing periods that are over, and finalize what a killed run left as a draft."""
    at = timezone.now()
    _report("drafts finalized", month_close.finalize_drafts(at=at, limit=AT_MOST))
    _report("billing periods closed", month_close.close_due(at=at, limit=AT_MOST))


@shared_task
def expire_credits() -> None:
    """Expire the credits that are over."""
    _report("credits expired", credits.expire_due(at=timezone.now(), limit=AT_MOST))


def _report(what: str, count: int) -> None:
    if count:
        logger.info("%s: %s", what, count)
