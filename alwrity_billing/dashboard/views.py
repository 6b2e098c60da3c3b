"""The pages of a logged-in person: usage, and the choice of an account."""

from http import HTTPStatus

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.accounts import accounts_within
from alwrity_billing.dashboard.definitions import DEFINITIONS
from alwrity_billing.dashboard.first_event import curl_line
from alwrity_billing.dashboard.overview import current_version, overview_of
from alwrity_billing.dashboard.visits import Visit, account_page, principal_of


@require_safe
@account_page
def overview(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The account's usage: the open billing period, the last days, the newest calls."""
    context = {
        **visit.frame(),
        "page": overview_of(visit.account, at=visit.at),
        "subscription": visit.subscription,
        "definitions": DEFINITIONS,
        "curl_line": curl_line(visit.account, url=request.build_absolute_uri(reverse("usage-events"))),
    }
    return render(request, "dashboard/overview.html", context)


@require_safe
@account_page
def overview_now(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The part of the overview that moves, or 204 while it is what the asking page has (`?version=`)."""
    if request.GET.get("version") == current_version(visit.account):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    context = {
        "account": visit.account,
        "may_change": visit.may_change,
        "page": overview_of(visit.account, at=visit.at),
        "subscription": visit.subscription,
        "definitions": DEFINITIONS,
    }
    return render(request, "dashboard/overview/now.html", context)


@require_safe
@never_cache
@login_required
def choose_account(request: HttpRequest) -> HttpResponse:
    """The accounts this person may open, narrowed by `?q=`."""
    principal = principal_of(request, at=timezone.now())
    term = request.GET.get("q", "")
    context = {"choice": accounts_within(principal, term=term), "term": term}
    return render(request, "dashboard/choose_account.html", context)
