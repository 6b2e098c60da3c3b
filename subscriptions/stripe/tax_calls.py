"""The calls to Stripe that are about tax, each made as `client` makes its own."""

from collections.abc import Mapping
from decimal import Decimal

from subscriptions.stripe import client, conversion
from subscriptions.stripe.conversion import cents, usd
from subscriptions.stripe.remote import RemoteTax


def compute(amount: Decimal, *, address: Mapping[str, str], tax_code: str, reference: str) -> RemoteTax:
    """The tax that comes on top of `amount` for a customer at `address`. Nothing comes of it until it is
    reported, so that it can be asked for again.
    """
    with client.asking() as api:
        made = api.v1.tax.calculations.create(
            {
                "currency": client.CURRENCY,
                "customer_details": {
                    "address": {
                        "country": address["country"],
                        "line1": address.get("line1", ""),
                        "line2": address.get("line2", ""),
                        "city": address.get("city", ""),
                        "state": address.get("state", ""),
                        "postal_code": address.get("postal_code", ""),
                    },
                    "address_source": "billing",
                },
                "line_items": [
                    {
                        "amount": cents(amount),
                        "reference": reference,
                        "tax_behavior": "exclusive",
                        "tax_code": tax_code,
                    }
                ],
            }
        )
    return RemoteTax(calculation_id=conversion.id_of(made), amount=usd(made.tax_amount_exclusive))


def report_sale(calculation_id: str, *, reference: str, key: str) -> str:
    """Report the tax that was computed as owed; returns the transaction's id."""
    with client.asking() as api:
        made = api.v1.tax.transactions.create_from_calculation(
            {"calculation": calculation_id, "reference": reference}, {"idempotency_key": key}
        )
    return made.id


def report_reversal(transaction_id: str, *, amount: Decimal | None, reference: str, key: str) -> str:
    """Report that `amount` of a sale, tax included, was taken back, or all of it; returns its id."""
    with client.asking() as api:
        made = api.v1.tax.transactions.create_reversal(
            {"mode": "full", "original_transaction": transaction_id, "reference": reference}
            if amount is None
            else {
                "mode": "partial",
                "original_transaction": transaction_id,
                "reference": reference,
                "flat_amount": -cents(amount),
            },
            {"idempotency_key": key},
        )
    return made.id
