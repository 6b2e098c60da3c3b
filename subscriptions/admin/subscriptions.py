"""Subscriptions: how they stand, everything that happened to them, and what staff can do about them."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display

from subscriptions import lifecycle
from subscriptions.actors import of_user
from subscriptions.admin import subscription_pages
from subscriptions.admin.forms import SubscribeForm
from subscriptions.core.states import Move, State, allows
from subscriptions.core.terms import BillingCycle
from subscriptions.models import SubscriptionChange, UserSubscription
from usage.admin import operations, standing
from usage.admin.base import ReadOnlyAdmin, staff_user
from usage.admin.operations import Operation
from usage.core.money import format_amount

# Who may do what: the permission methods of the admin below.
SUPPORT, MANAGE = ["support"], ["manage"]
# Newest first; everything else is in the list of changes.
TIMELINE_ROWS = 50
# Which buttons make sense in which state: the move behind each.
MOVES = {
    "change-plan": Move.CHANGE_PLAN,
    "pause": Move.PAUSE,
    "resume": Move.RESUME,
    "extend-trial": Move.EXTEND_TRIAL,
    "cancel": Move.CANCEL,
    "withdraw": Move.SCHEDULE,
    "payment-failed": Move.PAYMENT_FAILED,
    "payment-received": Move.PAYMENT_RECEIVED,
    "reactivate": Move.REACTIVATE,
}
COLOURS = {
    State.ACTIVE.value: "success",
    State.TRIALING.value: "info",
    State.PAST_DUE.value: "danger",
    State.PAUSED.value: "warning",
}


@admin.register(UserSubscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    """Nobody edits a row: all that may happen to one is an operation, with a reason that is kept."""

    list_display = ["account", "plan_name", "billing_cycle", "shown_state", "fee", "term_end", "scheduled"]
    list_filter = ["state", "billing_cycle", "plan_version__plan"]
    list_select_related = ["account", "plan_version__plan", "pending_plan"]
    search_fields = ["account__name", "account__external_id"]
    ordering = ["account__name"]
    fieldsets = [
        (None, {"fields": [("account", "state"), ("plan_version", "billing_cycle"), "scheduled"]}),
        (
            "Term",
            {"fields": [("term_start", "term_end"), ("fee", "renewal_count"), ("anchor", "trial_ends_at")]},
        ),
        ("Pause and end", {"fields": [("paused_from", "resumes_at"), ("started_at", "ended_at")]}),
    ]
    readonly_fields = ["fee", "scheduled"]
    actions_detail = [
        "change_plan",
        "withdraw",
        "pause",
        "resume",
        "extend_trial",
        "cancel",
        "reactivate",
        "payment_failed",
        "payment_received",
        "add_override",
    ]
    change_form_outer_after_template = "admin/subscriptions/subscription.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Subscribing a customer is an operation on the add page."""
        return self.has_manage_permission(request)

    def has_support_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Pausing, resuming, extending trials."""
        return request.user.has_perm("subscriptions.support_usersubscription")

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """Everything that changes what is sold or ends it."""
        return request.user.has_perm("subscriptions.change_usersubscription")

    def has_override_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.add_limitoverride")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            subscription = lifecycle.start(
                cleaned["account"],
                plan=cleaned["plan"],
                cycle=BillingCycle(cleaned["billing_cycle"]),
                at=timezone.now(),
                by=of_user(staff_user(request)),
                trial=cleaned["trial"],
                reason=cleaned["reason"],
            )
            self.log_addition(request, subscription, f"Subscribed to {subscription.plan_version}.")
            return f"{subscription.account} is subscribed to {subscription.plan_version}."

        return operations.run(
            Operation(
                title="Subscribe a customer",
                explanation="For an account that has had no subscription yet. Its billing periods begin now.",
                form=SubscribeForm,
                act=act,
                submit="Subscribe",
            ),
            admin=self,
            request=request,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        subscription = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if subscription is not None and self.has_view_permission(request, subscription):
            context["standing"] = standing.of(subscription.account, at=timezone.now())
            context["panels"] = [subscription_pages.timeline(subscription, at_most=TIMELINE_ROWS)]
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

    @admin.display(description="plan", ordering="plan_version__plan__name")
    def plan_name(self, subscription: UserSubscription) -> str:
        return str(subscription.plan_version)

    @display(description="state", ordering="state", label=COLOURS)
    def shown_state(self, subscription: UserSubscription) -> tuple[str, str]:
        return subscription.state, subscription.get_state_display()

    @admin.display(description="USD a term", ordering="term_fee")
    def fee(self, subscription: UserSubscription) -> str:
        return format_amount(subscription.term_fee)

    @admin.display(description="at the term's end")
    def scheduled(self, subscription: UserSubscription) -> str:
        if subscription.has_ended:
            return "nothing"
        if subscription.cancel_at_term_end:
            return "canceled"
        if subscription.pending_plan is not None:
            return f"{subscription.pending_plan}, {subscription.pending_cycle}"
        return "renews"

    @action(description="Change plan", url_path="change-plan", permissions=MANAGE)
    def change_plan(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.change_plan)

    @action(description="Pause", url_path="pause", permissions=SUPPORT)
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.pause)

    @action(description="Resume", url_path="resume", permissions=SUPPORT)
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.resume)

    @action(description="Extend trial", url_path="extend-trial", permissions=SUPPORT)
    def extend_trial(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.extend_trial)

    @action(description="Cancel", url_path="cancel", permissions=MANAGE)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.cancel)

    @action(description="Let it renew", url_path="withdraw", permissions=MANAGE)
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.withdraw)

    @action(description="Reactivate", url_path="reactivate", permissions=MANAGE)
    def reactivate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.reactivate)

    @action(description="Payment failed", url_path="payment-failed", permissions=MANAGE)
    def payment_failed(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.payment_failed)

    @action(description="Payment received", url_path="payment-received", permissions=MANAGE)
    def payment_received(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, subscription_pages.payment_received)

    @action(
        description="Add override",
        url_path="add-override",
        permissions=["override"],
    )
    def add_override(self, request: HttpRequest, object_id: str) -> HttpResponse:
        subscription: UserSubscription = operations.found(self, request, object_id)
        return operations.to_add_page("subscriptions", "limitoverride", account=subscription.account_id)

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what its state allows, and a withdrawal only of what is scheduled."""
        subscription = UserSubscription.objects.filter(pk=object_id).first()
        if subscription is None:
            return []
        state = State(subscription.state)
        scheduled = subscription.cancel_at_term_end or subscription.pending_plan_id is not None
        return [
            each
            for each in super().get_actions_detail(request, object_id)
            if (each.path not in MOVES or allows(MOVES[each.path], before=state))
            and (each.path != "withdraw" or scheduled)
        ]

    def _run(self, request: HttpRequest, object_id: str, make: subscription_pages.Maker) -> HttpResponse:
        subscription: UserSubscription = operations.found(self, request, object_id)
        operation = make(subscription, of_user(staff_user(request)))
        return operations.run(operation, admin=self, request=request, about=subscription)


@admin.register(SubscriptionChange)
class ChangeAdmin(ReadOnlyAdmin):
    """The history of all subscriptions, append-only."""

    list_display = ["at", "account", "kind", "actor", "version_after", "state_after", "due", "reason"]
    list_filter = ["kind", "at"]
    list_select_related = ["account", "version_after__plan"]
    search_fields = ["account__name", "account__external_id"]
    ordering = ["-id"]
    show_full_result_count = False

    @admin.display(description="USD due", ordering="amount_due")
    def due(self, change: SubscriptionChange) -> str:
        return format_amount(change.amount_due)
