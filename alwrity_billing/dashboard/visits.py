"""Who looks at which account: what every page about an account begins with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from alerts import inbox
from alwrity_billing.dashboard import banners
from subscriptions import attention, queries
from subscriptions.actors import Actor, of_principal
from subscriptions.models import BillingProfile, Budget, UserSubscription
from usage import access
from usage.access import Principal
from usage.core.errors import AccessDenied, NotAuthenticated
from usage.models import Account, Scope

# With it staff change any account's subscription.
PERMISSION = "subscriptions.change_usersubscription"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A person's look at an account, at a moment."""

    principal: Principal
    account: Account
    at: datetime

    @property
    def may_switch(self) -> bool:
        return may_switch(self.principal)

    @cached_property
    def may_change(self) -> bool:
        """Whether the person may change what the account pays for: an owner, a billing admin, our staff."""
        try:
            self.require_change()
        except AccessDenied:
            return False
        return True

    @property
    def speaks_for_us(self) -> bool:
        return access.speaks_for_us(self.principal, permission=PERMISSION)

    @property
    def actor(self) -> Actor:
        return of_principal(self.principal)

    @cached_property
    def subscription(self) -> UserSubscription | None:
        return getattr(self._with_terms, "subscription", None)

    @cached_property
    def profile(self) -> BillingProfile | None:
        return getattr(self._with_terms, "billing_profile", None)

    @cached_property
    def budget(self) -> Budget | None:
        return getattr(self._with_terms, "budget", None)

    @cached_property
    def _with_terms(self) -> Account:
        return queries.with_terms(self.account)

    def require_change(self) -> None:
        """Raises AccessDenied for whom `may_change` is false."""
        access.account_for(
            self.principal,
            external_id=self.account.external_id,
            scope=Scope.ADMIN,
            staff_permission=PERMISSION,
        )

    def frame(self) -> dict[str, Any]:
        """What the frame around every page shows of it."""
        concerns = attention.concerns_of(
            self.account, self.subscription, self.profile, self.budget, at=self.at
        )
        return {
            "account": self.account,
            "may_switch": self.may_switch,
            "may_change": self.may_change,
            "banners": [banners.banner_of(concern) for concern in concerns],
            "unread_alerts": inbox.unread_count(self.account),
            "at": self.at,
            "plus_tax": settings.STRIPE_TAX,
        }


def account_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page about the account that `?account=` names, or the person's own; for those who may read it."""

    @never_cache
    @login_required
    @wraps(view)
    def page(request: HttpRequest, **captured: str) -> HttpResponse:
        at = timezone.now()
        principal = principal_of(request, at=at)
        external_id = request.GET.get("account") or None
        if external_id is None and principal.account is None:
            return _without_account(request, principal)
        account = access.account_for(principal, external_id=external_id)
        return view(request, Visit(principal=principal, account=account, at=at), **captured)

    return page


def principal_of(request: HttpRequest, *, at: datetime) -> Principal:
    """Who is logged in. Raises PermissionDenied where a header of the request brings a bad key."""
    try:
        return access.principal_of(request, at=at)
    except NotAuthenticated as refused:
        # Pages have no 401 to answer with.
        raise PermissionDenied(refused.message) from refused


def may_switch(principal: Principal) -> bool:
    """Whether there is more than one account to choose from."""
    return principal.accounts is None or len(principal.accounts) > 1


def _without_account(request: HttpRequest, principal: Principal) -> HttpResponse:
    if principal.is_staff:
        return redirect("choose_account")
    return render(request, "dashboard/no_account.html")
