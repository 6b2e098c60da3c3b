"""Addresses of the subscriptions app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from subscriptions.api.paying import CheckoutSessionView, PaymentMethodView, PortalSessionView
from subscriptions.api.plans import PlansView
from subscriptions.api.renewals import RenewalHistoryView
from subscriptions.api.status import StatusView
from subscriptions.api.subscribe import SubscribeView
from subscriptions.api.subscription import BillingSubscriptionView, SubscriptionView
from subscriptions.api.webhook import webhook

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
    re_path(
        r"^subscription/create-checkout-session/?$", CheckoutSessionView.as_view(), name="create-checkout"
    ),
    re_path(r"^subscription/create-portal-session/?$", PortalSessionView.as_view(), name="create-portal"),
    re_path(r"^subscription/webhook/?$", webhook, name="stripe-webhook"),
    path("billing/payment-method", PaymentMethodView.as_view(), name="payment-method"),
    path("billing/subscription", BillingSubscriptionView.as_view(), name="billing-subscription"),
]
