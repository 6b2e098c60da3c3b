"""Closing the billing periods that are over, by the clock: each claimed, one account a transaction.

A run takes what is due, oldest first; others may run beside it, since a period is claimed by locking its row.
What a killed run left undone the next one finds. A period that cannot be closed is noted with the reason, and
tried again later and later; it holds up no other.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet

from subscriptions import invoicing
from subscriptions.invoice_lines import AT_ONCE
from subscriptions.models import (
    BillingHistory,
    CloseFailure,
    InvoiceStateChoices,
    SubscriptionChange,
    UserSubscription,
)
from subscriptions.models.invoices import UNTAXED
from usage.models import BillingPeriod

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=6)
# Changes that no sweep invoiced for so long are left to the period's invoice.
CHANGES_WITHIN = timedelta(days=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far closing has come: periods that are over and not closed, those that failed, drafts, and the
    oldest end of a period that waits.
    """

    waiting: int
    failed: int
    drafts: int
    oldest: datetime | None


def close_due(*, at: datetime, limit: int) -> int:
    """Close up to `limit` periods that were over a grace before `at`, and finalize their invoices, but for
    those that wait for their tax; returns how many were closed. Safe to run twice and in parallel.
    """
    closed = 0
    for period in _due(at=at)[:limit]:
        try:
            invoice = invoicing.close_period(period, at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except Exception as failure:
            logger.exception("billing period %s could not be closed", period.pk)
            _note_failure(period, failure, at=at)
            continue
        if invoice is not None:
            _written_by(invoicing.finalize, invoice, at=at)
        closed += period.closed_at is not None
    return closed


def invoice_changes(*, at: datetime, limit: int) -> int:
    """Draft and finalize invoices for up to `limit` subscriptions with changes that are due at once; returns
    how many were written.
    """
    due = SubscriptionChange.objects.filter(
        kind__in=AT_ONCE,
        amount_due__gt=0,
        recorded_at__gt=at - CHANGES_WITHIN,
        is_billed_elsewhere=False,
        at__lte=at,
        invoice_lines__isnull=True,
    )
    ids = due.order_by("subscription").values_list("subscription", flat=True).distinct()[:limit]
    changed = UserSubscription.objects.filter(pk__in=list(ids))
    return _written(_written_by(invoice_of, each, at=at) for each in changed)


def invoice_of(subscription: UserSubscription, *, at: datetime) -> BillingHistory | None:
    """The invoice of what a subscription's changes cost at once, final unless it waits for its tax; None
    where nothing is due.
    """
    invoice = invoicing.invoice_changes(subscription, at=at)
    return None if invoice is None else invoicing.finalize(invoice, at=at)


def finalize_drafts(*, at: datetime, limit: int) -> int:
    """Finalize up to `limit` drafts that a run left behind; returns how many. Those that wait for their tax
    are passed over.
    """
    drafts = BillingHistory.objects.filter(state=InvoiceStateChoices.DRAFT).order_by("pk")
    if settings.STRIPE_TAX:
        drafts = drafts.exclude(UNTAXED)
    return _written(_written_by(invoicing.finalize, each, at=at) for each in drafts[:limit])


def progress(*, at: datetime) -> Progress:
    """How closing stands at `at`."""
    over = BillingPeriod.objects.filter(_over(at))
    oldest = over.order_by("period_end").values_list("period_end", flat=True).first()
    return Progress(
        waiting=over.count(),
        failed=CloseFailure.objects.count(),
        drafts=BillingHistory.objects.filter(state=InvoiceStateChoices.DRAFT).count(),
        oldest=oldest,
    )


def try_again(failure: CloseFailure, *, at: datetime) -> None:
    """Let the next run close the period, without waiting for the failure's turn."""
    CloseFailure.objects.filter(pk=failure.pk).update(next_attempt_at=at)


def _due(*, at: datetime) -> QuerySet[BillingPeriod]:
    turn = Q(close_failure__isnull=True) | Q(close_failure__next_attempt_at__lte=at)
    return BillingPeriod.objects.filter(_over(at), turn).order_by("period_end", "pk")


def _over(at: datetime) -> Q:
    return Q(closed_at__isnull=True, period_end__lte=at - settings.BILLING_CLOSE_GRACE)


def _note_failure(period: BillingPeriod, failure: Exception, *, at: datetime) -> None:
    error = f"{type(failure).__name__}: {failure}"[:500]
    if BillingPeriod.objects.filter(pk=period.pk, closed_at__isnull=False).exists():
        # Another worker has closed it meanwhile.
        return
    known = CloseFailure.objects.filter(billing_period=period).first()
    if known is None:
        CloseFailure.objects.create(
            billing_period=period, error=error, first_failed_at=at, next_attempt_at=at + FIRST_RETRY
        )
        return
    wait = min(FIRST_RETRY * 2 ** min(known.attempts, 10), LONGEST_RETRY)
    CloseFailure.objects.filter(pk=known.pk).update(
        error=error, attempts=F("attempts") + 1, next_attempt_at=at + wait
    )


def _written_by(
    operation: Callable[..., BillingHistory | None], row: BillingHistory | UserSubscription, *, at: datetime
) -> BillingHistory | None:
    """The invoice that `operation` writes; None where it fails, and then the log says why.

    What is wrong with one account holds up no other. The next run tries again.
    """
    try:
        return operation(row, at=at)
    except (OperationalError, InterfaceError):
        # Not about this one: the database is away.
        raise
    except Exception:
        logger.exception("no invoice was written for %s %s", row._meta.verbose_name, row.pk)
        return None


def _written(invoices: Iterable[BillingHistory | None]) -> int:
    return sum(invoice is not None for invoice in invoices)
