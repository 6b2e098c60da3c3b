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
    ChangeKind,
    CycleChoices,
    LimitOverride,
    StateChoices,
    SubscriptionChange,
    UserSubscription,
)

__all__ = [
    "RENEWALS",
    "ChangeKind",
    "CycleChoices",
    "LimitOverride",
    "OveragePolicy",
    "PlanLimit",
    "PlanSurcharge",
    "PlanVersion",
    "StateChoices",
    "SubscriptionChange",
    "SubscriptionPlan",
    "Tier",
    "UserSubscription",
    "VersionRollout",
    "VersionSource",
    "Visibility",
]
