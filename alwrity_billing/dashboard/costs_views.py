"""The pages about costs: where a month's money goes, and when and for whom it is spent."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.costs import costs_of
from alwrity_billing.dashboard.definitions import COSTS, DEFINITIONS
from alwrity_billing.dashboard.first_event import curl_line
from alwrity_billing.dashboard.months import ShownMonth, month_asked
from alwrity_billing.dashboard.recommendation_cards import cards_of
from alwrity_billing.dashboard.usage_patterns import patterns_of
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import queries
from usage.models import Account


@require_safe
@account_page
def costs(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The costs of the month that `?month=` names, by default the running one."""
    return _of_month(request, visit, costs_of, "dashboard/costs.html", advises=True)


@require_safe
@account_page
def patterns(request: HttpRequest, visit: Visit) -> HttpResponse:
    """When, by whom and for what the month's money was spent, and twelve months side by side."""
    return _of_month(request, visit, patterns_of, "dashboard/costs/patterns.html")


def _of_month(
    request: HttpRequest,
    visit: Visit,
    page_of: Callable[[Account, ShownMonth], Any],
    template: str,
    *,
    advises: bool = False,
) -> HttpResponse:
    month, error = month_asked(request.GET.get("month", ""), at=visit.at)
    page = page_of(visit.account, month)
    context = {
        **visit.frame(),
        "page": page,
        "month": month,
        "error": error,
        "is_used": bool(page.totals.calls) or queries.all_time_calls(visit.account) > 0,
        # They are about the last weeks, and no month that is over.
        "cards": cards_of(visit.account, at=visit.at) if advises and month.is_running else None,
        "curl_line": curl_line(visit.account, url=request.build_absolute_uri(reverse("usage-events"))),
        "definitions": {**DEFINITIONS, **COSTS},
        "glossary": [*COSTS.values(), DEFINITIONS["errors"], DEFINITIONS["response"]],
    }
    return render(request, template, context)
