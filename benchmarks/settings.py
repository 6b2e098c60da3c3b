"""The project's settings, with the views to compare with beside its own and the tokens one of them takes."""

from alwrity_billing import settings as project
from alwrity_billing.settings import *  # noqa: F403  # everything else is as it is there

INSTALLED_APPS = [*project.INSTALLED_APPS, "rest_framework.authtoken"]
ROOT_URLCONF = "benchmarks.urls"
