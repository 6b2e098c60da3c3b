"""A host with the billing tables in its own database: calls are checked and recorded in the same process."""

import os
from datetime import timedelta
from pathlib import Path

import dj_database_url

SECRET_KEY = "only-for-this-test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.host_project.urls"
WSGI_APPLICATION = "tests.host_project.wsgi.application"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASES = {"default": dj_database_url.parse(os.environ["HOST_DATABASE_URL"])}
DATABASES["default"]["ATOMIC_REQUESTS"] = True
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 2}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "rest_framework_api_key",
    "usage",
]
MIDDLEWARE = [
    "usage.metering.middleware.UsageMeteringMiddleware",
    "tests.host_project.tenants.TenantMiddleware",
]
USAGE_METERING = {
    "CUSTOMER": "request.tenant.customer",
    "END_USER": "request.tenant.person",
    "TAGS": {"team": "request.tenant.team"},
    "METER": "usage.metering.local.shared",
    "CHECKS": [
        {
            "path": r"/checked/",
            "operations": [
                {
                    "provider": "openai",
                    "model": "gpt-4o",
                    "input_tokens": 1000,
                    "max_output_tokens": 100,
                    "calls": 2,
                }
            ],
        }
    ],
}

# What authorizations and the recording of usage are told.
AUTHORIZATION_LIFETIME = timedelta(minutes=10)
AUTHORIZATION_MAX_LIFETIME = timedelta(days=1)
DEFAULT_OUTPUT_CAP = 4096
LOG_PARTITIONS_AHEAD_MONTHS = 3
METERING_SPOOL = Path(os.environ["HOST_SPOOL"])
