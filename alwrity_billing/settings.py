"""The one settings module. Everything a deployment may change is read from the environment, typed.

With nothing set the project runs on one machine by itself: PostgreSQL from its wheel, Celery on the
file-system broker, data under `var/`. `PRODUCTION=true` refuses every convenience that is unsafe there.
`.env.example` lists each variable with its meaning.
"""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import dj_database_url
import environs
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from alwrity_billing import embedded, guards, logs
from alwrity_billing.admin_theme import UNFOLD as UNFOLD
from alwrity_billing.api_schema import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS

BASE_DIR = Path(__file__).resolve().parent.parent

env = environs.Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)

# --- What kind of deployment this is ---

PRODUCTION = env.bool("PRODUCTION", False)
DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", guards.DEVELOPMENT_SECRET_KEY)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
DATABASE_URL = env.str("DATABASE_URL", "")
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", "")

# Whether alerts may go to addresses of this machine and its network, and without TLS.
ALERT_URLS_ALLOW_PRIVATE = env.bool("ALERT_URLS_ALLOW_PRIVATE", False)

if PRODUCTION:
    guards.refuse_unsafe_production(
        secret_key=SECRET_KEY,
        debug=DEBUG,
        database_url=DATABASE_URL,
        broker_url=CELERY_BROKER_URL,
        allowed_hosts=ALLOWED_HOSTS,
        alert_urls_allow_private=ALERT_URLS_ALLOW_PRIVATE,
    )

# --- Services: given by URL, or embedded ---

DATA_DIR = Path(env.str("DATA_DIR", "") or BASE_DIR / "var").resolve()
# Where `manage.py run` serves on this machine.
RUN_HOST = env.str("RUN_HOST", "127.0.0.1")
RUN_PORT = env.int("PORT", 8000)
# Where people reach this installation: what links in emails begin with.
PUBLIC_URL = guards.public_url(
    env.str("PUBLIC_URL", ""),
    otherwise=f"https://{ALLOWED_HOSTS[0].lstrip('.')}" if PRODUCTION else f"http://{RUN_HOST}:{RUN_PORT}",
)
EMBEDDED_POSTGRES = not DATABASE_URL
EMBEDDED_BROKER = not CELERY_BROKER_URL
if EMBEDDED_POSTGRES:
    DATABASE_URL = embedded.database_url(DATA_DIR)

try:
    DATABASES = {"default": dj_database_url.parse(DATABASE_URL, conn_max_age=0, conn_health_checks=True)}
except ValueError as wrong:
    raise ImproperlyConfigured(guards.WRONG_DATABASE_URL) from wrong
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured(guards.WRONG_DATABASE_URL)

DATABASES["default"]["OPTIONS"] = {
    # Statements that take milliseconds are not worth compiling, which takes PostgreSQL half a second and more
    # where it overestimates what they read. Set to nothing behind a pooler that takes no options.
    "options": env.str("DATABASE_SESSION_OPTIONS", "-c jit=off"),
    **DATABASES["default"].get("OPTIONS", {}),
    # Set to 0 behind a pooler that cannot keep prepared statements between transactions.
    "prepare_threshold": env.int("DATABASE_PREPARE_THRESHOLD", 5) or None,
    "connect_timeout": env.int("DATABASE_CONNECT_TIMEOUT_S", 5),
}
# A pool is for processes that serve with threads (wsgi.py and asgi.py say that they do): a command or worker
# needs one connection, and should not have a thread that opens another while the server is being stopped.
if env.bool("DATABASE_POOL", env.bool("SERVING_WITH_THREADS", False)):
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": env.int("DATABASE_POOL_MAX_SIZE", 10),
        "timeout": env.int("DATABASE_POOL_TIMEOUT_S", 10),
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Whoever publishes tries once more and goes on: a request that wakes a worker does not wait for a broker that
# is gone. The connection is told as well, which would wait for six seconds.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_max": 0.2}
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {**CELERY_TASK_PUBLISH_RETRY_POLICY}
if EMBEDDED_BROKER:
    CELERY_BROKER_URL = "filesystem://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS |= embedded.broker_folders(DATA_DIR)
elif CELERY_BROKER_URL.startswith("redis"):
    CELERY_BROKER_TRANSPORT_OPTIONS |= {"socket_connect_timeout": 2, "socket_timeout": 5}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Worker and beat wait for a broker that is away, however long.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# Results are of no interest, failures are: they are kept for staff to see, and for a month.
CELERY_RESULT_BACKEND = "django-db"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_STORE_ERRORS_EVEN_IF_IGNORED = True
CELERY_RESULT_EXTENDED = True
CELERY_RESULT_EXPIRES = timedelta(days=30)
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = env.int("CELERY_TASK_TIME_LIMIT_S", 600)
CELERY_TASK_SOFT_TIME_LIMIT = CELERY_TASK_TIME_LIMIT - 30
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "alwrity_billing.beat:Scheduler"

