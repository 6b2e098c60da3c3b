"""Plans: drafted, published, retired, and the version of one that is sold at some moment."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from subscriptions import entitlements
from subscriptions.actors import Actor
from subscriptions.core.thresholds import are_ascending
from subscriptions.models import PlanLimit, PlanSurcharge, PlanVersion, SubscriptionPlan, VersionSource
from usage.core.errors import Conflict, InvalidRequest, SubscriptionException
from usage.models import Account

# What a version is made of, and what a copy of it repeats.
TERMS = (
    "price_monthly",
    "price_yearly",
    "description",
    "features",
    "trial_days",
    "trial_converts",
    "included_usage",
    "overage_policy",
    "overage_markup_percent",
    "max_monthly_cost",
    "alert_thresholds",
)
LIMIT_TERMS = ("name", "measure", "scope", "scope_value", "window", "mode", "amount", "position")
SURCHARGE_TERMS = ("request_type", "per_request", "per_hour")
MAX_THRESHOLD = 1_000


def version_at(plan: SubscriptionPlan, *, at: datetime) -> PlanVersion:
    """The version of `plan` that is sold at `at`: the last one published by then.

    Raises SubscriptionException when none had been.
    """
    published = plan.versions.filter(published_at__lte=at).order_by("-published_at", "-number")
    version = published.first()
    if version is None:
        raise SubscriptionException(
            f"The plan {plan.name} is not sold yet: publish a version of it first.", code="plan_not_published"
        )
    return version


def default_plan() -> SubscriptionPlan | None:
    """The plan that new accounts begin on; None where staff chose none."""
    return SubscriptionPlan.objects.filter(is_default=True, versions__published_at__isnull=False).first()


def require_sold(plan: SubscriptionPlan, *, account: Account, by_staff: bool) -> None:
    """Return when `account` may be put on `plan`; staff may also give what customers do not see.

    Raises SubscriptionException for a retired or another customer's plan; to customers a plan they cannot
    choose is the same as none.
    """
    if plan.retired_at is not None:
        raise SubscriptionException(
            f"The plan {plan.name} is not sold any more: choose another one.", code="plan_retired"
        )
    if plan.account_id is not None and plan.account_id != account.pk:
        raise SubscriptionException("This plan was made for another customer.", code="plan_not_for_sale")
    if not by_staff and plan.visibility != "public" and plan.account_id is None:
        raise SubscriptionException("This plan can only be given by our staff.", code="plan_not_for_sale")


def draft_of(plan: SubscriptionPlan, *, by: Actor, at: datetime) -> PlanVersion:
    """The plan's draft; where there is none, a new one that begins as a copy of the newest version."""
    with transaction.atomic():
        SubscriptionPlan.objects.select_for_update().get(pk=plan.pk)
        draft = plan.versions.filter(published_at__isnull=True).first()
        if draft is not None:
            return draft
        newest = plan.versions.order_by("-number").first()
        draft = PlanVersion(plan=plan, number=_next_number(plan), created_at=at, created_by=by.user)
        if newest is None:
            draft.save(force_insert=True)
            return draft
        for name in TERMS:
            setattr(draft, name, getattr(newest, name))
        draft.save(force_insert=True)
        copy_parts(newest, draft)
    return draft


def copy_parts(version: PlanVersion, to: PlanVersion) -> None:
    """Give `to` the same limits and surcharges."""
    PlanLimit.objects.bulk_create(
        PlanLimit(version=to, **{name: getattr(limit, name) for name in LIMIT_TERMS})
        for limit in version.limits.all()
    )
    PlanSurcharge.objects.bulk_create(
        PlanSurcharge(version=to, **{name: getattr(surcharge, name) for name in SURCHARGE_TERMS})
        for surcharge in version.surcharges.all()
    )


def publish(version: PlanVersion, *, by: Actor, at: datetime) -> None:
    """Sell this version from `at` on; it never changes again.

    Raises InvalidRequest naming what is wrong with its terms, Conflict when it was published already.
    """
    check(version)
    with transaction.atomic():
        SubscriptionPlan.objects.select_for_update().get(pk=version.plan_id)
        drafts = PlanVersion.objects.filter(pk=version.pk, published_at__isnull=True)
        if not drafts.update(published_at=at, published_by=by.user):
            raise Conflict(f"{version} was published already.", code="version_published")
    version.refresh_from_db()


