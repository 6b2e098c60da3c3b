"""Teams, projects and departments: what calls were tagged with, and how to tag them."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.definitions import SETTINGS
from alwrity_billing.dashboard.teams import DAYS, MOST_NAMES, kinds_of
from alwrity_billing.dashboard.visits import Visit, account_page


@require_safe
@account_page
def teams(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The names of the last days, each with what it cost."""
    context = {
        **visit.frame(),
        "kinds": kinds_of(visit.account, at=visit.at),
        "days": DAYS,
        "most_names": MOST_NAMES,
        "definitions": SETTINGS,
    }
    return render(request, "dashboard/settings/teams.html", context)
