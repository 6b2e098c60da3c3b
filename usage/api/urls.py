"""Addresses of the usage app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from usage.api.events import post_events
from usage.api.history import HistoryView
from usage.api.logs import UsageLogsView
from usage.api.pricing import PricingView
from usage.api.trends import TrendsView
from usage.api.usage import CurrentUsageView

urlpatterns = [
    path("usage/events", post_events, name="usage-events"),
    re_path(r"^subscription/pricing/?$", PricingView.as_view(), name="pricing"),
    re_path(r"^subscription/usage/(?P<user_id>[^/]+)/trends/?$", TrendsView.as_view(), name="usage-trends"),
    re_path(r"^subscription/usage-logs/?$", UsageLogsView.as_view(), name="usage-logs"),
    path("usage/current", CurrentUsageView.as_view(), name="usage-current"),
    path("usage/history", HistoryView.as_view(), name="usage-history"),
]
