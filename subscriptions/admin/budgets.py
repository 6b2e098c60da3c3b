"""Budgets of customers: looked at with their history; staff change, pause and resume them as customers do."""

from collections.abc import Mapping
from typing import Any, cast

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import action

from subscriptions import budget_protection, budgets
from subscriptions.actors import of_user
from subscriptions.admin.base import LINK, RowsOfAccounts, add_page, exact, link, minute
from subscriptions.admin.budget_forms import BudgetForm, BudgetPauseForm, NewBudgetForm
from subscriptions.admin.filters import ConditionFilter
from subscriptions.budget_protection import SETTINGS
from subscriptions.budget_settings import Changes
from subscriptions.models import Budget, BudgetChange
from usage.admin import operations
from usage.admin.base import staff_user
from usage.admin.operations import Operation, Panel
from usage.core.errors import InvalidRequest
from usage.core.money import format_amount
from usage.models import Account

MAX_CHANGES = 200
MANAGE = ["manage"]
AMOUNTS = ("monthly_budget", "per_request", "per_hour", "per_day", "max_monthly_cost")


class DoingFilter(ConditionFilter):
    title = "what it does now"
    parameter_name = "doing"
    conditions = {
        "paused": ("Pauses all calls", Q(paused_at__isnull=False)),
        "throttled": ("Slows calls down", Q(throttled_at__isnull=False)),
    }


