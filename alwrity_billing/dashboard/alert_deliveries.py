"""The log of deliveries: what went where, and what became of it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from alerts import delivery_log, destinations
from alerts.channels import CHANNELS
from alerts.delivery_log import Place
from alerts.models import AlertChannel, AlertDelivery, DeliveryState
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.visits import Visit, account_page
from usage.core.errors import BillingError

DELIVERIES_A_PAGE = 25
REFRESH_S = 3
# So long after it was planned a first attempt is worth waiting for.
JUST_NOW = timedelta(seconds=20)


@require_safe
@account_page
def deliveries(request: HttpRequest, visit: Visit) -> HttpResponse:
    """A page of the account's deliveries, by channel and state. Comes again by itself while the newest is on
    its way.
    """
    channels = [each for each in destinations.all_of(visit.account, at=visit.at) if _is_logged(each)]
    chosen = _chosen(request, channels)
    page = delivery_log.page_of(
        visit.account,
        limit=DELIVERIES_A_PAGE,
        channel_id=int(chosen["channel"]) if "channel" in chosen else None,
        state=DeliveryState(chosen["state"]) if "state" in chosen else None,
        after=Place.parse(request.GET.get("after", "")),
    )
    context = {
        **visit.frame(),
        "deliveries": page.deliveries,
        "after": page.after,
        "is_first": "after" not in request.GET,
        "channels": channels,
        "states": DeliveryState.choices,
        "chosen": chosen,
        "here": page_url(request, "alert_deliveries", **chosen).partition("?")[2],
        "is_waiting": _is_on_its_way(page.deliveries, visit),
    }
    response = render(request, "dashboard/alerts/deliveries.html", context)
    if context["is_waiting"]:
        response["Refresh"] = str(REFRESH_S)
    return response


@require_POST
@account_page
def try_again(request: HttpRequest, visit: Visit, delivery_id: UUID) -> HttpResponse:
    """Make a delivery again that was given up."""
    visit.require_change()
    try:
        delivery_log.try_again(visit.account, delivery_id, at=visit.at)
    except BillingError as error:
        refused(request, error)
    else:
        messages.success(request, "It is tried again now.")
    channels = destinations.all_of(visit.account, at=visit.at)
    return redirect(page_url(request, "alert_deliveries", **_chosen(request, channels)))


def _chosen(request: HttpRequest, channels: Sequence[AlertChannel]) -> dict[str, str]:
    """By what the log is narrowed; what the address says wrongly is left out."""
    channel, state = request.GET.get("channel", ""), request.GET.get("state", "")
    chosen = {}
    if channel in {str(each.pk) for each in channels}:
        chosen["channel"] = channel
    if state in DeliveryState.values:
        chosen["state"] = state
    return chosen


def _is_logged(channel: AlertChannel) -> bool:
    return channel.kind not in CHANNELS or not CHANNELS[channel.kind].is_instant


def _is_on_its_way(found: Sequence[AlertDelivery], visit: Visit) -> bool:
    newest = found[:1]
    return any(
        each.state == DeliveryState.WAITING and not each.attempts and visit.at - each.created_at <= JUST_NOW
        for each in newest
    )
