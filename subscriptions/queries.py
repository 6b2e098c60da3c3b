"""Every read of plans and subscriptions that is more than one line."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from subscriptions import entitlements
from subscriptions.history import with_relations
from subscriptions.models import (
    RENEWALS,
    BillingProfile,
    InvoiceLine,
    PlanVersion,
    SubscriptionChange,
    SubscriptionPlan,
    UserSubscription,
    Visibility,
)
from usage.core.money import ZERO, format_amount
from usage.limits import key_of
from usage.models import Account, LimitMode, LimitSource, UsageLimit, Window

MAX_OFFSET = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """Changes of a subscription, newest first."""

    rows: list[SubscriptionChange]
    total_count: int
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BeyondLimit:
    """An account that has used more of a limit than a version allows."""

    account: str
    limit: str
    used: str
    allowed: str


def subscription_of(account: Account) -> UserSubscription | None:
    """The account's subscription with its plan; None where it never had one."""
    return with_relations().filter(account=account).first()


def with_terms(account: Account) -> Account:
    """The account with its subscription, its plan, its billing profile and its budget, as far as there are
    any: all that pages begin with, in one statement.
    """
    relations = (
        "subscription__plan_version__plan",
        "subscription__pending_plan",
        "billing_profile",
        "budget",
    )
    return Account.objects.select_related(*relations).get(pk=account.pk)


def versions_for_sale(*, at: datetime, account: Account | None = None) -> list[PlanVersion]:
    """What everybody may choose at `at`, and what was made for `account`: the version sold of each plan, in
    the order shown.
    """
    plans = _public_plans()
    if account is not None:
        plans |= SubscriptionPlan.objects.filter(account=account, retired_at__isnull=True)
    newest = PlanVersion.objects.filter(published_at__lte=at).order_by("plan_id", "-published_at", "-number")
    sold = newest.filter(plan__in=plans).distinct("plan_id").values("pk")
    versions = PlanVersion.objects.filter(pk__in=sold).select_related("plan")
    return list(versions.prefetch_related("limits", "surcharges").order_by("plan__position", "plan__id"))


def cards_ending(*, at: datetime) -> QuerySet[BillingProfile]:
    """The accounts whose card ends with the month of `at` or has ended before: they need another one."""
    ending = Q(card_exp_year__lt=at.year) | Q(card_exp_year=at.year, card_exp_month__lte=at.month)
    return BillingProfile.objects.filter(ending).select_related("account").order_by("account__name", "pk")


def plan_by_id(plan_id: int) -> SubscriptionPlan | None:
    """The plan of that id, whoever may choose it."""
    return SubscriptionPlan.objects.filter(pk=plan_id).first()


def published_before(version: PlanVersion) -> PlanVersion | None:
    """The version of the same plan that was sold before this one, or is sold while this one is a draft."""
    earlier = PlanVersion.objects.filter(
        plan=version.plan_id, published_at__isnull=False, number__lt=version.number
    )
    return earlier.order_by("-number").first()


def beyond_limits(version: PlanVersion, *, accounts: "QuerySet[Any, Any]", at_most: int) -> list[BeyondLimit]:
    """Where some of `accounts` have used more of a billing period than `version` allows; the first `at_most`.

    Looks at the limits that refuse, as they were last counted.
    """
    allowed = {
        terms.key: terms.amount
        for terms in entitlements.limit_terms(version)
        if terms.window == Window.PERIOD and terms.mode == LimitMode.BLOCK and terms.amount is not None
    }
    beyond = Q(pk__in=[])
    for (measure, scope, scope_value, window, mode), amount in allowed.items():
        beyond |= Q(
            measure=measure,
            scope=scope,
            scope_value=scope_value,
            window=window,
            mode=mode,
            used__gt=amount,
        )
    known = UsageLimit.objects.filter(beyond, account__in=accounts, source=LimitSource.PLAN)
    return [
        BeyondLimit(
            account=limit.account.name,
            limit=limit.name,
            used=format_amount(limit.used),
            allowed=format_amount(allowed[key_of(limit)] or ZERO),
        )
        for limit in known.select_related("account").order_by("account__name", "name")[:at_most]
    ]


def plan_known_to(account: Account, *, plan_id: int, at: datetime) -> SubscriptionPlan | None:
    """The plan of that id if people of `account` may know of it at `at`: one that is public, was made for
    them or is theirs, and has been sold. A retired one is, since they may have seen it.
    """
    theirs = Q(account=account) | Q(account__isnull=True, visibility=Visibility.PUBLIC)
    theirs |= Q(versions__subscriptions__account=account)
    return SubscriptionPlan.objects.filter(theirs, pk=plan_id, versions__published_at__lte=at).first()


def renewals_of(account: Account, *, limit: int, offset: int) -> ChangePage:
    """A page of the changes that began a term or changed what is paid for it, newest first, each with the
    lines that bill it.

    Reads `limit` + 1 rows. Raises ValueError for a page out of bounds.
    """
    if limit < 1 or not 0 <= offset <= MAX_OFFSET:
        raise ValueError(f"a page needs a limit of at least 1 and an offset in 0..{MAX_OFFSET}")
    found = SubscriptionChange.objects.filter(account=account, kind__in=RENEWALS).order_by("-id")
    billed = Prefetch("invoice_lines", InvoiceLine.objects.select_related("invoice__collection"))
    rows = list(changes_with_plans(found).prefetch_related(billed)[offset : offset + limit + 1])
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
