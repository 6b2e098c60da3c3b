"""Writing invoices: a draft with its lines, then the final invoice with its number.

Two transactions, each of which a later run finds done or undone: the draft together with the closing of its
billing period, and the finalizing with credits and number. Locks are taken in the order billing period (which
claims it), subscription, invoice, credits, number series.

Where Stripe computes tax (`STRIPE_TAX`), a draft waits for it between the two.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, Sum

from subscriptions import billing_terms, credits, invoice_lines, tax_reports, term_ends
from subscriptions.actors import SYSTEM, Actor
from subscriptions.core.invoices import InvoiceState, Line, LineKind, round_lines
from subscriptions.core.terms import Term
from subscriptions.models import (
    BillingHistory,
    BillingProfile,
    CloseFailure,
    CreditKind,
    InvoiceCollection,
    InvoiceEvent,
    InvoiceEventKind,
    InvoiceItem,
    InvoiceLine,
    InvoiceReason,
    PlanVersion,
    UserSubscription,
)
from usage import period_usage
from usage.core.money import ZERO, format_amount
from usage.models import Account, BillingPeriod

# The next number of a series. The row stays locked until the transaction ends, so that none is left out.
NEXT_NUMBER = """
INSERT INTO number_series (key, last) VALUES (%s, 1)
ON CONFLICT (key) DO UPDATE SET last = number_series.last + 1 RETURNING last
"""

# Lines that bill what was carried over, or take that back: tax was computed on it where it came from.
CARRIED = Q(item__actor=SYSTEM.name, item__actor_user__isnull=True) | Q(
    item__withdraws__actor=SYSTEM.name, item__withdraws__actor_user__isnull=True
)
# What finalizing gives a draft.
FINAL = (
    "state", "number", "subtotal", "total", "credit_applied", "amount_due", "finalized_at", "paid_at",
    "due_at", "seller", "bill_to",
)  # fmt: skip


def close_period(period: BillingPeriod, *, at: datetime) -> BillingHistory | None:
    """Close a billing period that is over: draft its invoice, or find that there is nothing to invoice.

    Billed are the usage recorded in it, the fees due until its end that no invoice has yet, the next term's
    included, and what waited for the next invoice. One that is closed, or that another worker is closing, is
    left alone; of one that was closed here, `period` then says when. Raises TrackingException where the log
    and its totals differ.
    """
    with transaction.atomic():
        claimed = (
            BillingPeriod.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .select_related("account")
            .filter(pk=period.pk, closed_at__isnull=True, period_end__lte=at)
            .first()
        )
        if claimed is None:
            return None
        lines, version = _lines_of_period(claimed, at=at)
        invoice = None
        if lines and not _waits_on(lines):
            invoice = _draft(
                claimed.account,
                lines,
                reason=InvoiceReason.PERIOD_CLOSED,
                billing_period=claimed,
                term=Term(claimed.period_start, claimed.period_end),
                version=version,
                at=at,
            )
        claimed.closed_at = at
        claimed.save(update_fields=["closed_at"])
        CloseFailure.objects.filter(billing_period=claimed).delete()
    period.closed_at = at
    return invoice


def invoice_changes(subscription: UserSubscription, *, at: datetime) -> BillingHistory | None:
    """Draft an invoice of what the subscription's changes cost at once: a start, an upgrade, the rest of a
    term. None where nothing is due; what comes out as the customer's waits for the period's invoice.
    """
    with transaction.atomic():
        subscription, _ = term_ends.locked(subscription, at=at)
        account = subscription.account
        found = invoice_lines.unbilled_changes(account, until=at, ending_after=at)
        changes = list(found.filter(kind__in=invoice_lines.AT_ONCE))
        if sum((change.amount_due for change in changes), ZERO) <= 0:
            return None
        waiting = list(invoice_lines.waiting_items(account))
        return _draft(
            account,
            [*invoice_lines.of_changes(changes), *invoice_lines.of_items(waiting)],
            reason=InvoiceReason.SUBSCRIPTION_CHANGED,
            billing_period=None,
            term=Term(changes[-1].at, changes[-1].term_end),
            version=changes[-1].version_after,
            at=at,
        )


def finalize(invoice: BillingHistory, *, at: datetime) -> BillingHistory:
    """Give a draft its number, take the account's credits, and let it be collected; once final, it stays.

    Nothing to pay makes it paid; a negative total becomes a credit; what is too little to be charged is
    carried over to the next invoice. A draft that waits for its tax stays as it is.
    """
    with transaction.atomic():
        invoice = locked(invoice)
        if invoice.state != InvoiceState.DRAFT or waits_for_tax(invoice):
            return invoice
        total = invoice.total
        sold = taxable(invoice) + invoice.tax if invoice.tax_calculation_id else ZERO
        if total > 0:
            invoice.credit_applied = credits.apply(invoice, due=total, at=at)
            invoice.amount_due = total - invoice.credit_applied
            if 0 < invoice.amount_due < settings.INVOICE_MINIMUM_CHARGE:
                _carry_over(invoice, invoice.amount_due, at=at)
        nothing_due = not invoice.amount_due
        invoice.state = InvoiceState.PAID if nothing_due else InvoiceState.OPEN
        invoice.finalized_at = at
        invoice.paid_at = at if nothing_due else None
        invoice.due_at = at + timedelta(days=settings.INVOICE_DUE_DAYS)
        invoice.seller = settings.INVOICE_SELLER
        invoice.bill_to = _bill_to(invoice.account)
        if not nothing_due:
            InvoiceCollection.objects.create(invoice=invoice, push_at=at, next_payment_at=at)
        note(invoice, InvoiceEventKind.FINALIZED, at=at, by=SYSTEM, amount=invoice.amount_due)
        # Last of all but what names it: until we commit, nobody else gets a number.
        invoice.number = next_number("", at=at)
        invoice.save(update_fields=FINAL)
        if sold:
            tax_reports.sold(invoice, amount=sold, at=at)
        if total < 0:
            credits.grant(
                invoice.account,
                kind=CreditKind.REFUND,
                amount=-total,
                reason=f"Invoice {invoice.number} is in the customer's favour.",
                from_invoice=invoice,
                at=at,
                by=SYSTEM,
            )
    return invoice


def tax(invoice: BillingHistory, *, amount: Decimal, calculation_id: str, at: datetime) -> BillingHistory:
    """Put the tax that was computed on a draft, and finalize it; one that has its tax, or is final, stays.

    Without a `calculation_id` nothing was computed, and nothing is reported.
    """
    with transaction.atomic():
        invoice = locked(invoice)
        if invoice.state != InvoiceState.DRAFT or invoice.taxed_at is not None:
            return invoice
        invoice.tax, invoice.total = amount, invoice.subtotal + amount
        invoice.tax_calculation_id, invoice.tax_error, invoice.taxed_at = calculation_id, "", at
        invoice.save(update_fields=["tax", "total", "tax_calculation_id", "tax_error", "taxed_at"])
        return finalize(invoice, at=at)


def waits_for_tax(invoice: BillingHistory) -> bool:
    """Whether it is a draft that Stripe has to compute the tax of; one that asks for nothing has none."""
    is_draft = invoice.state == InvoiceState.DRAFT
    return settings.STRIPE_TAX and is_draft and invoice.taxed_at is None and invoice.subtotal > 0


def taxable(invoice: BillingHistory) -> Decimal:
    """What tax is to be computed on: all of a draft but what was carried over, tax included."""
    carried = invoice.lines.filter(CARRIED).aggregate(sum=Sum("amount"))["sum"] or ZERO
    whole: Decimal = invoice.subtotal - carried
    return whole


def locked(invoice: BillingHistory) -> BillingHistory:
    """The invoice as it stands, locked until the transaction ends."""
    # In one go, other than a subscription: an invoice's account never changes while we wait for the row.
    joined = BillingHistory.objects.select_related("account__billing_profile")
    return joined.select_for_update(of=("self",)).get(pk=invoice.pk)


def note(
    invoice: BillingHistory,
    kind: InvoiceEventKind,
    *,
    at: datetime,
    by: Actor,
    reason: str = "",
    amount: Decimal | None = None,
) -> None:
    """Write down what happened to the invoice; part of the transaction in which it does."""
    InvoiceEvent.objects.create(
        invoice=invoice,
        kind=kind,
        state_after=invoice.state,
        at=at,
        actor=by.name,
        actor_user=by.user,
        reason=reason[:300],
        amount=amount,
    )


def next_number(prefix: str, *, at: datetime) -> str:
    """The next number of the year's series, without a gap; `prefix` tells the series of a year apart."""
    series = f"{prefix}{at:%Y}"
    with connection.cursor() as cursor:
        cursor.execute(NEXT_NUMBER, [series])
        return f"{series}-{cursor.fetchone()[0]:06d}"