def discard(version: PlanVersion) -> None:
    """Throw a draft away; raises Conflict for a published version."""
    deleted, _ = PlanVersion.objects.filter(pk=version.pk, published_at__isnull=True).delete()
    if not deleted:
        raise Conflict(f"{version} is published and stays.", code="version_published")


def make_default(plan: SubscriptionPlan) -> None:
    """Let accounts made from now on begin on `plan`, and on no other.

    Raises InvalidRequest for a plan that is retired, one customer's, or not published.
    """
    if plan.retired_at is not None or plan.account_id is not None:
        raise InvalidRequest(f"{plan.name} is not for everybody: another plan has to be the default.")
    with transaction.atomic():
        if not plan.versions.filter(published_at__isnull=False).exists():
            raise InvalidRequest(f"{plan.name} is not published yet: publish a version of it first.")
        # Locked in the order of their ids, so that two who choose at once choose one after the other.
        list(SubscriptionPlan.objects.select_for_update().order_by("pk"))
        SubscriptionPlan.objects.filter(is_default=True).exclude(pk=plan.pk).update(is_default=False)
        SubscriptionPlan.objects.filter(pk=plan.pk).update(is_default=True)
    plan.is_default = True


def retire(plan: SubscriptionPlan, *, at: datetime) -> None:
    """Sell the plan no longer; whoever is subscribed keeps it.

    Raises Conflict for the default plan, which new accounts begin on, and for one that is retired already.
    """
    sold = SubscriptionPlan.objects.filter(pk=plan.pk, retired_at__isnull=True)
    if not sold.filter(is_default=False).update(retired_at=at):
        if sold.exists():
            raise Conflict("New accounts begin on this plan: make another one the default first.")
        raise Conflict(f"{plan.name} is retired already.")
    plan.retired_at = at


def bring_back(plan: SubscriptionPlan) -> None:
    """Sell a retired plan again; raises Conflict for one that is sold."""
    if not SubscriptionPlan.objects.filter(pk=plan.pk, retired_at__isnull=False).update(retired_at=None):
        raise Conflict(f"{plan.name} is not retired.")
    plan.retired_at = None


def check(version: PlanVersion) -> None:
    """Return when the version's terms can be enforced; raises InvalidRequest naming what is wrong."""
    if not are_ascending(version.alert_thresholds, most=MAX_THRESHOLD):
        raise InvalidRequest(
            f"alert_thresholds takes ascending percentages between 1 and {MAX_THRESHOLD}, each once."
        )
    if version.overage_policy != "block" and version.included_usage is None:
        raise InvalidRequest("included_usage: without an amount nothing is beyond it; state one, or block.")
    entitlements.check(version)


def write_version(
    plan: SubscriptionPlan,
    *,
    terms: dict[str, object],
    limits: Sequence[dict[str, object]],
    surcharges: Sequence[dict[str, object]],
    source: VersionSource,
    by: Actor,
    at: datetime,
) -> PlanVersion:
    """Add a version with these terms and publish it at once.

    Raises InvalidRequest naming what is wrong, Conflict when somebody is drafting one.
    """
    with transaction.atomic():
        SubscriptionPlan.objects.select_for_update().get(pk=plan.pk)
        if plan.versions.filter(published_at__isnull=True).exists():
            raise Conflict(f"{plan.name} is being edited: publish or discard its draft first.")
        version = PlanVersion.objects.create(
            plan=plan, number=_next_number(plan), source=source, created_at=at, created_by=by.user, **terms
        )
        PlanLimit.objects.bulk_create(PlanLimit(version=version, **limit) for limit in limits)
        PlanSurcharge.objects.bulk_create(PlanSurcharge(version=version, **each) for each in surcharges)
        publish(version, by=by, at=at)
    return version


def _next_number(plan: SubscriptionPlan) -> int:
    highest: int | None = plan.versions.aggregate(highest=Max("number"))["highest"]
    return (highest or 0) + 1
