"""The admin's first page: the numbers that matter, what needs a look, and two charts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django_celery_results.models import TaskResult
from unfold.utils import display_for_label

from alerts import queries as alert_queries
from alerts.admin.alerts import MARK_READ, SEVERITY_COLOURS
from alerts.models import UsageAlert
from alwrity_billing import admin_money, clock
from alwrity_billing.admin_money import LINK
from alwrity_billing.dashboard.figures import usd
from subscriptions import business
from subscriptions.business import PlanShare
from subscriptions.core.states import State
from usage import limits, queries
from usage.admin.operations import Panel
from usage.core.money import ZERO, format_amount
from usage.models import HeldPrice

DAYS = 30
NEAR_PERCENT = 80
NEAR_ACCOUNTS = 10
FAILED_TASKS = 10
OPEN_ALERTS = 10
TASKS_OF_LAST = timedelta(days=1)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's hook: what templates/admin/index.html shows, to those who may see subscriptions."""
    if not request.user.has_perm("subscriptions.view_usersubscription"):
        return context
    at = timezone.now()
    end = queries.start_of(at, interval="day") + timedelta(days=1)
    days = queries.cost_by_day(start=end - timedelta(days=DAYS), end=end)
    plans = business.recurring_by_plan()
    return {
        **context,
        "figures": [*_figures(plans, days, at=at), *admin_money.figures(at=at)],
        "charts": [_cost_chart(days), _plan_chart(plans)],
        "urgent": _open_alerts(request),
        "panels": [_near_limits(at=at), admin_money.lowest_margins(at=at), _failed_tasks(at=at)],
    }


def _figures(
    plans: Sequence[PlanShare], days: Sequence[tuple[date, Decimal]], *, at: datetime
) -> list[Mapping[str, str]]:
    states = business.by_state()
    recurring = sum((share.monthly for share in plans), ZERO)
    spent = sum((cost for _, cost in days), ZERO)
    usable = sum(states.get(state.value, 0) for state in (State.ACTIVE, State.TRIALING, State.PAST_DUE))
    attention = [f"{states[state]} {state.replace('_', ' ')}" for state in states if state != State.ACTIVE]
    return [
        {
            "title": "Active subscriptions",
            "value": f"{usable:,}",
            "about": ", ".join(attention) or "all of them active",
            "href": reverse("admin:subscriptions_usersubscription_changelist"),
        },
        {
            "title": "Monthly recurring revenue",
            "value": usd(recurring),
            "about": "Fees of running terms, yearly ones a twelfth.",
            "href": reverse("admin:subscriptions_subscriptionplan_changelist"),
        },
        {
            "title": f"Usage cost, {DAYS} days",
            "value": usd(spent),
            "about": "Calls that happened since, at the prices that rated them.",
            "href": reverse("admin:usage_usagesummary_changelist"),
        },
        admin_money.margin(recurring=recurring, spent=spent, days=DAYS, at=at),
        {
            "title": "Prices held back",
            "value": f"{HeldPrice.objects.filter(state=HeldPrice.State.WAITING).count():,}",
            "about": "Refreshed prices that moved too far and wait for somebody.",
            "href": reverse("admin:usage_heldprice_changelist"),
        },
        {
            "title": "Clock",
            "value": clock.summary(clock.entries(at=at)),
            "about": "Whether what happens by itself does so when it should.",
            "href": reverse("admin:alwrity_billing_taskstanding_changelist"),
        },
        {
            "title": "Failed tasks, 24 hours",
            "value": f"{_failures(at=at).count():,}",
            "about": "What the clock tried and could not do.",
            "href": reverse("admin:django_celery_results_taskresult_changelist"),
        },
    ]


def _cost_chart(days: Sequence[tuple[date, Decimal]]) -> Mapping[str, str]:
    return _chart(
        f"Usage cost per day, {DAYS} days (USD)",
        [f"{day:%d %b}" for day, _ in days],
        [format_amount(cost) for _, cost in days],
    )


