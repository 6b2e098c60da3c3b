"""Addresses of the subscriptions app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from subscriptions.api.plans import PlansView
from subscriptions.api.renewals import RenewalHistoryView
from subscriptions.api.status import StatusView
from subscriptions.api.subscribe import SubscribeView
from subscriptions.api.subscription import BillingSubscriptionView, SubscriptionView

ACCOUNT = "(?P<user_id>[^/]+)"

urlpatterns = [
    re_path(r"^subscription/plans/?$", PlansView.as_view(), name="plans"),
    re_path(
        rf"^subscription/user/{ACCOUNT}/subscription/?$", SubscriptionView.as_view(), name="user-subscription"
    ),
    re_path(rf"^subscription/status/{ACCOUNT}/?$", StatusView.as_view(), name="subscription-status"),
    re_path(rf"^subscription/subscribe/{ACCOUNT}/?$", SubscribeView.as_view(), name="subscribe"),
    re_path(
        rf"^subscription/renewal-history/{ACCOUNT}/?$", RenewalHistoryView.as_view(), name="renewal-history"
    ),
    path("billing/subscription", BillingSubscriptionView.as_view(), name="billing-subscription"),
]
