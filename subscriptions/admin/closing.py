"""Closing the month, to watch: how far it has come, what it could not do, and the drafts that are left."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import action

from subscriptions import business, invoicing, month_close
from subscriptions.admin.base import SETTLE, RowsOfAccounts, day, dollars, link, minute, tax_of
from subscriptions.business import MonthClosing
from subscriptions.models import BillingHistory, CloseFailure, InvoiceStateChoices
from subscriptions.month_close import Progress
from usage import queries
from usage.admin import operations
from usage.admin.operations import Operation, Panel

TEMPLATE = "admin/subscriptions/closing.html"
REFRESH_S = 10
MAX_FAILURES = 100
MAX_DRAFTS = 50


@admin.register(CloseFailure)
class ClosingAdmin(RowsOfAccounts):
    """In place of the list of failures, all of closing; each failure has a page of its own."""

    fields = ["account", "billing_period", "error", "attempts", "failed", "next_attempt"]
    readonly_fields = ["account", "failed", "next_attempt"]
    list_select_related = ["billing_period__account"]
    actions_detail = ["try_again"]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        at = timezone.now()
        progress = month_close.progress(at=at)
        context = {
            **self.admin_site.each_context(request),
            "title": "Month close",
            "cards": _cards(progress),
            "months": _months(at),
            "panels": [_failures(), _drafts()],
            # What failed is tried again so seldom that watching does not help.
            "refresh_s": REFRESH_S if progress.waiting > progress.failed or progress.drafts else 0,
            "as_of": at,
        }
        return TemplateResponse(request, TEMPLATE, context)

    @admin.display(description="account")
    def account(self, failure: CloseFailure) -> str:
        return link(failure.billing_period.account)

    @admin.display(description="failed first (UTC)")
    def failed(self, failure: CloseFailure) -> str:
        return minute(failure.first_failed_at)

    @admin.display(description="next attempt (UTC)")
    def next_attempt(self, failure: CloseFailure) -> str:
        return minute(failure.next_attempt_at)

    @action(description="Try again", url_path="try-again", permissions=SETTLE)
    def try_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        failure: CloseFailure = operations.found(self, request, object_id)

        def act(_: Any) -> str:
            month_close.try_again(failure, at=timezone.now())
            return f"The next run closes {failure.billing_period} of {failure.billing_period.account} again."

        operation = Operation(
            title=f"Close {failure.billing_period} of {failure.billing_period.account} again",
            explanation=f"It failed {failure.attempts} times, last with: {failure.error}. The next run takes "
            "it up again.",
            act=act,
            submit="Try again",
        )
        return operations.run(operation, admin=self, request=request, about=failure)


def _cards(progress: Progress) -> list[dict[str, str]]:
    oldest = "" if progress.oldest is None else f"The oldest ended {progress.oldest:%Y-%m-%d %H:%M} UTC."
    return [
        {"title": "Waiting to be closed", "value": f"{progress.waiting:,}", "about": oldest or "None waits."},
        {
            "title": "Could not be closed",
            "value": f"{progress.failed:,}",
            "about": "Tried again by themselves, later and later; they hold up no other.",
        },
        {
            "title": "Drafts",
            "value": f"{progress.drafts:,}",
            "about": "Closed and not final yet: the next run finalizes them.",
        },
    ]


def _months(at: datetime) -> list[dict[str, object]]:
    """The month that runs and the one before, each with its bar."""
    start = queries.start_of(at, interval="month")
    last = queries.earlier_start(start, by=1, interval="month")
    return [_bar(business.closing_of_month(each, at=at)) for each in (start, last)]


def _bar(month: MonthClosing) -> dict[str, object]:
    running = f", {month.running:,} still running" if month.running else ""
    return {
        "title": f"Periods that end in {month.start:%B %Y}",
        "told": f"{month.closed:,} closed, {month.waiting:,} waiting{running}",
        "items": [{"title": "Closed", "value": month.percent}],
    }


def _failures() -> Panel:
    found = CloseFailure.objects.select_related("billing_period__account").order_by("first_failed_at")
    shown = list(found[: MAX_FAILURES + 1])
    return Panel(
        title="Could not be closed",
        headers=["period", "account", "error", "attempts", "failed first (UTC)", "next attempt (UTC)"],
        rows=[
            [
                link(each, each.billing_period),
                link(each.billing_period.account),
                each.error,
                str(each.attempts),
                minute(each.first_failed_at),
                minute(each.next_attempt_at),
            ]
            for each in shown[:MAX_FAILURES]
        ],
        note="" if 0 < len(shown) <= MAX_FAILURES else f"The first {MAX_FAILURES}." if shown else "None.",
    )


def _drafts() -> Panel:
    found = BillingHistory.objects.filter(state=InvoiceStateChoices.DRAFT).select_related("account")
    shown = list(found.order_by("pk")[:MAX_DRAFTS])
    return Panel(
        title="Drafts",
        headers=["draft", "account", "total (USD)", "period until", "drafted (UTC)"],
        rows=[
            [
                link(each),
                link(each.account),
                _total(each),
                day(each.period_end),
                minute(each.created_at),
            ]
            for each in shown
        ],
        note="" if shown else "None.",
    )


def _total(draft: BillingHistory) -> str:
    waits = invoicing.waits_for_tax(draft)
    return f"{dollars(draft.total)}, tax {tax_of(draft)}" if waits else dollars(draft.total)
