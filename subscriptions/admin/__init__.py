"""The admin of the subscriptions app, by room. Every write goes through its operation."""

from subscriptions.admin import accounts, overrides, plans, subscriptions, versions

__all__ = ["accounts", "overrides", "plans", "subscriptions", "versions"]
