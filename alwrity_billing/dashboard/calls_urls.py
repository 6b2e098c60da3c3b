"""Addresses of the log of calls and of the downloads, below /usage/."""

from django.urls import path, re_path

from alwrity_billing.dashboard import calls_views, downloads

PLACE = r"-?[0-9]{1,20}\.[0-9]{1,19}"

urlpatterns = [
    path("calls/", calls_views.calls, name="calls"),
    re_path(rf"^calls/(?P<place>{PLACE})/$", calls_views.call, name="call"),
    path("calls.csv", downloads.calls_csv, name="calls_csv"),
    path("export.csv", downloads.usage_csv, name="usage_csv"),
    path("focus.csv", downloads.usage_focus, name="usage_focus"),
]
