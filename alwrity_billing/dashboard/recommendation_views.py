"""What people do with a recommendation: not hear of it for a while."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.visits import Visit, account_page
from subscriptions import recommendations
from usage.core.errors import InvalidRequest


@require_POST
@account_page
def dismiss(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let the account not hear of a recommendation for 90 days, and go back to the page it stood on."""
    visit.require_change()
    kind, subject = request.POST.get("kind", ""), request.POST.get("subject", "")
    try:
        recommendations.dismiss(visit.account, kind=kind, subject=subject, at=visit.at, by=visit.actor)
    except InvalidRequest as error:
        messages.warning(request, error.message)
    else:
        days = recommendations.DISMISSED_FOR.days
        messages.success(request, f"You will not hear of it for {days} days.")
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page that the form names, if it is one of ours."""
    page = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(page, allowed_hosts=None) and page.startswith("/"):
        return page
    return page_url(request, "overview")