def carried_over(invoice: BillingHistory, amount: Decimal) -> Line:
    """The line that takes `amount` off an invoice, since it is too little to be charged."""
    return Line(
        kind=LineKind.CARRIED_OVER,
        description="Too little to be charged: carried over to the next invoice",
        precise=-amount,
        term=Term(invoice.period_start, invoice.period_end),
        details={"amount": format_amount(amount)},
    )


def lines_of_period(period: BillingPeriod) -> tuple[list[Line], PlanVersion | None]:
    """What closing `period` would bill as things stand, and by which plan version its usage; changes nothing.

    Without a subscription there are no terms, and usage is billed to nobody.
    """
    account = period.account
    terms = billing_terms.terms_at(account, period_end=period.period_end)
    changes = invoice_lines.unbilled_changes(
        account, until=period.period_end, ending_after=period.period_start
    )
    waiting = list(invoice_lines.waiting_items(account))
    usage = [] if terms is None else period_usage.groups_of(period)
    lines = invoice_lines.of_changes(list(changes))
    if terms is not None:
        lines += invoice_lines.of_period(usage, terms, period=period)
    return lines + invoice_lines.of_items(waiting), None if terms is None else terms.version


def _lines_of_period(period: BillingPeriod, *, at: datetime) -> tuple[list[Line], PlanVersion | None]:
    """The same, with the account's overdue terms ended first: the next one's fee belongs to this invoice."""
    subscription = UserSubscription.objects.select_for_update().filter(account=period.account_id).first()
    if subscription is not None and term_ends.is_overdue(subscription, at=at):
        term_ends.locked(subscription, at=at)
    return lines_of_period(period)