# --- Applications ---

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_celery_results",
    "csp",
    "usage",
    "subscriptions",
    "alerts",
    "alwrity_billing",
]

MIDDLEWARE = [
    "alwrity_billing.api.problems.ProblemMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "alwrity_billing.csp.PolicyByAreaMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "alwrity_billing.urls"
WSGI_APPLICATION = "alwrity_billing.wsgi.application"
ASGI_APPLICATION = "alwrity_billing.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "alwrity_billing.dashboard.context.frame",
            ],
            "libraries": {
                "addresses": "alwrity_billing.dashboard.addresses",
                "figures": "alwrity_billing.dashboard.figures",
            },
        },
    },
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
WHITENOISE_AUTOREFRESH = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}

# --- Who comes in ---

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"

# Whether newcomers may make accounts of their own, at /sign-up/; otherwise staff and programs make them.
SIGN_UP = env.bool("SIGN_UP", not PRODUCTION)

# Tokens of an external identity provider; off until the JWKS URL is set.
JWT_JWKS_URL = env.str("JWT_JWKS_URL", "")
JWT_ISSUER = env.str("JWT_ISSUER", "")
JWT_AUDIENCE = env.str("JWT_AUDIENCE", "")
JWT_ALGORITHMS = env.list("JWT_ALGORITHMS", ["RS256", "ES256", "EdDSA"])
if any(algorithm.lower().startswith(("hs", "none")) for algorithm in JWT_ALGORITHMS):
    raise ImproperlyConfigured(
        "JWT_ALGORITHMS takes asymmetric algorithms only, such as RS256: whoever holds the key of any other "
        "could sign tokens with it."
    )
if JWT_JWKS_URL and not (JWT_ISSUER and JWT_AUDIENCE):
    raise ImproperlyConfigured("JWT_JWKS_URL is set: JWT_ISSUER and JWT_AUDIENCE must be set with it.")

EMAIL_BACKEND = env.str(
    "EMAIL_BACKEND",
    "django.core.mail.backends.smtp.EmailBackend"
    if PRODUCTION
    else "django.core.mail.backends.console.EmailBackend",
)
EMAIL_HOST = env.str("EMAIL_HOST", "localhost")
EMAIL_PORT = env.int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env.str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env.bool("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT_S", 10, validate=environs.validate.Range(min=1, max=60))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", "billing@localhost")

