from importlib import import_module

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from alwrity_billing import roles


class ProjectConfig(AppConfig):
    """The project's own pages and commands."""

    name = "alwrity_billing"
    verbose_name = "ALwrity Billing"

    def ready(self) -> None:
        # The last of our apps that has tables: the permissions of the others are there when it is told.
        ours = [config for config in apps.get_app_configs() if config.label in roles.OUR_APPS]
        last = [config for config in ours if config.models_module is not None][-1]
        post_migrate.connect(roles.bring_up_to_date, sender=last)
        # It needs the models, and this module is read before there are any.
        import_module("alwrity_billing.task_standings").listen()
