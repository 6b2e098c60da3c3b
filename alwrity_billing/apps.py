from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project's own pages and commands."""

    name = "alwrity_billing"
    verbose_name = "ALwrity Billing"
