"""The inbox: what people were told, and that they have read it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from alerts import inbox as alerts_inbox
from alerts.core.rules import Audience, chosen_among
from alerts.inbox import Show
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_cards import card_of
from alwrity_billing.dashboard.visits import Visit, account_page

ALERTS_A_PAGE = 20
MAX_ID = 2**63 - 1


@require_safe
@account_page
def inbox(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A page of the account's alerts, newest first: all, those unread, or those open."""
    place = _place(request)
    show, older_than = Show(place.get("show", Show.ALL)), place.get("before")
    page = alerts_inbox.page_of(
        visit.account,
        limit=ALERTS_A_PAGE,
        show=show,
        older_than=None if older_than is None else int(older_than),
    )
    context = {
        **visit.frame(),
        "cards": [card_of(alert) for alert in page.alerts],
        "show": show.value,
        "filters": [("all", "All"), ("unread", "Unread"), ("open", "Open")],
        "before": older_than,
        "newest": page.alerts[0].pk if page.alerts else None,
        "older_than": page.older_than,
        "rules": chosen_among(Audience.CUSTOMER),
        "here": _here(request, place),
    }
    return render(request, "dashboard/alerts/inbox.html", context)


@require_POST
@account_page
def read(request: HttpRequest, visit: Visit, alert_id: str) -> HttpResponse:
    """Mark an alert as read."""
    alerts_inbox.mark_read(visit.account, int(alert_id), at=visit.at)
    return redirect(f"{page_url(request, 'alerts', **_place(request))}#alert-{alert_id}")


@require_POST
@account_page
def read_all(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Mark all alerts as read, but not those that came since the page was loaded."""
    newest = _id(request.POST.get("up_to", ""))
    marked = alerts_inbox.mark_all_read(visit.account, at=visit.at, up_to=newest)
    if marked:
        messages.success(request, "All are marked as read." if marked > 1 else "It is marked as read.")
    return redirect(page_url(request, "alerts", **_place(request)))


def _place(request: HttpRequest) -> dict[str, str]:
    """Where in the inbox one is, as the address says it; what it says wrongly is left out."""
    place = {}
    show, before = request.GET.get("show", ""), _id(request.GET.get("before", ""))
    if show in set(Show) - {Show.ALL}:
        place["show"] = show
    if before is not None:
        place["before"] = str(before)
    return place


def _here(request: HttpRequest, place: dict[str, str]) -> str:
    """The query of links that come back to this place."""
    return page_url(request, "alerts", **place).partition("?")[2]


def _id(text: str) -> int | None:
    return min(int(text[:20]), MAX_ID) if text.isascii() and text.isdecimal() else None
