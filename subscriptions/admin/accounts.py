"""The account's page, with what it is subscribed to; a new account begins on the default plan."""

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html

from subscriptions import queries, signup
from subscriptions.actors import of_user
from subscriptions.admin import account_billing, budgets, subscription_pages
from subscriptions.models import LimitOverride
from usage.admin import operations
from usage.admin.accounts import AccountAdmin
from usage.admin.base import staff_user
from usage.admin.operations import Panel
from usage.models import Account

admin.site.unregister(Account)

LATEST_CHANGES = 10
LATEST_OVERRIDES = 20
LINK = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'


@admin.register(Account)
class SubscribedAccountAdmin(AccountAdmin):
    """As `usage` shows it, with subscription, budget and overrides."""

    list_display = [*AccountAdmin.list_display, "plan"]
    list_select_related = ["subscription__plan_version__plan"]
    change_form_outer_after_template = "admin/panels.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        account = self.get_object(request, object_id)
        allowed = account is not None and self.has_view_or_change_permission(request, account)
        panels = []
        if account is not None and allowed:
            may_settle = request.user.has_perm("subscriptions.settle_billinghistory")
            billing = account_billing.panels(account, at=timezone.now(), may_settle=may_settle)
            budget = budgets.panel(account, may_manage=request.user.has_perm("subscriptions.change_budget"))
            panels = [_subscription(account, self), *billing, budget, _overrides(account, self)]
        context = {**(extra_context or {}), "panels": panels}
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        """One transaction makes the account and its subscription: the admin's own around the form."""
        super().save_model(request, obj, form, change)
        if not change:
            signup.begin_on_default(obj, at=timezone.now(), by=of_user(staff_user(request)))

    @admin.display(description="plan", empty_value="none")
    def plan(self, account: Account) -> str | None:
        known = getattr(account, "subscription", None)
        return None if known is None else f"{known.plan.name} ({known.get_state_display().lower()})"


def _subscription(account: Account, site: AccountAdmin) -> Panel:
    """What it is subscribed to, and the latest that happened to that."""
    subscription = queries.subscription_of(account)
    if subscription is None:
        return Panel(title="Subscription", note="None: nothing is sold to it, and no plan limits it.")
    page = operations.page_of(subscription, admin=cast(Any, site))
    note = format_html(LINK, page, f"{subscription.plan_version}, {subscription.get_state_display()}")
    timeline = subscription_pages.timeline(subscription, at_most=LATEST_CHANGES)
    return Panel(title="Subscription", headers=timeline.headers, rows=timeline.rows, note=note)


def _overrides(account: Account, site: AccountAdmin) -> Panel:
    known = LimitOverride.objects.filter(account=account).order_by("-id")[:LATEST_OVERRIDES]
    return Panel(
        title="Overrides",
        headers=["limit", "window", "why", "ends (UTC)", "ended (UTC)"],
        rows=[
            [
                format_html(LINK, operations.page_of(each, admin=cast(Any, site)), str(each)),
                each.get_window_display(),
                each.reason,
                _minute(each.ends_at),
                _minute(each.ended_at),
            ]
            for each in known
        ],
        note="" if known else "None.",
    )


def _minute(moment: Any) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
