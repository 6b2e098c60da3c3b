"""The log of calls: filtered, page by page, and each call's story."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.calls import call_page
from alwrity_billing.dashboard.calls_forms import FURTHER, CallsForm
from alwrity_billing.dashboard.definitions import CALLS
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import browsing
from usage.browsing import Page, Place
from usage.core.errors import NotFound
from usage.core.repricing import sum_exactly
from usage.exports import MAX_CALL_DAYS

CALLS_A_PAGE = 50


@require_safe
@account_page
def calls(request: HttpRequest, visit: Visit) -> HttpResponse:
    """The account's calls, newest first, by what the address narrows them to."""
    form = CallsForm(request.GET, at=visit.at)
    before = _place(request.GET.get("before", ""))
    page = Page(rows=[], older=None)
    if form.is_valid():
        page = browsing.page(form.question(visit.account, at=visit.at, before=before), limit=CALLS_A_PAGE)
    asked = form.query
    context = {
        **visit.frame(),
        "definitions": CALLS,
        "form": form,
        "further": [form[name] for name in FURTHER],
        "rows": [(row, page_url(request, "call", Place.of(row))) for row in page.rows],
        "cost": sum_exactly(row.cost for row in page.rows),
        "is_whole": before is None and page.older is None,
        "is_first": before is None,
        "is_cut": page.is_cut,
        "reached": page.older.occurred_at if page.is_cut and page.older else None,
        "newest_url": page_url(request, "calls", **asked),
        "older_url": "" if page.older is None else page_url(request, "calls", **asked, before=page.older),
        "csv_url": page_url(request, "calls_csv", **asked),
        "max_call_days": MAX_CALL_DAYS,
        "fits_csv": form.is_valid() and form.days.count <= MAX_CALL_DAYS,
    }
    return render(request, "dashboard/calls.html", context)


@require_safe
@account_page
def call(request: HttpRequest, visit: Visit, place: str) -> HttpResponse:
    """All that is kept about a call of the account; 404 for one of others."""
    found = _place(place)
    row = None if found is None else browsing.row(visit.account.pk, found)
    if row is None:
        raise NotFound("There is no such call.", code="call_unknown")
    context = {
        **visit.frame(),
        "page": call_page(visit.account, row, at=visit.at),
        "definitions": CALLS,
    }
    return render(request, "dashboard/call.html", context)


def _place(text: str) -> Place | None:
    """The place that an address names; None for what is none."""
    try:
        return Place.parse(text) if text else None
    except ValueError:
        return None
