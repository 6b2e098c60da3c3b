"""The page that an invitation's link leads to: whoever has it joins, as who they are or as somebody new.

A GET changes nothing, since mail scanners follow every link.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.forms import BaseUserCreationForm, UsernameField
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from usage import invitations
from usage.core.errors import Conflict, NotFound
from usage.models import Account, Invitation


class NewPersonForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A login of one's own; the address is the invited one."""

    class Meta:
        model = User
        fields = ("username",)
        field_classes = {"username": UsernameField}

    def __init__(self, *arguments: Any, email: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Also what the password must not resemble.
        self.instance.email = email


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password1", "password2")
def join(request: HttpRequest, token: str) -> HttpResponse:
    """What one is invited to, and on POST the membership."""
    at = timezone.now()
    try:
        invitation = invitations.read(token, at=at)
    except NotFound:
        return render(request, "dashboard/settings/join_over.html", status=404)
    posted = request.POST if request.method == "POST" else None
    if isinstance(request.user, User):
        if posted is None:
            return _page(request, invitation)
        return _accept(request, token, request.user)
    form = NewPersonForm(posted, email=invitation.email)
    if not form.is_valid():
        return _page(request, invitation, form)
    try:
        with transaction.atomic():
            user = form.save()
            account = invitations.accept(token, user, at=at).account
    except (NotFound, Conflict) as late:
        messages.error(request, late.message)
        return redirect("join", token)
    login(request, user)
    return _welcome(request, account)


def _accept(request: HttpRequest, token: str, user: User) -> HttpResponse:
    try:
        account = invitations.accept(token, user, at=timezone.now()).account
    except (NotFound, Conflict) as late:
        messages.error(request, late.message)
        return redirect("join", token)
    return _welcome(request, account)


def _page(request: HttpRequest, invitation: Invitation, form: NewPersonForm | None = None) -> HttpResponse:
    context = {
        "invitation": invitation,
        "form": form,
        "log_in_url": f"{reverse('login')}?{urlencode({'next': request.path})}",
    }
    return render(request, "dashboard/settings/join.html", context)


def _welcome(request: HttpRequest, account: Account) -> HttpResponse:
    messages.success(request, f"Welcome to {account}.")
    return redirect(f"{reverse('overview')}?{urlencode({'account': account.external_id})}")
