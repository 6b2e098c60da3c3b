"""A host that keeps no billing tables: it asks a billing server, and `usage` is none of its applications."""

SECRET_KEY = "only-for-this-test"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.host_project.urls_remote"
USE_TZ = True

MIDDLEWARE = [
    "usage.metering.middleware.UsageMeteringMiddleware",
    "tests.host_project.tenants.TenantMiddleware",
]
USAGE_METERING = {
    "CUSTOMER": "request.tenant.customer",
    "END_USER": "request.tenant.person",
    "TAGS": {"team": "request.tenant.team"},
    "METER": "tests.host_project.clients.remote_meter",
}
