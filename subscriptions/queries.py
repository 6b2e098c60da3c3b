"""Every read of plans and subscriptions that is more than one line."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from subscriptions.history import with_relations
from subscriptions.models import (
    RENEWALS,
    PlanVersion,
    SubscriptionChange,
    SubscriptionPlan,
    UserSubscription,
    Visibility,
)
from usage.models import Account

MAX_OFFSET = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changes of a subscription, newest first."""

    rows: list[SubscriptionChange]
    total_count: int
    has_more: bool


def subscription_of(account: Account) -> UserSubscription | None:
    """The account's subscription with its plan; None where it never had one."""
    return with_relations().filter(account=account).first()


def versions_for_sale(*, at: datetime) -> list[PlanVersion]:
    """What everybody may choose at `at`: the version sold of each public plan, in the order shown."""
    newest = PlanVersion.objects.filter(published_at__lte=at).order_by("plan", "-published_at", "-number")
    sold = newest.filter(plan__in=_public_plans()).distinct("plan").values("pk")
    versions = PlanVersion.objects.filter(pk__in=sold).select_related("plan")
    return list(versions.prefetch_related("limits", "surcharges").order_by("plan__position", "plan__id"))


def plan_by_id(plan_id: int) -> SubscriptionPlan | None:
    """The plan of that id, whoever may choose it."""
    return SubscriptionPlan.objects.filter(pk=plan_id).first()


def renewals_of(account: Account, *, limit: int, offset: int) -> ChangePage:
    """A page of the changes that began a term or changed what is paid for it, newest first.

    Reads `limit` + 1 rows. Raises ValueError for a page out of bounds.
    """
    if limit < 1 or not 0 <= offset <= MAX_OFFSET:
        raise ValueError(f"a page needs a limit of at least 1 and an offset in 0..{MAX_OFFSET}")
    found = SubscriptionChange.objects.filter(account=account, kind__in=RENEWALS).order_by("-id")
    rows = list(changes_with_plans(found)[offset : offset + limit + 1])
    return ChangePage(rows=rows[:limit], total_count=found.count(), has_more=len(rows) > limit)


def changes_of(subscription: UserSubscription) -> QuerySet[SubscriptionChange]:
    """Everything that happened to it, newest first."""
    return changes_with_plans(SubscriptionChange.objects.filter(subscription=subscription).order_by("-id"))


def changes_with_plans(changes: QuerySet[SubscriptionChange]) -> QuerySet[SubscriptionChange]:
    """The same, each with the plans before and after."""
    return changes.select_related("version_before__plan", "version_after__plan", "actor_user")


def _public_plans() -> QuerySet[SubscriptionPlan]:
    return SubscriptionPlan.objects.filter(
        visibility=Visibility.PUBLIC, account__isnull=True, retired_at__isnull=True
    )
