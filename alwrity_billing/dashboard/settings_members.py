"""The members of an account: their roles, and how they leave. The first page of the settings."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from alwrity_billing.dashboard import settings_access, settings_history
from alwrity_billing.dashboard.addresses import page_url
from alwrity_billing.dashboard.billing_views import refused
from alwrity_billing.dashboard.definitions import SETTINGS
from alwrity_billing.dashboard.visits import Visit, account_page
from usage import invitations
from usage import members as account_members
from usage.core.errors import AccessDenied, BillingError
from usage.invitations import VALID_FOR
from usage.models import ChangeOf, Role


class InvitationForm(forms.Form):
    """Who is to join, and as what."""

    email = forms.EmailField(max_length=invitations.LONGEST_EMAIL, label="Email address")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER, label="Role")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["email"].widget.attrs.update(autocomplete="off", spellcheck="false")


@require_safe
@account_page
def members(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Who is in the account, who is invited, and what changed of it."""
    return show(request, visit)


@require_POST
@account_page
def change_role(request: HttpRequest, visit: Visit, member_id: str) -> HttpResponse:
    """Let a member have another role."""
    settings_access.require_members(visit)
    try:
        member = account_members.change_role(
            visit.account, int(member_id), request.POST.get("role", ""), **who(visit)
        )
    except BillingError as error:
        refused(request, error)
    else:
        role = member.get_role_display().lower()
        messages.success(request, f"{member.user} is {'an' if role == 'owner' else 'a'} {role} now.")
    return redirect(page_url(request, "settings"))


@require_POST
@account_page
def remove(request: HttpRequest, visit: Visit, member_id: str) -> HttpResponse:
    """Take a member out of the account."""
    settings_access.require_members(visit)
    try:
        member = account_members.remove(visit.account, int(member_id), **who(visit))
    except BillingError as error:
        refused(request, error)
    else:
        messages.success(request, f"{member.user} is removed, and sees nothing of this account any more.")
    return redirect(page_url(request, "settings"))


@require_POST
@account_page
def leave(request: HttpRequest, visit: Visit) -> HttpResponse:
    """Let the person go, to whatever account they have left."""
    user = visit.principal.user
    if user is None:
        raise AccessDenied("Only people leave an account.")
    try:
        account_members.leave(visit.account, user, at=visit.at)
    except BillingError as error:
        refused(request, error)
        return redirect(page_url(request, "settings"))
    messages.success(request, f"You have left {visit.account}.")
    return redirect("overview")


def show(request: HttpRequest, visit: Visit, *, invitation: InvitationForm | None = None) -> HttpResponse:
    """The page, with a form that was refused and what was entered in it."""
    may_change_members = settings_access.may_change_members(visit)
    may_read_history = may_change_members or settings_access.may(visit, settings_access.CHANGES_MEMBERS)
    found = account_members.of_account(visit.account)
    user = visit.principal.user
    context = {
        **visit.frame(),
        "members": [(each, user is not None and each.user_id == user.pk) for each in found],
        "owners_count": sum(each.role == Role.OWNER for each in found),
        "may_change_members": may_change_members,
        "invitations": invitations.of_account(visit.account) if may_read_history else [],
        "invitation_form": InvitationForm() if invitation is None else invitation,
        "valid_days": VALID_FOR.days,
        "roles": Role.choices,
        "may_read_history": may_read_history,
        "history": settings_history.history_of(visit.account, ChangeOf.MEMBER, ChangeOf.INVITATION)
        if may_read_history
        else [],
        "definitions": SETTINGS,
    }
    return render(request, "dashboard/settings/members.html", context)


def who(visit: Visit) -> dict[str, Any]:
    """By whom, and when, as the operations on people take it."""
    by_staff = settings_access.is_our_staff(visit, settings_access.CHANGES_MEMBERS)
    return {"at": visit.at, "by": visit.actor, "by_staff": by_staff}
