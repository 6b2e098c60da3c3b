"""Addresses of the server-rendered pages, and of Django's own views for logging in and passwords."""

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.urls import include, path, re_path

from alwrity_billing.dashboard import (
    alert_channels,
    alert_deliveries,
    alert_settings,
    alert_views,
    billing_views,
    email_links,
    plan_views,
    usage_views,
    views,
)
from alwrity_billing.dashboard.signing_up import sign_up

ID = "[0-9]{1,18}"

# The templates stand in a folder of their own: the admin shares the names under registration/.
urlpatterns = [
    path("", views.overview, name="overview"),
    path("overview/now/", views.overview_now, name="overview_now"),
    path("usage/", usage_views.usage, name="usage"),
    path("usage/", include("alwrity_billing.dashboard.calls_urls")),
    path("", include("alwrity_billing.dashboard.costs_urls")),
    path("accounts/", views.choose_account, name="choose_account"),
    path("", include("alwrity_billing.dashboard.settings_urls")),
    path("billing/", billing_views.billing, name="billing"),
    path("billing/transactions/", billing_views.transactions, name="transactions"),
    path("billing/invoices/<str:number>/", billing_views.invoice, name="invoice"),
    path("billing/invoices/<str:number>/pdf", billing_views.invoice_pdf, name="invoice_pdf"),
    path("billing/plans/", plan_views.choose_plan, name="choose_plan"),
    re_path(rf"^billing/plans/(?P<plan_id>{ID})/$", plan_views.confirm_plan, name="confirm_plan"),
    path("billing/cancel/", billing_views.cancel, name="billing_cancel"),
    path("billing/keep/", billing_views.keep, name="billing_keep"),
    path("billing/card/", billing_views.card, name="billing_card"),
    path("billing/portal/", billing_views.portal, name="billing_portal"),
    path("", include("alwrity_billing.dashboard.recommendation_urls")),
    path("alerts/unsubscribe/<str:token>/", email_links.unsubscribe, name="alerts_unsubscribe"),
    path("alerts/confirm/<str:token>/", email_links.confirm, name="alerts_confirm"),
    path("alerts/", alert_views.inbox, name="alerts"),
    path("alerts/read/", alert_views.read_all, name="alerts_read_all"),
    re_path(rf"^alerts/(?P<alert_id>{ID})/read/$", alert_views.read, name="alert_read"),
    path("alerts/settings/", alert_settings.settings, name="alert_settings"),
    path("alerts/settings/thresholds/", alert_settings.choose_thresholds, name="alert_thresholds"),
    path("alerts/settings/rules/", alert_settings.choose_rules, name="alert_rules"),
    path("alerts/settings/emails/", alert_settings.choose_emails, name="alert_emails"),
    path("alerts/settings/own-rules/", alert_settings.choose_own_rules, name="alert_own_rules"),
    path("alerts/channels/", alert_channels.add, name="alert_channel_add"),
    re_path(rf"^alerts/channels/(?P<channel_id>{ID})/test/$", alert_channels.test, name="alert_channel_test"),
    re_path(
        rf"^alerts/channels/(?P<channel_id>{ID})/off/$", alert_channels.disable, name="alert_channel_off"
    ),
    re_path(
        rf"^alerts/channels/(?P<channel_id>{ID})/ask-again/$",
        alert_channels.ask_again,
        name="alert_channel_ask_again",
    ),
    re_path(rf"^alerts/channels/(?P<channel_id>{ID})/on/$", alert_channels.enable, name="alert_channel_on"),
    re_path(
        rf"^alerts/channels/(?P<channel_id>{ID})/secret/$",
        alert_channels.rotate_secret,
        name="alert_channel_secret",
    ),
    re_path(
        rf"^alerts/channels/(?P<channel_id>{ID})/remove/$", alert_channels.remove, name="alert_channel_remove"
    ),
    path("alerts/deliveries/", alert_deliveries.deliveries, name="alert_deliveries"),
    path(
        "alerts/deliveries/<uuid:delivery_id>/again/",
        alert_deliveries.try_again,
        name="alert_delivery_again",
    ),
    path(
        "login/",
        auth_views.LoginView.as_view(
            template_name="auth/login.html",
            redirect_authenticated_user=True,
            extra_context={"sign_up": settings.SIGN_UP},
        ),
        name="login",
    ),
    path("sign-up/", sign_up, name="sign_up"),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path(
        "password-change/",
        auth_views.PasswordChangeView.as_view(template_name="auth/password_change.html"),
        name="password_change",
    ),
    path(
        "password-change/done/",
        auth_views.PasswordChangeDoneView.as_view(template_name="auth/password_change_done.html"),
        name="password_change_done",
    ),
    path(
        "password-reset/",
        auth_views.PasswordResetView.as_view(
            template_name="auth/password_reset.html",
            email_template_name="auth/password_reset_email.txt",
            subject_template_name="auth/password_reset_subject.txt",
        ),
        name="password_reset",
    ),
    path(
        "password-reset/done/",
        auth_views.PasswordResetDoneView.as_view(template_name="auth/password_reset_done.html"),
        name="password_reset_done",
    ),
    path(
        "password-reset/<uidb64>/<token>/",
        auth_views.PasswordResetConfirmView.as_view(template_name="auth/password_reset_confirm.html"),
        name="password_reset_confirm",
    ),
    path(
        "password-reset/complete/",
        auth_views.PasswordResetCompleteView.as_view(template_name="auth/password_reset_complete.html"),
        name="password_reset_complete",
    ),
]