# --- Browser security ---

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
if PRODUCTION:
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", True)
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", int(timedelta(days=365).total_seconds()))
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", True)
    SECURE_HSTS_PRELOAD = env.bool("SECURE_HSTS_PRELOAD", True)
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    if env.bool("BEHIND_TLS_PROXY", False):
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- HTTP API ---

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["alwrity_billing.api.authentication.PrincipalAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["alwrity_billing.api.envelopes.ApiRenderer"],
    "DEFAULT_PARSER_CLASSES": ["alwrity_billing.api.parsers.JsonParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "alwrity_billing.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": True,
}

# --- Metering ---

# The longest body of a POST to /api/usage/events, counted after gzip is undone.
INGEST_MAX_BODY_BYTES = env.int("INGEST_MAX_BODY_BYTES", 32 * 1024 * 1024)
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_BODY_BYTES
# An event's time may run this far ahead of our clock, and lie this far back; older usage is imported.
INGEST_MAX_CLOCK_SKEW = timedelta(seconds=env.int("INGEST_MAX_CLOCK_SKEW_S", 300))
INGEST_HORIZON = timedelta(days=env.int("INGEST_HORIZON_DAYS", 35))
LOG_PARTITIONS_AHEAD_MONTHS = 3

# How long a hold waits for its settlement when the request names no time, and at most.
AUTHORIZATION_LIFETIME = timedelta(seconds=env.int("AUTHORIZATION_LIFETIME_S", 600))
AUTHORIZATION_MAX_LIFETIME = timedelta(seconds=env.int("AUTHORIZATION_MAX_LIFETIME_S", 86_400))
# Output tokens held for, and allowed to, a call that names no cap, of a model whose maximum is not known and
# an account without a default of its own.
DEFAULT_OUTPUT_CAP = env.int("DEFAULT_OUTPUT_CAP", 4096)

# What the local meter does while the database is away: "closed" refuses calls, "open" lets them pass
# unchecked; what they used waits in this file. Its threads each have a connection of their own.
METERING_FAIL = env.str("METERING_FAIL", "closed", validate=environs.validate.OneOf(["closed", "open"]))
METERING_SPOOL = Path(env.str("METERING_SPOOL", "") or DATA_DIR / "metering" / "spool.sqlite3")
METERING_THREADS = env.int("METERING_THREADS", 4, validate=environs.validate.Range(min=1))

# Whole months for which the usage log is kept after a call's billing period ended, 0: for ever; and days for
# which authorizations are after they were closed.
LOG_RETENTION_MONTHS = env.int("LOG_RETENTION_MONTHS", 0, validate=environs.validate.Range(min=0))
AUTHORIZATION_RETENTION = timedelta(
    days=env.int("AUTHORIZATION_RETENTION_DAYS", 90, validate=environs.validate.Range(min=1))
)

# What the nightly look at the price lists does with what the book lacks: "check" tells, "load" adds it.
PRICE_REFRESH = env.str("PRICE_REFRESH", "check", validate=environs.validate.OneOf(["check", "load"]))
# A refreshed price that moves by more than this factor, up or down, waits for a staff member.
PRICE_CHANGE_FACTOR_LIMIT = env.decimal("PRICE_CHANGE_FACTOR_LIMIT", Decimal(2))

# --- Invoices and payments ---

# Who invoices: printed on every invoice, and kept with it as of the day it was finalized.
INVOICE_SELLER = {
    "name": env.str("INVOICE_SELLER_NAME", "ALwrity Billing"),
    "address": env.list("INVOICE_SELLER_ADDRESS", [], delimiter="|"),
    "tax_id": env.str("INVOICE_SELLER_TAX_ID", ""),
    "email": env.str("INVOICE_SELLER_EMAIL", DEFAULT_FROM_EMAIL),
    "footer": env.str("INVOICE_FOOTER", ""),
}
# A period is closed so long after its end, when whatever was being recorded in it is.
BILLING_CLOSE_GRACE = timedelta(
    seconds=env.int("BILLING_CLOSE_GRACE_S", 600, validate=environs.validate.Range(min=0, max=7 * 86_400))
)
INVOICE_DUE_DAYS = env.int("INVOICE_DUE_DAYS", 14, validate=environs.validate.Range(min=0, max=365))
# Less is not charged but carried over: Stripe refuses it (docs.stripe.com/currencies, minimum amounts).
INVOICE_MINIMUM_CHARGE = env.decimal(
    "INVOICE_MINIMUM_CHARGE",
    Decimal("0.50"),
    validate=environs.validate.Range(min=Decimal(0), max=Decimal(1_000)),
)
# Days after a failed payment until the next attempt, one after the other; then the subscription is paused.
DUNNING_STEPS = [
    timedelta(days=days)
    for days in env.list("DUNNING_STEPS_DAYS", [3, 5, 7], subcast=int, validate=guards.refuse_odd_steps)
]

# --- Stripe ---

STRIPE_API_KEY = env.str("STRIPE_API_KEY", "")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", "")
STRIPE_TIMEOUT_S = env.int("STRIPE_TIMEOUT_S", 20, validate=environs.validate.Range(min=1, max=120))
STRIPE_NETWORK_RETRIES = 1
STRIPE_SIMULATOR_PORT = env.int("STRIPE_SIMULATOR_PORT", RUN_PORT + 1)
STRIPE_API_BASE = "https://api.stripe.com"
# "off": no card is charged. "simulator": the one of `manage.py run`, for development. "stripe": the real one.
STRIPE_MODE = "stripe" if STRIPE_API_KEY else "off" if PRODUCTION else "simulator"
guards.refuse_unsafe_stripe(
    production=PRODUCTION, api_key=STRIPE_API_KEY, webhook_secret=STRIPE_WEBHOOK_SECRET
)
if STRIPE_MODE == "simulator":
    STRIPE_API_KEY = "sk_test_simulator"
    STRIPE_WEBHOOK_SECRET = STRIPE_WEBHOOK_SECRET or guards.development_webhook_secret(SECRET_KEY)
    STRIPE_API_BASE = f"http://127.0.0.1:{STRIPE_SIMULATOR_PORT}"
# Whose events we take: those of real payments or those of tests, never both.
STRIPE_LIVEMODE = STRIPE_API_KEY.startswith(guards.LIVE_KEYS)
# Let Stripe Tax compute the tax of invoices, as what this code is (docs.stripe.com/tax/tax-codes).
STRIPE_TAX = env.bool("STRIPE_TAX", False)
STRIPE_TAX_CODE = env.str("STRIPE_TAX_CODE", "txcd_10103001")
guards.refuse_tax_without_stripe(tax=STRIPE_TAX, mode=STRIPE_MODE)
# Other hosts than ours to which Stripe's pages may send people back.
RETURN_URL_HOSTS: list[str] = env.list("RETURN_URL_HOSTS", [])

# --- Alerts ---

# Whether recording usage wakes a worker at once, or alerts wait for the clock's next minute.
ALERT_KICKS = env.bool("ALERT_KICKS", True)
# For how long alerts are kept with their deliveries, beyond their end where they have one.
ALERT_RETENTION = timedelta(
    days=env.int("ALERT_RETENTION_DAYS", 400, validate=environs.validate.Range(min=30))
)

# --- Logging ---

LOGGING = logs.configuration(json=PRODUCTION, level=env.str("LOG_LEVEL", "INFO"))
