"""Versions of plans: a draft is edited and published; a published one is looked at, compared and applied."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action

from subscriptions import facts, plans, queries, rollouts, tasks
from subscriptions.actors import of_user
from subscriptions.admin import drafts
from subscriptions.admin.forms import PlanLimitForm, ReasonForm, VersionForm
from subscriptions.models import PlanLimit, PlanSurcharge, PlanVersion, VersionRollout, VersionSource
from usage.admin import operations
from usage.admin.base import ProjectAdmin, ReadOnlyAdmin, staff_user
from usage.admin.operations import Operation, Panel
from usage.core.errors import BillingError

# So many accounts are named in a preview; the rest is counted.
NAMED_ACCOUNTS = 25


class PartInline(TabularInline):  # type: ignore[misc]  # unfold has no types
    """Parts of a draft; of a published version only to look at."""

    extra = 0
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        return _is_draft(obj) and bool(super().has_add_permission(request, obj))

    def has_change_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        return _is_draft(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        return _is_draft(obj) and bool(super().has_delete_permission(request, obj))


class LimitInline(PartInline):
    model = PlanLimit
    form = PlanLimitForm
    fields = ["name", "measure", "scope", "scope_value", "window", "amount", "mode"]
    verbose_name_plural = "limits (what a period may cost is said above)"


class SurchargeInline(PartInline):
    model = PlanSurcharge
    fields = ["request_type", "per_request", "per_hour"]


@admin.register(PlanVersion)
class VersionAdmin(ProjectAdmin):
    list_display = ["__str__", "price_monthly", "price_yearly", "published_at", "published_by", "source"]
    list_filter = ["plan", "source"]
    list_select_related = ["plan", "published_by"]
    search_fields = ["plan__name", "plan__key", "note"]
    form = VersionForm
    fieldsets = [
        ("Price", {"fields": [("price_monthly", "price_yearly"), ("trial_days", "trial_converts")]}),
        (
            "Usage",
            {
                "fields": [
                    ("included_usage", "overage_policy"),
                    ("overage_markup_percent", "max_monthly_cost"),
                    "alert_thresholds",
                ]
            },
        ),
        ("What customers read", {"fields": ["description", "features"]}),
        ("For colleagues", {"fields": ["note"]}),
    ]
    inlines = [LimitInline, SurchargeInline]
    actions_detail = ["publish", "edit_as_next", "apply_to_subscribers", "discard"]
    change_form_outer_after_template = "admin/panels.html"

    def has_publish_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.publish_planversion")

    def has_edit_terms_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_planversion")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Versions are begun from their plan."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        return (obj is None or _is_draft(obj)) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: PlanVersion | None = None) -> bool:
        """A draft goes by its button, or with a plan that was never sold; a published version stays."""
        return _is_draft(obj) and self.has_edit_terms_permission(request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        version = PlanVersion.objects.select_related("plan").filter(pk=object_id).first()
        panels = [] if version is None else _panels(version)
        context = {
            **(extra_context or {}),
            "panels": panels,
            "show_save_and_add_another": False,
            "show_delete": False,
        }
        answer: HttpResponse = super().change_view(request, object_id, form_url, context)
        return answer

    def save_model(self, request: HttpRequest, obj: PlanVersion, form: Any, change: bool) -> None:
        # From here on it is what staff wrote, which no catalog overwrites.
        obj.source = VersionSource.STAFF
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: "ModelForm[Any]", formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        try:
            plans.check(form.instance)
        except BillingError as wrong:
            messages.warning(request, f"Saved, but it cannot be published like this. {wrong.message}")

    @action(description="Publish", url_path="publish", permissions=["publish"])
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version: PlanVersion = operations.found(self, request, object_id)

        def act(_: Mapping[str, Any]) -> str:
            plans.publish(version, by=of_user(staff_user(request)), at=timezone.now())
            return f"{version} is sold from now on."

        waiting = rollouts.affected(version).count()
        return operations.run(
            Operation(
                title=f"Publish {version.plan.name} v{version.number}",
                explanation="It is sold from now on and never changes again. Subscribers keep what they were "
                f"sold ({waiting} now) and get it with their next term, or by “Apply to subscribers”.",
                act=act,
                submit="Publish",
                panels=_panels(version),
            ),
            admin=self,
            request=request,
            about=version,
        )

    @action(description="Discard", url_path="discard", permissions=["edit_terms"])
    def discard(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version: PlanVersion = operations.found(self, request, object_id)

        def act(_: Mapping[str, Any]) -> str:
            plans.discard(version)
            return f"The draft {version.plan.name} v{version.number} is gone."

        return operations.run(
            Operation(
                title=f"Discard the draft of {version.plan.name} v{version.number}",
                act=act,
                submit="Discard",
                is_dangerous=True,
                done=operations.page_of(version.plan, admin=self),
            ),
            admin=self,
            request=request,
            about=version,
        )

    @action(
        description="Edit as next version",
        url_path="edit-as-next",
        permissions=["edit_terms"],
    )
    def edit_as_next(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version: PlanVersion = operations.found(self, request, object_id)
        return drafts.edit(version.plan, admin=self, request=request)

    @action(
        description="Apply to subscribers",
        url_path="apply",
        permissions=["publish"],
    )
    def apply_to_subscribers(self, request: HttpRequest, object_id: str) -> HttpResponse:
        version: PlanVersion = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            rollout = rollouts.request(
                version, by=staff_user(request), at=timezone.now(), reason=cleaned["reason"]
            )
            # The clock would come within a minute; a broker that is away is no reason to complain.
            transaction.on_commit(tasks.roll_out_plan_versions.delay, robust=True)
            return f"{version} is on its way to {rollout.wanted} subscribers."

        return operations.run(
            Operation(
                title=f"Apply {version.plan.name} v{version.number} to its subscribers",
                explanation="Limits, features and surcharges change at once, prices with the next term. What "
                "was used in the period stays used.",
                form=ReasonForm,
                act=act,
                submit="Apply to all of them",
                panels=_preview(version),
            ),
            admin=self,
            request=request,
            about=version,
        )

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Those of a draft, or those of a published version."""
        is_draft = PlanVersion.objects.filter(pk=object_id, published_at__isnull=True).exists()
        wanted = {"publish", "discard"} if is_draft else {"edit-as-next", "apply"}
        return [each for each in super().get_actions_detail(request, object_id) if each.path in wanted]


