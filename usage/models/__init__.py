"""Tables of the usage app, by room: accounts, people, prices, events, limits, totals, upkeep."""

from usage.models.accounts import Account, ApiKey, Member, Role, Scope
from usage.models.events import APIUsageLog, CostSource, EventKey
from usage.models.limits import (
    Authorization,
    AuthorizationState,
    Hold,
    LimitMode,
    LimitScope,
    LimitSource,
    Measure,
    UsageLimit,
    Window,
)
from usage.models.moves import MovedAccount
from usage.models.people import AccountChange, ChangeOf, Invitation
from usage.models.prices import APIProviderPricing, HeldPrice, PriceSource
from usage.models.projections import ProjectionMethod, UsageProjection
from usage.models.surcharges import Surcharge
from usage.models.totals import (
    BillingPeriod,
    RollUpMark,
    UsageDayRollup,
    UsageMonthRollup,
    UsageRollup,
    UsageSummary,
)
from usage.models.upkeep import DriftReport, PriceCheck, PrunedMonth

__all__ = [
    "APIProviderPricing",
    "APIUsageLog",
    "Account",
    "AccountChange",
    "ApiKey",
    "Authorization",
    "AuthorizationState",
    "BillingPeriod",
    "ChangeOf",
    "CostSource",
    "DriftReport",
    "EventKey",
    "HeldPrice",
    "Hold",
    "Invitation",
    "LimitMode",
    "LimitScope",
    "LimitSource",
    "Measure",
    "Member",
    "MovedAccount",
    "PriceCheck",
    "PriceSource",
    "ProjectionMethod",
    "PrunedMonth",
    "Role",
    "RollUpMark",
    "Scope",
    "Surcharge",
    "UsageDayRollup",
    "UsageLimit",
    "UsageMonthRollup",
    "UsageProjection",
    "UsageRollup",
    "UsageSummary",
    "Window",
]
