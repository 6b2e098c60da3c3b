"""Plans: what customers know them by, and their versions."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action

from subscriptions import plans
from subscriptions.actors import of_user
from subscriptions.admin import drafts
from subscriptions.core.states import ENDED
from subscriptions.models import PlanVersion, SubscriptionPlan
from usage.admin import operations
from usage.admin.base import ProjectAdmin, ReadOnlyInline, staff_user
from usage.admin.operations import Operation
from usage.core.money import format_amount

ENDED_STATES = [state.value for state in sorted(ENDED)]


class VersionInline(ReadOnlyInline):
    """Every version the plan ever had; a published one stays as it was sold."""

    model = PlanVersion
    fields = ["number", "status", "prices", "published_at", "published_by", "source", "note"]
    readonly_fields = fields
    verbose_name_plural = "versions"

    @admin.display(description="status")
    def status(self, version: PlanVersion) -> str:
        return "published" if version.published_at else "draft"

    @admin.display(description="USD a month / a year")
    def prices(self, version: PlanVersion) -> str:
        return f"{format_amount(version.price_monthly)} / {format_amount(version.price_yearly)}"


@admin.register(SubscriptionPlan)
class PlanAdmin(ProjectAdmin):
    """The plan's name and place; its terms are edited as a draft of the next version."""

    list_display = ["name", "key", "tier", "visibility", "price", "subscribers", "status"]
    list_filter = ["tier", "visibility", "is_default"]
    search_fields = ["name", "key"]
    ordering = ["position", "id"]
    fields = ["key", "name", "tier", "visibility", "account", "position"]
    autocomplete_fields = ["account"]
    inlines = [VersionInline]
    actions_detail = ["edit_terms", "make_default", "retire", "bring_back"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SubscriptionPlan]:
        running = ~Q(versions__subscriptions__state__in=ENDED_STATES)
        return SubscriptionPlan.objects.annotate(
            subscribers_count=Count("versions__subscriptions", filter=running, distinct=True)
        )

    def get_readonly_fields(
        self, request: HttpRequest, obj: SubscriptionPlan | None = None
    ) -> tuple[str, ...]:
        # Programs and catalogs call it by its key, and a custom plan stays its customer's.
        return () if obj is None else ("key", "account")

    def get_inlines(self, request: HttpRequest, obj: SubscriptionPlan | None) -> list[Any]:
        return [] if obj is None else [VersionInline]

    def has_edit_terms_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_planversion")

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_subscriptionplan")

    def has_delete_permission(self, request: HttpRequest, obj: SubscriptionPlan | None = None) -> bool:
        """Only of a plan that was never published: one that was sold can be retired."""
        if obj is not None and obj.versions.filter(published_at__isnull=False).exists():
            return False
        return bool(super().has_delete_permission(request, obj))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # Deleting many at once would not look at whether they were sold.
        return {name: act for name, act in super().get_actions(request).items() if name != "delete_selected"}

    def response_add(
        self, request: HttpRequest, obj: SubscriptionPlan, post_url_continue: str | None = None
    ) -> HttpResponse:
        """A new plan goes on with its first version's terms."""
        plans.draft_of(obj, by=of_user(staff_user(request)), at=timezone.now())
        return drafts.edit(obj, admin=self, request=request)

    @admin.display(description="USD a month")
    def price(self, plan: SubscriptionPlan) -> str:
        newest = plan.versions.filter(published_at__isnull=False).order_by("-published_at").first()
        return "not published" if newest is None else format_amount(newest.price_monthly)

    @admin.display(description="subscribers", ordering="subscribers_count")
    def subscribers(self, plan: SubscriptionPlan) -> str:
        count = getattr(plan, "subscribers_count")  # noqa: B009  # the annotation above
        address = reverse("admin:subscriptions_usersubscription_changelist")
        return format_html('<a href="{}?plan_version__plan__id__exact={}">{}</a>', address, plan.pk, count)

    @admin.display(description="status")
    def status(self, plan: SubscriptionPlan) -> str:
        if plan.retired_at is not None:
            return f"retired {plan.retired_at:%Y-%m-%d}"
        return "default" if plan.is_default else "sold"

    @action(
        description="Edit terms (next version)",
        url_path="edit-terms",
        permissions=["edit_terms"],
    )
    def edit_terms(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return drafts.edit(operations.found(self, request, object_id), admin=self, request=request)

    @action(description="Make default", url_path="make-default", permissions=["manage"])
    def make_default(self, request: HttpRequest, object_id: str) -> HttpResponse:
        plan: SubscriptionPlan = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            plans.make_default(plan)
            return f"New accounts begin on {plan.name}."

        return operations.run(
            Operation(
                title=f"Make {plan.name} the default plan",
                explanation="Accounts made from now on begin on it; those there are keep theirs.",
                act=act,
                submit="Make it the default",
            ),
            admin=self,
            request=request,
            about=plan,
        )

    @action(description="Retire", url_path="retire", permissions=["manage"])
    def retire(self, request: HttpRequest, object_id: str) -> HttpResponse:
        plan: SubscriptionPlan = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            plans.retire(plan, at=timezone.now())
            return f"{plan.name} is retired: nobody can choose it any more."

        return operations.run(
            Operation(
                title=f"Retire {plan.name}",
                explanation="Nobody can choose it any more. Its subscribers keep it and go on renewing.",
                act=act,
                submit="Retire",
                is_dangerous=True,
            ),
            admin=self,
            request=request,
            about=plan,
        )

    @action(description="Sell again", url_path="bring-back", permissions=["manage"])
    def bring_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        plan: SubscriptionPlan = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            plans.bring_back(plan)
            return f"{plan.name} is sold again."

        return operations.run(
            Operation(title=f"Sell {plan.name} again", act=act, submit="Sell it again"),
            admin=self,
            request=request,
            about=plan,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what makes sense for the plan as it is."""
        plan = SubscriptionPlan.objects.filter(pk=object_id).first()
        senseless = {"retire", "make_default"} if plan and plan.retired_at else {"bring_back"}
        if plan and plan.is_default:
            senseless |= {"make_default", "retire"}
        return [
            each
            for each in super().get_actions_detail(request, object_id)
            if each.path.replace("-", "_") not in senseless
        ]
