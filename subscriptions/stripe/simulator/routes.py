"""Every call the simulator answers."""

from subscriptions.stripe.simulator.resources import (
    charges,
    checkout_sessions,
    credit_notes,
    customers,
    disputes,
    intent_confirmation,
    invoice_items,
    invoice_steps,
    invoices,
    notifications,
    payment_methods,
    portal_sessions,
    refunds,
    setup_intents,
    tax_calculations,
    tax_transactions,
)
from subscriptions.stripe.simulator.routing import Route
from subscriptions.stripe.simulator.wire import ApiError

ROUTES: list[Route] = [
    *charges.ROUTES,
    *checkout_sessions.ROUTES,
    *credit_notes.ROUTES,
    *customers.ROUTES,
    *disputes.ROUTES,
    *intent_confirmation.ROUTES,
    *invoice_items.ROUTES,
    *invoice_steps.ROUTES,
    *invoices.ROUTES,
    *notifications.ROUTES,
    *payment_methods.ROUTES,
    *portal_sessions.ROUTES,
    *refunds.ROUTES,
    *setup_intents.ROUTES,
    *tax_calculations.ROUTES,
    *tax_transactions.ROUTES,
]


def find(method: str, *, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a call and the ids in its path. Raises ApiError 404 for one that is not simulated."""
    for route in ROUTES:
        if route.method == method and (found := route.pattern.fullmatch(path)):
            return route, found.groups()
    raise ApiError(
        f"Unrecognized request URL ({method}: {path}). The Stripe simulator does not simulate it.", status=404
    )
