"""Tax by Stripe: computed on drafts, which are final from then on, and told to its reports.

Stripe is called outside of every transaction. A calculation has no effect there; what is told has a row of
its own (`TaxReport`), pushed like all others.
"""

import logging
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import InterfaceError, OperationalError

from subscriptions import invoicing
from subscriptions.models import BillingHistory, BillingProfile, TaxReport, TaxReportKind
from subscriptions.models.invoices import UNTAXED
from subscriptions.stripe import rows, tax_calls
from subscriptions.stripe.errors import StripeFailed, StripeRefused, StripeUnavailable
from usage.core.money import ZERO
from usage.models import Account

logger = logging.getLogger(__name__)


def compute_due(*, at: datetime, limit: int) -> int:
    """Have the tax of up to `limit` drafts computed, oldest first, and finalize them; returns how many. Safe
    to run twice and in parallel.

    One that Stripe refuses says why, and is tried again by each run after all others. While Stripe is away
    the drafts wait.
    """
    # No error sorts before any.
    waiting = BillingHistory.objects.filter(UNTAXED).order_by("tax_error", "pk").values_list("pk", flat=True)
    taxed = 0
    for pk in list(waiting[:limit]):
        draft = BillingHistory.objects.filter(UNTAXED, pk=pk).select_related("account").first()
        if draft is None:
            continue
        try:
            _compute(draft, at=at)
        except (OperationalError, InterfaceError):
            # Not about this one: the database is away.
            raise
        except (StripeFailed, StripeRefused) as failure:
            logger.warning("the tax of %s was not computed: %s", draft, failure.message)
            _note_error(draft, failure.message)
        except StripeUnavailable:
            break
        except Exception as failure:
            logger.exception("the tax of %s was not computed", draft)
            _note_error(draft, f"{type(failure).__name__}: {failure}")
        else:
            taxed += 1
    return taxed


def report(row: TaxReport, *, at: datetime) -> datetime | None:
    """Tell Stripe's tax reports of a sale, or of what was taken back of one; returns when to look again."""
    if row.stripe_tax_transaction_id:
        return None
    key = row.push_key("tax", row.pk)
    if row.kind == TaxReportKind.SALE:
        with rows.asking(row, at=at):
            made = tax_calls.report_sale(row.invoice.tax_calculation_id, reference=row.reference, key=key)
    else:
        sale = TaxReport.objects.get(invoice=row.invoice_id, kind=TaxReportKind.SALE)
        if not sale.stripe_tax_transaction_id:
            return at + rows.FIRST_RETRY
        with rows.asking(row, at=at):
            made = tax_calls.report_reversal(
                sale.stripe_tax_transaction_id,
                amount=None if row.amount == sale.amount else row.amount,
                reference=row.reference,
                key=key,
            )
    TaxReport.objects.filter(pk=row.pk).update(stripe_tax_transaction_id=made)
    return None


def _compute(draft: BillingHistory, *, at: datetime) -> None:
    amount, address = invoicing.taxable(draft), _address(draft.account)
    if amount <= 0 or not address.get("country"):
        invoicing.tax(draft, amount=ZERO, calculation_id="", at=at)
        return
    found = tax_calls.compute(
        amount, address=address, tax_code=settings.STRIPE_TAX_CODE, reference=f"invoice-{draft.pk}"
    )
    invoicing.tax(draft, amount=found.amount, calculation_id=found.calculation_id, at=at)


def _address(account: Account) -> Mapping[str, str]:
    profile = BillingProfile.objects.filter(account=account).first()
    return {} if profile is None else profile.address


def _note_error(draft: BillingHistory, error: str) -> None:
    BillingHistory.objects.filter(UNTAXED, pk=draft.pk).update(tax_error=error[:500])
