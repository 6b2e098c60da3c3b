"""Transactions of Stripe Tax: tax that is owed by a calculation, and what of it was reversed."""

from subscriptions.stripe.simulator import money
from subscriptions.stripe.simulator.calls import Call
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.store import Json
from subscriptions.stripe.simulator.wire import ApiError, listed, new_id


def create_from_calculation(call: Call) -> Json:
    found = call.get("tax.calculation", call.params["calculation"], param="calculation")
    _check_reference(call)
    if found["expires_at"] <= call.now:
        raise ApiError(f"The calculation {found['id']} has expired.", param="calculation")
    if call.store.select("tax.transaction", matching={"_calculation": found["id"]}):
        raise ApiError(f"The calculation {found['id']} has a transaction already.", param="calculation")
    lines = [_line(each, amount=each["amount"], tax=each["amount_tax"]) for each in found["_line_items"]]
    return _made(call, found, lines, reversed_id=None, posted_at=call.params.get("posted_at", call.now))


def create_reversal(call: Call) -> Json:
    original = call.get("tax.transaction", call.params["original_transaction"], param="original_transaction")
    _check_reference(call)
    if original["type"] != "transaction":
        raise ApiError("A reversal cannot be reversed.", param="original_transaction")
    for name in ("line_items", "shipping_cost"):
        if name in call.params:
            raise ApiError(f"The Stripe simulator does not simulate {name}", param=name)
    total = _total(original)
    amount = _amount(call, total=total, left=total - _reversed(call, original))
    lines = [_share(each, amount=amount, total=total) for each in original["_line_items"]]
    return _made(call, original, lines, reversed_id=original["id"], posted_at=call.now)


def retrieve(call: Call) -> Json:
    return call.at_path("tax.transaction")


def list_lines(call: Call) -> Json:
    found = call.at_path("tax.transaction")
    return listed(found["_line_items"], url=f"/v1/tax/transactions/{found['id']}/line_items")


def _check_reference(call: Call) -> None:
    reference = call.params["reference"]
    if call.store.select("tax.transaction", matching={"reference": reference}):
        raise ApiError(f"A transaction with the reference {reference} exists already.", param="reference")


def _amount(call: Call, *, total: int, left: int) -> int:
    """How much to reverse, as a positive number. Raises ApiError for more than is left."""
    if call.params["mode"] == "full":
        if left < total:
            raise ApiError("Part of the transaction has been reversed already.", param="mode")
        return total
    if "flat_amount" not in call.params:
        raise ApiError("Missing required param: flat_amount.", code="parameter_missing", param="flat_amount")
    amount = -int(call.params["flat_amount"])
    if not 0 < amount <= left:
        raise ApiError(f"flat_amount must be negative, and at least -{left}.", param="flat_amount")
    return amount


def _reversed(call: Call, original: Json) -> int:
    found = call.store.select("tax.transaction", matching={"reversal.original_transaction": original["id"]})
    return -sum(_total(each) for each in found)


def _total(transaction: Json) -> int:
    return sum(each["amount"] + each["amount_tax"] for each in transaction["_line_items"])


def _share(line: Json, *, amount: int, total: int) -> Json:
    """What of a line is reversed, when `amount` of the whole transaction is."""
    whole = line["amount"] + line["amount_tax"]
    of_line = money.share(whole, part=amount, whole=total)
    tax = money.share(line["amount_tax"], part=amount, whole=total)
    return _line(line, amount=tax - of_line, tax=-tax, original=line["id"])


def _line(line: Json, *, amount: int, tax: int, original: str | None = None) -> Json:
    return {
        "id": new_id("tax_li"),
        "object": "tax.transaction_line_item",
        "amount": amount,
        "amount_tax": tax,
        "livemode": False,
        "metadata": None,
        "product": None,
        "quantity": line["quantity"],
        "reference": line["reference"],
        "reversal": {"original_line_item": original} if original else None,
        "tax_behavior": line["tax_behavior"],
        "tax_code": line["tax_code"],
        "type": "reversal" if original else "transaction",
    }


def _made(call: Call, source: Json, lines: list[Json], *, reversed_id: str | None, posted_at: int) -> Json:
    return call.make(
        {
            "id": new_id("tax"),
            "object": "tax.transaction",
            "created": call.now,
            "currency": source["currency"],
            "customer": source["customer"],
            "customer_details": source["customer_details"],
            "_calculation": None if reversed_id else source["id"],
            "_line_items": lines,
            "livemode": False,
            "metadata": call.with_metadata({}) or None,
            "posted_at": posted_at,
            "reference": call.params["reference"],
            "reversal": {"original_transaction": reversed_id} if reversed_id else None,
            "ship_from_details": None,
            "shipping_cost": None,
            "tax_date": source["tax_date"],
            "type": "reversal" if reversed_id else "transaction",
        }
    )


ROUTES = [
    Route(
        "POST",
        "/v1/tax/transactions/create_from_calculation",
        "tax.TransactionCreateFromCalculationParams",
        create_from_calculation,
    ),
    Route(
        "POST",
        "/v1/tax/transactions/create_reversal",
        "tax.TransactionCreateReversalParams",
        create_reversal,
    ),
    Route("GET", "/v1/tax/transactions/*", "tax.TransactionRetrieveParams", retrieve),
    Route("GET", "/v1/tax/transactions/*/line_items", "tax.TransactionListLineItemsParams", list_lines),
]
