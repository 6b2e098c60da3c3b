from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    """Who pays, on which terms."""

    name = "subscriptions"
    verbose_name = "Subscriptions"
