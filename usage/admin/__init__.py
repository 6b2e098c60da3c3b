"""The admin of the usage app, by room. Every write that has a rule goes through its operation."""

from usage.admin import accounts, keys, limits, log, prices, totals, upkeep

__all__ = ["accounts", "keys", "limits", "log", "prices", "totals", "upkeep"]
