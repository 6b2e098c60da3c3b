"""What people do with the channels of their alerts: each a form of the settings page."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from alerts import adding, choices, destinations, testing
from alerts.adding import Added
from alerts.models import AlertChannel, ConfirmationMail
from alwrity_billing.dashboard import alert_settings
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_forms import ChannelForm, refuse
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.visits import Visit, account_page
from usage.core.errors import BillingError, Conflict, InvalidRequest


@require_POST
@account_page
def add(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Add a channel. One that signs is answered with its secret, which is shown this once."""
    visit.require_change()
    form = ChannelForm(request.POST)
    if not form.is_valid():
        return alert_settings.show(request, visit, channel=form)
    try:
        added = adding.add(
            visit.account,
            kind=form.cleaned_data["kind"],
            address=form.cleaned_data["address"],
            at=visit.at,
            by=visit.actor.name,
        )
    except InvalidRequest as error:
        refuse(form, error)
    except Conflict as conflict:
        form.add_error(None, conflict.message)
    else:
        return _added(request, visit, added)
    return alert_settings.show(request, visit, channel=form)


@require_POST
@account_page
def test(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Send a test to the channel, and show what becomes of it."""
    visit.require_change()
    channel = choices.channel_of(visit.account, int(channel_id))
    try:
        testing.send_test(channel, at=visit.at)
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "alert_settings"))
    messages.success(request, f"A test is on its way to {channel}.")
    return redirect(page_url(request, "alert_deliveries", channel=channel.pk))


@require_POST
@account_page
def disable(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Deliver nothing to the channel any more."""
    return _change(
        request,
        visit,
        channel_id,
        lambda channel: destinations.switch_off(channel, by=visit.actor.name),
        done="Nothing is delivered there any more, until you switch it on again.",
    )


@require_POST
@account_page
def enable(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Deliver to the channel again."""
    return _change(
        request,
        visit,
        channel_id,
        lambda channel: adding.enable(channel, at=visit.at, by=visit.actor.name),
        done="It is switched on, from the next alert on.",
    )


@require_POST
@account_page
def ask_again(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Ask the owner of an email address once more."""
    return _change(
        request,
        visit,
        channel_id,
        lambda channel: adding.ask_again(channel, at=visit.at, by=visit.actor.name),
        done="",
    )


@require_POST
@account_page
def remove(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Remove the channel and the log of its deliveries."""
    return _change(request, visit, channel_id, destinations.remove, done="The channel is removed.")


@require_POST
@account_page
def rotate_secret(request: HttpRequest, visit: Visit, channel_id: str) -> HttpResponse:
    """Give the channel a new secret, which is shown this once."""
    visit.require_change()
    channel = choices.channel_of(visit.account, int(channel_id))
    try:
        secret = destinations.rotate_secret(channel, at=visit.at)
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "alert_settings"))
    return _secret(request, visit, channel, secret, is_new=False)


def _added(request: HttpRequest, visit: Visit, added: Added) -> HttpResponse:
    if added.secret:
        return _secret(request, visit, added.channel, added.secret, is_new=True)
    if added.mail is None:
        messages.success(request, f"{added.channel} is added. Send a test to see that it arrives.")
    else:
        _tell_of_mail(request, added.channel, added.mail)
    return redirect(page_url(request, "alert_settings"))


def _secret(
    request: HttpRequest, visit: Visit, channel: AlertChannel, secret: str, *, is_new: bool
) -> HttpResponse:
    hours = int(destinations.SECRETS_OVERLAP.total_seconds()) // 3600
    context = {
        **visit.frame(),
        "channel": channel,
        "secret": secret,
        "is_new": is_new,
        "overlap_hours": hours,
    }
    return render(request, "dashboard/alerts/secret.html", context)


def _change(
    request: HttpRequest,
    visit: Visit,
    channel_id: str,
    change: Callable[[AlertChannel], object],
    *,
    done: str,
) -> HttpResponse:
    visit.require_change()
    channel = choices.channel_of(visit.account, int(channel_id))
    try:
        outcome = change(channel)
    except BillingError as error:
        refused(request, error)
    else:
        if isinstance(outcome, ConfirmationMail):
            _tell_of_mail(request, channel, outcome)
        else:
            messages.success(request, done)
    return redirect(page_url(request, "alert_settings"))


def _tell_of_mail(request: HttpRequest, channel: AlertChannel, mail: ConfirmationMail) -> None:
    if mail.error:
        messages.error(
            request, f"The email that asks {channel.label} could not be sent: {mail.error} Send it again."
        )
    else:
        messages.success(
            request,
            f"We have asked {channel.label} by email. No alerts go there until its owner follows the link.",
        )
