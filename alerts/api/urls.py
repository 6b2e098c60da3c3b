"""Addresses of the alerts app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import re_path

from alerts.api.inbox import AlertsView, MarkAllReadView, MarkReadView

ACCOUNT = "(?P<user_id>[^/]+)"
# As long as an id can be.
NUMBER = "(?P<alert_id>[0-9]{1,19})"

urlpatterns = [
    re_path(rf"^subscription/alerts/{ACCOUNT}/?$", AlertsView.as_view(), name="alerts"),
    re_path(rf"^subscription/alerts/{NUMBER}/mark-read/?$", MarkReadView.as_view(), name="alert-read"),
    re_path(
        rf"^subscription/alerts/{ACCOUNT}/mark-all-read/?$", MarkAllReadView.as_view(), name="alerts-read"
    ),
]
