"""How an object is shown: without the simulator's own fields, with what `expand` asks for."""

from collections.abc import Callable
from typing import Any

from subscriptions.stripe.simulator.store import Json, Store
from subscriptions.stripe.simulator.wire import ApiError, listed

MAX_EXPAND_DEPTH = 4
LINES_SHOWN = 10


def shown(body: Json) -> Json:
    """The object as the API shows it: names that begin with `_` are the simulator's own."""
    answer = {key: value for key, value in body.items() if not key.startswith("_")}
    lines = answer.get("lines")
    if lines:
        all_of_them = lines["data"]
        answer["lines"] = {
            **lines,
            "data": all_of_them[:LINES_SHOWN],
            "has_more": len(all_of_them) > LINES_SHOWN,
        }
    return answer


def expanded(store: Store, answer: Json, *, paths: list[str]) -> Json:
    """The answer with each dotted path replaced by the object behind it."""
    for path in paths:
        steps = path.split(".")
        if len(steps) > MAX_EXPAND_DEPTH:
            raise ApiError(
                f"You cannot expand more than {MAX_EXPAND_DEPTH} levels of a property, and you requested "
                f"{len(steps)} levels: {path}.",
                param="expand",
            )
        _expand(store, answer, steps=steps)
    return answer


def _expand(store: Store, node: Any, *, steps: list[str]) -> None:
    if isinstance(node, list):
        for each in node:
            _expand(store, each, steps=steps)
    elif isinstance(node, dict) and steps:
        _expand_field(store, node, steps=steps)


def _expand_field(store: Store, node: Json, *, steps: list[str]) -> None:
    name = steps[0]
    on_request = ON_REQUEST.get(f"{node.get('object')}.{name}")
    if on_request and node.get(name) is None:
        node[name] = on_request(store, node)
    if name not in node and not node.get("deleted"):
        raise ApiError(f"This property cannot be expanded ({name}).", param="expand")
    if isinstance(node.get(name), str):
        found = store.find(node[name])
        if found is None:
            raise ApiError(f"This property cannot be expanded ({name}).", param="expand")
        node[name] = shown(found)
    _expand(store, node.get(name), steps=steps[1:])


def _payments(store: Store, invoice: Json) -> Json:
    payments = store.select("invoice_payment", matching={"invoice": invoice["id"]})
    return listed([shown(each) for each in payments], url=f"/v1/invoice_payments?invoice={invoice['id']}")


def _confirmation_secret(store: Store, invoice: Json) -> Json | None:
    for payment in store.select("invoice_payment", matching={"invoice": invoice["id"]}):
        intent = store.find(payment["payment"].get("payment_intent") or "")
        if intent:
            return {"type": "payment_intent", "client_secret": intent["client_secret"]}
    return None


def _refunds(store: Store, charge: Json) -> Json:
    refunds = store.select("refund", matching={"charge": charge["id"]}, newest_first=True)
    return listed([shown(each) for each in refunds], url=f"/v1/charges/{charge['id']}/refunds")


def _line_items(store: Store, session: Json) -> Json:
    whole = store.find(session["id"]) or {}
    return listed(whole.get("_line_items", []), url=f"/v1/checkout/sessions/{session['id']}/line_items")


def _tax_location(_: Store, customer: Json) -> Json:
    country = (customer.get("address") or {}).get("country")
    location = {"country": country, "state": None, "source": "billing_address"} if country else None
    known = "supported" if country else "unrecognized_location"
    return {"automatic_tax": known, "ip_address": None, "location": location, "provider": "stripe"}


def _taxed_lines(store: Store, node: Json) -> Json:
    whole = store.find(node["id"]) or {}
    plural = node["object"].removeprefix("tax.") + "s"
    return listed(whole["_line_items"], url=f"/v1/tax/{plural}/{node['id']}/line_items")


def _none(store: Store, customer: Json) -> Json:
    return listed([], url=f"/v1/customers/{customer['id']}")


# Fields that an object has only when `expand` names them.
ON_REQUEST: dict[str, Callable[[Store, Json], Json | None]] = {
    "invoice.payments": _payments,
    "invoice.confirmation_secret": _confirmation_secret,
    "charge.refunds": _refunds,
    "checkout.session.line_items": _line_items,
    "customer.tax": _tax_location,
    "customer.tax_ids": _none,
    "tax.calculation.line_items": _taxed_lines,
    "tax.transaction.line_items": _taxed_lines,
    "customer.sources": _none,
    "customer.subscriptions": _none,
}
