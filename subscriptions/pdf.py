"""An invoice as a PDF, typeset by Typst from `templates_pdf/invoice.typ`.

All that is printed goes in as JSON and comes out as text: nothing of it is ever read as markup. No clock and
no random number is part of it, so that an invoice that stands the same makes the same bytes.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import typst

from subscriptions.core.invoices import METERED, InvoiceState
from subscriptions.core.line_groups import LineGroup, grouped
from subscriptions.invoice_texts import amount, counts, day, exact, quantity, span
from subscriptions.models import BillingHistory, CreditNote, InvoiceLine, Payment
from usage.core.money import ZERO

TEMPLATE = Path(__file__).with_name("templates_pdf") / "invoice.typ"
EVIDENCE_SHOWN = 16
ADDRESS = ("line1", "line2", "postal_code", "city", "state", "country")
STAMPS = {InvoiceState.PAID: "Paid", InvoiceState.VOID: "Void"}


def render(invoice: BillingHistory, *, format: Literal["pdf", "svg", "png"] = "pdf") -> bytes:
    """The finalized invoice on A4 pages; `format` is for looking at it otherwise, then the first page."""
    made = compiled(document(invoice), at=invoice, format=format)
    return made if isinstance(made, bytes) else made[0]


def compiled(
    told: Mapping[str, Any], *, at: BillingHistory, format: Literal["pdf", "svg", "png"] = "pdf"
) -> bytes | list[bytes]:
    """The document that says `told`, dated as the invoice `at`; a list where each page is a file."""
    written = at.finalized_at or at.created_at
    return typst.compile(
        str(TEMPLATE),
        format=format,
        sys_inputs={"invoice": json.dumps(told)},
        # PDF has no fractions of a second.
        timestamp=written.replace(microsecond=0),
    )


def document(invoice: BillingHistory) -> dict[str, Any]:
    """What the template prints, in its words."""
    written = invoice.finalized_at or invoice.created_at
    return {
        "number": invoice.number,
        "date": {"year": written.year, "month": written.month, "day": written.day},
        "currency": invoice.currency,
        "stamp": _stamp(invoice),
        "seller": _seller(invoice.seller),
        "buyer": _buyer(invoice.bill_to),
        "facts": _facts(invoice),
        "groups": [_group(group, of=invoice) for group in _grouped(invoice)],
        "totals": _totals(invoice),
        "due": _due(invoice),
        "payments": [_payment(payment) for payment in invoice.payments.all()],
        "credit_notes": [_credit_note(note) for note in invoice.credit_notes.all()],
        "notes": _notes(invoice),
        "footer": str(invoice.seller.get("footer", "")),
    }


def _grouped(invoice: BillingHistory) -> list[LineGroup[InvoiceLine]]:
    return grouped(invoice.lines.all(), billed=lambda line: (line.kind, line.amount))


def _stamp(invoice: BillingHistory) -> dict[str, str]:
    word = STAMPS.get(InvoiceState(invoice.state), "")
    when = invoice.paid_at if invoice.state == InvoiceState.PAID else invoice.ended_at
    return {"word": word, "when": "" if when is None or not word else day(when)}


def _seller(seller: Mapping[str, Any]) -> dict[str, Any]:
    tax_id = seller.get("tax_id") or ""
    lines = [*seller.get("address", ()), seller.get("email") or "", f"Tax ID {tax_id}" if tax_id else ""]
    return {"name": str(seller.get("name", "")), "lines": _filled(lines)}


def _buyer(buyer: Mapping[str, Any]) -> dict[str, Any]:
    address = buyer.get("address") or {}
    tax_id = buyer.get("tax_id") or ""
    lines = [
        *(address.get(name) or "" for name in ADDRESS[:2]),
        " ".join(_filled(address.get(name) or "" for name in ADDRESS[2:5])),
        address.get("country") or "",
        buyer.get("email") or "",
        f"Tax ID {tax_id}" if tax_id else "",
    ]
    return {"name": str(buyer.get("name", "")), "lines": _filled(lines)}


def _facts(invoice: BillingHistory) -> list[list[str]]:
    facts = [
        ("Invoice number", invoice.number or ""),
        ("Invoice date", day(invoice.finalized_at or invoice.created_at)),
        ("Due", "" if invoice.due_at is None or not invoice.amount_due else day(invoice.due_at)),
        ("Billing period", span(invoice.period_start, invoice.period_end)),
        ("Plan", "" if invoice.plan_version is None else invoice.plan_version.plan.name),
    ]
    return [[name, value] for name, value in facts if value]


def _group(group: LineGroup[InvoiceLine], *, of: BillingHistory) -> dict[str, Any]:
    return {
        "title": group.title,
        "total": amount(group.total),
        "lines": [
            {
                "description": line.description,
                "details": _filled(_details(line, of=of)),
                "quantity": quantity(line.quantity, line.unit),
                "exact": exact(line.precise_amount),
                "amount": amount(line.amount),
            }
            for line in group.lines
        ],
    }


def _details(line: InvoiceLine, *, of: BillingHistory) -> list[str]:
    elsewhen = (line.period_start, line.period_end) != (of.period_start, of.period_end)
    # No line break between the word and the hash.
    evidence = f"Evidence\N{NO-BREAK SPACE}{line.evidence[:EVIDENCE_SHOWN]}…" if line.kind in METERED else ""
    return [
        span(line.period_start, line.period_end) if elsewhen else "",
        counts(line.details),
        evidence,
    ]


def _totals(invoice: BillingHistory) -> list[list[str]]:
    in_favour = -min(invoice.total, 0)
    rows = [
        ("Subtotal", invoice.subtotal, bool(invoice.tax)),
        ("Tax", invoice.tax, bool(invoice.tax)),
        ("Total", invoice.total, True),
        ("Credit applied", -invoice.credit_applied, bool(invoice.credit_applied)),
        ("Given to you as credit", in_favour, bool(in_favour)),
        ("Credit notes", -invoice.amount_credited, bool(invoice.amount_credited)),
        ("Paid", -invoice.amount_paid, bool(invoice.amount_paid)),
    ]
    return [[name, amount(value)] for name, value, shown in rows if shown]


def _due(invoice: BillingHistory) -> dict[str, str]:
    if invoice.state == InvoiceState.VOID:
        return {"name": "Nothing to pay", "note": "This invoice is void.", "amount": amount(ZERO)}
    if not invoice.amount_remaining:
        return {"name": "Amount due", "note": "Nothing is left to pay.", "amount": amount(ZERO)}
    note = "" if invoice.due_at is None else f"By {day(invoice.due_at)}"
    return {"name": "Amount due", "note": note, "amount": amount(invoice.amount_remaining)}


def _payment(payment: Payment) -> list[str]:
    refunded = f", {amount(payment.refunded)} given back" if payment.refunded else ""
    return [
        day(payment.at),
        f"{payment.get_state_display()}{refunded}",
        payment.method,
        amount(payment.amount),
    ]


def _credit_note(note: CreditNote) -> list[str]:
    return [
        day(note.created_at),
        f"{note.number}: {note.get_kind_display()}",
        note.reason,
        amount(note.amount),
    ]


def _notes(invoice: BillingHistory) -> list[str]:
    return [
        "Every amount is exact to 18 decimals until its line. Lines are rounded to cents half to even, each "
        "together with the remainder of those before it, so that they add up to the rounded sum of the exact "
        "amounts.",
        "A line of usage keeps how many calls it bills and a hash over their ids and costs. The invoice can "
        f"be rebuilt from the log of calls and compared, by the command verify_invoice {invoice.number}.",
        "Times are UTC.",
    ]


def _filled(lines: Iterable[str]) -> list[str]:
    return [str(line) for line in lines if line]