@admin.register(VersionRollout)
class RolloutAdmin(ReadOnlyAdmin):
    """Versions on their way to subscribers, and how far they have got."""

    list_display = ["version", "requested_at", "requested_by", "wanted", "applied", "state"]
    list_select_related = ["version__plan", "requested_by"]
    fields = [*list_display, "reason", "finished_at"]
    readonly_fields = ["state"]

    @admin.display(description="state")
    def state(self, rollout: VersionRollout) -> str:
        if rollout.finished_at is not None:
            return f"finished {rollout.finished_at:%Y-%m-%d %H:%M} UTC"
        return f"{rollout.applied} of {rollout.wanted}"


def _is_draft(version: PlanVersion | None) -> bool:
    return version is not None and version.published_at is None


def _panels(version: PlanVersion) -> list[Panel]:
    """What is new about the version, and all that the customer gets."""
    sold = facts.of_version(version)
    everything = Panel(title="What the customer gets", rows=[[*each] for each in sold.items()])
    before = queries.published_before(version)
    if before is None:
        return [everything]
    found = facts.differences(facts.of_version(before), sold)
    return [_difference_panel(f"Against v{before.number}", found), everything]


def _difference_panel(title: str, found: Sequence[facts.Difference], *, note: str = "") -> Panel:
    return Panel(
        title=title,
        headers=["what", "before", "after"],
        rows=[[each.name, each.before or "none", each.after or "none"] for each in found],
        note=note or ("" if found else "Nothing differs."),
    )


def _preview(version: PlanVersion) -> list[Panel]:
    """Who is affected: how the terms change from each version in use, who is told no at once, and by name."""
    affected = rollouts.affected(version).select_related("account", "plan_version__plan")
    by_version = Counter(affected.values_list("plan_version_id", flat=True))
    after = facts.of_version(version)
    shown = []
    for known in PlanVersion.objects.filter(pk__in=by_version).select_related("plan").order_by("number"):
        count = by_version[known.pk]
        found = facts.differences(facts.of_version(known), after)
        shown.append(_difference_panel(f"From v{known.number}: {count} subscribers", found))
    beyond = queries.beyond_limits(version, accounts=affected.values("account"), at_most=NAMED_ACCOUNTS)
    shown.append(
        Panel(
            title="Used more than it allows already",
            headers=["account", "limit", "used", "allowed then"],
            rows=[[each.account, each.limit, each.used, each.allowed] for each in beyond],
            note="Their calls are refused from that moment until the period ends." if beyond else "Nobody.",
        )
    )
    named = affected.order_by("account__name")[:NAMED_ACCOUNTS]
    total = sum(by_version.values())
    shown.append(
        Panel(
            title="Who is affected",
            headers=["account", "has", "state", "term ends (UTC)"],
            rows=[
                [
                    each.account.name,
                    f"v{each.plan_version.number}",
                    each.get_state_display(),
                    f"{each.term_end:%Y-%m-%d %H:%M}",
                ]
                for each in named
            ],
            note=f"{total} subscribers"
            + (f", the first {NAMED_ACCOUNTS} by name:" if total > NAMED_ACCOUNTS else "."),
        )
    )
    return shown
