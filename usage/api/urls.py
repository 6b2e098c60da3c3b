"""Addresses of the usage app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from usage.api import authorizations
from usage.api.allocation import AllocationView
from usage.api.audit import AuditView
from usage.api.events import post_events
from usage.api.exports import CallsCsvView, ExportView
from usage.api.forecast import ForecastView
from usage.api.history import HistoryView
from usage.api.limits import LimitsView
from usage.api.logs import UsageLogsView
from usage.api.preflight import PreflightView
from usage.api.pricing import PricingView
from usage.api.trends import TrendsView
from usage.api.usage import CurrentUsageView

urlpatterns = [
    path("usage/events", post_events, name="usage-events"),
    path("usage/authorizations", authorizations.post_authorizations, name="usage-authorizations"),
    path("usage/authorizations/<str:authorization_id>", authorizations.get_authorization),
    path("usage/authorizations/<str:authorization_id>/settle", authorizations.settle_authorization),
    path("usage/authorizations/<str:authorization_id>/extend", authorizations.extend_authorization),
    path("usage/authorizations/<str:authorization_id>/release", authorizations.release_authorization),
    re_path(r"^subscription/preflight-check/?$", PreflightView.as_view(), name="preflight-check"),
    re_path(r"^subscription/pricing/?$", PricingView.as_view(), name="pricing"),
    re_path(r"^subscription/usage/(?P<user_id>[^/]+)/trends/?$", TrendsView.as_view(), name="usage-trends"),
    re_path(r"^subscription/usage-logs/?$", UsageLogsView.as_view(), name="usage-logs"),
    path("usage/current", CurrentUsageView.as_view(), name="usage-current"),
    path("usage/limits", LimitsView.as_view(), name="usage-limits"),
    path("usage/calls.csv", CallsCsvView.as_view(), name="usage-calls"),
    path("usage/export", ExportView.as_view(), name="usage-export"),
    path("billing/allocation", AllocationView.as_view(), name="billing-allocation"),
    path("billing/audit", AuditView.as_view(), name="billing-audit"),
    path("billing/forecast", ForecastView.as_view(), name="billing-forecast"),
    path("usage/history", HistoryView.as_view(), name="usage-history"),
]
