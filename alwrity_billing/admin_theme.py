"""How the admin looks: django-unfold's settings."""

UNFOLD = {
    "SITE_TITLE": "ALwrity Billing",
    "SITE_HEADER": "ALwrity Billing",
    "SITE_SYMBOL": "speed",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
}
