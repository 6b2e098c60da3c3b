"""What production mode refuses to start with, each in a sentence that says what to do."""

from django.core.exceptions import ImproperlyConfigured

DEVELOPMENT_SECRET_KEY = "development-only-secret-key-never-use-it-in-production"  # noqa: S105
MINIMUM_SECRET_KEY_LENGTH = 50
LOCAL_BROKERS = ("filesystem:", "memory:")

WRONG_DATABASE_URL = (
    "DATABASE_URL is not a PostgreSQL address. It looks like postgresql://user:password@host:5432/name; "
    "leave it unset to use the embedded PostgreSQL."
)


def refuse_unsafe_production(
    *, secret_key: str, debug: bool, database_url: str, broker_url: str, allowed_hosts: list[str]
) -> None:
    """Raise ImproperlyConfigured naming every unsafe setting at once; return when there is none."""
    faults = [
        (secret_key == DEVELOPMENT_SECRET_KEY, "SECRET_KEY must be set to a random value of your own"),
        (len(secret_key) < MINIMUM_SECRET_KEY_LENGTH, "SECRET_KEY must have at least 50 characters"),
        (debug, "DEBUG must be off"),
        (
            not database_url,
            "DATABASE_URL must name a PostgreSQL server (the embedded one is for development)",
        ),
        (
            not broker_url or broker_url.startswith(LOCAL_BROKERS),
            "CELERY_BROKER_URL must name a Redis, Valkey or RabbitMQ server",
        ),
        (not allowed_hosts or "*" in allowed_hosts, "ALLOWED_HOSTS must list the host names served"),
    ]
    sentences = [sentence for wrong, sentence in faults if wrong]
    if sentences:
        raise ImproperlyConfigured("Refusing to start in production: " + "; ".join(sentences) + ".")
