"""Plans and subscriptions in a small known world."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from subscriptions import catalog_file, catalog_loading, changes, lifecycle, plans
from subscriptions.core.terms import BillingCycle
from subscriptions.models import PlanLimit, PlanVersion, SubscriptionPlan, UserSubscription, VersionSource
from tests.support.cast import NOW, TESTS, an_account
from usage.limits import LimitTerms
from usage.models import Account

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.get_default_timezone())
MONTHLY, YEARLY = BillingCycle.MONTHLY, BillingCycle.YEARLY


def load_catalog(name: str = "default") -> None:
    """A catalog, sold since long ago."""
    catalog_loading.load(catalog_file.read(name), at=LONG_AGO)


def the_plan(key: str) -> SubscriptionPlan:
    return SubscriptionPlan.objects.get(key=key)


def a_plan(
    key: str = "team",
    *limits: LimitTerms,
    price: str = "30",
    at: datetime = LONG_AGO,
    visibility: str = "public",
    account: Account | None = None,
    **terms: Any,
) -> SubscriptionPlan:
    """A plan of 30 USD a month and ten times that a year, with these limits, sold since long ago."""
    plan = SubscriptionPlan.objects.create(
        key=key, name=key.title(), visibility=visibility, account=account, position=len(key)
    )
    a_version(plan, *limits, price=price, at=at, **terms)
    return plan


def a_version(
    plan: SubscriptionPlan, *limits: LimitTerms, price: str = "30", at: datetime = NOW, **terms: Any
) -> PlanVersion:
    """The next version of the plan, published."""
    return plans.write_version(
        plan,
        terms={"price_monthly": Decimal(price), "price_yearly": 10 * Decimal(price), **terms},
        limits=[columns(each) for each in limits],
        surcharges=[],
        source=VersionSource.STAFF,
        by=TESTS,
        at=at,
    )


def columns(terms: LimitTerms) -> dict[str, object]:
    """A limit as a plan's."""
    return {
        name: getattr(terms, name)
        for name in ("name", "measure", "scope", "scope_value", "window", "mode", "amount")
    }


def subscribe(
    plan: SubscriptionPlan,
    *,
    account: Account | None = None,
    cycle: BillingCycle = MONTHLY,
    at: datetime = NOW,
    **options: Any,
) -> UserSubscription:
    """Put the account (acme, made if need be) on the plan, as staff would."""
    account = account or Account.objects.filter(external_id="acme").first() or an_account()
    return changes.subscribe(account, plan=plan, cycle=cycle, at=at, by=TESTS, by_staff=True, **options)


def start(
    plan: SubscriptionPlan, *, account: Account | None = None, at: datetime = NOW, **options: Any
) -> UserSubscription:
    options.setdefault("cycle", MONTHLY)
    return lifecycle.start(account or an_account(), plan=plan, at=at, by=TESTS, **options)


def again(subscription: UserSubscription) -> UserSubscription:
    """The subscription as the database has it now."""
    return UserSubscription.objects.select_related("account", "plan_version__plan", "pending_plan").get(
        pk=subscription.pk
    )


def limit_amounts(account: Account) -> dict[str, Decimal | None]:
    """What the account's limits of all sources allow, by name."""
    return dict(account.limits.values_list("name", "amount"))


def plan_limits(version: PlanVersion) -> list[PlanLimit]:
    return list(version.limits.all())