def _plan_chart(plans: Sequence[PlanShare]) -> Mapping[str, str]:
    return _chart(
        "Recurring revenue by plan (USD a month)",
        [f"{share.plan} ({share.subscribers})" for share in plans],
        [format_amount(share.monthly) for share in plans],
    )


def _chart(title: str, labels: Sequence[str], amounts: Sequence[str]) -> Mapping[str, str]:
    """In the form that unfold's chart takes; the amounts as JSON numbers, digit for digit."""
    numbers = [msgspec.Raw(amount.encode()) for amount in amounts]
    dataset = {"label": title, "data": numbers, "backgroundColor": "var(--color-primary-500)"}
    data = msgspec.json.encode({"labels": list(labels), "datasets": [dataset]})
    gist = ", ".join(f"{label}: {amount}" for label, amount in zip(labels, amounts, strict=True))
    return {"title": title, "data": data.decode(), "gist": gist}


def _open_alerts(request: HttpRequest) -> list[Panel]:
    """What our staff were told of, holds, and nobody has marked read; nothing for those who may not see
    alerts, and where there is none.
    """
    if not request.user.has_perm("alerts.view_usagealert"):
        return []
    found = alert_queries.open_for_staff(at_most=OPEN_ALERTS + 1)
    if not found:
        return []
    note = f"The newest {OPEN_ALERTS} of them." if len(found) > OPEN_ALERTS else ""
    return [
        Panel(
            title="Alerts for our staff",
            headers=["severity", "what", "since (UTC)", ""],
            rows=[
                [
                    display_for_label((each.severity, each.get_severity_display()), "", SEVERITY_COLOURS),
                    format_html(LINK, each.path, each.title),
                    f"{each.created_at:%Y-%m-%d %H:%M}",
                    _about(each, may_mark=request.user.has_perm(MARK_READ)),
                ]
                for each in found[:OPEN_ALERTS]
            ],
            note=note,
        )
    ]


def _about(alert: UsageAlert, *, may_mark: bool) -> str:
    name, words = ("mark_read", "Mark read") if may_mark else ("change", "Look at it")
    return format_html(LINK, reverse(f"admin:alerts_usagealert_{name}", args=[alert.pk]), words)


def _near_limits(*, at: datetime) -> Panel:
    found = limits.nearly_used_up(at=at, percent=NEAR_PERCENT, at_most=NEAR_ACCOUNTS)
    return Panel(
        title="Accounts near a limit",
        headers=["account", "limit", "used and held", "allowed", "percent"],
        rows=[
            [
                format_html(
                    LINK, reverse("admin:usage_account_change", args=[each.account_id]), each.account_name
                ),
                each.limit,
                f"{each.taken:,.2f}".rstrip("0").rstrip("."),
                f"{each.amount:,.2f}".rstrip("0").rstrip("."),
                f"{each.percent:.0f} %",
            ]
            for each in found
        ],
        note="" if found else f"None has used {NEAR_PERCENT} % of what its billing period allows.",
    )


def _account_page(account_id: int) -> str:
    return reverse("admin:usage_account_change", args=[account_id])


def _failed_tasks(*, at: datetime) -> Panel:
    found = list(_failures(at=at).order_by("-date_done")[:FAILED_TASKS])
    return Panel(
        title="Failed tasks, 24 hours",
        headers=["when (UTC)", "task", "what was raised"],
        rows=[
            [
                format_html(
                    LINK,
                    reverse("admin:django_celery_results_taskresult_change", args=[each.pk]),
                    f"{each.date_done:%Y-%m-%d %H:%M}",
                ),
                each.task_name or "",
                (each.result or "")[:200],
            ]
            for each in found
        ],
        note="" if found else "None.",
    )


def _failures(*, at: datetime) -> Any:
    return TaskResult.objects.filter(status="FAILURE", date_done__gte=at - TASKS_OF_LAST)
