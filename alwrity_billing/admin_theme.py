"""How the admin looks: django-unfold's settings."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import lazy

FAVICON = lazy(static, str)("img/favicon.svg")


def _page(title: str, icon: str, app: str, model: str) -> dict[str, Any]:
    """A link to a model's list, for those who may see it."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{app}_{model}_changelist"),
        "permission": _may_see(f"{app}.view_{model}"),
    }


def _may_see(permission: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perm(permission)


NAVIGATION = [
    {
        "items": [
            {"title": "Home", "icon": "speed", "link": reverse_lazy("admin:index")},
        ],
    },
    {
        "title": "Customers",
        "separator": True,
        "items": [
            _page("Accounts", "domain", "usage", "account"),
            _page("Subscriptions", "autorenew", "subscriptions", "usersubscription"),
            _page("Subscription history", "history", "subscriptions", "subscriptionchange"),
            _page("Budgets", "account_balance_wallet", "subscriptions", "budget"),
            _page("Limit overrides", "tune", "subscriptions", "limitoverride"),
            _page("Members", "group", "usage", "member"),
            _page("Invitations", "mail", "usage", "invitation"),
            _page("API keys", "key", "usage", "apikey"),
            _page("Members and keys: history", "manage_history", "usage", "accountchange"),
        ],
    },
    {
        "title": "Invoices",
        "separator": True,
        "items": [
            _page("Invoices", "receipt_long", "subscriptions", "billinghistory"),
            _page("Month close", "event_available", "subscriptions", "closefailure"),
            _page("For the next invoice", "edit_note", "subscriptions", "invoiceitem"),
            _page("Credits", "savings", "subscriptions", "creditgrant"),
            _page("Credit ledger", "menu_book", "subscriptions", "creditentry"),
            _page("Payments", "credit_card", "subscriptions", "payment"),
            _page("Credit notes", "undo", "subscriptions", "creditnote"),
            _page("Billing profiles", "contact_mail", "subscriptions", "billingprofile"),
            _page("Stripe events", "webhook", "subscriptions", "stripeevent"),
        ],
    },
    {
        "title": "What is sold",
        "separator": True,
        "items": [
            _page("Plans", "sell", "subscriptions", "subscriptionplan"),
            _page("Plan versions", "layers", "subscriptions", "planversion"),
            _page("Rollouts", "rocket_launch", "subscriptions", "versionrollout"),
            _page("Prices", "payments", "usage", "apiproviderpricing"),
            _page("Held prices", "front_hand", "usage", "heldprice"),
        ],
    },
    {
        "title": "What was used",
        "separator": True,
        "items": [
            _page("Usage log", "list_alt", "usage", "apiusagelog"),
            _page("Limits", "data_usage", "usage", "usagelimit"),
            _page("Authorizations", "verified_user", "usage", "authorization"),
            _page("Billing periods", "calendar_month", "usage", "billingperiod"),
            _page("Summaries", "functions", "usage", "usagesummary"),
        ],
    },
    {
        "title": "Alerts",
        "separator": True,
        "items": [
            _page("Alerts", "notifications", "alerts", "usagealert"),
            _page("Deliveries", "outgoing_mail", "alerts", "alertdelivery"),
            _page("Channels", "campaign", "alerts", "alertchannel"),
        ],
    },
    {
        "title": "System",
        "separator": True,
        "items": [
            _page("Clock", "schedule", "alwrity_billing", "taskstanding"),
            _page("Drift reports", "difference", "usage", "driftreport"),
            _page("Failed tasks", "error", "django_celery_results", "taskresult"),
            _page("Staff and users", "person", "auth", "user"),
            _page("Roles", "badge", "auth", "group"),
        ],
    },
]

UNFOLD = {
    "SITE_TITLE": "ALwrity Billing",
    "SITE_HEADER": "ALwrity Billing",
    "SITE_SYMBOL": "speed",
    "STYLES": [lambda request: static("css/admin.css")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": FAVICON}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "alwrity_billing.admin_home.context",
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": NAVIGATION},
}
