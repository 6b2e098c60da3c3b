"""Lines of an invoice, and the totals that follow from them."""

from decimal import Decimal
from typing import Any

from subscriptions.stripe.simulator import money, taxes
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, new_id

MAX_LINES = 250


def priced(given: Json, *, at: str = "") -> tuple[int, str]:
    """What a line costs and the price of one unit: from `amount`, or quantity times a unit amount."""
    quantity = Decimal(str(given.get("quantity_decimal", given.get("quantity", 1))))
    data = given.get("price_data", {})
    unit = given.get("unit_amount_decimal", data.get("unit_amount_decimal", data.get("unit_amount")))
    if "amount" in given:
        if unit is not None:
            raise ApiError(
                "You may only specify one of these parameters: amount, price_data.", param="amount"
            )
        amount: int = given["amount"]
        return amount, _decimal_text(Decimal(amount) / quantity if quantity else Decimal(0))
    if unit is None:
        name = f"{at}[amount]" if at else "amount"
        raise ApiError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return money.rounded(Decimal(str(unit)) * quantity), _decimal_text(Decimal(str(unit)))


def make_line(call: Call, invoice: Json, given: Json, *, item: Json) -> Json:
    """A line of the invoice as the parameters say; it belongs to this invoice item."""
    amount, unit = priced(given)
    quantity = given.get("quantity", 1)
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": invoice["currency"],
        "description": given.get("description") or None,
        "discount_amounts": [],
        "discountable": given.get("discountable", True),
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": False,
        "metadata": given.get("metadata") or {},
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
        },
        "period": given.get("period") or {"start": call.now, "end": call.now},
        "pretax_credit_amounts": [],
        "pricing": {"type": "price_details", "price_details": None, "unit_amount_decimal": unit},
        "quantity": quantity,
        "quantity_decimal": str(given.get("quantity_decimal", quantity)),
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }


def with_lines(call: Call, invoice: Json, lines: list[Json]) -> Json:
    """The draft with these lines, its taxes and totals computed anew. Raises ApiError if it cannot be."""
    _check_lines(invoice, lines)
    customer = call.get("customer", invoice["customer"])
    is_taxed = invoice["automatic_tax"]["enabled"]
    lines = [
        {**line, "taxes": [taxes.of_line(call, line["amount"], customer=customer)] if is_taxed else []}
        for line in lines
    ]
    total_taxes = taxes.summed([tax for line in lines for tax in line["taxes"]])
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal + sum(tax["amount"] for tax in total_taxes)
    return {
        **invoice,
        "lines": {**invoice["lines"], "data": lines, "total_count": len(lines)},
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal,
        "total": total,
        "total_excluding_tax": subtotal,
        "total_taxes": total_taxes,
        **_due(total, balance=customer["balance"], currency=invoice["currency"]),
    }


def _check_lines(invoice: Json, lines: list[Json]) -> None:
    if len(lines) > MAX_LINES:
        raise ApiError(f"An invoice can have up to {MAX_LINES} items.", param="invoice")
    if invoice["automatic_tax"]["enabled"] and any(line["amount"] < 0 for line in lines):
        raise ApiError(
            "Invoice items with negative amounts cannot be added to invoices with automatic tax.",
            param="automatic_tax",
        )


def _due(total: int, *, balance: int, currency: str) -> Json:
    """What is to be paid now: the customer's balance counts, and very little is carried over."""
    owed = total + balance if total >= 0 else total
    due = max(owed, 0)
    if due < money.smallest_charge(currency):
        due = 0
    return {"amount_due": due, "amount_remaining": due, "starting_balance": balance}


def ending_balance(invoice: Json) -> int:
    """The customer's balance once the invoice is final: what it neither charged nor used up."""
    left: int = invoice["starting_balance"] + invoice["total"] - invoice["amount_due"]
    return left


def check_draft(invoice: Json) -> None:
    if invoice["status"] != "draft":
        raise ApiError(
            "This invoice is no longer editable",
            code="invoice_not_editable",
            details={"invoice": invoice["id"]},
        )


def _decimal_text(value: Any) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
