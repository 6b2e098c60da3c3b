"""The pages of a logged-in person."""

from datetime import datetime

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.accounts import accounts_within
from alwrity_billing.dashboard.definitions import DEFINITIONS
from alwrity_billing.dashboard.first_event import curl_line
from alwrity_billing.dashboard.overview import overview_of
from usage import access
from usage.access import Principal
from usage.core.errors import NotAuthenticated


@require_safe
@never_cache
@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """The account's usage: the open billing period, the last days, the newest calls."""
    at = timezone.now()
    principal = _principal(request, at=at)
    external_id = request.GET.get("account") or None
    if external_id is None and principal.account is None:
        return _without_account(request, principal)
    account = access.account_for(principal, external_id=external_id)
    context = {
        "account": account,
        "may_switch": _may_switch(principal),
        "page": overview_of(account, at=at),
        "definitions": DEFINITIONS,
        "curl_line": curl_line(account, url=request.build_absolute_uri(reverse("usage-events"))),
        "at": at,
    }
    return render(request, "dashboard/overview.html", context)


@require_safe
@never_cache
@login_required
def choose_account(request: HttpRequest) -> HttpResponse:
    """The accounts this person may open, narrowed by `?q=`."""
    principal = _principal(request, at=timezone.now())
    term = request.GET.get("q", "")
    context = {"choice": accounts_within(principal, term=term), "term": term}
    return render(request, "dashboard/choose_account.html", context)


def _without_account(request: HttpRequest, principal: Principal) -> HttpResponse:
    if principal.is_staff:
        return redirect("choose_account")
    return render(request, "dashboard/no_account.html")


def _principal(request: HttpRequest, *, at: datetime) -> Principal:
    try:
        return access.principal_of(request, at=at)
    except NotAuthenticated as refused:
        # Logged in, yet a header of the request brings a bad key: pages have no 401 to answer with.
        raise PermissionDenied(refused.message) from refused


def _may_switch(principal: Principal) -> bool:
    return principal.accounts is None or len(principal.accounts) > 1
