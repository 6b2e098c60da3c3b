"""How the admin looks: django-unfold's settings."""

from django.templatetags.static import static
from django.utils.functional import lazy

FAVICON = lazy(static, str)("img/favicon.svg")

UNFOLD = {
    "SITE_TITLE": "ALwrity Billing",
    "SITE_HEADER": "ALwrity Billing",
    "SITE_SYMBOL": "speed",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": FAVICON}],
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "alwrity_billing.admin_home.context",
    "SIDEBAR": {"show_search": True, "show_all_applications": False},
}
