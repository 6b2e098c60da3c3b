"""Every address of the project."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from alwrity_billing import health
from alwrity_billing.api.billing_limits import BillingLimitsView
from alwrity_billing.api.cost_analytics import CostAnalyticsView
from alwrity_billing.api.costs import CostsView
from alwrity_billing.api.dashboard import DashboardView
from alwrity_billing.api.usage_stats import UsageStatsView

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("docs", SpectacularSwaggerSplitView.as_view(url_name="schema"), name="docs"),
    # The slash at the end is optional under /api/subscription/.
    re_path(r"^api/subscription/usage/(?P<user_id>[^/]+)/?$", UsageStatsView.as_view(), name="usage-stats"),
    re_path(
        r"^api/subscription/dashboard/(?P<user_id>[^/]+)/?$",
        DashboardView.as_view(),
        name="subscription-dashboard",
    ),
    path("api/billing/costs", CostsView.as_view(), name="billing-costs"),
    path("api/billing/costs/analytics", CostAnalyticsView.as_view(), name="billing-cost-analytics"),
    path("api/billing/limits", BillingLimitsView.as_view(), name="billing-limits"),
    path("api/", include("subscriptions.api.urls")),
    path("api/", include("usage.api.urls")),
    path("api/", include("alerts.api.urls")),
    path("", include("alwrity_billing.dashboard.urls")),
]
