"""The page where a newcomer makes an account; only where the deployment lets customers do so themselves."""

from typing import Any

import uuid_utils
from django import forms
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from subscriptions import signup
from subscriptions.actors import of_user

MAX_COMPANY_LENGTH = 200


class SignUpForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """A person with a password, and the account they will own."""

    company = forms.CharField(
        max_length=MAX_COMPANY_LENGTH,
        label="Account name",
        help_text="Your company’s name, or your own.",
        widget=forms.TextInput(attrs={"autocomplete": "organization", "autofocus": True}),
    )

    class Meta(BaseUserCreationForm.Meta):
        fields = ("username", "email")

    field_order = ("company", "username", "email", "password1", "password2")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Django would have one begin with the username, which is not the first.
        self.fields["username"].widget.attrs.pop("autofocus", None)
        self.fields["email"].required = True
        self.fields["email"].widget.attrs["autocomplete"] = "email"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password1", "password2")
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make a person, an account and its subscription to the default plan, all or nothing, and log in."""
    if not settings.SIGN_UP:
        raise Http404
    if request.user.is_authenticated:
        return redirect("overview")
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "auth/sign_up.html", {"form": form})
    with transaction.atomic():
        user = form.save()
        signup.sign_up(
            # Opaque, so that it tells nothing about the accounts there are.
            external_id=str(uuid_utils.uuid7()),
            name=form.cleaned_data["company"],
            at=timezone.now(),
            by=of_user(user),
            owner=user,
        )
    login(request, user)
    return redirect("overview")
