"""Inviting people into an account: forms of the members' page."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from alerts import inviting
from alwrity_billing.dashboard import settings_access, settings_members
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.alert_forms import refuse
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.settings_members import InvitationForm, who
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import invitations
from usage.core.errors import BillingError, Conflict, InvalidRequest
from usage.models import Invitation


@require_POST
@account_page
def invite(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Invite somebody by email."""
    settings_access.require_members(visit)
    form = InvitationForm(request.POST)
    if form.is_valid():
        try:
            invitation = invitations.invite(visit.account, **form.cleaned_data, **who(visit))
        except InvalidRequest as error:
            refuse(form, error)
        except Conflict as conflict:
            form.add_error("email", conflict.message)
        else:
            return _sent(request, visit, invitation)
    return settings_members.show(request, visit, invitation=form)


@require_POST
@account_page
def send_again(request: HttpRequest, visit: Visit, invitation_id: str) -> HttpResponse:
    """Send the mail once more; the link in it holds from now on."""
    settings_access.require_members(visit)
    try:
        invitation = invitations.renew(visit.account, int(invitation_id), **who(visit))
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "settings"))
    return _sent(request, visit, invitation)


@require_POST
@account_page
def withdraw(request: HttpRequest, visit: Visit, invitation_id: str) -> HttpResponse:
    """End an invitation."""
    settings_access.require_members(visit)
    invitation = invitations.withdraw(visit.account, int(invitation_id), **who(visit))
    messages.success(request, f"The invitation of {invitation.email} is withdrawn: its link is dead.")
    return redirect(page_url(request, "settings"))


def _sent(request: HttpRequest, visit: Visit, invitation: Invitation) -> HttpResponse:
    inviting.send(invitation, at=visit.at)
    if invitation.error:
        messages.error(
            request,
            f"The email to {invitation.email} could not be sent: {invitation.error} Send it again.",
        )
    else:
        messages.success(request, f"We have sent {invitation.email} a link to join.")
    return redirect(page_url(request, "settings"))