@admin.register(Budget)
class BudgetAdmin(RowsOfAccounts):
    list_display = ["account", "monthly", "auto_pause", "maximum", "doing", "updated"]
    list_filter = [DoingFilter]
    search_help_text = "The account's name or id"
    fieldsets = [
        (None, {"fields": ["account", ("monthly", "auto_pause"), "alert_thresholds", "doing"]}),
        ("Spending at once", {"fields": [("shown_per_request", "shown_per_hour", "shown_per_day")]}),
        ("Slowing down", {"fields": [("throttle_from", "throttle_to")]}),
        ("At most", {"fields": [("maximum", "pause_at_maximum")]}),
    ]
    readonly_fields = ["monthly", "maximum", "doing", "shown_per_request", "shown_per_hour", "shown_per_day"]
    actions_detail = ["change_settings", "pause", "resume"]

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("subscriptions.change_budget")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_manage_permission(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            return cast(HttpResponse, super().add_view(request, form_url, extra_context))

        def act(cleaned: Mapping[str, Any]) -> str:
            account = cleaned["account"]
            if budget_protection.budget_of(account) is not None:
                raise InvalidRequest("account: It has a budget already: change that one.")
            told = self._update(request, account, cleaned)
            self.log_addition(request, Budget.objects.get(account=account), told)
            return told

        return operations.run(
            Operation(
                title="Set a customer's budget",
                explanation="It holds at once, beside the plan's limits, and cannot be looser than they are.",
                form=NewBudgetForm,
                initial={"auto_pause": True, **request.GET.dict()},
                act=act,
                submit="Set it",
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
        budget = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if budget is not None and self.has_view_permission(request, budget):
            context["panels"] = [_history(budget)]
        return cast(HttpResponse, super().change_view(request, object_id, form_url, context))

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Without the button that would be refused."""
        paused = Budget.objects.filter(pk=object_id, paused_at__isnull=False).exists()
        hidden = "pause" if paused else "resume"
        offered = super().get_actions_detail(request, object_id)
        return [each for each in offered if each.path != hidden]

    @action(description="Change", url_path="change-settings", permissions=MANAGE)
    def change_settings(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget: Budget = operations.found(self, request, object_id)
        initial = {name: getattr(budget, name) for name in SETTINGS}
        for name in AMOUNTS:
            initial[name] = None if initial[name] is None else format_amount(initial[name])
        operation = Operation(
            title=f"Change the budget of {budget.account}",
            explanation="It holds at once. What stays the same may be more than the plan allows by now.",
            form=BudgetForm,
            initial=initial,
            act=lambda cleaned: self._update(request, budget.account, cleaned),
            submit="Change",
        )
        return operations.run(operation, admin=self, request=request, about=budget)

    @action(description="Pause", url_path="pause", permissions=MANAGE)
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget: Budget = operations.found(self, request, object_id)

        def act(cleaned: Mapping[str, Any]) -> str:
            by = of_user(staff_user(request))
            budgets.pause(budget.account, reason=cleaned["reason"], at=timezone.now(), by=by)
            return f"All calls of {budget.account} are paused. {cleaned['reason']}"

        operation = Operation(
            title=f"Pause all calls of {budget.account}",
            explanation="Every call is refused at once, until the customer or we resume it.",
            form=BudgetPauseForm,
            act=act,
            submit="Pause",
            is_dangerous=True,
        )
        return operations.run(operation, admin=self, request=request, about=budget)

    @action(description="Resume", url_path="resume", permissions=MANAGE)
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        budget: Budget = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            budgets.resume(budget.account, at=timezone.now(), by=of_user(staff_user(request)))
            return f"Calls of {budget.account} pass again."

        operation = Operation(
            title=f"Resume calls of {budget.account}",
            explanation=budget_protection.suspension(budget),
            act=act,
            submit="Resume",
        )
        return operations.run(operation, admin=self, request=request, about=budget)

    def _update(self, request: HttpRequest, account: Account, cleaned: Mapping[str, Any]) -> str:
        """Change what the form says; what was changed, in words."""
        changes = cast(Changes, {name: cleaned[name] for name in SETTINGS})
        reason, by = cleaned["reason"], of_user(staff_user(request))
        known = budget_protection.budget_of(account) or Budget(account=account)
        before = budget_protection.facts(known)
        after = budgets.update(account, changes=changes, at=timezone.now(), by=by, reason=reason)
        return f"{_differences(before, budget_protection.facts(after))}. {reason}"

    @admin.display(description="USD a billing period", ordering="monthly_budget", empty_value="none")
    def monthly(self, budget: Budget) -> str | None:
        return _dollars(budget, "monthly_budget")

    @admin.display(description="at most (USD)", ordering="max_monthly_cost", empty_value="none")
    def maximum(self, budget: Budget) -> str | None:
        return _dollars(budget, "max_monthly_cost")

    @admin.display(description="a request (USD)", empty_value="none")
    def shown_per_request(self, budget: Budget) -> str | None:
        return _dollars(budget, "per_request")

    @admin.display(description="an hour (USD)", empty_value="none")
    def shown_per_hour(self, budget: Budget) -> str | None:
        return _dollars(budget, "per_hour")

    @admin.display(description="a day (USD)", empty_value="none")
    def shown_per_day(self, budget: Budget) -> str | None:
        return _dollars(budget, "per_day")

    @admin.display(description="does now")
    def doing(self, budget: Budget) -> str:
        return doing(budget)

    @admin.display(description="changed (UTC)", ordering="updated_at")
    def updated(self, budget: Budget) -> str:
        return minute(budget.updated_at)


def panel(account: Account, *, may_manage: bool) -> Panel:
    """The account's budget, for its page; who may set one is led to where."""
    budget = budget_protection.budget_of(account)
    if budget is None:
        way = format_html(LINK, add_page(Budget, account=account.pk), "Set one")
        return Panel(title="Budget", note=way if may_manage else "None of the customer's own.")
    return Panel(
        title="Budget",
        headers=["budget", "a request (USD)", "an hour (USD)", "a day (USD)", "at most (USD)", "does now"],
        rows=[
            [
                link(budget, budget),
                *(
                    _dollars(budget, name) or "none"
                    for name in ("per_request", "per_hour", "per_day", "max_monthly_cost")
                ),
                doing(budget),
            ]
        ],
    )


def doing(budget: Budget) -> str:
    """What the budget does to calls now, in words."""
    slows = f"scales rates to {budget.throttle_to}%" if budget.throttled_at is not None else ""
    return budget_protection.suspension(budget) or slows or "lets pass what fits"


def _history(budget: Budget) -> Panel:
    found = BudgetChange.objects.filter(account=budget.account_id).order_by("-id")[:MAX_CHANGES]
    return Panel(
        title="History",
        headers=["when (UTC)", "what", "who", "why"],
        rows=[
            [minute(each.at), _differences(each.before, each.after), each.actor, each.reason]
            for each in found
        ],
        note="" if found else "None.",
    )


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Each setting that is another one, with both values."""
    changed = [
        f"{name}: {_spelled(before.get(name))} → {_spelled(value)}"
        for name, value in after.items()
        if before.get(name) != value
    ]
    return "; ".join(changed) or "Nothing changed"


def _spelled(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _dollars(budget: Budget, name: str) -> str | None:
    amount = getattr(budget, name)
    return None if amount is None else exact(amount)
