"""The admin of the subscriptions app, by room. Every write goes through its operation."""

from subscriptions.admin import (
    accounts,
    adjustments,
    budgets,
    closing,
    collection,
    credits,
    invoices,
    overrides,
    payments,
    plans,
    subscriptions,
    versions,
)

__all__ = [
    "accounts",
    "adjustments",
    "budgets",
    "closing",
    "collection",
    "credits",
    "invoices",
    "overrides",
    "payments",
    "plans",
    "subscriptions",
    "versions",
]
