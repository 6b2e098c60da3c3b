"""Addresses of the alerts app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from alerts.api import channels
from alerts.api.choices import AlertChoicesView
from alerts.api.deliveries import DeliveriesView, RetryDeliveryView
from alerts.api.inbox import AlertsView, MarkAllReadView, MarkReadView

ACCOUNT = "(?P<user_id>[^/]+)"
# As long as an id can be.
NUMBER = "(?P<alert_id>[0-9]{1,19})"
CHANNEL = "^usage/alerts/channels/(?P<channel_id>[0-9]{1,19})"

urlpatterns = [
    re_path(rf"^subscription/alerts/{ACCOUNT}/?$", AlertsView.as_view(), name="alerts"),
    re_path(rf"^subscription/alerts/{NUMBER}/mark-read/?$", MarkReadView.as_view(), name="alert-read"),
    re_path(
        rf"^subscription/alerts/{ACCOUNT}/mark-all-read/?$", MarkAllReadView.as_view(), name="alerts-read"
    ),
    path("usage/alerts", AlertChoicesView.as_view(), name="alert-choices"),
    path("usage/alerts/channels", channels.ChannelsView.as_view(), name="alert-channels"),
    path("usage/alerts/deliveries", DeliveriesView.as_view(), name="alert-deliveries"),
    path(
        "usage/alerts/deliveries/<uuid:delivery_id>/retry",
        RetryDeliveryView.as_view(),
        name="alert-delivery-retry",
    ),
    re_path(rf"{CHANNEL}$", channels.ChannelView.as_view(), name="alert-channel"),
    re_path(rf"{CHANNEL}/test$", channels.ChannelTestView.as_view(), name="alert-channel-test"),
    re_path(rf"{CHANNEL}/enable$", channels.EnableChannelView.as_view(), name="alert-channel-enable"),
    re_path(
        rf"{CHANNEL}/confirm-again$", channels.ConfirmAgainView.as_view(), name="alert-channel-confirm-again"
    ),
    re_path(rf"{CHANNEL}/disable$", channels.DisableChannelView.as_view(), name="alert-channel-disable"),
    re_path(rf"{CHANNEL}/rotate-secret$", channels.RotateSecretView.as_view(), name="alert-channel-secret"),
]
