"""Addresses of the subscriptions app's endpoints, below /api/.

Clients of /api/subscription/ differ on the trailing slash, so that group takes both forms.
"""

from django.urls import path, re_path

from subscriptions.api.budgets import BudgetPauseView, BudgetResumeView, BudgetUpdateView
from subscriptions.api.credits import CreditsView
from subscriptions.api.invoices import InvoicePdfView, InvoicesView, InvoiceView
from subscriptions.api.paying import CheckoutSessionView, PaymentMethodView, PortalSessionView
from subscriptions.api.plans import PlansView
from subscriptions.api.renewals import RenewalHistoryView
from subscriptions.api.status import StatusView
from subscriptions.api.subscribe import SubscribeView
from subscriptions.api.subscription import BillingSubscriptionView, SubscriptionView
from subscriptions.api.transactions import TransactionsView
from subscriptions.api.upcoming import UpcomingInvoiceView
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
    path("billing/invoices", InvoicesView.as_view(), name="billing-invoices"),
    path("billing/invoices/upcoming", UpcomingInvoiceView.as_view(), name="billing-invoice-upcoming"),
    path("billing/invoice/<str:invoice_id>", InvoiceView.as_view(), name="billing-invoice"),
    path("billing/invoice/<str:invoice_id>/pdf", InvoicePdfView.as_view(), name="billing-invoice-pdf"),
    path("billing/transactions", TransactionsView.as_view(), name="billing-transactions"),
    path("billing/budget/update", BudgetUpdateView.as_view(), name="billing-budget-update"),
    path("billing/budget/pause", BudgetPauseView.as_view(), name="billing-budget-pause"),
    path("billing/budget/resume", BudgetResumeView.as_view(), name="billing-budget-resume"),
    path("billing/credits", CreditsView.as_view(), name="billing-credits"),
]
