"""Tables of the subscriptions app, by room: plans as they are sold, subscriptions as they stand."""

from subscriptions.models.plans import (
    OveragePolicy,
    PlanLimit,
    PlanSurcharge,
    PlanVersion,
    SubscriptionPlan,
    Tier,
    VersionSource,
    Visibility,
)
from subscriptions.models.rollouts import VersionRollout
from subscriptions.models.subscriptions import (
    RENEWALS,
    BillingCycle,
    ChangeKind,
    LimitOverride,
    State,
    SubscriptionChange,
    UserSubscription,
)

__all__ = [
    "RENEWALS",
    "BillingCycle",
    "ChangeKind",
    "LimitOverride",
    "OveragePolicy",
    "PlanLimit",
    "PlanSurcharge",
    "PlanVersion",
    "State",
    "SubscriptionChange",
    "SubscriptionPlan",
    "Tier",
    "UserSubscription",
    "VersionRollout",
    "VersionSource",
    "Visibility",
]
