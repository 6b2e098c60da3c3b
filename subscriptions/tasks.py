"""What subscriptions do by themselves. Each task calls one operation, is safe to run twice at once, and
returns how many rows it did.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from subscriptions import budgets, credits, month_close, recommending, renewals, retention, rollouts
from subscriptions.stripe import inbox, push, tax

logger = logging.getLogger(__name__)

# What one run does at most; the next one, a minute later, goes on.
AT_MOST = 5_000
# The same of drafts to tax, each of which is a call to Stripe: a run is over before the next but one begins.
TAXED_AT_MOST = 200
# The same of accounts to replay, every few minutes of the night.
RECOMMENDED_AT_MOST = 1_000
# The same of rows to forget, a night.
PRUNED_AT_MOST = 50_000


@shared_task
def renew_subscriptions() -> int:
    """End the terms and trials that are over: renew, change as scheduled, cancel or expire."""
    return _report("terms ended", renewals.renew_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def resume_subscriptions() -> int:
    """Resume what was paused until now."""
    return _report("subscriptions resumed", renewals.resume_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def pause_exhausted_subscriptions() -> int:
    """Pause what has used up its included usage, where the plan says so."""
    return _report("subscriptions paused", renewals.pause_exhausted(at=timezone.now(), limit=AT_MOST))


@shared_task
def expire_limit_overrides() -> int:
    """End the overrides that are over."""
    return _report("overrides ended", renewals.expire_overrides(at=timezone.now(), limit=AT_MOST))


@shared_task
def protect_budgets() -> int:
    """Let go of what budgets slowed down or paused for a billing period that is over."""
    return _report("budgets seen to", budgets.protect_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def roll_out_plan_versions() -> int:
    """Give subscribers the plan versions that staff want them to have at once."""
    return _report("plan versions applied", rollouts.advance(at=timezone.now(), limit=AT_MOST))


@shared_task
def invoice_subscription_changes() -> int:
    """Invoice what starts, upgrades and resumptions cost at once, and let Stripe hear of it."""
    written = month_close.invoice_changes(at=timezone.now(), limit=AT_MOST)
    _report("invoices of changes", written)
    if written:
        _tell_stripe()
    return written


@shared_task
def close_billing_periods() -> int:
    """Close the billing periods that are over, and finalize what a killed run left as a draft."""
    at = timezone.now()
    finalized = _report("drafts finalized", month_close.finalize_drafts(at=at, limit=AT_MOST))
    return finalized + _report("billing periods closed", month_close.close_due(at=at, limit=AT_MOST))


@shared_task
def expire_credits() -> int:
    """Expire the credits that are over."""
    return _report("credits expired", credits.expire_due(at=timezone.now(), limit=AT_MOST))


@shared_task
def tax_drafts() -> int:
    """Have Stripe compute the tax of drafts, finalize them, and let Stripe hear of it."""
    if not settings.STRIPE_TAX:
        return 0
    taxed = tax.compute_due(at=timezone.now(), limit=TAXED_AT_MOST)
    _report("drafts taxed", taxed)
    if taxed:
        soon(push_to_stripe)
    return taxed


@shared_task
def push_to_stripe() -> int:
    """Let Stripe hear of what is due: invoices, payments, credit notes, who is invoiced."""
    if settings.STRIPE_MODE == "off":
        return 0
    return _report("rows pushed to Stripe", _one_by_one(push.push_due))


@shared_task
def process_stripe_events() -> int:
    """Process the webhooks that wait, and let Stripe hear of what follows from them."""
    if settings.STRIPE_MODE == "off":
        return 0
    processed = _one_by_one(inbox.process_due)
    _report("events of Stripe's", processed)
    if processed:
        _tell_stripe()
    return processed


@shared_task
def compute_recommendations() -> int:
    """Replay what accounts whose usage moved would have paid otherwise."""
    enough = timezone.now() + timedelta(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    computed = recommending.compute_due(clock=timezone.now, limit=RECOMMENDED_AT_MOST, until=enough)
    return _report("accounts' recommendations", computed)


@shared_task
def prune_subscriptions() -> int:
    """Forget Stripe's events that were processed long ago."""
    return _report("events of Stripe's pruned", retention.prune(at=timezone.now(), limit=PRUNED_AT_MOST))


def soon(task: Any) -> None:
    """Let a worker run `task` once this transaction is over. Only faster than its minute: a broker that is
    away loses nothing, and fails nothing.
    """
    transaction.on_commit(lambda: task.apply_async(retry=False), robust=True)


def _tell_stripe() -> None:
    """Invoices may have been written: those that wait for their tax are pushed once they have it."""
    if settings.STRIPE_TAX:
        soon(tax_drafts)
    soon(push_to_stripe)


def _one_by_one(operation: Callable[..., int]) -> int:
    """Run `operation` for one row at a time, until there is none: each claim begins when its row does.

    Half of a task's time is enough. After all of it the row that happens to be at work would seem to fail,
    and the task as well; the next run, a minute later, goes on.
    """
    enough = timezone.now() + timedelta(seconds=settings.CELERY_TASK_SOFT_TIME_LIMIT / 2)
    count = 0
    while count < AT_MOST and operation(at=timezone.now(), limit=1):
        count += 1
        if timezone.now() >= enough:
            break
    return count


def _report(what: str, count: int) -> int:
    if count:
        logger.info("%s: %s", what, count)
    return count