def _waits_on(lines: Sequence[Line]) -> bool:
    """Whether there is nothing but what waited, and still too little to be charged.

    An invoice would only carry it over: of an account that ended, one each month.
    """
    due = sum(round_lines([line.precise for line in lines]), ZERO)
    return all(line.item_id for line in lines) and 0 < due < settings.INVOICE_MINIMUM_CHARGE


def _draft(
    account: Account,
    lines: Sequence[Line],
    *,
    reason: InvoiceReason,
    billing_period: BillingPeriod | None,
    term: Term,
    version: PlanVersion | None,
    at: datetime,
) -> BillingHistory:
    rounded = round_lines([line.precise for line in lines])
    subtotal = sum(rounded, ZERO)
    invoice = BillingHistory.objects.create(
        account=account,
        reason=reason,
        billing_period=billing_period,
        plan_version=version,
        period_start=term.start,
        period_end=term.end,
        subtotal=subtotal,
        total=subtotal,
        created_at=at,
    )
    InvoiceLine.objects.bulk_create(
        _row(invoice, line, position=position, amount=amount)
        for position, (line, amount) in enumerate(zip(lines, rounded, strict=True), start=1)
    )
    note(invoice, InvoiceEventKind.DRAFTED, at=at, by=SYSTEM, amount=subtotal)
    return invoice


def _row(invoice: BillingHistory, line: Line, *, position: int, amount: Decimal) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        position=position,
        kind=line.kind,
        description=line.description,
        provider=line.provider,
        model=line.model,
        quantity=line.quantity,
        unit=line.unit,
        precise_amount=line.precise,
        amount=amount,
        period_start=line.term.start,
        period_end=line.term.end,
        price_id=line.price_id,
        plan_version_id=line.version_id,
        change_id=line.change_id,
        item_id=line.item_id,
        event_count=line.event_count,
        evidence=line.evidence,
        details=line.details,
    )


def _carry_over(invoice: BillingHistory, amount: Decimal, *, at: datetime) -> None:
    """Take `amount` off a draft whose rest is too little to be charged, and let it wait for the next one."""
    line = carried_over(invoice, amount)
    _row(invoice, line, position=invoice.lines.count() + 1, amount=-amount).save()
    InvoiceItem.objects.create(
        account=invoice.account,
        description=f"Carried over from the invoice of {invoice.period_end:%Y-%m-%d}",
        amount=amount,
        created_at=at,
        actor=SYSTEM.name,
    )
    invoice.subtotal -= amount
    invoice.total -= amount
    invoice.amount_due = ZERO


def _bill_to(account: Account) -> dict[str, object]:
    try:
        profile = account.billing_profile
    except BillingProfile.DoesNotExist:
        return {"name": account.name, "email": "", "address": {}, "tax_id": ""}
    return {
        "name": profile.name or account.name,
        "email": profile.email,
        "address": profile.address,
        "tax_id": profile.tax_id,
    }
