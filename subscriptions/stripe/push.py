"""Letting Stripe hear of what is due, be it profiles, invoices, credit notes or tax reports: each row by one
worker at a time.

Stripe is called outside of every transaction. What a killed run left undone is due again once its claim is
over; what Stripe refuses for good waits for staff, and holds up no other.
"""

import logging
from datetime import datetime

from django.db import InterfaceError, OperationalError

from subscriptions.models import BillingProfile, CreditNote, CreditNoteKind, InvoiceCollection, TaxReport
from subscriptions.stripe import customers, refunds, rows, tax, twins
from subscriptions.stripe.errors import CardDeclined, StripeRefused, StripeUnavailable
from subscriptions.stripe.rows import Row

logger = logging.getLogger(__name__)

MODELS: tuple[type[Row], ...] = (BillingProfile, InvoiceCollection, CreditNote, TaxReport)


def push_due(*, at: datetime, limit: int) -> int:
    """Push up to `limit` rows that are due; returns how many were tried. Safe to run twice and in parallel.

    `at` is now: a claim runs out LEASE after it, so that a long run asks for one row at a time.
    """
    pushed = 0
    for model in MODELS:
        for pk in rows.due(model, at=at, limit=limit - pushed):
            row = rows.claim(model, pk, at=at)
            if row is not None:
                _push(row, at=at)
                pushed += 1
    return pushed


def try_again(row: Row, *, at: datetime) -> None:
    """Let a row be pushed by the next run, one that was parked too."""
    rows.push_again(row, at=at)


def _push(row: Row, *, at: datetime) -> None:
    try:
        next_at = _converge(row, at=at)
    except (OperationalError, InterfaceError):
        # Not about this row: the database is away.
        raise
    except StripeUnavailable as away:
        rows.later(row, away.message, at=at)
    except (StripeRefused, CardDeclined) as refused:
        logger.warning("Stripe refused %s: %s", row, refused.message)
        rows.park(row, refused.message)
    except Exception as failure:
        logger.exception("%s could not be pushed to Stripe", row)
        rows.later(row, f"{type(failure).__name__}: {failure}", at=at)
    else:
        rows.done(row, next_at=next_at)


def _converge(row: Row, *, at: datetime) -> datetime | None:
    match row:
        case BillingProfile():
            customers.push(row, at=at)
        case InvoiceCollection():
            return twins.converge(row, at=at)
        case TaxReport():
            return tax.report(row, at=at)
        case CreditNote() if row.kind == CreditNoteKind.TO_CARD:
            refunds.push(row, at=at)
        case CreditNote():
            # The invoice takes its notes along: they have to be there before it is charged.
            rows.push_again(row.invoice.collection, at=at)
    return None
