"""Tables of the usage app, by room: accounts, prices, events, totals."""

from usage.models.accounts import Account, ApiKey, Member, Role, Scope
from usage.models.events import APIUsageLog, CostSource, EventKey
from usage.models.prices import APIProviderPricing, HeldPrice, PriceSource
from usage.models.totals import BillingPeriod, UsageRollup, UsageSummary

__all__ = [
    "APIProviderPricing",
    "APIUsageLog",
    "Account",
    "ApiKey",
    "BillingPeriod",
    "CostSource",
    "EventKey",
    "HeldPrice",
    "Member",
    "PriceSource",
    "Role",
    "Scope",
    "UsageRollup",
    "UsageSummary",
]
