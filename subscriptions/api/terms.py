"""What an account is subscribed to, in the words that front ends show."""

from dataclasses import dataclass

from subscriptions.models import Tier, UserSubscription

NO_PLAN = "No plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A plan by its name, one of the four tiers, and its features."""

    plan_name: str
    tier: str
    features: tuple[str, ...]


def terms_of(subscription: UserSubscription | None) -> Terms:
    """The plan of the subscription, of one that has ended too; without one there is no plan, which front ends
    show as the free tier.
    """
    if subscription is None:
        return Terms(plan_name=NO_PLAN, tier=Tier.FREE.value, features=())
    return Terms(
        plan_name=subscription.plan.name,
        tier=subscription.plan.tier,
        features=tuple(subscription.plan_version.features),
    )
