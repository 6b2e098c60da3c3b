"""What is behind an invoice, as tables: lines, timeline, payments, credits, credit notes, tax reports,
collection.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html

from subscriptions.admin.base import dollars, exact, link, minute, span
from subscriptions.models import BillingHistory, InvoiceCollection, InvoiceLine
from usage.admin.operations import Panel

# A page shows no more of each.
MAX_ROWS = 300
SHOWN_OF_HASH = 12
HASH = '<span>{} <span class="font-mono" title="{}">{}…</span></span>'
OUTSIDE = (
    '<a class="text-primary-600 dark:text-primary-500" rel="noreferrer" target="_blank" href="{}">{}</a>'
)


def of(invoice: BillingHistory) -> list[Panel]:
    """All panels of the invoice's page; those with nothing to say are left out."""
    panels = [
        _lines(invoice),
        _timeline(invoice),
        _payments(invoice),
        _credits(invoice),
        _credit_notes(invoice),
        _corrections(invoice),
        _tax_reports(invoice),
    ]
    return [each for each in panels if each.rows] + _collection(invoice)


def party(known: Mapping[str, Any]) -> str:
    """A seller or customer as the invoice has it, on one line."""
    address = known.get("address") or {}
    parts = list(address.values()) if isinstance(address, Mapping) else list(address)
    named = [known.get("name"), *parts, known.get("tax_id"), known.get("email")]
    return ", ".join(str(each) for each in named if each)


def _lines(invoice: BillingHistory) -> Panel:
    found = list(invoice.lines.order_by("position")[: MAX_ROWS + 1])
    return Panel(
        title="Lines",
        headers=[
            "kind", "what", "quantity", "period (UTC)", "exactly (USD)", "amount (USD)", "evidence",
        ],
        rows=[_line(each) for each in found[:MAX_ROWS]],
        note=f"The first {MAX_ROWS} of them." if len(found) > MAX_ROWS else "",
    )  # fmt: skip


def _line(line: InvoiceLine) -> list[str]:
    return [
        line.get_kind_display(),
        line.description,
        _quantity(line),
        span(line.period_start, line.period_end),
        exact(line.precise_amount),
        dollars(line.amount),
        _evidence(line),
    ]


def _quantity(line: InvoiceLine) -> str:
    """How much of what, such as "6,800,000 × token"."""
    if line.quantity is None:
        return ""
    whole, _, rest = exact(line.quantity).partition(".")
    count = f"{int(whole):,}.{rest}" if rest else f"{int(whole):,}"
    return f"{count} × {line.unit}" if line.unit else count


def _evidence(line: InvoiceLine) -> str:
    if not line.event_count:
        return ""
    events = f"{line.event_count:,} event{'' if line.event_count == 1 else 's'},"
    return format_html(HASH, events, line.evidence, line.evidence[:SHOWN_OF_HASH])


def _timeline(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Timeline",
        headers=["when (UTC)", "what", "state after", "USD", "who", "why"],
        rows=[
            [
                minute(each.at),
                each.get_kind_display(),
                each.get_state_after_display(),
                "" if each.amount is None else dollars(each.amount),
                each.actor,
                each.reason,
            ]
            for each in invoice.events.order_by("-id")[:MAX_ROWS]
        ],
    )


def _payments(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Payments",
        headers=["when (UTC)", "state", "USD", "refunded", "how", "reference", "failure", "who"],
        rows=[
            [
                link(each, f"{each.at:%Y-%m-%d %H:%M}"),
                each.get_state_display(),
                dollars(each.amount),
                dollars(each.refunded),
                each.method,
                each.reference or each.stripe_charge_id or "",
                each.failure_message,
                each.actor,
            ]
            for each in invoice.payments.order_by("-id")[:MAX_ROWS]
        ],
    )


def _credits(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Credits",
        headers=["when (UTC)", "what", "credit", "USD"],
        rows=[
            [minute(each.at), each.get_kind_display(), link(each.grant), dollars(each.amount)]
            for each in invoice.credit_entries.select_related("grant").order_by("-id")[:MAX_ROWS]
        ],
    )


def _credit_notes(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Credit notes",
        headers=["number", "what it does", "USD", "when (UTC)", "who", "why"],
        rows=[
            [
                link(each, each.number),
                each.get_kind_display(),
                dollars(each.amount),
                minute(each.created_at),
                each.actor,
                each.reason,
            ]
            for each in invoice.credit_notes.order_by("-id")[:MAX_ROWS]
        ],
    )


def _corrections(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Corrected on a later invoice",
        headers=["what", "USD", "when (UTC)", "who"],
        rows=[
            [link(each, each.description), dollars(each.amount), minute(each.created_at), each.actor]
            for each in invoice.corrections.order_by("-id")[:MAX_ROWS]
        ],
    )


def _tax_reports(invoice: BillingHistory) -> Panel:
    return Panel(
        title="Tax reports at Stripe",
        headers=["reference", "what", "USD with tax", "transaction there", "next push (UTC)", "last error"],
        rows=[
            [
                each.reference,
                each.get_kind_display(),
                dollars(each.amount),
                each.stripe_tax_transaction_id or "none yet",
                minute(each.push_at) or ("parked" if each.push_error else "nothing to push"),
                each.push_error or "none",
            ]
            for each in invoice.tax_reports.order_by("-id")[:MAX_ROWS]
        ],
    )


def _collection(invoice: BillingHistory) -> list[Panel]:
    known = InvoiceCollection.objects.filter(invoice=invoice).first()
    return [] if known is None else [_charges(known), _push(known)]


def _charges(known: InvoiceCollection) -> Panel:
    at_stripe = f"{known.stripe_invoice_id}, {known.stripe_status}" if known.stripe_invoice_id else "none yet"
    failure = f"{known.last_failure} ({known.last_failure_code})" if known.last_failure_code else "none"
    return Panel(
        title="Collection at Stripe",
        headers=["invoice there", "attempts to charge", "failed", "last failure", "next attempt (UTC)"],
        rows=[
            [
                format_html(OUTSIDE, known.hosted_url, at_stripe) if known.hosted_url else at_stripe,
                str(known.payment_attempts),
                str(known.failed_attempts),
                failure,
                minute(known.next_payment_at) or "none",
            ]
        ],
    )


def _push(known: InvoiceCollection) -> Panel:
    return Panel(
        title="Push to Stripe",
        headers=["next push (UTC)", "failures since the last success", "last error"],
        rows=[
            [
                minute(known.push_at) or ("parked" if known.push_error else "nothing to push"),
                str(known.push_attempts),
                known.push_error or "none",
            ]
        ],
    )
