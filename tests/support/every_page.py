"""Every page that people look at, in one table: for the tests of all pages and for `make screenshots`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import get_resolver, reverse

from alerts import confirming, unsubscribe_links
from alerts.models import AlertChannel
from alwrity_billing import demo
from subscriptions.models import BillingHistory, SubscriptionPlan
from tests.support.cast import a_member, a_user, an_account
from tests.support.email_channels import an_email_channel
from tests.support.prices import load_every_price
from usage.models import Account, APIUsageLog, Member

# The customer's account in the demo, and one that the customer may look at only.
OWN, LOOKED_AT, STRANGERS = "lumen-notes", "harbour-and-pine", "mira-okafor"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# An address that nobody has confirmed yet.
ADDED = "finance@example.com"


class Who(StrEnum):
    """Who looks, by the name they log in with."""

    NOBODY = ""
    CUSTOMER = "nora"
    NEWCOMER = "ida"
    WITHOUT_ACCOUNT = "max"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page: `url` is its address or the name of it; `args` are known once there is data."""

    name: str
    url: str
    who: Who = Who.CUSTOMER
    args: Callable[[], list[object]] = list
    query: str = ""
    status: HTTPStatus = HTTPStatus.OK

    @property
    def path(self) -> str:
        address = self.url if self.url.startswith("/") else reverse(self.url, args=self.args())
        return address + self.query

    @property
    def is_there(self) -> bool:
        return self.url.startswith("/") or ":" in self.url or self.url in get_resolver().reverse_dict


def _invoice() -> list[object]:
    return [BillingHistory.objects.filter(account__external_id=OWN, number__isnull=False).latest("id").number]


def _plan() -> list[object]:
    return [SubscriptionPlan.objects.get(key="pro").pk]


def _call() -> list[object]:
    newest = APIUsageLog.objects.filter(account__external_id=OWN).latest("occurred_at", "id")
    return [f"{(newest.occurred_at - EPOCH) // timedelta(microseconds=1)}.{newest.pk}"]


def _stop_mails() -> list[object]:
    member = Member.objects.select_related("user").get(account__external_id=OWN)
    return [unsubscribe_links.member_token(member.pk, email=member.user.email)]


def _confirm_mails() -> list[object]:
    return [confirming.token_for(AlertChannel.objects.get(label=ADDED).pk, email=ADDED)]


BY_TEAM = "?last=30d&by=team&compare=1"
# Not one of ours, but looked at too.
ADMIN_HOME = Shown(name="admin-home", url="admin:index", who=Who.STAFF)
EVERY_PAGE = [
    page
    for page in (
        Shown(name="login", url="login", who=Who.NOBODY),
        Shown(name="sign-up", url="sign_up", who=Who.NOBODY),
        Shown(name="password-reset", url="password_reset", who=Who.NOBODY),
        Shown(name="password-reset-sent", url="password_reset_done", who=Who.NOBODY),
        Shown(name="password-reset-link", url="/password-reset/x/gone/", who=Who.NOBODY),
        Shown(name="unsubscribe", url="alerts_unsubscribe", who=Who.NOBODY, args=_stop_mails),
        Shown(name="confirm-email", url="alerts_confirm", who=Who.NOBODY, args=_confirm_mails),
        Shown(name="overview", url="overview"),
        Shown(name="overview-read-only", url="overview", query=f"?account={LOOKED_AT}"),
        Shown(name="usage", url="usage"),
        Shown(name="usage-compared", url="usage", query=BY_TEAM),
        Shown(name="calls", url="calls"),
        Shown(name="call", url="call", args=_call),
        Shown(name="costs", url="costs"),
        Shown(name="costs-patterns", url="cost_patterns"),
        Shown(name="billing", url="billing"),
        Shown(name="billing-read-only", url="billing", query=f"?account={LOOKED_AT}"),
        Shown(name="transactions", url="transactions"),
        Shown(name="invoice", url="invoice", args=_invoice),
        Shown(name="plans", url="choose_plan"),
        Shown(name="plan-confirmation", url="confirm_plan", args=_plan),
        Shown(name="alerts", url="alerts"),
        Shown(name="alert-settings", url="alert_settings"),
        Shown(name="alert-deliveries", url="alert_deliveries"),
        Shown(name="settings", url="settings"),
        Shown(name="settings-keys", url="settings_keys"),
        Shown(name="settings-budget", url="settings_budget"),
        Shown(name="settings-teams", url="settings_teams"),
        Shown(name="accounts", url="choose_account"),
        Shown(name="password-change", url="password_change"),
        Shown(name="password-changed", url="password_change_done"),
        Shown(name="not-found", url="/nothing/here/", status=HTTPStatus.NOT_FOUND),
        Shown(name="not-allowed", url="overview", query=f"?account={STRANGERS}", status=HTTPStatus.FORBIDDEN),
        Shown(name="empty-overview", url="overview", who=Who.NEWCOMER),
        Shown(name="empty-usage", url="usage", who=Who.NEWCOMER),
        Shown(name="empty-calls", url="calls", who=Who.NEWCOMER),
        Shown(name="empty-costs", url="costs", who=Who.NEWCOMER),
        Shown(name="empty-costs-patterns", url="cost_patterns", who=Who.NEWCOMER),
        Shown(name="empty-billing", url="billing", who=Who.NEWCOMER),
        Shown(name="empty-transactions", url="transactions", who=Who.NEWCOMER),
        Shown(name="empty-alerts", url="alerts", who=Who.NEWCOMER),
        Shown(name="empty-alert-settings", url="alert_settings", who=Who.NEWCOMER),
        Shown(name="empty-alert-deliveries", url="alert_deliveries", who=Who.NEWCOMER),
        Shown(name="empty-settings", url="settings", who=Who.NEWCOMER),
        Shown(name="empty-settings-keys", url="settings_keys", who=Who.NEWCOMER),
        Shown(name="empty-settings-budget", url="settings_budget", who=Who.NEWCOMER),
        Shown(name="empty-settings-teams", url="settings_teams", who=Who.NEWCOMER),
        Shown(name="no-account", url="overview", who=Who.WITHOUT_ACCOUNT),
        Shown(name="staff-accounts", url="choose_account", who=Who.STAFF),
    )
    if page.is_there
]


def furnish(data_dir: Path, *, at: datetime, days: int) -> None:
    """On an empty database: the demo with the calls of so many days up to `at`, and people it lacks."""
    load_every_price()
    demo.create(data_dir=data_dir, at=at, progress=lambda days, calls: None, days=days)
    an_email_channel(Account.objects.get(external_id=OWN), email=ADDED, state="unconfirmed")
    a_member(an_account("quiet-harbour", name="Quiet Harbour"), username=Who.NEWCOMER)
    a_user(Who.WITHOUT_ACCOUNT)


def session_of(who: Who) -> dict[str, str]:
    """The name and value of the cookie that somebody has who logged in."""
    client = Client()
    client.force_login(User.objects.get(username=who))
    return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}
