"""What production mode refuses to start with, each in a sentence that says what to do."""

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

import environs
from django.core.exceptions import ImproperlyConfigured

DEVELOPMENT_SECRET_KEY = "development-only-secret-key-never-use-it-in-production"  # noqa: S105
MINIMUM_SECRET_KEY_LENGTH = 50
LOCAL_BROKERS = ("filesystem:", "memory:")
LIVE_KEYS = ("sk_live_", "rk_live_")

WRONG_DATABASE_URL = (
    "DATABASE_URL is not a PostgreSQL address. It looks like postgresql://user:password@host:5432/name; "
    "leave it unset to use the embedded PostgreSQL."
)


def refuse_unsafe_production(
    *,
    secret_key: str,
    debug: bool,
    database_url: str,
    broker_url: str,
    allowed_hosts: list[str],
    alert_urls_allow_private: bool,
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
        (
            alert_urls_allow_private,
            "ALERT_URLS_ALLOW_PRIVATE must be off, since customers enter addresses that alerts are sent to",
        ),
    ]
    sentences = [sentence for wrong, sentence in faults if wrong]
    if sentences:
        raise ImproperlyConfigured("Refusing to start in production: " + "; ".join(sentences) + ".")


def public_url(given: str, *, otherwise: str) -> str:
    """`given` without a slash at its end, or `otherwise` where it is empty. Raise ImproperlyConfigured for
    what no path could be put behind.
    """
    if not given:
        return otherwise
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            "PUBLIC_URL is where people reach this installation, such as https://billing.example.com."
        )
    return given.rstrip("/")


def refuse_unsafe_stripe(*, production: bool, api_key: str, webhook_secret: str) -> None:
    """Raise ImproperlyConfigured for a key that would move real money from a development machine, and for one
    whose webhooks nobody could verify.
    """
    if not production and api_key.startswith(LIVE_KEYS):
        raise ImproperlyConfigured(
            "STRIPE_API_KEY is a live key, which moves real money: outside of production use a test key, or "
            "leave it unset to use the simulator."
        )
    if production and api_key and not webhook_secret:
        raise ImproperlyConfigured(
            "STRIPE_API_KEY is set: STRIPE_WEBHOOK_SECRET must be set with it, since without it nobody can "
            "tell Stripe's webhooks from others."
        )


def refuse_odd_steps(days: Sequence[int]) -> None:
    """Raise ValidationError for a step between attempts at a payment that leads back, or nowhere near."""
    within = environs.validate.Range(min=1, max=90)
    for each in days:
        within(each)


def refuse_tax_without_stripe(*, tax: bool, mode: str) -> None:
    """Raise ImproperlyConfigured for tax that nobody would compute."""
    if tax and mode == "off":
        raise ImproperlyConfigured(
            "STRIPE_TAX is on, and without STRIPE_API_KEY nobody computes tax, so that no invoice would ever "
            "be final: set STRIPE_API_KEY, or leave STRIPE_TAX off."
        )


def development_webhook_secret(secret_key: str) -> str:
    """What the simulator signs with: the same in every process of an installation, and no setting to make."""
    derived = hmac.new(secret_key.encode(), b"stripe webhooks", hashlib.sha256).hexdigest()
    return f"whsec_{derived}"
